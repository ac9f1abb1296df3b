package quant

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// dataAlignment is where data starts, and every tensor whose size allows: a
// cache line of the ARM cores and the width of the widest vector.
const dataAlignment = 64

// WriteFile writes a safetensors file in place of whatever path names. The
// bytes depend on the arguments alone.
//
// Tensors are stored in the given order, but those whose size is not a
// multiple of 64 bytes go last, widest type first: since the format allows no
// holes, that is what keeps the others aligned to 64 bytes and each one to its
// element.
//
// The file appears whole or not at all: it is written under another name in
// the same folder, synced, and renamed. After an error the folder is as it was.
func WriteFile(path string, tensors []Tensor, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		if d := cmp.Compare(tail(a), tail(b)); d != 0 || tail(a) == 0 {
			return d
		}
		return cmp.Compare(b.DType.Size(), a.DType.Size())
	})
	header, err := appendHeader(nil, tensors, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return ReplaceFile(path, func(w io.Writer) error {
		if _, err := w.Write(header); err != nil {
			return err
		}
		for _, t := range tensors {
			if _, err := w.Write(t.Data); err != nil {
				return err
			}
		}
		return nil
	})
}

// tail is 1 for a tensor that would misalign the ones behind it.
func tail(t Tensor) int {
	if len(t.Data)%dataAlignment != 0 {
		return 1
	}
	return 0
}

// appendHeader appends the length and the JSON, padded so that the data behind
// it is aligned.
func appendHeader(b []byte, tensors []Tensor, metadata map[string]string) ([]byte, error) {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, '{')
	b = append(b, `"__metadata__":{`...)
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
			return nil, fmt.Errorf("metadata %q is not UTF-8", key)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(appendJSON(b, key), ':'), metadata[key])
	}
	b = append(b, '}')

	offset := 0
	seen := map[string]bool{"__metadata__": true}
	for _, t := range tensors {
		if seen[t.Name] || !utf8.ValidString(t.Name) {
			return nil, fmt.Errorf("tensor %q: the name is taken or not UTF-8", t.Name)
		}
		seen[t.Name] = true
		if err := t.check(); err != nil {
			return nil, err
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{} // a scalar is [], not null
		}
		b = append(appendJSON(append(b, ','), t.Name), ':')
		b = appendJSON(b, struct {
			DType   DType  `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}{t.DType, shape, [2]int{offset, offset + len(t.Data)}})
		offset += len(t.Data)
	}
	b = append(b, '}')
	for len(b)%dataAlignment != 0 {
		b = append(b, ' ')
	}
	if len(b)-8 > maxHeader {
		return nil, fmt.Errorf("the header has %d bytes, more than the %d that readers take", len(b)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, nil
}

// appendJSON appends v without the escapes that only HTML needs. Nothing that
// comes here can fail to be encoded.
func appendJSON(b []byte, v any) []byte {
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
