package quant

import (
	"archive/zip"
	"fmt"
	"io"
	"slices"
	"sync"
)

// deflated is a compressed entry of a zip file, from byte start on. Its inflated
// bytes are never held whole: reading its parts in their order inflates it once,
// however many they are, and takes the memory of one part. Going back begins
// anew.
type deflated struct {
	entry  *zip.File
	start  uint64
	cursor *cursor
	open   *openEntries
}

// cursor is where the reading of an entry has come to.
type cursor struct {
	r   io.ReadCloser // nil before the first byte
	pos uint64
}

// openEntries are the entries of an archive that have been read in part, the
// longest open first. A file may have any number of entries, and a reader of one
// takes some 40 KB: the number of those kept is bounded. Blocks that are stacked
// have 16 tensors.
type openEntries struct {
	mu   sync.Mutex // one part is read at a time
	list []*cursor
}

const maxOpenEntries = 32

// size is the number of bytes.
func (d *deflated) size() uint64 { return d.entry.UncompressedSize64 - d.start }

// read returns the bytes from one place to another. With the last one the
// checksum of the whole is compared.
func (d *deflated) read(from, to uint64) ([]byte, error) {
	d.open.mu.Lock()
	defer d.open.mu.Unlock()
	data := make([]byte, to-from)
	if err := d.fill(data, d.start+from); err != nil {
		d.open.close(d.cursor)
		return nil, fmt.Errorf("zip entry %q: %w", d.entry.Name, err)
	}
	return data, nil
}

// fill reads data, which begins at byte from of the entry.
func (d *deflated) fill(data []byte, from uint64) error {
	c := d.cursor
	if c.r == nil || from < c.pos {
		d.open.close(c)
		r, err := d.entry.Open()
		if err != nil {
			return err
		}
		d.open.add(c, r)
	}
	if _, err := io.CopyN(io.Discard, c.r, int64(from-c.pos)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.r, data); err != nil {
		return err
	}
	c.pos = from + uint64(len(data))
	if c.pos == d.entry.UncompressedSize64 {
		if _, err := io.ReadFull(c.r, make([]byte, 1)); err != io.EOF { // where the checksum is compared
			return fmt.Errorf("damaged: %w", err)
		}
		d.open.close(c)
	}
	return nil
}

// add opens a cursor at the start of its entry.
func (o *openEntries) add(c *cursor, r io.ReadCloser) {
	if len(o.list) == maxOpenEntries {
		o.close(o.list[0])
	}
	c.r, c.pos = r, 0
	o.list = append(o.list, c)
}

// close closes a cursor if it is open.
func (o *openEntries) close(c *cursor) {
	if i := slices.Index(o.list, c); i >= 0 {
		o.list = slices.Delete(o.list, i, i+1)
		c.r.Close()
		c.r = nil
	}
}
