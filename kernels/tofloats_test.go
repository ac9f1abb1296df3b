package kernels

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestToFloats(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(17)
		for _, n := range sizes() {
			for _, m := range []int{1, 2, 5} {
				lds, ldd := n+n%3, n+n%4
				src, dst := make([]byte, (m-1)*lds+n), guard((m-1)*ldd+n, n%3)
				for i := range src {
					src[i] = byte(r.IntN(256))
				}
				clear(dst.x)
				want := make([]float32, len(dst.x))
				for i := range m {
					for j := range n {
						want[i*ldd+j] = float32(src[i*lds+j])
					}
				}
				ToFloats(dst.x, ldd, src, lds, m, n)
				name := fmt.Sprintf("%d×%d", m, n)
				requireSame(t, want, dst.x, name)
				dst.check(t, name)
			}
		}
		x, b := make([]float32, 40), make([]byte, 40)
		for _, f := range []func(){
			func() { ToFloats(x, 20, b, 20, 3, 1) },
			func() { ToFloats(x[:39], 20, b, 20, 2, 20) },
			func() { ToFloats(x, 20, b[:39], 20, 2, 20) },
			func() { ToFloats(x, 19, b, 20, 2, 20) },
			func() { ToFloats(x, 20, b, 19, 2, 20) },
			func() { ToFloats(x, 20, b, 20, 0, 20) },
		} {
			require.Panics(t, f)
		}
	})
}
