package vitlite

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopK(t *testing.T) {
	labels := []string{"cat", "dog", "", "emu"}
	logits := []float32{0, float32(math.Log(3)), float32(math.Log(6)), 0, float32(math.Log(9))}
	got := TopK(make([]Prediction, 4), logits, labels)
	require.Equal(t, []string{"class 4", "class 2", "dog", "cat"}, labelsOf(got))
	require.Equal(t, []int{4, 2, 1, 0}, indicesOf(got)) // 0 before 3: a tie
	for i, want := range []float64{9. / 20, 6. / 20, 3. / 20, 1. / 20} {
		require.InDelta(t, want, got[i].Score, 1e-7)
	}
}

func TestTopKAgainstSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		logits := make([]float32, 1+rng.IntN(30))
		for i := range logits {
			logits[i] = float32(rng.IntN(8)) // many ties
		}
		want := make([]int, len(logits))
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int { return int(logits[b] - logits[a]) })
		k := rng.IntN(35)
		got := TopK(make([]Prediction, k), logits, nil)
		require.Equal(t, want[:min(k, len(want))], indicesOf(got))
	}
}

// TestTopKStable: logits whose exponentials overflow and underflow float32.
func TestTopKStable(t *testing.T) {
	got := TopK(make([]Prediction, 3), []float32{-math.MaxFloat32, 1e30, 1e30, math.MaxFloat32}, nil)
	require.Equal(t, []float32{1, 0, 0}, []float32{got[0].Score, got[1].Score, got[2].Score})
	got = TopK(make([]Prediction, 2), []float32{1000, 1000}, nil)
	require.Equal(t, []float32{0.5, 0.5}, []float32{got[0].Score, got[1].Score})
}

func TestTopKEmpty(t *testing.T) {
	require.Empty(t, TopK(nil, []float32{1, 2}, nil))
	require.Empty(t, TopK(make([]Prediction, 3), nil, nil))
}

func TestTopKAllocs(t *testing.T) {
	dst := make([]Prediction, 5)
	logits := make([]float32, 1000)
	for i := range logits {
		logits[i] = float32(i * 7919 % 1000)
	}
	labels := []string{"only the first has one"}
	require.Zero(t, testing.AllocsPerRun(10, func() { TopK(dst, logits, labels) }))
	require.Zero(t, testing.AllocsPerRun(10, func() { TopK(dst, logits, nil) }))
}

func indicesOf(p []Prediction) []int {
	out := make([]int, len(p))
	for i := range p {
		out[i] = p[i].Index
	}
	return out
}

func labelsOf(p []Prediction) []string {
	out := make([]string, len(p))
	for i := range p {
		out[i] = p[i].Label
	}
	return out
}
