package quant

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// source is the tensors of a checkpoint, by the names that its files give them.
type source struct {
	format   string
	arrays   []array // in file order
	index    map[string]int
	metadata map[string]string // of a safetensors file

	architecture string // what a training script noted beside the weights
	notes        []Note

	// size bounds the bytes that tensors may take together: views can share
	// memory, and a small file announce a large model.
	size  uint64
	files [][]byte // contents, mapped
	paths []string // of these, and of an index
	unmap []func() error
}

func newSource(format string) *source {
	return &source{format: format, index: map[string]int{}}
}

func (s *source) note(what, value, from string) {
	s.notes = append(s.notes, Note{what, value, from})
}

// add takes a tensor whose name is new.
func (s *source) add(a array) error {
	if _, ok := s.index[a.name]; ok {
		return fmt.Errorf("tensor %q stands there twice", a.name)
	}
	s.index[a.name] = len(s.arrays)
	s.arrays = append(s.arrays, a)
	return nil
}

// find looks for the first of the names that exists.
func (s *source) find(names ...string) (array, bool) {
	for _, name := range names {
		if i, ok := s.index[name]; ok {
			return s.arrays[i], true
		}
	}
	return array{}, false
}

// sum is the SHA-256 of the files, one after the other.
func (s *source) sum() string {
	h := sha256.New()
	for _, f := range s.files {
		h.Write(f)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bytes is the length of the files together.
func (s *source) bytes() (n int64) {
	for _, f := range s.files {
		n += int64(len(f))
	}
	return n
}

// close unmaps the files. A second close does nothing.
func (s *source) close() error {
	var errs []error
	for _, unmap := range s.unmap {
		errs = append(errs, unmap())
	}
	s.unmap, s.arrays, s.files = nil, nil, nil
	return errors.Join(errs...)
}

// openSource maps the weights that a path names and reads their directory,
// whatever their format.
func openSource(path, key string) (*source, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, err // names the path already
	}
	s, err := readSource(path, data, key)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.files == nil { // an index of shards is no weights
		s.files = [][]byte{data}
	}
	s.paths, s.unmap = append(s.paths, path), append(s.unmap, unmap)
	return s, nil
}

// readSource finds the format by the first bytes. The path is where an index of
// shards looks for them; it is "" for a shard, which cannot be an index itself.
func readSource(path string, data []byte, key string) (*source, error) {
	s, err := readFormat(path, data, key)
	if err == nil && key != "" && !strings.HasSuffix(s.format, "PyTorch") {
		s.close()
		return nil, fmt.Errorf("weights %q cannot be chosen in a %s file; it has one set", key, s.format)
	}
	return s, err
}

func readFormat(path string, data []byte, key string) (*source, error) {
	starts := func(prefix string) bool { return bytes.HasPrefix(data, []byte(prefix)) }
	if rest, ok := cutTorchMagic(data); ok {
		return openTorchLegacy(data, rest, key)
	}
	switch {
	case starts("PK\x03\x04"):
		return readArchive(data, key)
	case len(data) >= 9 && string(data[4:9]) == "\x00\x00\x00\x00{":
		// The length of a header, which JSON text cannot look like.
		return openSafetensors(data)
	case bytes.HasPrefix(bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n"), []byte("{")):
		if path == "" {
			return nil, errors.New("an index, which is no weights")
		}
		return openShards(path, data, key)
	case starts("\x80\x02"), starts("\x80\x03"), starts("\x80\x04"), starts("\x80\x05"):
		return nil, errors.New("a pickle, but none that torch.save wrote")
	}
	for _, foreign := range foreignFormats {
		if starts(foreign.start) {
			return nil, errors.New(foreign.what)
		}
	}
	return openSafetensors(data)
}

// readArchive tells PyTorch's zip files from NumPy's.
func readArchive(data []byte, key string) (*source, error) {
	a, err := openArchive(data)
	if err != nil {
		return nil, err
	}
	for _, f := range a.files {
		switch {
		case f.Name == "data.pkl" || strings.HasSuffix(f.Name, "/data.pkl"):
			return openTorch(a, key)
		case strings.HasSuffix(f.Name, ".npy"):
			return openNPZ(a)
		}
	}
	return nil, errors.New("a zip file, but neither PyTorch's (no data.pkl) nor NumPy's (no .npy)")
}

// foreignFormats are told by name, for the reader's first idea would be that
// the file is damaged.
var foreignFormats = []struct{ start, what string }{
	{"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes; want safetensors, PyTorch or .npz"},
	{"GGUF", "a GGUF file; want the float weights it was made of"},
	{"\x93NUMPY", "a single NumPy array; want .npz, which holds many"},
	{"version https://git-lfs", "a Git LFS pointer and not the file itself; fetch that with git lfs pull"},
	{"<!DOCTYPE html", "a web page; the download went wrong"},
	{"<html", "a web page; the download went wrong"},
	{"\x1f\x8b", "a gzip file; unpack it"},
	{"\xfd7zXZ\x00", "an xz file; unpack it"},
	{"\x28\xb5\x2f\xfd", "a zstd file; unpack it"},
}

// openSafetensors makes a source of a mapped safetensors file.
func openSafetensors(data []byte) (*source, error) {
	tensors, metadata, err := parse(data)
	if err != nil {
		return nil, err
	}
	s := newSource("safetensors")
	s.metadata, s.size = metadata, uint64(len(data))
	for _, t := range tensors {
		if err := s.add(arrayOf(t)); err != nil {
			return nil, err
		}
	}
	return s, nil
}
