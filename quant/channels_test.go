package quant

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantizeChannels(t *testing.T) {
	w := []float32{
		1, -2, 127, -127, // scale 1: exact
		0, 0, 0, 0, // a channel of zeros
		0.5, 1.5, 2.5, 254, // scale 2: ties are halves of it
		-0.5, 3, 5, -254, // ties of both signs, odd and even
		math.MaxFloat32, -math.MaxFloat32, 0, 1,
		math.SmallestNonzeroFloat32, 0, 0, 0,
	}
	dst, scale := make([]int8, len(w)), make([]float32, 6)
	QuantizeChannels(dst, scale, w, 6, 4)
	require.Equal(t, []float32{1, 1, 2, 2, math.MaxFloat32 / 127, 0x1p-126}, scale)
	require.Equal(t, []int8{
		1, -2, 127, -127,
		0, 0, 0, 0,
		0, 1, 1, 127,
		0, 2, 2, -127,
		127, -127, 0, 0,
		0, 0, 0, 0,
	}, dst)
}

// TestQuantizeChannelsRounds checks the rounding against rational arithmetic,
// on weights of every magnitude and on neighbors of ties.
func TestQuantizeChannelsRounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const out, in = 300, 16
	w := make([]float32, out*in)
	for o := range out {
		row := w[o*in:][:in]
		magnitude := math.Ldexp(1, r.IntN(276)-149)
		for i := range row {
			row[i] = float32(r.NormFloat64() * magnitude)
		}
		top := float32(0)
		for _, v := range row {
			top = max(top, max(v, -v))
		}
		scale := top / 127
		for i := 0; i < in/2; i++ { // a tie or a neighbor of it
			tie := float32((float64(r.IntN(252)-126) + 0.5) * float64(scale))
			if max(tie, -tie) < top {
				row[i] = math.Float32frombits(math.Float32bits(tie) + uint32(r.IntN(3)) - 1)
			}
		}
	}
	for i, v := range w { // the neighbor below +0 is a NaN
		if v != v {
			w[i] = 0
		}
	}
	dst, scale := make([]int8, len(w)), make([]float32, out)
	QuantizeChannels(dst, scale, w, out, in)
	half := big.NewRat(1, 2)
	for i, v := range w {
		s := scale[i/in]
		require.True(t, s > 0)
		require.GreaterOrEqual(t, dst[i], int8(-127))
		quotient := new(big.Rat).Quo(new(big.Rat).SetFloat64(float64(v)), new(big.Rat).SetFloat64(float64(s)))
		distance := new(big.Rat).Sub(quotient, big.NewRat(int64(dst[i]), 1))
		switch distance.Abs(distance).Cmp(half) {
		case 1:
			t.Fatalf("weight %g, scale %g: %d is not the nearest to %s", v, s, dst[i], quotient.FloatString(12))
		case 0:
			require.Zero(t, dst[i]%2, "weight %g, scale %g: a tie goes to the even value", v, s)
		}
	}
}

func TestQuantizeChannelsPanics(t *testing.T) {
	for _, n := range [][3]int{{3, 2, 4}, {4, 1, 4}, {4, 2, 3}} {
		require.Panics(t, func() {
			QuantizeChannels(make([]int8, n[0]), make([]float32, n[1]), make([]float32, n[2]), 2, 2)
		})
	}
}
