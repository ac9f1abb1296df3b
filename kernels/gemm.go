package kernels

import (
	"fmt"
	"unsafe"
)

// MaxK is the largest k of a GEMM: MaxK products of 128·127, and the
// correction of 255·127·MaxK for the zero point, fit in an int32.
const MaxK = 1<<31/(255*127) - 1

// kAlign is what k is padded to in packed A and B. Padding in B is zero, so
// padding in A may be anything.
const kAlign = 16

// blocking is a layout for a matrix whose rows are read in parallel: rows are
// taken in groups, and a group stores depth consecutive elements of each of its
// rows in turn, [⌈m/rows⌉][k/depth][rows][depth].
//
//	blocking{1, d}   row-major
//	blocking{4, 16}  16 elements of row 0, of row 1, 2, 3, then the next 16 of row 0
type blocking struct{ rows, depth int }

// index returns where element (i, k) of a matrix with kp columns stands.
func (b blocking) index(i, k, kp int) int {
	return i/b.rows*b.rows*kp + k/b.depth*b.rows*b.depth + i%b.rows*b.depth + k%b.depth
}

// start is index(i, 0, kp) where rows is a power of two: without divisions, which
// would cost as much as a tenth of the row operations.
func (b blocking) start(i, kp int) int {
	r := i & (b.rows - 1)
	return (i-r)*kp + r*b.depth
}

// elementType is how an implementation stores an activation.
type elementType uint8

const (
	signed8  elementType = iota // int8, q
	biased8                     // uint8, q + 128: VPDPBUSD multiplies unsigned by signed
	signed16                    // int16, q: VPMADDWD multiplies int16
)

// size is the number of bytes of one element.
func (e elementType) size() int {
	if e == signed16 {
		return 2
	}
	return 1
}

// bias is what is added to q before it is stored.
func (e elementType) bias() int32 {
	if e == biased8 {
		return 128
	}
	return 0
}

// Weights is an n×k matrix of int8 weights with one scale and one bias a row
// (output channel), packed for the implementation in use.
type Weights struct {
	impl  *implementation
	n, k  int
	kp    int       // k rounded up to kAlign
	data  []int8    // ⌈n/nr⌉ panels, each nr*kp elements; int16 where wide
	scale []float32 // [n rounded up to nr], the rest zero
	bias  []float32 // likewise
	sum   []int32   // likewise for each part: Σ_k w[n][k], which the zero points multiply
	parts int       // of k, see NewWeights

	computed bool // by PackRows, and not read from a file
}

// PackWeights packs w, n×k row-major with values in [-127, 127]. scale has one
// element a row; bias too, or it is nil for zeros. PackWeights copies what it
// needs. It panics when the sizes do not fit or a weight is -128.
func PackWeights(w []int8, scale, bias []float32, n, k int) *Weights {
	switch {
	case n <= 0 || k <= 0 || k > MaxK:
		panic(fmt.Sprintf("kernels: PackWeights of %d×%d; want n >= 1 and k in [1, %d]", n, k, MaxK))
	case len(w) != n*k:
		panic(fmt.Sprintf("kernels: PackWeights of %d×%d with %d weights", n, k, len(w)))
	case len(scale) != n:
		panic(fmt.Sprintf("kernels: PackWeights of %d rows with %d scales", n, len(scale)))
	case bias != nil && len(bias) != n:
		panic(fmt.Sprintf("kernels: PackWeights of %d rows with %d biases", n, len(bias)))
	}
	p := newWeights(n, k, 1, false)
	copy(p.scale, scale)
	copy(p.bias, bias)
	l := p.impl.b
	for i := range n {
		row := w[i*k : (i+1)*k]
		var sum int32
		for j, v := range row {
			if v == -128 {
				panic(fmt.Sprintf("kernels: PackWeights: weight [%d][%d] is -128; want [-127, 127]", i, j))
			}
			sum += int32(v)
		}
		p.sum[i] = sum
		for j := 0; j < k; j += l.depth {
			copy(p.data[l.index(i, j, p.kp):], row[j:min(j+l.depth, k)])
		}
	}
	return p
}

// newWeights returns zero weights.
func newWeights(n, k, parts int, computed bool) *Weights {
	impl := active
	kp, np := roundUp(k, kAlign), roundUp(n, impl.b.rows)
	w := &Weights{
		impl:  impl,
		n:     n,
		k:     k,
		kp:    kp,
		scale: alignedFloats(np),
		bias:  alignedFloats(np),
		sum:   make([]int32, parts*np),
		parts: parts,

		computed: computed,
	}
	b := aligned(np * kp * w.size())
	w.data = unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
	return w
}

// wide reports whether data is as expand makes it: computed weights are written for each
// product anew, so they are expanded then.
func (w *Weights) wide() bool { return w.computed && w.impl.expand != nil }

// size is the number of bytes of one element.
func (w *Weights) size() int {
	if w.wide() {
		return 2
	}
	return 1
}

// Slice returns the rows [i, j) of weights that PackWeights has made, in the same
// memory. i is a multiple of [PanelRows].
func (w *Weights) Slice(i, j int) *Weights {
	if i < 0 || j <= i || j > w.n || i%w.impl.b.rows != 0 || w.computed {
		panic(fmt.Sprintf("kernels: Slice of the rows [%d, %d) of %d×%d weights; want whole panels of %d rows before them, and none that are computed", i, j, w.n, w.k, w.impl.b.rows))
	}
	s := *w
	s.n, s.data, s.scale, s.bias, s.sum = j-i, w.data[i*w.kp:], w.scale[i:], w.bias[i:], w.sum[i:]
	return &s
}

// Rows returns n, the number of output channels.
func (w *Weights) Rows() int { return w.n }

// gemmArgs is what one call of a micro-kernel works on: a panel of nr columns of
// C, for rows rows. The kernel reads whole tiles of A, so A has rows up to a
// multiple of the tile; it writes exactly rows rows of nr columns. It may change
// the fields.
type gemmArgs struct {
	a        unsafe.Pointer // packed A from the first row of a tile on
	b        unsafe.Pointer // one panel of packed B, or what expand made of it
	next     unsafe.Pointer // the next panel of packed B, which a kernel may prefetch
	c        *float32       // the panel's first column in the first row
	ldc      uintptr        // bytes from one row of C to the next
	steps    int            // k / panelStep
	lda      uintptr        // bytes of one row of A
	tile     uintptr        // bytes of one tile of A, the rows of which are its layout's affair
	skip     uintptr        // bytes of a tile that are not read; of layouts with several rows
	rows     int            // rows of C, at least 1
	rowScale *float32       // [rows up to a multiple of the tile]
	rowZero  *int32         // likewise; zero points as A is stored
	colScale *float32       // [nr]
	colSum   *int32         // [nr]
	bias     *float32       // [nr]
	add      uintptr        // 1: add to C, 0: store
}

// Tile returns how many rows GEMMs take together, int8 and float32. Rows that are
// divided among threads are divided at multiples of it.
func Tile() int { return active.rowTile() }

// rowTile is the least common multiple of the tiles' rows.
func (i *implementation) rowTile() int {
	n := i.tile
	for n%i.floatRows != 0 {
		n += i.tile
	}
	return n
}

// maxRows is the most rows of one call of a micro-kernel, int8 or float32.
const maxRows = 256

// rowsPerCall is how many rows one call of the micro-kernel takes: as many tiles as
// its budget and maxRows allow, at least one.
func (w *Weights) rowsPerCall() int {
	impl := w.impl
	rows := min(impl.budget/(impl.b.rows*w.kp/w.parts), maxRows)
	return max(1, rows/impl.tile) * impl.tile
}

// reserve gives worker the scratch memory that PackRows and products with w need.
func (w *Weights) reserve(worker *Worker) {
	nr := w.impl.b.rows
	if w.computed {
		worker.quantized(packedRows * w.kp * w.size())
	} else if w.impl.expand != nil {
		worker.expanded(2 * nr * w.kp)
	}
	if w.n%nr != 0 {
		worker.tile(w.rowsPerCall() * nr)
	}
}

// Gemm computes
//
//	acc      = Σ_k q[i][k]·b[j][k] - zero[i]·Σ_k b[j][k]         (int32)
//	v        = fma(float32(acc)*bScale[j], aScale[i], bias[j])
//	dst[i·ldc + j] = v, or dst[i·ldc + j] + v where add is set
//
// for the rows i of a and the rows j of b. The float operations are in this
// order on every implementation. Gemm panics when the sizes do not fit.
func (w *Worker) Gemm(dst []float32, ldc int, a *Activations, b *Weights, add bool) {
	if b.parts != 1 {
		panic(fmt.Sprintf("kernels: Gemm with weights of %d parts", b.parts))
	}
	w.GemmPart(dst, ldc, a, 0, a.m, b, 0, add)
}

// GemmPart is Gemm for the rows [i, i+m) of a, where i is a multiple of [Tile], and for
// those k that are the given part of b. The results are the rows of dst from 0 on.
func (w *Worker) GemmPart(dst []float32, ldc int, a *Activations, i, m int, b *Weights, part int, add bool) {
	switch {
	case a.k != b.k:
		panic(fmt.Sprintf("kernels: Gemm of %d×%d activations with %d×%d weights", a.m, a.k, b.n, b.k))
	case a.impl != b.impl:
		panic("kernels: Gemm of activations and weights packed for " + a.impl.name + " and " + b.impl.name)
	case m <= 0 || i < 0 || i+m > a.m || i%a.impl.tile != 0 || part < 0 || part >= b.parts:
		panic(fmt.Sprintf("kernels: Gemm of %d rows from row %d of %d on, part %d of %d; want whole tiles of %d rows before them", m, i, a.m, part, b.parts, a.impl.tile))
	case ldc < b.n || len(dst) < (m-1)*ldc+b.n:
		panic(fmt.Sprintf("kernels: Gemm of %d×%d results into %d elements with ldc %d", m, b.n, len(dst), ldc))
	}
	impl := b.impl
	nr, mr := impl.b.rows, impl.tile
	step := b.rowsPerCall()
	args := &w.gemm
	lda, size := b.kp*impl.aType.size(), b.size()
	k := b.kp / b.parts
	first := part * k * nr * size // byte of a panel
	sum := b.sum[part*len(b.scale):]
	for j := 0; j < b.n; j += nr {
		data := unsafe.Pointer(&b.data[j*b.kp*size+first])
		next := data // the last panel has none
		if j+nr < b.n {
			next = unsafe.Pointer(&b.data[(j+nr)*b.kp*size+first])
		}
		if impl.expand != nil && !b.wide() {
			wide := w.expanded(2 * nr * k)
			impl.expand(wide, data, nr*k)
			data = wide
		}
		for r := 0; r < m; r += step {
			rows := min(step, m-r)
			*args = gemmArgs{
				a: a.at(i+r, part*k), b: data, next: next, lda: uintptr(lda), tile: uintptr(mr * lda), skip: uintptr((b.kp - k) * mr * impl.aType.size()),
				steps: k / impl.panelStep, rows: rows,
				rowScale: &a.scale[i+r], rowZero: &a.zero[i+r],
				colScale: &b.scale[j], colSum: &sum[j], bias: &b.bias[j],
			}
			if j+nr <= b.n {
				args.c, args.ldc = &dst[r*ldc+j], uintptr(4*ldc)
				if add {
					args.add = 1
				}
				impl.panel(args)
				continue
			}
			// A panel with columns beyond C goes to a tile of its own, from
			// which the columns that exist are copied.
			tile := w.tile(rows * nr)
			args.c, args.ldc = &tile[0], uintptr(4*nr)
			impl.panel(args)
			copyTile(dst[r*ldc+j:], ldc, tile, nr, rows, b.n-j, add)
		}
	}
}

// genericPanel is the specification of the micro-kernels, for A row-major and B
// in panels of 4, [k][4].
func genericPanel(g *gemmArgs) {
	const nr = 4
	k := g.steps * kAlign
	b := unsafe.Slice((*int8)(g.b), k*nr)
	scale := unsafe.Slice(g.rowScale, g.rows)
	zero := unsafe.Slice(g.rowZero, g.rows)
	colScale := (*[nr]float32)(unsafe.Pointer(g.colScale))
	colSum := (*[nr]int32)(unsafe.Pointer(g.colSum))
	bias := (*[nr]float32)(unsafe.Pointer(g.bias))
	for i := range g.rows {
		a := unsafe.Slice((*int8)(unsafe.Add(g.a, uintptr(i)*g.tile)), k)
		var acc [nr]int32
		for x, v := range a {
			w := b[x*nr : x*nr+nr : x*nr+nr]
			acc[0] += int32(v) * int32(w[0])
			acc[1] += int32(v) * int32(w[1])
			acc[2] += int32(v) * int32(w[2])
			acc[3] += int32(v) * int32(w[3])
		}
		c := (*[nr]float32)(unsafe.Add(unsafe.Pointer(g.c), uintptr(i)*g.ldc))
		for j := range acc {
			v := dequantize(acc[j]-zero[i]*colSum[j], colScale[j], scale[i], bias[j])
			if g.add != 0 {
				v += c[j]
			}
			c[j] = v
		}
	}
}

// dequantize is the epilogue of the GEMM for one accumulator.
func dequantize(acc int32, colScale, rowScale, bias float32) float32 {
	return fma(float32(acc)*colScale, rowScale, bias)
}
