package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The charts of the report are drawn by report.html from numbers that are
// computed here, in the units of their SVG's viewBox: x to the right, y down.

// axis maps values to coordinates.
type axis struct {
	min, max float64 // values
	from, to float64 // their coordinates
}

func (a axis) at(v float64) float64 {
	return a.from + (v-a.min)/(a.max-a.min)*(a.to-a.from)
}

// tick is a labelled line of an axis.
type tick struct {
	At    float64
	Label string
}

// ticks are at the multiples of step.
func (a axis) ticks(step float64, format string) (list []tick) {
	for i := math.Ceil(a.min / step); i*step <= a.max+step/1e6; i++ {
		list = append(list, tick{a.at(i * step), fmt.Sprintf(format, i*step)})
	}
	return list
}

// mark is a point of a chart; its title shows on hover.
type mark struct {
	X, Y  float64
	Title string
	Label string // beside the point, for the few that have one
}

// layerChart shows the SQNR of all layers in their order.
type layerChart struct {
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the plot
	Ticks                    []tick
	Blocks                   []band
	Local, Weights, Kept     []mark
	Cumulative               []mark
	Line                     string // points of the cumulative polyline
}

// What the template cannot compute.
func (c *layerChart) PlotHeight() float64 { return c.Bottom - c.Top }
func (c *layerChart) Center() float64     { return (c.Left + c.Right) / 2 }
func (c *layerChart) BlockLabel() float64 { return c.Bottom + 16 }

// band is the columns of one encoder block.
type band struct {
	X, Width, Center float64
	Label            string
	Shaded           bool
}

// drawLayers is nil where there is nothing to draw.
func drawLayers(layers []layerFigures) *layerChart {
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range layers {
		for _, v := range []*float64{l.Weights, l.Local, l.Cumulative} {
			if v != nil {
				low, high = min(low, *v), max(high, *v)
			}
		}
	}
	if math.IsInf(low, 1) {
		return nil
	}
	c := &layerChart{Width: 1080, Height: 340, Left: 48, Right: 1068, Top: 12, Bottom: 300}
	step := 5.0
	for (high-low)/step > 9 {
		step *= 2
	}
	y := axis{math.Floor(low/step-0.2) * step, math.Ceil(high/step+0.2) * step, c.Bottom, c.Top}
	c.Ticks = y.ticks(step, "%.0f")
	c.Ticks[len(c.Ticks)-1].Label += " dB"
	x := axis{0, float64(len(layers)), c.Left, c.Right}

	labelled := worstLayers(layers, 3)
	var line []string
	for i, l := range layers {
		at := x.at(float64(i) + 0.5)
		block, short := shortName(l.Layer)
		if len(c.Blocks) == 0 || c.Blocks[len(c.Blocks)-1].Label != block {
			c.Blocks = append(c.Blocks, band{X: x.at(float64(i)), Label: block, Shaded: len(c.Blocks)%2 == 1})
		}
		b := &c.Blocks[len(c.Blocks)-1]
		b.Width = x.at(float64(i+1)) - b.X
		b.Center = b.X + b.Width/2
		point := func(v *float64, what string) mark {
			return mark{X: at, Y: y.at(*v), Title: fmt.Sprintf("block %s, %s: %s %.2f dB", block, short, what, *v)}
		}
		if l.Weights != nil {
			c.Weights = append(c.Weights, point(l.Weights, "weights"))
		} else {
			c.Kept = append(c.Kept, mark{X: at, Y: c.Top + 8, Title: fmt.Sprintf("block %s, %s: float32", block, short)})
		}
		if l.Local != nil {
			p := point(l.Local, "local")
			if slices.ContainsFunc(labelled, func(w layerFigures) bool { return w.Layer == l.Layer }) {
				p.Label = short
			}
			c.Local = append(c.Local, p)
		}
		if l.Cumulative != nil {
			p := point(l.Cumulative, "cumulative")
			c.Cumulative = append(c.Cumulative, p)
			line = append(line, fmt.Sprintf("%.1f,%.1f", p.X, p.Y))
		}
	}
	c.Line = strings.Join(line, " ")
	return c
}

// shortName is the block of a layer and its name in the papers.
func shortName(layer string) (block, name string) {
	rest := strings.TrimPrefix(layer, "vit.encoder.layer.")
	block, rest, _ = strings.Cut(rest, ".")
	switch rest {
	case "attention.output.dense":
		return block, "proj"
	case "intermediate.dense":
		return block, "fc1"
	case "output.dense":
		return block, "fc2"
	}
	return block, strings.TrimPrefix(rest, "attention.attention.")
}

// scatterChart shows the probability of the float model's class in both models.
type scatterChart struct {
	Size, Left, Right, Top, Bottom float64
	Ticks, Rows                    []tick // of the two axes
	Same, Changed                  []mark
}

// maxPoints bounds the points of a chart whose answers are the same.
const maxPoints = 4000

func drawScatter(pictures []picture, figures []pictureFigures) *scatterChart {
	c := &scatterChart{Size: 420, Left: 44, Right: 408, Top: 12, Bottom: 376}
	x, y := axis{0, 1, c.Left, c.Right}, axis{0, 1, c.Bottom, c.Top}
	c.Ticks, c.Rows = x.ticks(0.2, "%.1f"), y.ticks(0.2, "%.1f")
	every := len(figures)/maxPoints + 1
	for i, f := range figures {
		m := mark{X: x.at(f.floatP), Y: y.at(f.int8P), Title: fmt.Sprintf("%s: float32 %.3f, int8 %.3f", pictures[i].name, f.floatP, f.int8P)}
		switch {
		case !f.agree:
			c.Changed = append(c.Changed, m)
		case i%every == 0:
			c.Same = append(c.Same, m)
		}
	}
	return c
}

// marginChart counts pictures by the float model's margin, and how many of them
// changed their answer.
type marginChart struct {
	Width, Height, Left, Right, Top, Bottom float64
	Ticks, Rows                             []tick
	Same, Changed                           []column
}

// column is a bar of a histogram.
type column struct {
	X, Y, Width, Height float64
	Title               string
}

// marginBins is the number of bars.
const marginBins = 20

// drawMargins has heights by the square root of the count, so that one picture
// shows beside hundreds.
func drawMargins(figures []pictureFigures) *marginChart {
	c := &marginChart{Width: 620, Height: 420, Left: 44, Right: 608, Top: 12, Bottom: 376}
	var all, changed [marginBins]int
	most := 0
	for _, f := range figures {
		bin := min(marginBins-1, int(f.margin*marginBins))
		all[bin]++
		most = max(most, all[bin])
		if !f.agree {
			changed[bin]++
		}
	}
	x := axis{0, 1, c.Left, c.Right}
	y := axis{0, math.Sqrt(float64(most)), c.Bottom, c.Top}
	c.Ticks = x.ticks(0.1, "%.1f")
	for _, n := range []int{1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000} {
		if n <= most {
			c.Rows = append(c.Rows, tick{y.at(math.Sqrt(float64(n))), fmt.Sprint(n)})
		}
	}
	for i := range all {
		left, right := x.at(float64(i)/marginBins)+1, x.at(float64(i+1)/marginBins)-1
		title := fmt.Sprintf("margin %.2f to %.2f: %d pictures, %d changed", float64(i)/marginBins, float64(i+1)/marginBins, all[i], changed[i])
		bar := func(n int) column {
			top := y.at(math.Sqrt(float64(n)))
			return column{left, top, right - left, c.Bottom - top, title}
		}
		if all[i] > 0 {
			c.Same = append(c.Same, bar(all[i]))
		}
		if changed[i] > 0 {
			c.Changed = append(c.Changed, bar(changed[i]))
		}
	}
	return c
}
