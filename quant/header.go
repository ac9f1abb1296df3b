package quant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// maxEntries is how many tensors a file may have, and how many keys its metadata.
// The deepest ViT that Config allows has 90,000; a header of maxHeader bytes could
// have two million, and take minutes and a gigabyte.
const maxEntries = 1 << 17

// maxDimensions is twice what NumPy allows.
const maxDimensions = 64

// entry is a tensor as the header announces it, lengths unchecked.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end uint64
}

// parseHeader reads the JSON of a safetensors header. It goes token by token:
// encoding/json would take duplicate keys, unknown fields and fractions.
func parseHeader(header []byte) (entries []entry, metadata map[string]string, err error) {
	d := headerDecoder{json.NewDecoder(bytes.NewReader(header))}
	d.dec.UseNumber()
	metadata = map[string]string{}
	err = d.object(func(key string) error {
		if key == "__metadata__" {
			return d.object(func(key string) (err error) {
				metadata[key], err = d.string()
				return err
			})
		}
		e := entry{name: key}
		if err := d.entry(&e); err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return nil, nil, errors.New("something follows the closing \"}\"")
	}
	return entries, metadata, nil
}

type headerDecoder struct{ dec *json.Decoder }

// token reads one token; the end of the input is an error here.
func (d headerDecoder) token() (json.Token, error) {
	t, err := d.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

// object reads {...} and hands each key, once, to value, which reads what
// belongs to it.
func (d headerDecoder) object(value func(key string) error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.dec.More() {
		key, err := d.string()
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q stands there twice", key)
		}
		if seen[key] = true; len(seen) > maxEntries {
			return fmt.Errorf("more than %d tensors or keys", maxEntries)
		}
		if err := value(key); err != nil {
			return err
		}
	}
	return d.delim('}')
}

func (d headerDecoder) entry(e *entry) error {
	found := 0
	err := d.object(func(key string) (err error) {
		found++
		switch key {
		case "dtype":
			var name string
			name, err = d.string()
			if e.dtype = DType(name); err == nil && e.dtype.Size() == 0 {
				err = fmt.Errorf("dtype %q is not supported", name)
			}
		case "shape":
			err = d.array(func(n uint64) error {
				if n > math.MaxInt {
					return fmt.Errorf("dimension %d of the shape is too large", n)
				}
				if len(e.shape) == maxDimensions {
					return fmt.Errorf("more than %d dimensions", maxDimensions)
				}
				e.shape = append(e.shape, int(n))
				return nil
			})
		case "data_offsets":
			var offsets []uint64
			err = d.array(func(n uint64) error {
				if len(offsets) == 2 {
					return errors.New("data_offsets has more than 2 numbers")
				}
				offsets = append(offsets, n)
				return nil
			})
			if err == nil && len(offsets) != 2 {
				err = fmt.Errorf("data_offsets has %d numbers; want 2", len(offsets))
			}
			if err == nil {
				e.begin, e.end = offsets[0], offsets[1]
			}
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		return err
	})
	if err == nil && found != 3 {
		err = errors.New("it must have dtype, shape and data_offsets")
	}
	return err
}

// array reads [...] of whole numbers.
func (d headerDecoder) array(each func(uint64) error) error {
	if err := d.delim('['); err != nil {
		return err
	}
	for d.dec.More() {
		t, err := d.token()
		if err != nil {
			return err
		}
		number, ok := t.(json.Number)
		if !ok {
			return fmt.Errorf("%v stands where a number should", t)
		}
		n, err := strconv.ParseUint(number.String(), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not a whole number below 2^64", number)
		}
		if err := each(n); err != nil {
			return err
		}
	}
	return d.delim(']')
}

func (d headerDecoder) string() (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%v stands where a string should", t)
	}
	return s, nil
}

func (d headerDecoder) delim(want json.Delim) error {
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("%v stands where %q should", t, want)
	}
	return nil
}
