package main

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// logs turns probabilities into logits, shifted.
func logs(shift float64, p ...float64) []float32 {
	v := make([]float32, len(p))
	for i := range p {
		v[i] = float32(math.Log(p[i]) + shift)
	}
	return v
}

func TestCompare(t *testing.T) {
	r := compare(logs(3, 0.5, 0.25, 0.25), logs(-40, 0.25, 0.5, 0.25), 0)
	require.False(t, r.agree)
	require.True(t, r.labelled)
	require.Equal(t, 0, r.rankFloat)
	require.Equal(t, 1, r.rankInt8)
	require.InDelta(t, 0.5*math.Log(2)-0.25*math.Log(2), r.kl, 1e-6)
	require.InDelta(t, -0.25, r.deltaP, 1e-6)
	require.InDelta(t, 0.25, r.margin, 1e-6)
	require.Equal(t, 0, r.floatAnswer.class)
	require.Equal(t, 1, r.int8Answer.class)
	for i, p := range []float64{r.floatAnswer.probability, r.int8Answer.probability, r.floatP, r.int8P} {
		require.InDelta(t, []float64{0.5, 0.5, 0.5, 0.25}[i], p, 1e-6)
	}

	// By hand: the mean of 1, 2, 6 is 3.
	r = compare([]float32{1, 2, 6}, []float32{1, 4, 5}, -1)
	require.True(t, r.agree)
	require.False(t, r.labelled)
	require.InDelta(t, 4+1+9, r.signal, 1e-12)
	require.InDelta(t, 0+4+1, r.noise, 1e-12)

	// The logits' size must not matter to probabilities.
	r = compare([]float32{1e4, 1e4 - 1, -1e30}, []float32{-1e4, -1e4 - 1, -1e30}, 2)
	require.InDelta(t, 0, r.kl, 1e-12)
	require.InDelta(t, 0, r.deltaP, 1e-12)
	require.Equal(t, 2, r.rankFloat)

	r = compare([]float32{1}, []float32{2}, 0)
	only := answer{0, 1}
	require.Equal(t, pictureFigures{agree: true, labelled: true, noise: 1, margin: 1, floatAnswer: only, int8Answer: only, floatP: 1, int8P: 1}, r)
}

func TestRank(t *testing.T) {
	for class, want := range []int{3, 1, 0, 2, 4} {
		require.Equal(t, want, rank([]float32{1, 2, 3, 2, 1}, class))
	}
}

func TestSumUp(t *testing.T) {
	f := sumUp([]pictureFigures{
		{agree: true, kl: 0.1, signal: 100, noise: 0.5, deltaP: 0.3, margin: 0.9, labelled: true, rankFloat: 0, rankInt8: 0},
		{agree: false, kl: 0.3, signal: 200, noise: 1.5, deltaP: -0.4, margin: 0.2, labelled: true, rankFloat: 4, rankInt8: 5},
		{agree: false, kl: 0, signal: 0, noise: 0, deltaP: 0, margin: 0.1},
		{agree: true, kl: 0, signal: 0, noise: 1, deltaP: 0, margin: 0.1},
	})
	require.Equal(t, 4, f.Images)
	require.Equal(t, 0.5, *f.Agreement)
	require.Equal(t, 2, f.agree)
	require.Equal(t, 2, f.labelled)
	require.Equal(t, [2]int{1, 1}, f.top1)
	require.Equal(t, [2]int{2, 1}, f.top5)
	require.Equal(t, []float64{0.5, 0.5, 1, 0.5}, []float64{*f.Top1Float, *f.Top1Int8, *f.Top5Float, *f.Top5Int8})
	require.InDelta(t, 0.1, *f.KLMean, 1e-12)
	require.Equal(t, 0.3, *f.KLMax)
	require.InDelta(t, 20, *f.SQNR, 1e-9)
	require.InDelta(t, 0.25, *f.RMSDeltaP, 1e-12)
	require.Equal(t, 0.2, *f.MaxFlipMargin)
	i := f.intervals()
	require.Equal(t, wilson(2, 4), *i.Agreement)
	require.Equal(t, []interval{wilson(1, 2), wilson(1, 2), wilson(2, 2), wilson(1, 2)}, []interval{*i.Top1Float, *i.Top1Int8, *i.Top5Float, *i.Top5Int8})
}

func TestFiguresJSON(t *testing.T) {
	f := sumUp([]pictureFigures{{agree: true, margin: 1}})
	text, err := json.Marshal(f)
	require.NoError(t, err)
	require.JSONEq(t, `{"images": 1, "agreement": 1, "top1_float": null, "top1_int8": null, "top5_float": null, "top5_int8": null,
		"kl_mean": 0, "kl_max": 0, "sqnr_db": null, "rms_delta_p": 0, "max_flip_margin": 0}`, string(text))

	f = sumUp(nil)
	text, err = json.Marshal(f)
	require.NoError(t, err)
	require.JSONEq(t, `{"images": 0, "agreement": null, "top1_float": null, "top1_int8": null, "top5_float": null, "top5_int8": null,
		"kl_mean": null, "kl_max": null, "sqnr_db": null, "rms_delta_p": null, "max_flip_margin": null}`, string(text))
	require.Equal(t, intervals{}, f.intervals())
}

// One class has no signal, and minus infinity is no JSON.
func TestFiguresOneClass(t *testing.T) {
	f := sumUp([]pictureFigures{compare([]float32{3}, []float32{2.5}, 0)})
	require.Nil(t, f.SQNR)
	require.Equal(t, "-", f.logitsSQNR())
	_, err := json.Marshal(f)
	require.NoError(t, err)
	f = sumUp([]pictureFigures{compare([]float32{3}, []float32{3}, 0)})
	require.Equal(t, "exact", f.logitsSQNR())
}

// The limits are those of Brown, Cai and DasGupta, "Interval Estimation for a
// Binomial Proportion", 2001, and of common tables.
func TestWilson(t *testing.T) {
	for _, test := range []struct {
		count, n  int
		low, high float64
	}{
		{0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {8, 10, 0.4902, 0.9433}, {495, 500, 0.9768, 0.9957}, {1, 1, 0.2065, 1},
	} {
		i := wilson(test.count, test.n)
		require.InDelta(t, test.low, i[0], 5e-5)
		require.InDelta(t, test.high, i[1], 5e-5)
	}
}

func TestGates(t *testing.T) {
	f := func(images, agree, labelled, float, int8 int) figures {
		return figures{Images: images, agree: agree, labelled: labelled, top1: [2]int{float, int8}, Agreement: new(float64(agree) / float64(images))}
	}
	for _, test := range []struct {
		gates gates
		f     figures
		want  []string
	}{
		{gates{}, f(10, 0, 10, 10, 0), nil},
		{gates{minAgree: 98.5, wantAgree: true}, f(200, 197, 0, 0, 0), nil},
		{gates{minAgree: 98.5, wantAgree: true}, f(200, 196, 0, 0, 0), []string{"agreement is 98.00 %, less than 98.5 %"}},
		{gates{minAgree: 0, wantAgree: true}, figures{}, []string{"agreement is not verified"}},
		{gates{maxDrop: 0.5, wantDrop: true}, f(200, 0, 200, 180, 179), nil},
		{gates{maxDrop: 0.5, wantDrop: true}, f(200, 0, 200, 180, 178), []string{"top-1 drops by 1.00 points, more than 0.5"}},
		{gates{maxDrop: 0.5, wantDrop: true}, f(200, 0, 100, 50, 60), nil},
		{gates{maxDrop: -20, wantDrop: true}, f(200, 0, 100, 50, 60), []string{"top-1 drops by -10.00 points, more than -20"}},
		{gates{maxDrop: 0, wantDrop: true}, figures{}, []string{"top-1 is not verified"}},
		{gates{minAgree: 90, wantAgree: true, maxDrop: 1, wantDrop: true}, f(10, 8, 10, 5, 4),
			[]string{"agreement is 80.00 %, less than 90 %", "top-1 drops by 10.00 points, more than 1"}},
	} {
		require.Equal(t, test.want, test.gates.missed(test.f))
	}
}
