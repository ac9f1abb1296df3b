package outbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"vitedge/cmd/vitedge/internal/wholefile"
)

// A journal is an append-only file of records, all integers little-endian:
//
//	offset  size  field
//	0       4     CRC-32C of everything after it in the record
//	4       4     length n of the body
//	8       1     kind: 1 push, 2 remove
//	9       8     id of the message
//	17      n     body of a push: 1 byte of flags (1: retain), 2 bytes of
//	              topic length, topic, payload; none for a remove
//
// The file starts with magic. Reading stops at the first record that is cut
// short or fails its checksum, and the file is cut there: what a power cut or
// a full disk left half written was never promised to anyone. Records go to
// the kernel at once, so they outlive kill -9; fsync runs once a second while
// there is something new, so a power cut costs at most the last second.
const (
	magic       = "vitedge outbox 1\n"
	headerBytes = 17
	pushKind    = 1
	removeKind  = 2
	retainFlag  = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Journal keeps the waiting messages of a Queue on disk. All methods work on
// nil, which keeps nothing.
type Journal struct {
	path string
	log  *slog.Logger
	q    *Queue // the queue's lock guards everything below

	file    *os.File // nil until it could be written once
	size    int64    // of the file, up to the last whole record
	dirty   bool     // written since the last fsync
	failing bool     // the last write failed and was reported
	retry   time.Time
	pause   time.Duration // before the next try, if that fails too
	buf     []byte
}

// The pauses between two tries to write a file that could not be written. Each
// try costs a full disk a file that is written and removed.
const minPause, maxPause = time.Second, time.Minute

// OpenJournal restores into q what an earlier process left at path, oldest
// first and within the bounds of q, and keeps q there from now on, or as soon
// as the disk allows. A file that is no journal is set aside, not lost; one
// that cannot be read is an error, and is left alone.
func OpenJournal(q *Queue, path string, log *slog.Logger) (*Journal, error) {
	j := &Journal{path: path, log: log, q: q}
	wholefile.Clean(path)
	messages, next, err := restore(path)
	if errors.Is(err, errNotJournal) {
		aside := path + ".bad"
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
		log.Warn("the outbox file was not one and was set aside", "file", path, "now", aside)
	} else if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}

	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = next
	for _, m := range messages {
		for q.n > 0 && (q.n >= q.maxMessages || q.bytes+m.cost() > q.maxBytes) {
			q.dropOldest()
		}
		q.stats.Accepted++
		if m.cost() > q.maxBytes {
			q.stats.Dropped++
			continue
		}
		q.append(m)
	}
	if q.n > 0 {
		q.wake()
	}
	// A fresh file holds just what waits, whatever state the old one was in.
	if err := j.rewrite(); err != nil {
		j.fail(err)
	}
	q.journal = j
	return j, nil
}

var errNotJournal = errors.New("not an outbox file")

func restore(path string) (messages []Message, next uint64, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return parse(data)
}

// parse reads the messages that were pushed and not removed, and the id after
// the last. An empty file is an empty journal.
func parse(data []byte) (messages []Message, next uint64, err error) {
	if len(data) == 0 {
		return nil, 0, nil
	}
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return nil, 0, errNotJournal
	}
	waiting := make(map[uint64]Message)
	var order []uint64
	for rest := data[len(magic):]; ; {
		kind, id, body, tail, ok := decodeRecord(rest)
		if !ok {
			break
		}
		rest = tail
		next = max(next, id+1)
		if kind == removeKind {
			delete(waiting, id)
			continue
		}
		if m, ok := decodeMessage(id, body); ok {
			waiting[id] = m
			order = append(order, id)
		}
	}
	for _, id := range order {
		if m, ok := waiting[id]; ok {
			messages = append(messages, m)
			delete(waiting, id)
		}
	}
	return messages, next, nil
}

func appendRecord(dst []byte, kind byte, id uint64, body ...[]byte) []byte {
	start, n := len(dst), 0
	for _, b := range body {
		n += len(b)
	}
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	dst = append(dst, kind)
	dst = binary.LittleEndian.AppendUint64(dst, id)
	for _, b := range body {
		dst = append(dst, b...)
	}
	binary.LittleEndian.PutUint32(dst[start:], crc32.Checksum(dst[start+4:], castagnoli))
	return dst
}

func decodeRecord(data []byte) (kind byte, id uint64, body, rest []byte, ok bool) {
	if len(data) < headerBytes {
		return 0, 0, nil, nil, false
	}
	n := int64(binary.LittleEndian.Uint32(data[4:]))
	end := headerBytes + n
	if end > int64(len(data)) || crc32.Checksum(data[4:end], castagnoli) != binary.LittleEndian.Uint32(data) {
		return 0, 0, nil, nil, false
	}
	return data[8], binary.LittleEndian.Uint64(data[9:]), data[headerBytes:end], data[end:], true
}

func appendPush(dst []byte, m Message) []byte {
	head := []byte{0, 0, 0}
	if m.Retain {
		head[0] = retainFlag
	}
	binary.LittleEndian.PutUint16(head[1:], uint16(len(m.Topic)))
	return appendRecord(dst, pushKind, m.id, head, []byte(m.Topic), m.Payload)
}

func decodeMessage(id uint64, body []byte) (Message, bool) {
	if len(body) < 3 {
		return Message{}, false
	}
	n := int(binary.LittleEndian.Uint16(body[1:]))
	if 3+n > len(body) {
		return Message{}, false
	}
	return Message{Topic: string(body[3 : 3+n]), Payload: body[3+n:], Retain: body[0]&retainFlag != 0, id: id}, true
}

func (j *Journal) pushed(m Message) {
	if j == nil {
		return
	}
	j.buf = appendPush(j.buf[:0], m)
	j.write()
}

func (j *Journal) removed(id uint64) {
	if j == nil {
		return
	}
	j.buf = appendRecord(j.buf[:0], removeKind, id)
	j.write()
}

// write appends buf. A failure must not stop the daemon: the messages are
// still in memory. The file is cut back to its last whole record, and Run
// tries to write it anew.
func (j *Journal) write() {
	if j.failing {
		return
	}
	if _, err := j.file.WriteAt(j.buf, j.size); err != nil {
		j.fail(err)
		return
	}
	j.size += int64(len(j.buf))
	j.dirty = true
	// Removed records are dead weight; a file that is mostly that is rewritten.
	if j.size > 4*int64(j.q.maxBytes)+64<<10 {
		if err := j.rewrite(); err != nil {
			j.fail(err)
		}
	}
}

func (j *Journal) fail(err error) {
	j.failing, j.pause = true, minPause
	j.retry = time.Now().Add(j.pause)
	if j.file != nil {
		j.file.Truncate(j.size)
	}
	j.log.Error("waiting messages cannot be kept on disk and would be lost in a restart", "file", j.path, "err", err)
}

// rewrite replaces the file by one that holds just the waiting messages.
func (j *Journal) rewrite() (err error) {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return err
	}
	f, err := wholefile.Temp(j.path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	data := []byte(magic)
	for i := range j.q.n {
		data = appendPush(data, *j.q.at(i))
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), j.path); err != nil {
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.size, j.dirty = f, int64(len(data)), false
	return syncDir(filepath.Dir(j.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// tick brings new records to the disk, and a failing journal back.
func (j *Journal) tick() {
	j.q.mu.Lock()
	if j.failing {
		j.again()
		j.q.mu.Unlock()
		return
	}
	dirty, f := j.dirty, j.file
	j.dirty = false
	j.q.mu.Unlock()
	// The lock is not held: fsync on an SD card takes up to seconds, and Push
	// must not wait for it. A file closed by rewrite meanwhile was synced there.
	if dirty {
		if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			j.q.mu.Lock()
			j.fail(err)
			j.q.mu.Unlock()
		}
	}
}

// again tries to write a failing file, if it is time to.
func (j *Journal) again() {
	if time.Now().Before(j.retry) {
		return
	}
	if err := j.rewrite(); err != nil {
		j.pause = min(2*j.pause, maxPause)
		j.retry = time.Now().Add(j.pause)
		return
	}
	j.failing = false
	j.log.Info("waiting messages are kept on disk again", "file", j.path)
}

// Run syncs once a second until done is closed, then closes the file.
func (j *Journal) Run(done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			j.tick()
		case <-done:
			j.q.mu.Lock()
			j.retry = time.Time{} // the last chance
			j.q.mu.Unlock()
			j.tick()
			j.q.mu.Lock()
			defer j.q.mu.Unlock()
			j.q.journal = nil
			if j.file != nil {
				j.file.Close()
			}
			return
		}
	}
}

// Failing reports whether the last write failed.
func (j *Journal) Failing() bool {
	if j == nil {
		return false
	}
	j.q.mu.Lock()
	defer j.q.mu.Unlock()
	return j.failing
}
