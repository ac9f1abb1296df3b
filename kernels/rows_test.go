package kernels

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// rows runs test for every implementation, size and a few alignments, on random
// rows.
func rows(t *testing.T, test func(t *testing.T, x *guarded, n, off int)) {
	forEach(t, func(t *testing.T) {
		r := newRand(2)
		for _, n := range sizes() {
			for _, off := range []int{0, 1, 5} {
				x := guard(n, off)
				fill(r, x.x, 3)
				test(t, x, n, off)
			}
		}
	})
}

func clone(x []float32) []float32 { return append([]float32{}, x...) }

func TestLayerNorm(t *testing.T) {
	rows(t, func(t *testing.T, x *guarded, n, off int) {
		r := newRand(uint64(n))
		gamma, beta, dst := guard(n, off+1), guard(n, 0), guard(n, off)
		fill(r, gamma.x, 1)
		fill(r, beta.x, 1)
		x.freeze()
		gamma.freeze()
		beta.freeze()

		mean, rstd := genericMoments(x.x, 1e-6)
		want := make([]float32, n)
		genericNormalize(want, x.x, gamma.x, beta.x, mean, rstd)

		LayerNorm(dst.x, x.x, gamma.x, beta.x, 1e-6)
		requireSame(t, want, dst.x, fmt.Sprintf("n=%d off=%d", n, off))
		for _, g := range []*guarded{x, gamma, beta, dst} {
			g.check(t, fmt.Sprintf("LayerNorm n=%d", n))
		}
		inPlace := guard(n, off)
		copy(inPlace.x, x.x)
		LayerNorm(inPlace.x, inPlace.x, gamma.x, beta.x, 1e-6)
		requireSame(t, want, inPlace.x, fmt.Sprintf("in place, n=%d", n))
	})
}

// TestRowsTogether: LayerNormRows, GELURows and QuantizeRows do what LayerNorm, GELU
// and QuantizeRow do row by row, whatever the number of rows, and write no others.
func TestRowsTogether(t *testing.T) {
	forEach(t, func(t *testing.T) {
		const m = 2*rowsTogether + 5
		r := newRand(14)
		for _, k := range []int{1, 15, 16, 48, 80, 192, 197} {
			gamma, beta := make([]float32, k), make([]float32, k)
			fill(r, gamma, 1)
			fill(r, beta, 1)
			for rows := 1; rows <= 2*rowsTogether+1; rows++ {
				i := rows % 4
				x := make([]float32, rows*k)
				fill(r, x, 1)
				check := func(name string, row func(x []float32), together func(a *Activations, x []float32) []float32) {
					name = fmt.Sprintf("%s of %d rows of %d", name, rows, k)
					want, got := NewActivations(m, k), NewActivations(m, k)
					want.Reset(m, k)
					got.Reset(m, k)
					floats := clone(x)
					for j := range rows {
						row(floats[j*k : (j+1)*k])
						want.QuantizeRow(i+j, floats[j*k:(j+1)*k])
					}
					in := guard(rows*k, 1)
					copy(in.x, x)
					requireSame(t, floats, together(got, in.x), name)
					in.check(t, name)
					requireSameActivations(t, want, got, name)
				}
				layerNorm := func(x []float32) { LayerNorm(x, x, gamma, beta, 1e-6) }
				check("LayerNormRows", layerNorm, func(a *Activations, x []float32) []float32 {
					dst, before := guard(rows*k, 0), clone(x)
					a.LayerNormRows(i, dst.x, x, gamma, beta, 1e-6)
					dst.check(t, "LayerNormRows")
					requireSame(t, before, x, "input")
					return dst.x
				})
				check("LayerNormRows in place", layerNorm, func(a *Activations, x []float32) []float32 {
					a.LayerNormRows(i, x, x, gamma, beta, 1e-6)
					return x
				})
				check("GELURows", GELU, func(a *Activations, x []float32) []float32 {
					a.GELURows(i, x)
					return x
				})
				check("QuantizeRows", func([]float32) {}, func(a *Activations, x []float32) []float32 {
					a.QuantizeRows(i, x)
					return x
				})
			}
		}
	})
}

func requireSameActivations(t *testing.T, want, got *Activations, name string) {
	t.Helper()
	require.Equal(t, want.data, got.data, name)
	requireSame(t, want.scale, got.scale, name+": scale")
	require.Equal(t, want.zero, got.zero, name+": zero points")
}

// TestLayerNormAccuracy compares with the definition in float64.
func TestLayerNormAccuracy(t *testing.T) {
	r := newRand(3)
	x, dst := make([]float32, 192), make([]float32, 192)
	fill(r, x, 2)
	one, zero := make([]float32, 192), make([]float32, 192)
	for i := range one {
		one[i] = 1
	}
	LayerNorm(dst, x, one, zero, 1e-6)
	var mean, sq float64
	for _, v := range x {
		mean += float64(v) / 192
	}
	for _, v := range x {
		sq += (float64(v) - mean) * (float64(v) - mean) / 192
	}
	for i, v := range x {
		require.InDelta(t, (float64(v)-mean)/math.Sqrt(sq+1e-6), float64(dst[i]), 2e-6)
	}
}

func TestSoftmaxExp(t *testing.T) {
	rows(t, func(t *testing.T, x *guarded, n, off int) {
		if n > 3 {
			x.x[n/2] = -1e30 // padding
			x.x[n/3] = x.x[n/4]
		}
		want := clone(x.x)
		wantSum := genericSoftmax(want)
		sum := SoftmaxExp(x.x)
		requireSame(t, []float32{wantSum}, []float32{sum}, fmt.Sprintf("sum, n=%d", n))
		requireSame(t, want, x.x, fmt.Sprintf("n=%d off=%d", n, off))
		x.check(t, fmt.Sprintf("SoftmaxExp n=%d", n))
	})
}

func TestExpAccuracy(t *testing.T) {
	var worst float64
	for i := range 870_000 {
		x := -float32(i) / 10_000
		worst = max(worst, math.Abs(float64(exp(x))/math.Exp(float64(x))-1))
	}
	require.Less(t, worst, 1.8e-7)
	require.Equal(t, float32(1), exp(0))
	require.Equal(t, exp(expMin), exp(-1e30))
	require.Greater(t, exp(-1e30), float32(0x1p-126), "no subnormals")
}

func TestGELU(t *testing.T) {
	rows(t, func(t *testing.T, x *guarded, n, off int) {
		want := clone(x.x)
		genericGELU(want)
		GELU(x.x)
		requireSame(t, want, x.x, fmt.Sprintf("n=%d off=%d", n, off))
		x.check(t, fmt.Sprintf("GELU n=%d", n))
	})
}

// TestRanges: what the row operations say about the range of their results is so,
// for each element that may be the least or the greatest.
func TestRanges(t *testing.T) {
	forEach(t, func(t *testing.T) {
		const n = 5*lanes + 3
		one := make([]float32, n)
		for i := range one {
			one[i] = 1
		}
		for _, extreme := range []float32{-0.75, 8} {
			for at := range n {
				x := clone(one)
				x[at] = extreme
				lo, hi := normalize(active, make([]float32, n), x, one, make([]float32, n), 0, 1)
				requireSame(t, []float32{min(0, extreme), max(1, extreme)}, []float32{lo, hi}, fmt.Sprint("normalize ", at))
				lo, hi = geluRange(active, x)
				requireSame(t, []float32{min(0, gelu(extreme)), max(gelu(1), gelu(extreme))}, []float32{lo, hi}, fmt.Sprint("gelu ", at))
			}
		}
	})
}

func TestGELUAccuracy(t *testing.T) {
	normal := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	var worst float64
	for i := -120_000; i <= 120_000; i++ {
		x := float32(i) / 10_000
		worst = max(worst, math.Abs(float64(gelu(x))-float64(x)*normal(float64(x))))
	}
	require.Less(t, worst, 4.5e-6)
	for _, x := range []float32{4.8, 5, 30, 1e4, 1e30} {
		require.Equal(t, x, gelu(x))
		require.Equal(t, float32(0), gelu(-x))
	}
}

// TestGELUVariants compares the sigmoid forms with their definitions.
func TestGELUVariants(t *testing.T) {
	x := make([]float32, 401)
	for i := range x {
		x[i] = float32(i-200) / 10
	}
	tanh, quick := clone(x), clone(x)
	GELUTanh(tanh)
	QuickGELU(quick)
	for i, v := range x {
		v := float64(v)
		require.InDelta(t, 0.5*v*(1+math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v))), float64(tanh[i]), 3e-6, "tanh at %v", v)
		require.InDelta(t, v/(1+math.Exp(-1.702*v)), float64(quick[i]), 3e-6, "quick at %v", v)
	}
}

func TestQuantizeRow(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(4)
		for _, k := range sizes() {
			const m = 19
			a := NewActivations(m, k+3)
			for i := range a.data {
				a.data[i] = 0xa5
			}
			a.Reset(m, k)
			written := make([]bool, len(a.data))
			for i := range m {
				x := guard(k, i%4)
				fill(r, x.x, float32(math.Ldexp(1, i-9)))
				switch i {
				case 3:
					clear(x.x) // a range of zero
				case 4:
					for j := range x.x { // one sign: the range is widened to 0
						x.x[j] = float32(math.Abs(float64(x.x[j])))
					}
				case 5:
					for j := range x.x {
						x.x[j] = -float32(math.Abs(float64(x.x[j])))
					}
				case 6:
					x.x[k/2] = 3e38
				case 7: // a range that has no inverse
					for j := range x.x {
						x.x[j] *= 1e-39
					}
				}
				x.freeze()
				a.QuantizeRow(i, x.x)
				x.check(t, "QuantizeRow")

				lo, hi := genericMinMax(x.x, 0, 0)
				scale, inv, zero := rowScale(lo, hi)
				requireSame(t, []float32{scale}, a.scale[i:i+1], fmt.Sprintf("scale, k=%d row %d", k, i))
				require.Equal(t, zero+a.impl.aType.bias(), a.zero[i])
				for j, v := range x.x {
					at := a.impl.a.index(i, j, a.kp)
					require.Equal(t, quantize(v, inv, float32(zero)), stored(a, at), "k=%d row %d element %d", k, i, j)
					for b := range a.impl.aType.size() {
						written[at*a.impl.aType.size()+b] = true
					}
				}
			}
			for i, w := range written {
				if !w {
					require.Equal(t, byte(0xa5), a.data[i], "k=%d: wrote byte %d, which is no element", k, i)
				}
			}
		}
	})
}

// stored reads element at of a back as the int8 it stands for.
func stored(a *Activations, at int) int8 {
	return int8(a.impl.aType.load(a.data, at) - a.impl.aType.bias())
}

// TestRefineRow adds the products of a row and of its rest: the sum is nearly that
// of the row in float32, and the same on every implementation.
func TestRefineRow(t *testing.T) {
	const k = 197
	r := newRand(12)
	x, rest, w, one := make([]float32, k), make([]float32, k), make([]int8, k), []float32{1}
	fill(r, x, 1)
	for i := range w {
		_, w[i] = random8(r)
	}
	exact := 0.0
	for i, v := range x {
		exact += float64(v) * float64(w[i])
	}
	var first []float32
	forEach(t, func(t *testing.T) {
		a := NewActivations(5, k)
		a.Reset(2, k)
		a.QuantizeRow(0, x)
		a.RefineRow(1, 0, x, rest)
		y := make([]float32, 2)
		new(Worker).Gemm(y, 1, a, PackWeights(w, one, nil, 1, k), false)
		if first == nil {
			first = clone(y)
		}
		requireSame(t, first, y, "products")
		coarse, fine := math.Abs(float64(y[0])-exact), math.Abs(float64(y[0]+y[1])-exact)
		require.Less(t, 50*fine, coarse, "the rest takes the error from %v to %v", coarse, fine)
	})
}

// TestZeroPoint: where the range ends at 0, or nearly, the zero point is the first or
// the last int8, and no further.
func TestZeroPoint(t *testing.T) {
	r := newRand(18)
	for range 500_000 {
		lo := -float32(math.Ldexp(1+r.Float64(), r.IntN(200)-90))
		near := []float32{0, -lo * 1e-9, -lo * r.Float32() * 1e-6}
		for _, hi := range near {
			_, _, greatest := rowScale(lo, hi)
			_, _, least := rowScale(-hi, -lo)
			if greatest != 127 || least != -128 { // three million calls of require take long
				require.Failf(t, "zero points", "%d of [%x, %x], %d of its mirror image", greatest, lo, hi, least)
			}
		}
	}
}

// TestQuantizeError bounds the error of a quantized element by half a step, and
// a little for the rounding of the scale.
func TestQuantizeError(t *testing.T) {
	r := newRand(5)
	for range 200 {
		x := make([]float32, 192)
		fill(r, x, 4)
		lo, hi := genericMinMax(x, 0, 0)
		scale, inv, zero := rowScale(lo, hi)
		require.Equal(t, zero, int32(quantize(0, inv, float32(zero))), "zero is exact")
		for _, v := range x {
			got := float32(int32(quantize(v, inv, float32(zero)))-zero) * scale
			require.InDelta(t, v, got, float64(scale)*1.01)
		}
	}
	for _, r := range []float32{0, 1e-45, 1e-38, 7e-37} {
		scale, inv, zero := rowScale(-r/2, r/2)
		require.Equal(t, []float32{1, 1}, []float32{scale, inv})
		require.Zero(t, zero)
		require.Zero(t, quantize(r/2, inv, float32(zero)))
	}
}
