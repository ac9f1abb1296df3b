package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"vitedge/quant"
)

// totals are those of a conversion.
type totals struct {
	int8s, floats int
	bytes         int64   // of the int8 model's tensors
	worst         float64 // SQNR in dB
}

func (t *totals) add(r quant.TensorReport) {
	n := elements(r.Shape)
	if r.To != quant.I8 {
		t.floats++
		t.bytes += 4 * n
		return
	}
	t.bytes += n + 4*int64(r.Shape[0]) // with the scales
	if t.int8s++; t.int8s == 1 || r.SQNR < t.worst {
		t.worst = r.SQNR
	}
}

// print sums up a conversion; sizes are in bytes.
func (t *totals) print(w io.Writer, what string, before, after int64, took time.Duration) {
	mb := func(size int64) float64 { return float64(size) / 1e6 }
	fmt.Fprintf(w, "\n%s: %d tensors in int8, %d in float32; worst weight SQNR %s\n", what, t.int8s, t.floats, decibels(t.worst))
	fmt.Fprintf(w, "%.1f MB -> %.1f MB, ratio %.2f, %.2f s; accuracy not verified, see quantize verify\n",
		mb(before), mb(after), mb(before)/mb(after), took.Seconds())
}

// printNotes says what was found and where it came from.
func printNotes(w io.Writer, c *quant.Checkpoint) {
	n := c.Config
	fmt.Fprintf(w, "%s\n  %d x %d pixels, patches of %d, %d tokens of width %d, %d blocks with MLP width %d, %d classes\n",
		c.Path, n.ImageSize, n.ImageSize, n.PatchSize, n.Tokens(), n.Dim, n.Depth, n.MLPDim, n.Classes)
	for _, note := range c.Notes {
		fmt.Fprintf(w, "  %-15s %-24s (%s)\n", note.What, note.Value, note.From)
	}
	if c.Labels == nil {
		fmt.Fprintf(w, "  %-15s %-24s (no --labels, labels.txt or id2label)\n", "labels", "none")
	}
}

// printHeading names the columns of printTensor.
func printHeading(w io.Writer) {
	fmt.Fprintf(w, "\n%-54s %-11s %-12s %9s  %s\n", "tensor", "shape", "type", "SQNR", "max error/scale")
}

func printTensor(w io.Writer, r quant.TensorReport) {
	shape := shapeText(r.Shape)
	if r.To != quant.I8 {
		fmt.Fprintf(w, "%-54s %-11s %s -> %s\n", r.Name, shape, r.From, r.To)
		return
	}
	fmt.Fprintf(w, "%-54s %-11s %-12s %9s  %.4f\n", r.Name, shape, string(r.From)+" -> int8", decibels(r.SQNR), r.MaxError)
}

// decibels formats a ratio of powers; nothing lost has no number.
func decibels(db float64) string {
	if math.IsInf(db, 1) {
		return "exact"
	}
	return fmt.Sprintf("%.2f dB", db)
}

func elements(shape []int) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}

// shapeText is "64x128".
func shapeText(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x")
}
