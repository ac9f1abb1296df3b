package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxFileBytes bounds one picture file.
const maxFileBytes = 256 << 20

// ReadFile reads one JPEG or PNG file as a frame. An error wraps [ErrCorrupt]
// if the file is not a picture.
func ReadFile(path string) (*Frame, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	f, err := still(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Name = path
	return f, nil
}

// readBounded reads a regular file of at most maxFileBytes.
func readBounded(path string) ([]byte, error) {
	// Opening a pipe that nobody writes to would else not return.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a regular file", path, ErrCorrupt)
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s: %w: %d bytes; want at most %d", path, ErrCorrupt, info.Size(), maxFileBytes)
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(file, data)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the file shrank meanwhile; its decoder will see
	}
	return data[:n], err
}

// fileCamera plays the pictures of a folder, or one file, in name order at a
// fixed rate. Nothing is dropped: every picture is given once a pass.
type fileCamera struct {
	path  string // a file or a folder
	loop  bool
	view  View
	clock Clock
	pace  pace

	names    []string // of this pass
	next     int
	sequence uint64
	closed   bool
}

func openFiles(path string, c Config) (Camera, error) {
	f := &fileCamera{path: path, loop: c.Loop, view: c.View, clock: c.Clock, pace: newPace(c.Clock, c.FPS)}
	if err := f.list(); err != nil {
		return nil, err
	}
	return f, nil
}

// list reads the names anew, so that a looping folder shows what was added.
func (f *fileCamera) list() error {
	f.names, f.next = f.names[:0], 0
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		f.names = append(f.names, f.path)
		return nil
	}
	entries, err := os.ReadDir(f.path) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		if isPicture(e) {
			f.names = append(f.names, filepath.Join(f.path, e.Name()))
		}
	}
	if len(f.names) == 0 {
		return fmt.Errorf("%s: no .jpg, .jpeg or .png file in the folder", f.path)
	}
	return nil
}

// isPicture goes by the name; hidden files and folders are left out.
func isPicture(e fs.DirEntry) bool {
	if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
		return false
	}
	return slices.Contains([]string{".jpg", ".jpeg", ".png"}, strings.ToLower(filepath.Ext(e.Name())))
}

// Next gives the next picture when it is due. A broken or unreadable file
// takes its turn too: it is an ErrCorrupt that names the file, and Next goes
// on after it.
func (f *fileCamera) Next(ctx context.Context) (*Frame, error) {
	if f.closed {
		return nil, ErrClosed
	}
	if f.next == len(f.names) {
		if !f.loop {
			return nil, io.EOF
		}
		if err := f.list(); err != nil {
			return nil, err
		}
	}
	if err := f.pace.wait(ctx); err != nil {
		return nil, err
	}
	path := f.names[f.next]
	f.next++
	sequence := f.sequence
	f.sequence++
	frame, err := ReadFile(path)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, err
	}
	frame.Sequence, frame.Time, frame.View = sequence, f.clock.Now(), f.view
	return frame, nil
}

func (f *fileCamera) Close() error {
	f.closed = true
	return nil
}
