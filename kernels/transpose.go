package kernels

import "fmt"

// Transpose writes src, n rows of K elements that start ld apart, to the first n
// columns of p.
func (p *Panels) Transpose(src []float32, ld, n int) { p.TransposeRows(src, ld, 0, n) }

// TransposeRows writes src, rows of K elements that start ld apart, to the columns
// [j0, j1) of p. Different columns may be written concurrently.
func (p *Panels) TransposeRows(src []float32, ld, j0, j1 int) {
	if j0 < 0 || j1 < j0 || j1 > roundUp(p.N, floatCols) || ld < p.K || j0 < j1 && len(src) < (j1-j0-1)*ld+p.K {
		panic(fmt.Sprintf("kernels: TransposeRows to the columns [%d, %d) of %d, from %d elements, rows of %d being %d apart",
			j0, j1, p.N, len(src), p.K, ld))
	}
	impl := active
	for j := j0; j < j1; {
		rows := src[(j-j0)*ld:]
		panel := p.Data[j/floatCols*p.Panel:]
		n, k := min(floatCols-j%floatCols, j1-j), 0
		if n == floatCols {
			if k = p.K &^ 3; k > 0 {
				impl.transpose(panel[:(k-1)*p.LD+floatCols], p.LD, rows[:(floatCols-1)*ld+k], ld, k)
			}
		}
		if k < p.K {
			transpose(panel[k*p.LD+j%floatCols:], p.LD, rows[k:], ld, n, p.K-k)
		}
		j += n
	}
}

// transpose writes n rows of k elements to n columns.
func transpose(dst []float32, ldd int, src []float32, lds, n, k int) {
	for j := range n {
		for i, v := range src[j*lds:][:k] {
			dst[i*ldd+j] = v
		}
	}
}

// genericTranspose writes 16 rows of k elements, a multiple of 4, to 16 columns:
// element i of the row j, src[j·lds + i], to dst[i·ldd + j].
func genericTranspose(dst []float32, ldd int, src []float32, lds, k int) {
	transpose(dst, ldd, src, lds, floatCols, k)
}
