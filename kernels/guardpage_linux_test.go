package kernels

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fence returns n zero elements between two pages that fault when they are read
// or written: right before the upper one or right after the lower one.
func fence[T any](t *testing.T, n int, upper bool) []T {
	t.Helper()
	var zero T
	size, page := n*int(unsafe.Sizeof(zero)), os.Getpagesize()
	room := roundUp(size, page)
	all, err := unix.Mmap(-1, 0, page+room+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(all)) })
	require.NoError(t, unix.Mprotect(all[:page], unix.PROT_NONE))
	require.NoError(t, unix.Mprotect(all[page+room:], unix.PROT_NONE))
	start := page
	if upper {
		start += room - size
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&all[start])), n)
}

// fences runs test for every implementation with both kinds of fences. A fault is
// a panic there, and says where.
func fences(t *testing.T, test func(t *testing.T, impl *implementation, upper bool)) {
	forEach(t, func(t *testing.T) {
		for _, upper := range []bool{true, false} {
			t.Run(fmt.Sprintf("upper=%v", upper), func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				test(t, active, upper)
			})
		}
	})
}

func TestFence(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for _, upper := range []bool{true, false} {
		x := fence[float32](t, 5, upper)
		at := unsafe.Add(unsafe.Pointer(&x[0]), -1)
		if upper {
			at = unsafe.Add(unsafe.Pointer(&x[0]), 4*len(x))
		}
		require.Panics(t, func() { *(*byte)(at) = 1 })
	}
}

func TestFencedGemm(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(20)
		nr := impl.b.rows
		for rows := 1; rows <= 2*impl.tile+1; rows++ {
			kp, tiled := 16*(1+rows%3), roundUp(rows, impl.tile)
			lda, ldc := kp*impl.aType.size(), nr+rows%2
			a, b := fence[byte](t, tiled*lda, upper), fence[byte](t, nr*kp, upper)
			randomBytes(r, a)
			randomBytes(r, b)
			if impl.expand != nil {
				wide := fence[byte](t, 2*nr*kp, upper)
				impl.expand(unsafe.Pointer(&wide[0]), unsafe.Pointer(&b[0]), nr*kp)
				b = wide
			}
			rowScale, rowZero := fence[float32](t, tiled, upper), fence[int32](t, tiled, upper)
			colScale, colSum, bias := fence[float32](t, nr, upper), fence[int32](t, nr, upper), fence[float32](t, nr, upper)
			c := fence[float32](t, (rows-1)*ldc+nr, upper)
			for _, x := range [][]float32{rowScale, colScale, bias, c} {
				fill(r, x, 1)
			}
			for add := range uintptr(2) {
				call := func(c []float32) {
					impl.panel(&gemmArgs{
						a: unsafe.Pointer(&a[0]), lda: uintptr(lda), tile: uintptr(impl.tile * lda),
						b: unsafe.Pointer(&b[0]), c: &c[0], ldc: uintptr(4 * ldc), steps: kp / impl.panelStep, rows: rows,
						rowScale: &rowScale[0], rowZero: &rowZero[0], colScale: &colScale[0], colSum: &colSum[0], bias: &bias[0],
						add: add,
					})
				}
				want := clone(c)
				call(want)
				require.NotPanics(t, func() { call(c) }, "%d rows, k = %d, add = %d", rows, kp, add)
				requireSame(t, want, c, "in other memory")
			}
		}
	})
}

func TestFencedFloatGemm(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(21)
		for rows := 1; rows <= 2*impl.floatRows+1; rows++ {
			for k := 1; k <= 9; k++ {
				lda, ldb, ldc := k+rows%2, floatCols+k%3, floatCols+rows%3
				a, b := fence[float32](t, (rows-1)*lda+k, upper), fence[float32](t, (k-1)*ldb+floatCols, upper)
				c := fence[float32](t, (rows-1)*ldc+floatCols, upper)
				rowScale, bias := fence[float32](t, rows, upper), fence[float32](t, floatCols, upper)
				for _, x := range [][]float32{a, b, c, rowScale, bias} {
					fill(r, x, 1)
				}
				for add := range uintptr(2) {
					call := func(c []float32) {
						impl.floatPanel(&floatArgs{
							a: &a[0], lda: uintptr(4 * lda), b: &b[0], ldb: uintptr(4 * ldb), c: &c[0], ldc: uintptr(4 * ldc),
							k: k, rows: rows, rowScale: &rowScale[0], bias: &bias[0], add: add,
						})
					}
					want := clone(c)
					call(want)
					require.NotPanics(t, func() { call(c) }, "%d rows, k = %d, add = %d", rows, k, add)
					requireSame(t, want, c, "in other memory")
				}
			}
		}
	})
}

func TestFencedDots(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(24)
		for n := dotRows; n <= 3*dotRows; n += dotRows {
			for k := lanes; k <= 3*lanes; k += lanes {
				ld := k + n%3
				q, x, dst := fence[float32](t, k, upper), fence[float32](t, (n-1)*ld+k, upper), fence[float32](t, n, upper)
				fill(r, q, 1)
				fill(r, x, 1)
				want := make([]float32, n)
				genericDots(want, q, x, ld)
				require.NotPanics(t, func() { impl.dots(dst, q, x, ld) }, "%d rows of %d", n, k)
				requireSame(t, want, dst, "dots")
			}
		}
	})
}

func TestFencedTranspose(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(23)
		for k := 4; k <= 20; k += 4 {
			lds, ldd := k+k%3, floatCols+k%5
			src, dst := fence[float32](t, (floatCols-1)*lds+k, upper), fence[float32](t, (k-1)*ldd+floatCols, upper)
			fill(r, src, 1)
			want := make([]float32, len(dst))
			genericTranspose(want, ldd, src, lds, k)
			require.NotPanics(t, func() { impl.transpose(dst, ldd, src, lds, k) }, "k = %d", k)
			requireSame(t, want, dst, "transposed")
		}
	})
}

func TestFencedToFloats(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		for m := 1; m <= 3; m++ {
			for n := lanes; n <= 4*lanes; n += lanes {
				lds, ldd := n+m, n+2*m
				src, dst := fence[byte](t, (m-1)*lds+n, upper), fence[float32](t, (m-1)*ldd+n, upper)
				randomBytes(newRand(24), src)
				want := make([]float32, len(dst))
				genericToFloats(want, ldd, src, lds, m, n)
				require.NotPanics(t, func() { impl.toFloats(dst, ldd, src, lds, m, n) }, "%d rows of %d", m, n)
				requireSame(t, want, dst, "floats")
			}
		}
	})
}

func TestFencedRows(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(22)
		for n := lanes; n <= 9*lanes; n += lanes {
			x, dst := fence[float32](t, n, upper), fence[float32](t, n, upper)
			gamma, beta := fence[float32](t, n, upper), fence[float32](t, n, upper)
			for _, s := range [][]float32{x, gamma, beta} {
				fill(r, s, 1)
			}
			bytes := fence[byte](t, n, upper)
			group := fence[byte](t, impl.a.rows*n*impl.aType.size(), upper)
			for name, f := range map[string]func(){
				"minMax":    func() { impl.minMax(x, 0, 0) },
				"moments":   func() { impl.moments(x, 1e-6) },
				"normalize": func() { impl.normalize(dst, x, gamma, beta, 1, 2) },
				"gelu":      func() { impl.gelu(dst) },
				"softmax":   func() { impl.softmax(dst) },
				"round":     func() { impl.round(unsafe.Pointer(&bytes[0]), x, 0.1) },
				"quantize": func() {
					for i := range impl.a.rows {
						impl.quantize(unsafe.Pointer(&group[impl.a.index(i, 0, n)*impl.aType.size()]), x, 3, 4)
					}
				},
			} {
				require.NotPanics(t, f, "%s of %d elements", name, n)
			}
		}
	})
}

func randomBytes(r *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(r.IntN(255) - 127)
	}
}
