package quant

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// array is a tensor as a source stores it: elements at strides in a block of
// bytes. Transposing, slicing and splitting change the strides and copy
// nothing; [array.tensor] lays the elements out.
type array struct {
	name   string
	dtype  DType
	shape  []int
	stride []int // in elements, one a dimension; nil is row-major
	offset int   // of the first element, in elements
	data   []byte

	// deflated is the block of an array that is compressed in its file. It is nil
	// where data is set.
	deflated *deflated
}

// arrayOf is the array that a tensor is.
func arrayOf(t Tensor) array {
	return array{name: t.Name, dtype: t.DType, shape: t.Shape, data: t.Data}
}

// rowMajorStrides are those of an array without gaps.
func rowMajorStrides(shape []int) []int {
	stride := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= max(1, shape[i])
	}
	return stride
}

// strides is a.stride, written out.
func (a array) strides() []int {
	if a.stride == nil {
		return rowMajorStrides(a.shape)
	}
	return a.stride
}

// extent checks that the elements of a view lie among the n of its storage.
func extent(shape, stride []int, offset, n int) error {
	if len(stride) != len(shape) {
		return fmt.Errorf("%d strides for the %d dimensions of %v", len(stride), len(shape), shape)
	}
	if _, ok := elements(shape); !ok {
		return fmt.Errorf("shape %v has more elements than an int can count", shape)
	}
	if offset < 0 || slices.ContainsFunc(stride, func(s int) bool { return s < 0 }) {
		return fmt.Errorf("offset %d or strides %v are negative", offset, stride)
	}
	if slices.Contains(shape, 0) {
		return nil
	}
	last := uint64(offset)
	for i, s := range stride {
		hi, step := bits.Mul64(uint64(s), uint64(shape[i]-1))
		var carry uint64
		last, carry = bits.Add64(last, step, 0)
		if hi != 0 || carry != 0 {
			return fmt.Errorf("strides %v of shape %v are too large", stride, shape)
		}
	}
	if last >= uint64(n) {
		return fmt.Errorf("shape %v with strides %v from element %d on reaches element %d of a storage of %d", shape, stride, offset, last, n)
	}
	return nil
}

// permute takes the dimensions in another order, as numpy.transpose does.
func (a array) permute(axes []int) array {
	stride := a.strides()
	shape := a.shape
	a.shape, a.stride = make([]int, len(axes)), make([]int, len(axes))
	for i, axis := range axes {
		a.shape[i], a.stride[i] = shape[axis], stride[axis]
	}
	return a
}

// rows is the part-th of parts equal slices along the first dimension.
func (a array) rows(part, parts int) array {
	a.stride = a.strides()
	a.shape = slices.Clone(a.shape)
	a.shape[0] /= parts
	a.offset += part * a.shape[0] * a.stride[0]
	return a
}

// at is the i-th of the arrays that are stacked along the first dimension.
func (a array) at(i int) array {
	stride := a.strides()
	a.offset += i * stride[0]
	a.shape, a.stride = a.shape[1:], stride[1:]
	return a
}

// rowMajor reports whether the elements follow one another without gaps.
func (a array) rowMajor() bool {
	if a.stride == nil || slices.Contains(a.shape, 0) {
		return true
	}
	for i, want := range rowMajorStrides(a.shape) {
		if a.shape[i] != 1 && a.stride[i] != want {
			return false
		}
	}
	return true
}

// span is how many elements lie from the first to the last of an array that is
// not empty.
func (a array) span() int {
	n := 1
	for i, s := range a.strides() {
		n += (a.shape[i] - 1) * s
	}
	return n
}

// bytes is the part of the block that the elements lie in.
func (a array) bytes() ([]byte, error) {
	if slices.Contains(a.shape, 0) {
		return nil, nil // wherever it is
	}
	size := a.dtype.Size()
	from, to := a.offset*size, (a.offset+a.span())*size
	if a.deflated == nil {
		return a.data[from:to:to], nil
	}
	data, err := a.deflated.read(uint64(from), uint64(to))
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", a.name, err)
	}
	return data, nil
}

// tensor lays the elements out row-major. The tensor is a view of the source
// where they lie so, else a copy.
func (a array) tensor() (Tensor, error) {
	t := Tensor{Name: a.name, DType: a.dtype, Shape: a.shape}
	size := a.dtype.Size()
	if size == 0 {
		return t, t.check() // says which type it is
	}
	data, err := a.bytes()
	if err != nil {
		return t, err
	}
	if a.rowMajor() {
		t.Data = data
		return t, nil
	}
	n, _ := elements(a.shape)
	if size > 4 {
		return t, fmt.Errorf("tensor %q: %s cannot be transposed", a.name, a.dtype)
	}
	t.Data = make([]byte, n*size)
	gather(t.Data, data, a.shape, a.stride, size)
	return t, nil
}

// gatherTile is the side of the square that gather copies at a time: 32 lines
// of 64 bytes each on both sides stay in a level 1 cache while a transposition
// reads one and writes the other across.
const gatherTile = 32

// gather copies the elements at the strides to dst, row-major. The elements
// have 1, 2 or 4 bytes.
func gather(dst, src []byte, shape, stride []int, size int) {
	switch len(shape) {
	case 0:
		copy(dst, src[:size])
		return
	case 1:
		gatherMatrix(dst, src, 1, shape[0], 0, stride[0], size)
		return
	case 2:
		gatherMatrix(dst, src, shape[0], shape[1], stride[0], stride[1], size)
		return
	}
	part := len(dst) / shape[0]
	for i := range shape[0] {
		gather(dst[i*part:][:part], src[i*stride[0]*size:], shape[1:], stride[1:], size)
	}
}

func gatherMatrix(dst, src []byte, rows, cols, rowStride, colStride, size int) {
	for r0 := 0; r0 < rows; r0 += gatherTile {
		for c0 := 0; c0 < cols; c0 += gatherTile {
			for r := r0; r < min(rows, r0+gatherTile); r++ {
				for c := c0; c < min(cols, c0+gatherTile); c++ {
					d, s := dst[(r*cols+c)*size:], src[(r*rowStride+c*colStride)*size:]
					switch size {
					case 4:
						binary.LittleEndian.PutUint32(d, binary.LittleEndian.Uint32(s))
					case 2:
						binary.LittleEndian.PutUint16(d, binary.LittleEndian.Uint16(s))
					default:
						d[0] = s[0]
					}
				}
			}
		}
	}
}
