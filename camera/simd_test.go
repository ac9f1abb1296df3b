package camera

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// guarded is n bytes inside a larger slice, to see what is written around
// them.
func guarded(rng *rand.Rand, n int) (all, inner []byte) {
	all = make([]byte, n+128)
	for i := range all {
		all[i] = byte(rng.Uint32())
	}
	return all, all[64 : 64+n : 64+n]
}

// requireGuards fails if anything but the n inner bytes differs.
func requireGuards(t *testing.T, before, after []byte, n int) {
	t.Helper()
	require.Equal(t, before[:64], after[:64], "bytes before were written")
	require.Equal(t, before[64+n:], after[64+n:], "bytes behind were written")
}

// TestVectorRows holds every row conversion against the formulas of its
// comment, at all lengths around the blocks.
func TestVectorRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	lengths := []int{1, 2, 3, 15, 16, 17, 18, 31, 32, 33, 34, 35, 48, 49, 50, 64, 100, 320, 641}
	for round := range 20 {
		for _, n := range lengths {
			_, y := guarded(rng, n)
			_, cb := guarded(rng, n)
			_, cr := guarded(rng, n)
			if round < 3 { // the extremes
				for i := range n {
					y[i], cb[i], cr[i] = byte(255*(rng.Uint32()&1)), byte(255*(rng.Uint32()&1)), byte(255*(rng.Uint32()&1))
				}
			}
			for c, table := range colorTables {
				out, dst := guarded(rng, 3*n)
				before := append([]byte(nil), out...)
				yccRow(dst, y, cb, cr, table)
				for i := range n {
					r, g, b := table.rgb(y[i], cb[i], cr[i])
					require.Equal(t, [3]byte{r, g, b}, [3]byte(dst[3*i:]), "color %d, pixel %d of %d", c, i, n)
				}
				requireGuards(t, before, out, 3*n)

				_, src := guarded(rng, 2*n)
				out, dst = guarded(rng, 3*(n&^1))
				before = append([]byte(nil), out...)
				yuyvRow(dst, src, table)
				for i := range n &^ 1 {
					pair := src[i/2*4:]
					r, g, b := table.rgb(pair[i&1*2], pair[1], pair[3])
					require.Equal(t, [3]byte{r, g, b}, [3]byte(dst[3*i:]), "color %d, pixel %d of %d", c, i, n)
				}
				requireGuards(t, before, out, 3*(n&^1))
			}

			clamped := func(b []byte, i int) int { return int(b[min(max(i, 0), n-1)]) }
			out, dst := guarded(rng, 2*n)
			before := append([]byte(nil), out...)
			triangleRow(dst, y)
			for i := range n {
				require.Equal(t, byte((3*int(y[i])+clamped(y, i-1)+1)/4), dst[2*i], "%d of %d", i, n)
				require.Equal(t, byte((3*int(y[i])+clamped(y, i+1)+2)/4), dst[2*i+1], "%d of %d", i, n)
			}
			requireGuards(t, before, out, 2*n)

			triangleRows(dst, cb, cr)
			sum := func(i int) int { return 3*clamped(cb, i) + clamped(cr, i) }
			for i := range n {
				require.Equal(t, byte((3*sum(i)+sum(i-1)+8)/16), dst[2*i], "%d of %d", i, n)
				require.Equal(t, byte((3*sum(i)+sum(i+1)+7)/16), dst[2*i+1], "%d of %d", i, n)
			}
			requireGuards(t, before, out, 2*n)
		}
	}
}

// TestVectorIDCT compares with the generic transform on all kinds of blocks,
// also on those that no picture has.
func TestVectorIDCT(t *testing.T) {
	var block [64]int16
	if !idctBlock(make([]byte, 64), 8, &block) {
		t.Skip("there is no vector version for this CPU")
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for n := range 20000 {
		block = [64]int16{}
		for range 1 + rng.IntN(64) {
			size := 1 << (1 + rng.IntN(15))
			block[rng.IntN(1+rng.IntN(64))] = int16(rng.IntN(2*size) - size)
		}
		stride := 8 + rng.IntN(9)
		length := 7*stride + 8
		want, got := make([]byte, length), make([]byte, length)
		all, inner := guarded(rng, length)
		copy(want, inner)
		copy(got, inner)
		copy(all[64:], got)
		before := append([]byte(nil), all...)
		idct8(want, stride, &block)
		coefficients := block
		require.True(t, idctBlock(inner, stride, &block))
		require.Equal(t, want, inner, fmt.Sprint("block ", n, block))
		require.Equal(t, coefficients, block, "coefficients were written")
		requireGuards(t, before, all, length)
	}
}
