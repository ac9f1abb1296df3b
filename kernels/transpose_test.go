package kernels

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTransposeRows writes ranges of columns, with every remainder of the rows, of k
// and of the columns, and leaves the other columns alone.
func TestTransposeRows(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(15)
		const n = 50
		check := func(k, ld, j0, j1 int) {
			name := fmt.Sprintf("k=%d ld=%d columns [%d, %d)", k, ld, j0, j1)
			src := guard(max(0, (j1-j0-1)*ld+k), 1)
			fill(r, src.x, 1)
			src.freeze()
			p := NewPanels(n, k)
			data := guard(len(p.Data), 0)
			fill(r, data.x, 1)
			p.Data = data.x
			want := clone(p.Data)
			for j := j0; j < j1; j++ {
				for i := range k {
					want[j/16*p.Panel+i*p.LD+j%16] = src.x[(j-j0)*ld+i]
				}
			}
			p.TransposeRows(src.x, ld, j0, j1)
			requireSame(t, want, p.Data, name)
			src.check(t, name)
			data.check(t, name)
		}
		for k := 1; k <= 20; k++ {
			check(k, k, 0, n)
			check(k, k+3, 16, 32)
		}
		for j0 := 0; j0 <= n; j0 += 5 {
			for j1 := j0; j1 <= n; j1++ {
				check(8, 9, j0, j1)
			}
		}
		check(64, 576, 0, n)

		p := NewPanels(17, 8)
		x := make([]float32, 100)
		for _, f := range []func(){
			func() { p.TransposeRows(x, 8, -1, 3) },
			func() { p.TransposeRows(x, 8, 3, 2) },
			func() { p.TransposeRows(x, 8, 30, 33) },
			func() { p.TransposeRows(x, 7, 0, 2) },
			func() { p.TransposeRows(x[:15], 8, 0, 2) },
		} {
			require.Panics(t, f)
		}
	})
}

// TestTransposeInPlace: columns that are not packed, whose rows are further apart.
func TestTransposeInPlace(t *testing.T) {
	forEach(t, func(t *testing.T) {
		const n, k, ld = 32, 12, 40
		src, dst := make([]float32, n*k), make([]float32, k*ld)
		fill(newRand(16), src, 1)
		p := &Panels{Data: dst, LD: ld, Panel: 16, N: n, K: k}
		p.Transpose(src, k, n)
		for j := range n {
			for i := range k {
				requireSame(t, src[j*k+i:j*k+i+1], dst[i*ld+j:i*ld+j+1], fmt.Sprint(i, j))
			}
		}
	})
}
