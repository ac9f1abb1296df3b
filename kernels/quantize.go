package kernels

import (
	"fmt"
	"math"
	"unsafe"
)

// Activations is an m×k matrix of int8 activations with one scale and zero point
// a row (token), in the layout of the implementation in use. Its memory is
// allocated once and used again and again.
type Activations struct {
	impl       *implementation
	m, k, kp   int
	maxM, maxK int
	data       []byte
	scale      []float32
	zero       []int32 // as stored: the zero point plus elementType.bias
}

// NewActivations returns room for matrices of up to maxM×maxK.
func NewActivations(maxM, maxK int) *Activations {
	if maxM <= 0 || maxK <= 0 || maxK > MaxK {
		panic(fmt.Sprintf("kernels: NewActivations of %d×%d; want m >= 1 and k in [1, %d]", maxM, maxK, MaxK))
	}
	impl := active
	mp := roundUp(maxM, impl.tile)
	return &Activations{
		impl:  impl,
		maxM:  maxM,
		maxK:  maxK,
		data:  aligned(mp * roundUp(maxK, kAlign) * impl.aType.size()),
		scale: alignedFloats(mp),
		zero:  make([]int32, mp),
	}
}

// Reset makes a an m×k matrix, of which every row is then to be written with
// QuantizeRow or a method that quantizes several.
func (a *Activations) Reset(m, k int) {
	if m <= 0 || k <= 0 || m > a.maxM || k > a.maxK {
		panic(fmt.Sprintf("kernels: Activations.Reset to %d×%d; have room for %d×%d", m, k, a.maxM, a.maxK))
	}
	a.m, a.k, a.kp = m, k, roundUp(k, kAlign)
}

// at returns where element k of row i is; i is a multiple of the layout's rows, k of its
// depth.
func (a *Activations) at(i, k int) unsafe.Pointer {
	return unsafe.Pointer(&a.data[(i*a.kp+k*a.impl.a.rows)*a.impl.aType.size()])
}

// QuantizeRow writes row i:
//
//	lo, hi = min(x..., 0), max(x..., 0)
//	scale  = (hi - lo) / 255, or 1 where hi - lo is below 2⁻¹⁰⁰, which is nothing
//	zero   = round(-128 - lo/scale)
//	q[k]   = clamp(round(fma(x[k], 1/scale, zero)), -128, 127)
//
// with 1/scale computed as 255 / (hi - lo). Zero is always representable. Rows may
// be written concurrently.
func (a *Activations) QuantizeRow(i int, x []float32) {
	if i < 0 || i >= a.m || len(x) != a.k {
		panic(fmt.Sprintf("kernels: QuantizeRow of row %d, %d elements, in a %d×%d matrix", i, len(x), a.m, a.k))
	}
	lo, hi := minMax(a.impl, x)
	a.quantizeRow(i, x, lo, hi)
}

// rowsTogether is how many rows LayerNormRows, GELURows and QuantizeRows take through
// one step after the other. A row's sums, its range, divisions and a square root
// are one long chain; a core that executes out of order hides its latency behind the
// other rows. So few rows stay in a level 1 cache of 32 KiB, 1000 elements wide,
// with what LayerNorm makes of them. Two rows gain half as much as four.
const rowsTogether = 4

// QuantizeRows is QuantizeRow for x, rows of K elements one behind the other, which it
// writes to the rows from i on.
func (a *Activations) QuantizeRows(i int, x []float32) {
	a.checkRows("QuantizeRows", i, x)
	k := a.k
	for len(x) > 0 {
		n := min(rowsTogether, len(x)/k)
		var lo, hi [rowsTogether]float32
		for j := range n {
			lo[j], hi[j] = minMax(a.impl, x[j*k:(j+1)*k])
		}
		for j := range n {
			a.quantizeRow(i+j, x[j*k:(j+1)*k], lo[j], hi[j])
		}
		i, x = i+n, x[n*k:]
	}
}

// checkRows panics unless x is whole rows, at least one, of which a has room from row
// i on.
func (a *Activations) checkRows(method string, i int, x []float32) {
	if rows := len(x) / a.k; i < 0 || rows == 0 || i+rows > a.m || len(x) != rows*a.k {
		panic(fmt.Sprintf("kernels: %s of %d elements from row %d on in a %d×%d matrix", method, len(x), i, a.m, a.k))
	}
}

// quantizeRow is QuantizeRow where the row's range is known.
func (a *Activations) quantizeRow(i int, x []float32, lo, hi float32) {
	impl := a.impl
	l, e := impl.a, impl.aType
	body := len(x) &^ (lanes - 1)
	if body > 0 {
		scale, zero := impl.quantize(unsafe.Pointer(&a.data[l.start(i, a.kp)*e.size()]), x[:body], lo, hi)
		a.scale[i], a.zero[i] = scale, zero+e.bias()
		if body == len(x) {
			return
		}
	}
	scale, inv, zero := rowScale(lo, hi)
	a.scale[i], a.zero[i] = scale, zero+e.bias()
	for k := body; k < len(x); k++ {
		e.store(a.data, l.index(i, k, a.kp), quantize(x[k], inv, float32(zero)))
	}
}

// RefineRow writes row i so that it holds what quantization has left of row of,
// which was x:
//
//	rest[k] = x[k] - scale·(q[of][k] - zero)
//
// The products of rows of and i with the same weights then add up to that of x
// with 16 bits. rest is scratch memory as long as x.
func (a *Activations) RefineRow(i, of int, x, rest []float32) {
	if of < 0 || of >= a.m || len(x) != a.k || len(rest) != a.k {
		panic(fmt.Sprintf("kernels: RefineRow of row %d, %d elements, %d of scratch, in a %d×%d matrix", of, len(x), len(rest), a.m, a.k))
	}
	l, e := a.impl.a, a.impl.aType
	scale, zero := a.scale[of], a.zero[of]
	for k := 0; k < len(x); k += l.depth {
		at := l.index(of, k, a.kp)
		for j := k; j < min(k+l.depth, len(x)); j++ {
			rest[j] = x[j] - float32(scale*float32(e.load(a.data, at+j-k)-zero))
		}
	}
	a.QuantizeRow(i, rest)
}

// quantizeFunc writes the row x, whose length is a multiple of lanes and whose range
// is that of lo and hi, to dst, the place of its first element in the implementation's
// layout.
type quantizeFunc func(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)

// expandFunc widens n weights of a panel from int8 to int16.
type expandFunc func(dst, src unsafe.Pointer, n int)

// leastRange is the least range of a row that is not taken for none: 255/r would
// overflow from 7.5e-37 down.
const leastRange = 0x1p-100

// rowScale returns the scale of a row with the given range, its inverse and the
// zero point, which is in [-128, 127]: -lo is at most r, so -lo·inv is at most 255 and
// three roundings.
func rowScale(lo, hi float32) (scale, inv float32, zero int32) {
	r := hi - lo
	if r < leastRange {
		return 1, 1, 0
	}
	inv = 255 / r
	return r / 255, inv, int32(math.RoundToEven(float64(-128 - float32(lo*inv))))
}

// quantize returns the int8 of x.
func quantize(x, inv, zero float32) int8 {
	r := math.RoundToEven(float64(fma(x, inv, zero)))
	return int8(max(-128, min(127, r)))
}

// store writes q as element i of an array of e.
func (e elementType) store(data []byte, i int, q int8) {
	switch e {
	case signed16:
		*(*int16)(unsafe.Pointer(&data[2*i])) = int16(q)
	default:
		data[i] = byte(int32(q) + e.bias())
	}
}

// load returns element i of an array of e, as stored.
func (e elementType) load(data []byte, i int) int32 {
	switch e {
	case signed16:
		return int32(*(*int16)(unsafe.Pointer(&data[2*i])))
	case signed8:
		return int32(int8(data[i]))
	}
	return int32(data[i])
}

// minMax returns the range of x, widened to contain 0.
func minMax(impl *implementation, x []float32) (lo, hi float32) {
	body := len(x) &^ (lanes - 1)
	lo, hi = impl.minMax(x[:body], 0, 0)
	return genericMinMax(x[body:], lo, hi)
}

// genericMinMax returns the least and the greatest of lo, hi and x.
func genericMinMax(x []float32, lo, hi float32) (float32, float32) {
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

// genericQuantize writes a row-major int8 row.
func genericQuantize(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) {
	scale, inv, zero := rowScale(lo, hi)
	q := unsafe.Slice((*int8)(dst), len(x))
	for i, v := range x {
		q[i] = quantize(v, inv, float32(zero))
	}
	return scale, zero
}
