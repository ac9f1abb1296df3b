package main

import (
	"fmt"
	"io"
)

// worstShown is how many of the worst layers are printed.
const worstShown = 10

func printFigures(w io.Writer, r *result) {
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%-24s "+format+"\n", append([]any{name}, values...)...)
	}
	if r.Images == 0 {
		row("accuracy", "not verified: give --images with pictures like those that the model will see")
	} else {
		printAccuracy(row, r)
	}
	fmt.Fprintf(w, "\n%-54s %11s %11s %11s\n", "worst layers", "weights", "local", "cumulative")
	db := func(v *float64, measured bool) string {
		switch {
		case v != nil:
			return fmt.Sprintf("%.2f dB", *v)
		case measured:
			return "exact"
		}
		return "-"
	}
	for _, l := range worstLayers(r.Layers, worstShown) {
		measured := r.comparison.measured > 0
		fmt.Fprintf(w, "%-54s %11s %11s %11s\n", l.Layer, db(l.Weights, true), db(l.Local, measured), db(l.Cumulative, measured))
	}
	if r.comparison.measured > 0 {
		fmt.Fprintf(w, "layers measured on %d pictures\n", r.comparison.measured)
	}
}

func printAccuracy(row func(name, format string, values ...any), r *result) {
	if row("pictures", "%d", r.Images); len(r.comparison.unreadable) > 0 {
		row("unreadable", "%d", len(r.comparison.unreadable))
	}
	agreement := *r.Intervals.Agreement
	row("agreement", "%.2f %%  (95 %%: %.2f to %.2f)", 100**r.Agreement, 100*agreement[0], 100*agreement[1])
	if r.labelled > 0 {
		both := func(name string, float, int8 *float64, floatIn, int8In *interval) {
			row(name, "%.2f %% float (%.2f to %.2f), %.2f %% int8 (%.2f to %.2f)",
				100**float, 100*floatIn[0], 100*floatIn[1], 100**int8, 100*int8In[0], 100*int8In[1])
		}
		both("top-1", r.Top1Float, r.Top1Int8, r.Intervals.Top1Float, r.Intervals.Top1Int8)
		both("top-5", r.Top5Float, r.Top5Int8, r.Intervals.Top5Float, r.Intervals.Top5Int8)
	} else {
		row("top-1, top-5", "unknown without --labels")
	}
	row("KL mean", "%.5f", *r.KLMean)
	row("KL max", "%.5f", *r.KLMax)
	row("logits SQNR", "%s", r.logitsSQNR())
	row("RMS probability change", "%.4f", *r.RMSDeltaP)
	row("largest flip margin", "%.4f", *r.MaxFlipMargin)
}
