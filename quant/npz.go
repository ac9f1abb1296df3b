package quant

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A .npz file is a zip file of arrays, each in an entry NAME.npy:
//
//	6 bytes        "\x93NUMPY"
//	2 bytes        format version, 1.0 to 3.0
//	2 or 4 bytes   n, the length of the header, little-endian; 4 from version 2.0 on
//	n bytes        header, a Python dictionary with the keys descr (type),
//	               fortran_order (the first index runs fastest) and shape
//	the rest       the elements
//
// Source: numpy/lib/_format_impl.py.

// maxNumpyHeader is the longest header of an array; NumPy's have 118 bytes.
const maxNumpyHeader = 1 << 16

// numpyTypes are types by NumPy's description. JAX stores bfloat16 as two bytes
// without a meaning.
var numpyTypes = map[string]DType{
	"<f8": F64, "<f4": F32, "<f2": F16, "|V2": BF16, "bfloat16": BF16,
	"<i8": I64, "<i4": I32, "<i2": I16, "|i1": I8, "|u1": U8, "|b1": Bool,
}

// openNPZ reads the headers of all arrays.
func openNPZ(a *archive) (*source, error) {
	s := newSource("NumPy")
	for _, f := range a.files {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		b, err := a.entry(f)
		if err != nil {
			return nil, err
		}
		if err := a.checksum(f, b); err != nil {
			return nil, err
		}
		array, err := numpyArray(f, b)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		array.name = name
		if err := s.add(array); err != nil {
			return nil, err
		}
	}
	s.size = uint64(len(a.data)) + a.inflated()
	return s, nil
}

// numpyArray reads the header of an array. The elements of a compressed one are
// inflated when they are asked for.
func numpyArray(f *zip.File, b block) (array, error) {
	head := b.data
	if b.deflated != nil {
		var err error
		if head, err = inflate(f, min(f.UncompressedSize64, maxNumpyHeader+12)); err != nil {
			return array{}, err
		}
	}
	h, n, err := parseNumpyHeader(head)
	if err != nil {
		return array{}, err
	}
	a := array{dtype: h.dtype, shape: h.shape}
	elems, ok := elements(h.shape)
	size := h.dtype.Size()
	if size == 0 { // Python objects and the like: never read
		return a, nil
	}
	rest := f.UncompressedSize64 - uint64(n)
	if !ok || uint64(elems) != rest/uint64(size) || rest%uint64(size) != 0 {
		return array{}, fmt.Errorf("%s %v does not fill %d bytes", h.dtype, h.shape, rest)
	}
	if h.fortran {
		a.stride = make([]int, len(h.shape))
		step := 1
		for i, d := range h.shape {
			a.stride[i] = step
			step *= max(1, d)
		}
	}
	if b.deflated == nil {
		a.data = b.data[n:]
		return a, nil
	}
	a.deflated = b.deflated
	a.deflated.start = uint64(n)
	return a, nil
}

type numpyHeader struct {
	dtype   DType // an unknown one is as NumPy describes it
	fortran bool
	shape   []int
}

// parseNumpyHeader returns the header of an array and where the elements start.
func parseNumpyHeader(b []byte) (h numpyHeader, length int, err error) {
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		return h, 0, fmt.Errorf("not a NumPy array: it starts with %q", b[:min(len(b), 6)])
	}
	n, start := uint64(binary.LittleEndian.Uint16(b[8:])), 10
	switch b[6] {
	case 1:
	case 2, 3:
		if len(b) < 12 {
			return h, 0, errors.New("the NumPy array is cut short")
		}
		n, start = uint64(binary.LittleEndian.Uint32(b[8:])), 12
	default:
		return h, 0, fmt.Errorf("NumPy format %d.%d; want 1.0 to 3.0", b[6], b[7])
	}
	if n > maxNumpyHeader || n > uint64(len(b)-start) {
		return h, 0, fmt.Errorf("the header has %d bytes; want %d at most, and as many in the file", n, maxNumpyHeader)
	}
	length = start + int(n)
	p := numpyParser{strings.TrimRight(string(b[start:length]), " \n\x00")}
	if h, err = p.header(); err != nil {
		return h, 0, fmt.Errorf("header %.80q: %w", b[start:length], err)
	}
	return h, length, nil
}

// numpyParser reads the literals that NumPy writes: {'key': value, ...}, with
// texts, True, False and tuples of whole numbers as values.
type numpyParser struct{ rest string }

func (p *numpyParser) header() (h numpyHeader, err error) {
	seen := map[string]bool{}
	if !p.accept("{") {
		return h, p.fail("{")
	}
	for !p.accept("}") {
		key, err := p.text()
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fmt.Errorf("key %q stands there twice", key)
		}
		seen[key] = true
		if !p.accept(":") {
			return h, p.fail(":")
		}
		switch key {
		case "descr":
			var descr string
			descr, err = p.text()
			if dtype, ok := numpyTypes[descr]; ok {
				h.dtype = dtype
			} else {
				h.dtype = DType(descr)
			}
		case "fortran_order":
			h.fortran = p.accept("True")
			if !h.fortran && !p.accept("False") {
				err = p.fail("True or False")
			}
		case "shape":
			h.shape, err = p.shape()
		default:
			err = fmt.Errorf("unknown key %q", key)
		}
		if err != nil {
			return h, err
		}
		if !p.accept(",") && !strings.HasPrefix(p.rest, "}") {
			return h, p.fail("}")
		}
	}
	if p.rest != "" {
		return h, p.fail("the end")
	}
	if len(seen) != 3 {
		return h, errors.New("it must have descr, fortran_order and shape")
	}
	return h, nil
}

// accept reads what is given, and the spaces behind it, if it is there.
func (p *numpyParser) accept(what string) bool {
	rest, ok := strings.CutPrefix(p.rest, what)
	if ok {
		p.rest = strings.TrimLeft(rest, " ")
	}
	return ok
}

func (p *numpyParser) fail(want string) error {
	return fmt.Errorf("%.20q stands where %s should", p.rest, want)
}

func (p *numpyParser) text() (string, error) {
	if !p.accept("'") {
		return "", p.fail("a text")
	}
	text, rest, found := strings.Cut(p.rest, "'")
	if !found || strings.Contains(text, `\`) {
		return "", p.fail("a text")
	}
	p.rest = strings.TrimLeft(rest, " ")
	return text, nil
}

func (p *numpyParser) shape() ([]int, error) {
	if !p.accept("(") {
		return nil, p.fail("a shape")
	}
	shape := []int{}
	for !p.accept(")") {
		digits := p.rest[:len(p.rest)-len(strings.TrimLeft(p.rest, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil || len(shape) == 8 {
			return nil, p.fail("a size, one of 8 at most,")
		}
		shape = append(shape, n)
		p.rest = p.rest[len(digits):]
		p.accept("L") // Python 2's long numbers
		if !p.accept(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, p.fail(")")
		}
	}
	return shape, nil
}
