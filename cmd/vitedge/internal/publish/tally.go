package publish

import (
	"slices"
	"time"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/pipeline"
)

// tally counts what a status message reports.
type tally struct {
	frames  Frames
	outages uint64
	infer   [256]time.Duration // of the last inferences, a ring
	n       uint64             // inferences ever
}

func (t *tally) classified(infer time.Duration, light camera.Light) {
	t.frames.Captured++
	t.frames.Classified++
	switch light {
	case camera.Dark:
		t.frames.Dark++
	case camera.Black:
		t.frames.Black++
	}
	t.infer[t.n%uint64(len(t.infer))] = infer
	t.n++
}

func (t *tally) dropped(reason string, n uint64) {
	t.frames.Captured += n
	switch reason {
	case pipeline.Skipped:
		t.frames.Skipped += n
	case pipeline.Stale:
		t.frames.Stale += n
	case pipeline.Corrupt:
		t.frames.Corrupt += n
	case pipeline.Truncated:
		t.frames.Corrupt += n
		t.frames.Truncated += n
	case pipeline.Frozen:
		t.frames.Frozen += n
	case pipeline.Failed:
		t.frames.Failed += n
	}
}

// percentiles are the p50 and p95 of the last inferences in milliseconds, by
// nearest rank.
func (t *tally) percentiles() (p50, p95 float64) {
	sorted := slices.Sorted(slices.Values(t.infer[:min(t.n, uint64(len(t.infer)))]))
	if len(sorted) == 0 {
		return 0, 0
	}
	rank := func(percent int) float64 {
		return milliseconds(sorted[(len(sorted)*percent+99)/100-1])
	}
	return rank(50), rank(95)
}
