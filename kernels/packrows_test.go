package kernels

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestPackRows: rows of weights that are computed are what PackWeights makes of the same
// integers, however they are divided, and no other row changes.
func TestPackRows(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(32)
		worker := new(Worker)
		for _, k := range sizes() {
			n, ld := 2*active.b.rows+packedRows+3, k+k%3
			ints, scales, bias := make([]int8, n*k), make([]float32, n), make([]float32, n)
			fill(r, bias, 1)
			got := NewWeights(bias, n, k, 1)
			for range 2 { // the second time over what the first has left
				for j0, j1 := 0, 0; j0 < n; j0 = j1 {
					j1 = min(n, j0+1+r.IntN(packedRows+4))
					x := guard((j1-j0-1)*ld+k, j0%4)
					fill(r, x.x, float32(math.Ldexp(1, j0%40-20)))
					switch j0 % 8 {
					case 1:
						clear(x.x)
					case 2:
						for i := range x.x {
							x.x[i] *= 1e-39
						}
					}
					x.freeze()
					worker.PackRows(got, j0, j1, x.x, ld)
					x.check(t, "PackRows")

					for j := j0; j < j1; j++ {
						row := x.x[(j-j0)*ld:][:k]
						var m float32
						for _, v := range row {
							m = max(m, v, -v)
						}
						inv := float32(1)
						if scales[j] = 1; m >= leastRange {
							scales[j], inv = m/127, 127/m
						}
						for i, v := range row {
							ints[j*k+i] = int8(math.RoundToEven(float64(v * inv)))
						}
					}
				}
			}
			want := PackWeights(ints, scales, bias, n, k)
			data := want.data
			if got.wide() {
				wide := make([]int16, len(want.data))
				for i, v := range want.data {
					wide[i] = int16(v)
				}
				data = unsafe.Slice((*int8)(ptr(wide)), 2*len(wide))
			}
			require.Equal(t, data, got.data, "k=%d", k)
			require.Equal(t, want.sum, got.sum, "k=%d: sums", k)
			requireSame(t, want.scale, got.scale, fmt.Sprintf("k=%d: scales", k))
			requireSame(t, want.bias, got.bias, fmt.Sprintf("k=%d: biases", k))
		}
	})
}

// TestGemmPart computes parts of products from the integers, with whole and with broken
// panels and tiles.
func TestGemmPart(t *testing.T) {
	forEach(t, func(t *testing.T) {
		const parts, part = 3, 32
		const k = parts * part
		r := newRand(33)
		m := 3*Tile() + 2
		a := NewActivations(m, k)
		a.Reset(m, k)
		x := make([]float32, k)
		for i := range m {
			fill(r, x, 1)
			a.QuantizeRow(i, x)
		}
		worker := new(Worker)
		for _, n := range []int{2 * active.b.rows, 2*active.b.rows + 5} {
			bias, rows, ints := make([]float32, n), make([]float32, n*k), make([]int8, n*k)
			fill(r, bias, 1)
			fill(r, rows, 1)
			b := NewWeights(bias, n, k, parts)
			worker.PackRows(b, 0, n, rows, k)
			for j := range n {
				row := rows[j*k : (j+1)*k]
				lo, hi := genericMinMax(row, 0, 0)
				genericRound(ptr(ints[j*k:]), row, 127/max(-lo, hi))
			}
			for p := range parts {
				for _, span := range [][2]int{{0, m}, {Tile(), Tile() + 3}, {2 * Tile(), 1}, {Tile(), 2 * Tile()}} {
					i0, rows, ldc := span[0], span[1], n+p
					for _, add := range []bool{false, true} {
						got := guard((rows-1)*ldc+n, p)
						fill(r, got.x, 1)
						want := clone(got.x)
						for i := range rows {
							for j := range n {
								var acc, sum int32
								for x := p * part; x < (p+1)*part; x++ {
									acc += int32(stored(a, a.impl.a.index(i0+i, x, a.kp))) * int32(ints[j*k+x])
									sum += int32(ints[j*k+x])
								}
								acc -= (a.zero[i0+i] - a.impl.aType.bias()) * sum
								v := dequantize(acc, b.scale[j], a.scale[i0+i], bias[j])
								if add {
									v += want[i*ldc+j]
								}
								want[i*ldc+j] = v
							}
						}
						worker.GemmPart(got.x, ldc, a, i0, rows, b, p, add)
						name := fmt.Sprintf("n=%d, part %d, rows %d+%d, add %v", n, p, i0, rows, add)
						requireSame(t, want, got.x, name)
						got.check(t, name)
					}
				}
			}
		}
	})
}

func TestComputedWeightsPanic(t *testing.T) {
	require.Panics(t, func() { NewWeights(nil, 0, 1, 1) })
	require.Panics(t, func() { NewWeights(nil, 1, MaxK+1, 1) })
	require.Panics(t, func() { NewWeights(make([]float32, 2), 3, 1, 1) })
	require.PanicsWithValue(t, "kernels: NewWeights of 1×40 with 0 biases and 2 parts; want n >= 1, k in [1, 66310] and parts of a multiple of 16",
		func() { NewWeights(nil, 1, 40, 2) })
	w := NewWeights(nil, 2, 5, 1)
	require.PanicsWithValue(t, "kernels: PackRows to the rows [2, 3) of 2×5 weights, from 5 elements, rows being 5 apart",
		func() { new(Worker).PackRows(w, 2, 3, make([]float32, 5), 5) })
	require.Panics(t, func() { new(Worker).PackRows(w, 0, 2, make([]float32, 9), 5) })
	require.Panics(t, func() { new(Worker).PackRows(w, 0, 1, make([]float32, 5), 4) })

	loaded := PackWeights(make([]int8, 10), make([]float32, 2), nil, 2, 5)
	require.PanicsWithValue(t, "kernels: PackRows to weights that NewWeights has not made",
		func() { new(Worker).PackRows(loaded, 0, 1, make([]float32, 5), 5) })

	divided := NewWeights(nil, 2, 32, 2)
	a := NewActivations(2*Tile(), 32)
	a.Reset(2*Tile(), 32)
	dst := make([]float32, 4*Tile())
	require.PanicsWithValue(t, "kernels: Gemm with weights of 2 parts", func() { new(Worker).Gemm(dst, 2, a, divided, false) })
	require.Panics(t, func() { new(Worker).GemmPart(dst, 2, a, 0, 1, divided, 2, false) })
	require.Panics(t, func() { new(Worker).GemmPart(dst, 2, a, 0, 1, divided, -1, false) })
	require.Panics(t, func() { new(Worker).GemmPart(dst, 2, a, 0, 0, divided, 0, false) })
	require.Panics(t, func() { new(Worker).GemmPart(dst, 2, a, Tile(), Tile()+1, divided, 0, false) })
	if Tile() > 1 {
		require.Panics(t, func() { new(Worker).GemmPart(dst, 2, a, 1, 1, divided, 0, false) }, "within a tile")
	}
}
