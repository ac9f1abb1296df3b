package kernels

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDots covers every remainder of the rows and of their length.
func TestDots(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(16)
		check := func(n, k, ld int) {
			name := fmt.Sprintf("%d rows of %d, %d apart", n, k, ld)
			q, x, dst := guard(k, 1), guard((n-1)*ld+k, 2), guard(n, 3)
			fill(r, q.x, 1)
			fill(r, x.x, 1)
			fill(r, dst.x, 1)
			q.freeze()
			x.freeze()
			want := make([]float32, n)
			for i := range want {
				var l [16]float32
				for j := range k {
					l[j%16] = fma(q.x[j], x.x[i*ld+j], l[j%16])
				}
				for apart := 8; apart > 0; apart /= 2 {
					for j := range apart {
						l[j] += l[j+apart]
					}
				}
				want[i] = l[0]
			}
			Dots(dst.x, q.x, x.x, ld)
			requireSame(t, want, dst.x, name)
			q.check(t, name)
			x.check(t, name)
			dst.check(t, name)
		}
		for n := 1; n <= 13; n++ {
			for _, k := range []int{1, 15, 16, 17, 32, 48, 64, 80} {
				check(n, k, k)
				check(n, k, k+5)
			}
		}
		check(197, 64, 576)
		check(300, 4096, 4097) // more than one call takes

		x := make([]float32, 100)
		for _, f := range []func(){
			func() { Dots(x[:0], x[:16], x, 16) },
			func() { Dots(x[:4], x[:0], x, 16) },
			func() { Dots(x[:4], x[:16], x, 15) },
		} {
			require.Panics(t, f)
		}
		require.PanicsWithValue(t, "kernels: Dots of 16 elements with 4 rows, 16 apart, in 63 elements", func() { Dots(x[:4], x[:16], x[:63], 16) })
	})
}
