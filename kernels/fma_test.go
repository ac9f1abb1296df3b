package kernels

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFMA compares with exact arithmetic, rounded once.
func TestFMA(t *testing.T) {
	r := newRand(1)
	check := func(x, y, z float32) {
		exact := new(big.Float).SetPrec(700).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		exact.SetPrec(700).Add(exact, big.NewFloat(float64(z)))
		want, _ := exact.Float32()
		if got := fma(x, y, z); got != want {
			require.Failf(t, "fma", "fma(%x, %x, %x): want %x, got %x", x, y, z, want, got)
		}
	}
	any := func() float32 {
		for {
			if f := math.Float32frombits(r.Uint32()); f == f && !math.IsInf(float64(f), 0) {
				return f
			}
		}
	}
	for range 200_000 {
		x, y := any(), any()
		check(x, y, any())
		// Sums that cancel, and ties of the first rounding: where rounding
		// twice goes wrong.
		p := float32(float64(x) * float64(y))
		if math.IsInf(float64(p), 0) {
			continue
		}
		check(x, y, -p)
		check(x, y, p*math.Float32frombits(uint32(127+r.IntN(60)-30)<<23))
		a := 1 + float32(r.IntN(1<<12))/(1<<12)
		check(a, a, float32(math.Ldexp(float64(1-2*r.IntN(2)), -r.IntN(60))))
	}
	require.True(t, math.IsInf(float64(fma(math.MaxFloat32, 2, 1)), 1))
	require.True(t, math.IsNaN(float64(fma(float32(math.Inf(1)), 0, 1))))
}

// TestFMARoundsOnce is a case that float32(math.FMA(...)) gets wrong: the exact
// sum lies just above a tie of float32 and its float64 rounding falls on it.
func TestFMARoundsOnce(t *testing.T) {
	x, y := float32(1+0x1p-12), float32(1+0x1p-12) // product 1 + 2⁻¹¹ + 2⁻²⁴
	z := float32(0x1p-70)
	require.Equal(t, float32(1+0x1p-11), float32(float64(x)*float64(y)), "the product alone is a tie that rounds to even")
	require.Equal(t, float32(1+0x1p-11+0x1p-23), fma(x, y, z))
}
