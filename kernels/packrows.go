package kernels

import (
	"fmt"
	"unsafe"
)

// NewWeights returns room for n×k weights that are computed and not read from a file:
// the keys of attention. They are zero until PackRows writes them. bias has n elements,
// or it is nil for zeros. k is divided in equal parts, of which GemmPart multiplies one;
// their length is a multiple of 16 where there are several.
func NewWeights(bias []float32, n, k, parts int) *Weights {
	if n <= 0 || k <= 0 || k > MaxK || bias != nil && len(bias) != n || parts <= 0 || parts > 1 && k%(parts*kAlign) != 0 {
		panic(fmt.Sprintf("kernels: NewWeights of %d×%d with %d biases and %d parts; want n >= 1, k in [1, %d] and parts of a multiple of %d", n, k, len(bias), parts, MaxK, kAlign))
	}
	w := newWeights(n, k, parts, true)
	copy(w.bias, bias)
	return w
}

// PanelRows returns how many rows of weights GEMMs take together. A product with
// weights of another number of rows computes as much as with the next multiple.
func PanelRows() int { return active.b.rows }

// PackRows quantizes rows of float32, K elements each and ld apart, to the rows [j0, j1)
// of b:
//
//	m     = max |x|
//	scale = m / 127
//	q[k]  = round(x[k]·(127 / m))
//
// Where m is below 2⁻¹⁰⁰, as in rows of zeros, the scale is 1 and q is 0.
// b is of NewWeights. Different rows may be written concurrently, by different workers.
func (w *Worker) PackRows(b *Weights, j0, j1 int, x []float32, ld int) {
	if !b.computed {
		panic("kernels: PackRows to weights that NewWeights has not made")
	}
	if j0 < 0 || j1 < j0 || j1 > b.n || ld < b.k || j0 < j1 && len(x) < (j1-j0-1)*ld+b.k {
		panic(fmt.Sprintf("kernels: PackRows to the rows [%d, %d) of %d×%d weights, from %d elements, rows being %d apart", j0, j1, b.n, b.k, len(x), ld))
	}
	size := b.kp * b.size() // bytes of a row
	rows := w.quantized(packedRows * size)
	for j := j0; j < j1; {
		n := min(packedRows-j%packedRows, j1-j)
		for i := range n {
			w.quantizeWeights(b, rows[i*size:(i+1)*size], j+i, x[(j-j0+i)*ld:][:b.k])
		}
		b.store(j, n, rows)
		j += n
	}
}

// packedRows is how many rows of weights are stored together: as many as transpose takes.
const packedRows = floatCols

// quantizeWeights writes the row x to q, row-major, and its scale and sums to row j.
func (w *Worker) quantizeWeights(b *Weights, q []int8, j int, x []float32) {
	lo, hi := minMax(b.impl, x)
	scale, inv := float32(1), float32(1)
	if m := max(-lo, hi); m >= leastRange {
		scale, inv = m/127, 127/m
	}
	b.scale[j] = scale
	narrow := q
	if b.wide() {
		narrow = q[b.kp:] // the upper half, which is read before it is overwritten
	}
	part := len(x) / b.parts
	for p := range b.parts {
		b.sum[p*len(b.scale)+j] = roundRow(b.impl, narrow[p*part:], x[p*part:(p+1)*part], inv)
	}
	clear(narrow[len(x):b.kp])
	if b.wide() {
		b.impl.expand(unsafe.Pointer(&q[0]), unsafe.Pointer(&narrow[0]), b.kp)
	}
}

// roundFunc writes round(x[k]·inv) to dst and returns the sum. No product is beyond ±127
// by more than the rounding of inv.
type roundFunc func(dst unsafe.Pointer, x []float32, inv float32) (sum int32)

func roundRow(impl *implementation, dst []int8, x []float32, inv float32) (sum int32) {
	body := len(x) &^ (lanes - 1)
	if body > 0 {
		sum = impl.round(unsafe.Pointer(&dst[0]), x[:body], inv)
	}
	if body < len(x) {
		sum += genericRound(unsafe.Pointer(&dst[body]), x[body:], inv)
	}
	return sum
}

func genericRound(dst unsafe.Pointer, x []float32, inv float32) (sum int32) {
	q := unsafe.Slice((*int8)(dst), len(x))
	for i, v := range x {
		q[i] = quantize(v, inv, 0)
		sum += int32(q[i])
	}
	return sum
}

// store copies n rows, row-major, to the rows from j on of the layout [k/depth][rows][depth].
// Where depth elements are four bytes and all rows are there, that is a transposition of
// elements of four bytes.
func (w *Weights) store(j, n int, rows []int8) {
	l, size := w.impl.b, w.size()
	group := l.depth * size // bytes
	at := func(j int) unsafe.Pointer { return unsafe.Pointer(&w.data[l.index(j, 0, w.kp)*size]) }
	if group == 4 && n == packedRows {
		k := w.kp / l.depth // a multiple of 4
		src := unsafe.Slice((*float32)(unsafe.Pointer(&rows[0])), n*k)
		dst := unsafe.Slice((*float32)(at(j)), (k-1)*l.rows+n)
		w.impl.transpose(dst, l.rows, src, k, k)
		return
	}
	for i := range n {
		to, from, groups := at(j+i), unsafe.Pointer(&rows[i*w.kp*size]), w.kp/l.depth
		switch group {
		case 1:
			scatter[int8](to, from, l.rows, groups)
		case 4:
			scatter[[4]int8](to, from, l.rows, groups)
		case 8:
			scatter[[8]int8](to, from, l.rows, groups)
		case 16:
			scatter[[16]int8](to, from, l.rows, groups)
		default:
			panic(fmt.Sprintf("kernels: %s has %d bytes of a row together", w.impl.name, group))
		}
	}
}

// scatter copies n groups of elements, stride groups apart.
func scatter[T any](to, from unsafe.Pointer, stride, n int) {
	var t T
	size := unsafe.Sizeof(t)
	for i := range uintptr(n) {
		*(*T)(unsafe.Add(to, i*uintptr(stride)*size)) = *(*T)(unsafe.Add(from, i*size))
	}
}
