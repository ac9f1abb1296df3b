package kernels

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// guardedBytes are n bytes between two bands that nobody may write.
func guardedBytes(r *rand.Rand, n int) (all, inner []byte) {
	all = make([]byte, band+n+band)
	randomBytes(r, all)
	return all, all[band : band+n : band+n]
}

func requireBytesAround(t *testing.T, before, after []byte, n int) {
	t.Helper()
	require.Equal(t, before[:band], after[:band], "bytes before were written")
	require.Equal(t, before[band+n:], after[band+n:], "bytes behind were written")
}

// coefficients are those of filters, or of no filter at all.
func coefficients(r *rand.Rand, n int) []int32 {
	k := make([]int32, n)
	for i := range k {
		switch r.IntN(4) {
		case 0:
			k[i] = r.Int32() << 1
		case 1:
			k[i] = []int32{math.MinInt32, math.MaxInt32, 0, 1 << ResampleBits, -1 << 15, 1<<15 - 1, 1 << 15}[r.IntN(7)]
		default:
			k[i] = int32(r.NormFloat64() * (1 << (ResampleBits - 2)))
		}
	}
	return k
}

// TestResampleRGB holds every implementation against the sum in the comment.
func TestResampleRGB(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(30)
		for taps := 1; taps <= 18; taps++ {
			for n := 1; n <= 9; n++ {
				first := make([]int32, n)
				for i := range first {
					first[i] = int32(r.IntN(20)) // in any order
				}
				coeffs := coefficients(r, n*taps)
				f := NewResampling(first, coeffs, taps)
				src := make([]byte, f.Reach())
				randomBytes(r, src)
				all, dst := guardedBytes(r, 3*n)
				before, unchanged := bytes.Clone(all), bytes.Clone(src)
				ResampleRGB(dst, src, f)
				for i := range dst {
					sum := int32(resampleHalf)
					for j := range taps {
						sum += coeffs[i/3*taps+j] * int32(src[3*(int(first[i/3])+j)+i%3])
					}
					require.Equal(t, clip(sum), dst[i], "%d taps, byte %d of %d", taps, i, 3*n)
				}
				requireBytesAround(t, before, all, 3*n)
				require.Equal(t, unchanged, src, "the source was written")
			}
		}
	})
}

func TestBlendRows(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(31)
		for taps := 1; taps <= 11; taps++ {
			for n := 1; n <= 5*lanes+1; n++ {
				coeffs := coefficients(r, taps)
				rows := make([]byte, taps*n)
				randomBytes(r, rows)
				all, dst := guardedBytes(r, n)
				before, unchanged := bytes.Clone(all), bytes.Clone(rows)
				BlendRows(dst, rows, coeffs)
				for x := range dst {
					sum := int32(resampleHalf)
					for j, k := range coeffs {
						sum += k * int32(rows[j*n+x])
					}
					require.Equal(t, clip(sum), dst[x], "%d taps, byte %d of %d", taps, x, n)
				}
				requireBytesAround(t, before, all, n)
				require.Equal(t, unchanged, rows, "the rows were written")
			}
		}
	})
}

// TestLongResampling takes more products than one call of assembly may.
func TestLongResampling(t *testing.T) {
	r := newRand(32)
	const n, taps = 1000, 200
	first := make([]int32, n)
	for i := range first {
		first[i] = int32(2 * i)
	}
	f := NewResampling(first, coefficients(r, n*taps), taps)
	src := make([]byte, f.Reach())
	randomBytes(r, src)
	rows := make([]byte, taps*3*n)
	randomBytes(r, rows)
	coeffs := coefficients(r, taps)
	wantRow, wantBlend := make([]byte, 3*n), make([]byte, 3*n)
	genericResample(wantRow, src, f.first, f.coeffs, f.taps)
	genericBlend(wantBlend, rows, 3*n, coeffs)
	require.Greater(t, n*taps, resampleBudget)
	forEach(t, func(t *testing.T) {
		row, blend := make([]byte, 3*n), make([]byte, 3*n)
		ResampleRGB(row, src, f)
		BlendRows(blend, rows, coeffs)
		require.Equal(t, wantRow, row)
		require.Equal(t, wantBlend, blend)
	})
}

func TestFencedResampling(t *testing.T) {
	fences(t, func(t *testing.T, impl *implementation, upper bool) {
		r := newRand(33)
		for taps := 1; taps <= 9; taps++ {
			for n := 1; n <= 7; n++ {
				first, k := fence[int32](t, n, upper), fence[int32](t, n*roundUp(taps, tapAlign), upper)
				for i := range first {
					first[i] = int32(3 * i)
				}
				f := NewResampling(first, coefficients(r, n*taps), taps)
				copy(k, f.coeffs)
				f.coeffs = k
				src, dst := fence[byte](t, f.Reach(), upper), fence[byte](t, 3*n, upper)
				require.NotPanics(t, func() { ResampleRGB(dst, src, f) }, "%d taps, %d positions", taps, n)

				width := n * lanes / 2
				coeffs := fence[int32](t, taps, upper)
				rows, blend := fence[byte](t, taps*width, upper), fence[byte](t, width, upper)
				require.NotPanics(t, func() { BlendRows(blend, rows, coeffs) }, "%d taps, %d bytes", taps, width)
			}
		}
	})
}

func TestClip(t *testing.T) {
	for v, want := range map[int32]byte{math.MinInt32: 0, -1: 0, 0: 0, 1<<22 - 1: 0, 1 << 22: 1, 255 << 22: 255, 256 << 22: 255, math.MaxInt32: 255} {
		require.Equal(t, want, clip(v), "%d", v)
	}
}

func TestResamplingRefuses(t *testing.T) {
	f := NewResampling([]int32{0, 5}, make([]int32, 6), 3)
	for name, bad := range map[string]func(){
		"no positions":       func() { NewResampling(nil, nil, 1) },
		"no taps":            func() { NewResampling([]int32{0}, nil, 0) },
		"few coefficients":   func() { NewResampling([]int32{0}, []int32{1}, 2) },
		"a pixel before 0":   func() { NewResampling([]int32{-1}, []int32{1}, 1) },
		"a short source":     func() { ResampleRGB(make([]byte, 6), make([]byte, f.Reach()-1), f) },
		"a long destination": func() { ResampleRGB(make([]byte, 7), make([]byte, f.Reach()), f) },
		"a row too few":      func() { BlendRows(make([]byte, 6), make([]byte, 6), []int32{1, 2}) },
		"no rows":            func() { BlendRows(make([]byte, 6), nil, nil) },
	} {
		require.Panics(t, bad, name)
	}
}

// BenchmarkResample times the rows of 640x480 to 248 pixels, of which 224 are
// kept, with a bicubic filter: what a frame takes 441 and 224 of.
func BenchmarkResample(b *testing.B) {
	const n, taps = 224, 8
	first := make([]int32, n)
	for i := range first {
		first[i] = int32(100 + 2*i)
	}
	r := newRand(34)
	f := NewResampling(first, coefficients(r, n*taps), taps)
	src, rows, dst := make([]byte, f.Reach()), make([]byte, taps*3*n), make([]byte, 3*n)
	randomBytes(r, src)
	randomBytes(r, rows)
	coeffs := coefficients(r, taps)
	was := active
	defer func() { active = was }()
	for _, impl := range implementations() {
		active = impl
		b.Run(fmt.Sprintf("op=row/kernel=%s", impl.name), func(b *testing.B) {
			for b.Loop() {
				ResampleRGB(dst, src, f)
			}
		})
		b.Run(fmt.Sprintf("op=blend/kernel=%s", impl.name), func(b *testing.B) {
			for b.Loop() {
				BlendRows(dst, rows, coeffs)
			}
		})
	}
}
