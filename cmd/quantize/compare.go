package main

import (
	"fmt"
	"math"
)

// pictureFigures is what one picture says about the int8 model.
type pictureFigures struct {
	agree         bool    // the same class is on top
	rankFloat     int     // of the true class, 0 on top; see figures.labelled
	rankInt8      int     // the same
	labelled      bool    // the true class is known
	kl            float64 // KL(float || int8) of the probabilities, in nats
	signal, noise float64 // sums over the logits, see compare
	deltaP        float64 // probability of the float model's class, int8 - float
	margin        float64 // float model's best probability minus its second

	floatAnswer, int8Answer answer
	floatP, int8P           float64 // of the float model's class
}

// answer is a model's class for a picture and its probability.
type answer struct {
	class       int
	probability float64
}

// compare sets the logits of one picture side by side. class is the true one,
// -1 where unknown.
//
// signal is the sum of (f - mean f)^2 and noise that of (f - q)^2: adding the
// same number to all logits changes no answer, so the mean is no signal.
func compare(float, int8 []float32, class int) pictureFigures {
	p, q := logSoftmax(float), logSoftmax(int8)
	best, bestInt8 := argmax(float), argmax(int8)
	r := pictureFigures{
		agree:  best == bestInt8,
		deltaP: math.Exp(q[best]) - math.Exp(p[best]),
		margin: math.Exp(p[best]),

		floatAnswer: answer{best, math.Exp(p[best])},
		int8Answer:  answer{bestInt8, math.Exp(q[bestInt8])},
		floatP:      math.Exp(p[best]),
		int8P:       math.Exp(q[best]),
	}
	if class >= 0 {
		r.labelled, r.rankFloat, r.rankInt8 = true, rank(float, class), rank(int8, class)
	}
	var mean float64
	for _, f := range float {
		mean += float64(f) / float64(len(float))
	}
	second := 0.0
	for i, f := range float {
		r.kl += math.Exp(p[i]) * (p[i] - q[i])
		s, n := float64(f)-mean, float64(f)-float64(int8[i])
		r.signal += s * s
		r.noise += n * n
		if i != best {
			second = max(second, math.Exp(p[i]))
		}
	}
	r.kl = max(0, r.kl) // it is never negative but for rounding
	r.margin -= second
	return r
}

// logSoftmax is the logarithms of the probabilities.
func logSoftmax(logits []float32) []float64 {
	top := float64(logits[argmax(logits)])
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = float64(v) - top - math.Log(sum)
	}
	return p
}

// argmax is the first of the largest.
func argmax(v []float32) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

// rank counts the classes that come before one; equal logits come in the
// order of their classes.
func rank(logits []float32, class int) int {
	n := 0
	for i, v := range logits {
		if v > logits[class] || v == logits[class] && i < class {
			n++
		}
	}
	return n
}

// figures sum up all pictures. Agreement, top-1 and top-5 are fractions. All
// are nil without pictures, those that need classes where none is known, and
// SQNR where nothing was lost, or where all logits are equal, as that of one class
// is.
type figures struct {
	Images        int      `json:"images"`
	Agreement     *float64 `json:"agreement"`
	Top1Float     *float64 `json:"top1_float"`
	Top1Int8      *float64 `json:"top1_int8"`
	Top5Float     *float64 `json:"top5_float"`
	Top5Int8      *float64 `json:"top5_int8"`
	KLMean        *float64 `json:"kl_mean"`         // nats
	KLMax         *float64 `json:"kl_max"`          // nats
	SQNR          *float64 `json:"sqnr_db"`         // of the logits: 10 log10(sum signal / sum noise)
	RMSDeltaP     *float64 `json:"rms_delta_p"`     // of pictureFigures.deltaP
	MaxFlipMargin *float64 `json:"max_flip_margin"` // largest margin where the models disagree

	lossy    bool   // logits differ
	agree    int    // pictures with the same answer
	labelled int    // pictures whose class is known
	top1     [2]int // of those, right by the float and the int8 model
	top5     [2]int
}

// sumUp goes through the pictures in their order, so that the sums do not
// depend on which was ready first.
func sumUp(pictures []pictureFigures) figures {
	f := figures{Images: len(pictures)}
	if f.Images == 0 {
		return f
	}
	var kl, maxKL, signal, noise, deltaP, maxMargin float64
	for _, p := range pictures {
		if p.agree {
			f.agree++
		} else {
			maxMargin = max(maxMargin, p.margin)
		}
		kl += p.kl
		maxKL = max(maxKL, p.kl)
		signal += p.signal
		noise += p.noise
		deltaP += p.deltaP * p.deltaP
		if !p.labelled {
			continue
		}
		f.labelled++
		for i, rank := range []int{p.rankFloat, p.rankInt8} {
			if rank < 1 {
				f.top1[i]++
			}
			if rank < 5 {
				f.top5[i]++
			}
		}
	}
	n := float64(len(pictures))
	f.Agreement = new(float64(f.agree) / n)
	f.KLMean, f.KLMax = new(kl/n), &maxKL
	f.SQNR, f.lossy = sqnr(signal, noise), noise > 0
	f.RMSDeltaP = new(math.Sqrt(deltaP / n))
	f.MaxFlipMargin = &maxMargin
	if f.labelled > 0 {
		share := func(count int) *float64 { return new(float64(count) / float64(f.labelled)) }
		f.Top1Float, f.Top1Int8 = share(f.top1[0]), share(f.top1[1])
		f.Top5Float, f.Top5Int8 = share(f.top5[0]), share(f.top5[1])
	}
	return f
}

// logitsSQNR is SQNR for people.
func (f figures) logitsSQNR() string {
	switch {
	case f.SQNR != nil:
		return fmt.Sprintf("%.2f dB", *f.SQNR)
	case f.lossy:
		return "-"
	}
	return "exact"
}

// intervals are those of the fractions.
func (f figures) intervals() (i intervals) {
	if f.Images > 0 {
		i.Agreement = new(wilson(f.agree, f.Images))
	}
	if f.labelled > 0 {
		i.Top1Float, i.Top1Int8 = new(wilson(f.top1[0], f.labelled)), new(wilson(f.top1[1], f.labelled))
		i.Top5Float, i.Top5Int8 = new(wilson(f.top5[0], f.labelled)), new(wilson(f.top5[1], f.labelled))
	}
	return i
}
