package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// Tensor is a named array, row-major.
type Tensor struct {
	Name  string
	DType DType
	Shape []int
	Data  []byte // little-endian; may point into a mapped, read-only file
}

// littleEndian reports whether the machine's numbers look like the file's.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// elements multiplies a shape, false when the product overflows an int.
func elements(shape []int) (int, bool) {
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt {
			return 0, false
		}
		n = lo
	}
	return int(n), true
}

// check reports a length that does not follow from shape and type.
func (t Tensor) check() error {
	size := t.DType.Size()
	if size == 0 {
		return fmt.Errorf("tensor %q: unknown dtype %q", t.Name, t.DType)
	}
	n, ok := elements(t.Shape)
	if !ok || n > math.MaxInt/size || n*size != len(t.Data) {
		return fmt.Errorf("tensor %q: %s %v does not fill %d bytes", t.Name, t.DType, t.Shape, len(t.Data))
	}
	return nil
}

// Float32s returns the elements of an F32, F16 or BF16 tensor. The slice is a
// view of Data where type, alignment and byte order allow, else a copy; it is
// read-only. A NaN or an infinity is an error that names tensor and index.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if !t.DType.Float() {
		return nil, fmt.Errorf("tensor %q: dtype is %s; want F32, F16 or BF16", t.Name, t.DType)
	}
	if err := t.finite(0); err != nil {
		return nil, err
	}
	n := len(t.Data) / t.DType.Size()
	if n == 0 {
		return nil, nil
	}
	if t.DType == F32 && littleEndian && uintptr(unsafe.Pointer(&t.Data[0]))%4 == 0 {
		return unsafe.Slice((*float32)(unsafe.Pointer(&t.Data[0])), n), nil
	}
	dst := make([]float32, n)
	for i := range dst {
		dst[i] = t.float(i)
	}
	return dst, nil
}

// float is element i of a float tensor.
func (t Tensor) float(i int) float32 {
	switch t.DType {
	case F16:
		return float16(binary.LittleEndian.Uint16(t.Data[2*i:]))
	case BF16:
		return bfloat16(binary.LittleEndian.Uint16(t.Data[2*i:]))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
}

// finite reports the first element of a float tensor that is NaN or infinite.
// Such elements are the ones whose exponent bits are all ones: adding one to
// the exponent carries into the sign's place.
func (t Tensor) finite(first int) error {
	var carry uint32
	switch t.DType {
	case F32:
		for d := t.Data; len(d) >= 4; d = d[4:] {
			carry |= binary.LittleEndian.Uint32(d)&0x7f800000 + 0x00800000
		}
		carry &= 0x80000000
	case F16:
		for d := t.Data; len(d) >= 2; d = d[2:] {
			carry |= uint32(binary.LittleEndian.Uint16(d)&0x7c00) + 0x0400
		}
		carry &= 0x8000
	case BF16:
		for d := t.Data; len(d) >= 2; d = d[2:] {
			carry |= uint32(binary.LittleEndian.Uint16(d)&0x7f80) + 0x0080
		}
		carry &= 0x8000
	}
	if carry == 0 {
		return nil
	}
	for i := range len(t.Data) / t.DType.Size() {
		if v := float64(t.float(i)); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("tensor %q: element %d of %v is %g; weights must be finite", t.Name, first+i, t.Shape, v)
		}
	}
	return nil
}

// Int8s returns the elements of an I8 tensor as a read-only view of Data.
func (t Tensor) Int8s() ([]int8, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.DType != I8 {
		return nil, fmt.Errorf("tensor %q: dtype is %s; want I8", t.Name, t.DType)
	}
	if len(t.Data) == 0 {
		return nil, nil
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(&t.Data[0])), len(t.Data)), nil
}

// rows is the part-th of parts equal slices along the first dimension.
func (t Tensor) rows(part, parts int) Tensor {
	shape := slices.Clone(t.Shape)
	shape[0] /= parts
	n := len(t.Data) / parts
	return Tensor{Name: t.Name, DType: t.DType, Shape: shape, Data: t.Data[part*n : (part+1)*n : (part+1)*n]}
}

// float32Tensor wraps v, whose memory it shares where the byte order allows.
func float32Tensor(name string, shape []int, v []float32) Tensor {
	t := Tensor{Name: name, DType: F32, Shape: shape}
	switch {
	case len(v) == 0:
	case littleEndian:
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
	default:
		for _, f := range v {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(f))
		}
	}
	return t
}

// int8Tensor wraps v, whose memory it shares.
func int8Tensor(name string, shape []int, v []int8) Tensor {
	t := Tensor{Name: name, DType: I8, Shape: shape}
	if len(v) > 0 {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), len(v))
	}
	return t
}
