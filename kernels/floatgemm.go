package kernels

import (
	"fmt"
	"unsafe"
)

// floatCols is the number of columns in a panel of the float32 GEMM.
const floatCols = 16

// Panels is the right operand of a float32 product: a k×n matrix in panels of 16
// columns. Element (k, j) is Data[j/16·Panel + k·LD + j%16]. That covers packed
// weights, where a panel is contiguous, and a matrix whose rows are contiguous
// and n a multiple of 16, which needs no packing: Panel is 16 and LD its row
// length.
type Panels struct {
	Data  []float32 // the last panel too has room for 16 columns
	LD    int       // elements from one k to the next
	Panel int       // elements from one panel to the next
	N, K  int       // columns, and the length of the sums
	Bias  []float32 // [N rounded up to 16], added to each row of the result
}

// NewPanels returns room for a packed k×n matrix, all zero.
func NewPanels(n, k int) *Panels {
	np := roundUp(n, floatCols)
	return &Panels{
		Data: alignedFloats(np * k), LD: floatCols, Panel: floatCols * k,
		N: n, K: k, Bias: alignedFloats(np),
	}
}

// PackFloatWeights packs w, n×k row-major, one row an output channel. bias has n
// elements, or it is nil for zeros.
func PackFloatWeights(w, bias []float32, n, k int) *Panels {
	if n <= 0 || k <= 0 || len(w) != n*k || bias != nil && len(bias) != n {
		panic(fmt.Sprintf("kernels: PackFloatWeights of %d×%d with %d weights and %d biases", n, k, len(w), len(bias)))
	}
	p := NewPanels(n, k)
	copy(p.Bias, bias)
	p.Transpose(w, k, n)
	return p
}

// floatArgs is what one call of the float32 micro-kernel works on: 16 columns of C
// for rows rows.
type floatArgs struct {
	a        *float32 // first row of A
	lda      uintptr  // bytes from one row of A to the next
	b        *float32 // first row of the panel of B
	ldb      uintptr  // bytes
	panel    uintptr  // bytes from one panel of B to the next, for kernels that take two
	c        *float32
	ldc      uintptr  // bytes
	k        int      // at least 1
	rows     int      // at least 1; no row beyond them is read or written
	rowScale *float32 // [rows]
	bias     *float32 // [16]
	add      uintptr  // 1: add to C, 0: store
} // the kernel may change the fields

// ones are the row scales of products that have none.
var ones = func() (s [maxRows]float32) {
	for i := range s {
		s[i] = 1
	}
	return s
}()

// Mul computes
//
//	acc[i][j] = fma(a[i][k], b[k][j], acc[i][j]) for k = 0, 1, …, from 0
//	v         = fma(acc[i][j], rowScale[i], bias[j])
//	dst[i·ldc + j] = v, or dst[i·ldc + j] + v where add is set
//
// for m rows of a, which start lda apart. rowScale has m elements, or it is nil
// for ones. Mul panics when the sizes do not fit.
func (w *Worker) Mul(dst []float32, ldc int, a []float32, lda, m int, b *Panels, rowScale []float32, add bool) {
	switch {
	case m <= 0 || lda < b.K || len(a) < (m-1)*lda+b.K:
		panic(fmt.Sprintf("kernels: Mul of %d rows of %d elements, %d apart, from %d", m, b.K, lda, len(a)))
	case ldc < b.N || len(dst) < (m-1)*ldc+b.N:
		panic(fmt.Sprintf("kernels: Mul of %d×%d results into %d elements with ldc %d", m, b.N, len(dst), ldc))
	case rowScale != nil && len(rowScale) < m:
		panic(fmt.Sprintf("kernels: Mul of %d rows with %d scales", m, len(rowScale)))
	}
	panels := (b.N + floatCols - 1) / floatCols
	impl := active
	step := max(1, min(impl.floatBudget/(floatCols*b.K), maxRows)/impl.floatRows) * impl.floatRows
	args := &w.float
	for panel, n := 0, 1; panel < panels; panel += n {
		j := panel * floatCols
		run := impl.floatPanel
		if n = 1; impl.floatPair != nil && panel+1 < panels && j+2*floatCols <= b.N {
			n, run = 2, impl.floatPair
		}
		for r := 0; r < m; r += step {
			rows := min(step, m-r)
			*args = floatArgs{
				a: &a[r*lda], lda: uintptr(4 * lda), b: &b.Data[panel*b.Panel], ldb: uintptr(4 * b.LD),
				panel: uintptr(4 * b.Panel), k: b.K, rows: rows, rowScale: &ones[0], bias: &b.Bias[j],
			}
			if rowScale != nil {
				args.rowScale = &rowScale[r]
			}
			if j+floatCols <= b.N {
				args.c, args.ldc = &dst[r*ldc+j], uintptr(4*ldc)
				if add {
					args.add = 1
				}
				run(args)
				continue
			}
			tile := w.tile(rows * floatCols)
			args.c, args.ldc = &tile[0], 4*floatCols
			impl.floatPanel(args)
			copyTile(dst[r*ldc+j:], ldc, tile, floatCols, rows, b.N-j, add)
		}
	}
}

// copyTile copies or adds the first cols columns of a tile with ld columns to dst.
func copyTile(dst []float32, ldc int, tile []float32, ld, rows, cols int, add bool) {
	for i := range rows {
		d := dst[i*ldc : i*ldc+cols]
		for x, v := range tile[i*ld:][:cols] {
			if add {
				v += d[x]
			}
			d[x] = v
		}
	}
}

// genericFloatPanel is the specification of the float32 micro-kernels.
func genericFloatPanel(g *floatArgs) {
	scale := unsafe.Slice(g.rowScale, g.rows)
	bias := (*[floatCols]float32)(unsafe.Pointer(g.bias))
	for i := range g.rows {
		a := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(g.a), uintptr(i)*g.lda)), g.k)
		var acc [floatCols]float32
		for k, v := range a {
			b := (*[floatCols]float32)(unsafe.Add(unsafe.Pointer(g.b), uintptr(k)*g.ldb))
			for j := range acc {
				acc[j] = fma(v, b[j], acc[j])
			}
		}
		c := (*[floatCols]float32)(unsafe.Add(unsafe.Pointer(g.c), uintptr(i)*g.ldc))
		for j, s := range acc {
			v := fma(s, scale[i], bias[j])
			if g.add != 0 {
				v += c[j]
			}
			c[j] = v
		}
	}
}
