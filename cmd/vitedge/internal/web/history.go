package web

import (
	"math"
)

// What the page can show of the past: ten minutes in steps of a second.
const (
	sampleMS   = 1000
	maxSamples = 600
	maxChanges = 200
)

// History is what a camera has seen of late, oldest first.
type History struct {
	Samples []Sample `json:"samples"` // one a second at most
	Changes []State  `json:"changes"` // of the stable label, the first one included
}

// Sample is one prediction of the past.
type Sample struct {
	MonoMS int64      `json:"mono_ms"`
	Label  string     `json:"label"`
	Score  float64    `json:"score"`
	Stages [5]float64 `json:"stages_ms"` // in the order of Stages
}

// history bounds a History. Old entries are cut off in bulk, so that adding one
// costs little.
type history struct {
	samples []Sample
	changes []State
}

// add keeps p if a second has passed since the last sample, and its state if
// that is new.
func (h *history) add(p *Prediction, changed bool) {
	if n := len(h.samples); n == 0 || p.MonoMS >= h.samples[n-1].MonoMS+sampleMS {
		s := p.Stages
		h.samples = bounded(append(h.samples, Sample{
			MonoMS: p.MonoMS, Label: p.Label, Score: p.Score,
			Stages: [5]float64{s.Capture, s.Decode, s.Preprocess, s.Infer, s.Publish},
		}), maxSamples)
	}
	if changed {
		h.changes = bounded(append(h.changes, *p.State), maxChanges)
	}
}

// bounded lets a slice grow to twice n before it is cut to n.
func bounded[T any](s []T, n int) []T {
	if len(s) < 2*n {
		return s
	}
	return append(s[:0], s[len(s)-n:]...)
}

func (h *history) snapshot() History {
	return History{Samples: last(h.samples, maxSamples), Changes: last(h.changes, maxChanges)}
}

// last copies at most n of the newest entries; the copy is not nil.
func last[T any](s []T, n int) []T {
	return append([]T{}, s[max(0, len(s)-n):]...)
}

// probability has four decimals, as in the payloads of MQTT.
func probability(p float32) float64 { return math.Round(float64(p)*1e4) / 1e4 }
