package quant

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"unicode/utf8"
)

// A safetensors file is
//
//	8 bytes   n, the length of the header, little-endian
//	n bytes   header, JSON in UTF-8, padded with spaces
//	the rest  data: the tensors, back to back, no holes
//
// and the header is
//
//	{"__metadata__": {"key": "value", ...},
//	 "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//
// with offsets in bytes from the start of the data. Source: the format section
// of the README of huggingface/safetensors and the checks of its Rust reader.

// maxHeader is the longest header in bytes that the reference reader takes.
const maxHeader = 100_000_000

// File is an open safetensors file, mapped read-only. Its tensors point into
// the mapping and must not be used after Close.
type File struct {
	tensors  []Tensor // in file order
	index    map[string]int
	metadata map[string]string
	data     []byte // the whole file
	unmap    func() error
}

// OpenFile maps a safetensors file and checks its whole structure. Errors name
// the file, the tensor and the value.
func OpenFile(path string) (*File, error) {
	data, unmap, err := mapFile(path)
	if err != nil {
		return nil, err // names the path already
	}
	f := &File{data: data, unmap: unmap, index: map[string]int{}}
	f.tensors, f.metadata, err = parse(data)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i, t := range f.tensors {
		f.index[t.Name] = i
	}
	return f, nil
}

// Tensors lists the tensors in the order of their data.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Metadata is the header's __metadata__.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Close unmaps the file. A second Close does nothing.
func (f *File) Close() error {
	if f.unmap == nil {
		return nil
	}
	unmap := f.unmap
	f.tensors, f.index, f.data, f.unmap = nil, nil, nil, nil
	return unmap()
}

// parse checks a whole file and returns its tensors in file order.
func parse(file []byte) ([]Tensor, map[string]string, error) {
	if len(file) < 8 {
		return nil, nil, fmt.Errorf("not a safetensors file: it has %d bytes, fewer than the 8 of the header length", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	if n > maxHeader {
		return nil, nil, fmt.Errorf("not a safetensors file: header length %d is more than %d", n, maxHeader)
	}
	if n > uint64(len(file)-8) {
		return nil, nil, fmt.Errorf("safetensors file is cut short: the header has %d bytes, the file only %d after its length", n, len(file)-8)
	}
	header, data := file[8:8+n], file[8+n:]
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, fmt.Errorf("not a safetensors file: header starts with %q; want \"{\"", header[:min(len(header), 4)])
	}
	if !utf8.Valid(header) {
		return nil, nil, fmt.Errorf("safetensors header is not UTF-8")
	}
	entries, metadata, err := parseHeader(header)
	if err != nil {
		return nil, nil, fmt.Errorf("safetensors header: %w", err)
	}
	tensors, err := tile(entries, data)
	return tensors, metadata, err
}

// tile cuts data into the tensors that the header announces. They must fill it
// without hole or overlap, as the format demands.
func tile(entries []entry, data []byte) ([]Tensor, error) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	tensors := make([]Tensor, len(entries))
	var next uint64 // where the previous tensor ended
	var previous string
	for i, e := range entries {
		switch {
		case e.end < e.begin:
			return nil, fmt.Errorf("tensor %q: data_offsets [%d, %d] run backwards", e.name, e.begin, e.end)
		case e.end > uint64(len(data)):
			return nil, fmt.Errorf("tensor %q: data_offsets [%d, %d] reach beyond the file's %d data bytes; it may be cut short", e.name, e.begin, e.end, len(data))
		case e.begin < next:
			return nil, fmt.Errorf("tensor %q: data_offsets [%d, %d] overlap tensor %q, which ends at %d", e.name, e.begin, e.end, previous, next)
		case e.begin > next:
			return nil, fmt.Errorf("tensor %q: data_offsets [%d, %d] leave a hole of %d bytes before it", e.name, e.begin, e.end, e.begin-next)
		}
		next, previous = e.end, e.name
		tensors[i] = Tensor{Name: e.name, DType: e.dtype, Shape: e.shape, Data: data[e.begin:e.end:e.end]}
		if err := tensors[i].check(); err != nil {
			return nil, err
		}
	}
	if next != uint64(len(data)) {
		return nil, fmt.Errorf("%d bytes of data follow the last tensor, which ends at %d", uint64(len(data))-next, next)
	}
	return tensors, nil
}

// regularSize is the size of a file that can be mapped: a regular one that an
// int can count. It looks before opening, since opening a FIFO blocks.
func regularSize(path string) (int, error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: not a regular file", path)
	}
	if st.Size() > math.MaxInt {
		return 0, fmt.Errorf("%s: %d bytes are more than this machine can address", path, st.Size())
	}
	return int(st.Size()), nil
}
