package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vitedge/quant"
	"vitedge/vitlite"
)

// The report is one HTML page that needs nothing else: no script, no style and
// no picture from elsewhere. The same models and pictures give the same page.

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"db": func(v *float64) string {
		if v == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", *v)
	},
	"percent": func(v float64) float64 { return 100 * v },
	"n":       func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }, // a coordinate
}).Parse(reportHTML))

// page is what report.html shows.
type page struct {
	Title   string
	Verdict verdict
	Tiles   []tile
	Layers  *layerChart
	Worst   []layerRow
	Scatter *scatterChart
	Margins *marginChart
	Changed []change
	More    int // pictures that changed their answer and are not shown
	Facts   []fact
	Notes   []quant.Note
}

type verdict struct {
	Class, Text string // class is "pass", "fail" or "open"
	Details     []string
}

type tile struct{ Name, Value, Note string }

type fact struct{ Name, Value string }

type layerRow struct {
	layerFigures
	Block, Name string
}

// change is a picture that changed its answer.
type change struct {
	Name        string
	Picture     template.URL
	Float, Int8 answerRow
	True        string // label, "" where unknown
	Margin      float64
}

type answerRow struct {
	Model       string // "float32" or "int8"
	Label       string
	Probability float64
	Right       bool
}

// maxChanges is how many pictures a page shows.
const maxChanges = 60

// checkReport reports a path that no page can be written to, before any work is
// done for it, and a file that is no page: it may be a model or a picture.
func checkReport(path string) error {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("writing %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer f.Close()
	start := make([]byte, 64)
	n, _ := io.ReadFull(f, start) // a shorter file is no page, but for an empty one
	if n > 0 && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(string(start[:n]))), "<!doctype html") {
		return fmt.Errorf("--report %s exists and is no HTML page; name another file", path)
	}
	return nil
}

// writeReport writes the page for r.
func writeReport(ctx context.Context, path string, r *result) error {
	p, err := r.page(ctx)
	if err != nil {
		return err
	}
	return quant.ReplaceFile(path, func(w io.Writer) error { return reportTemplate.Execute(w, p) })
}

func (r *result) page(ctx context.Context) (*page, error) {
	p := &page{
		Title:   filepath.Base(r.model.Path),
		Verdict: r.verdict(),
		Tiles:   r.tiles(),
		Layers:  drawLayers(r.Layers),
		Facts:   r.facts(),
		Notes:   r.model.Notes,
	}
	for _, l := range worstLayers(r.Layers, worstShown) {
		block, name := shortName(l.Layer)
		p.Worst = append(p.Worst, layerRow{l, block, name})
	}
	if r.Images == 0 {
		return p, nil
	}
	p.Scatter = drawScatter(r.comparison.pictures, r.comparison.figures)
	p.Margins = drawMargins(r.comparison.figures)
	var err error
	p.Changed, p.More, err = r.changes(ctx)
	return p, err
}

func (r *result) verdict() verdict {
	switch {
	case r.missed != nil:
		return verdict{"fail", "gate missed", r.missed}
	case r.Images == 0:
		return verdict{"open", "not verified", []string{"no pictures were given"}}
	case r.gates:
		return verdict{"pass", "gates passed", nil}
	}
	return verdict{"none", "measured", nil}
}

func (r *result) tiles() []tile {
	if r.Images == 0 {
		return nil
	}
	percent := func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
	in := func(i *interval) string { return fmt.Sprintf("95 %%: %.2f to %.2f %%", 100*i[0], 100*i[1]) }
	list := []tile{{"agreement", percent(*r.Agreement), in(r.Intervals.Agreement)}}
	if r.labelled > 0 {
		list = append(list,
			tile{"top-1, float32", percent(*r.Top1Float), in(r.Intervals.Top1Float)},
			tile{"top-1, int8", percent(*r.Top1Int8), in(r.Intervals.Top1Int8)})
	}
	return append(list,
		tile{"logits SQNR", r.logitsSQNR(), "signal to quantization noise"},
		tile{"KL mean", fmt.Sprintf("%.5f", *r.KLMean), fmt.Sprintf("largest %.5f nats", *r.KLMax)},
		tile{"largest flip margin", fmt.Sprintf("%.3f", *r.MaxFlipMargin), "float32 probability that was overturned"})
}

func (r *result) facts() []fact {
	n := r.model.Config
	list := []fact{
		{"int8 model", r.model.Path},
		{"sha256", r.model.SHA256},
		{"quantized by", "quantize " + r.model.Version},
		{"float weights", r.float.Path},
		{"sha256", r.float.SHA256},
		{"architecture", n.Architecture},
		{"sizes", fmt.Sprintf("%d×%d pixels, patches of %d, width %d, %d blocks, %d heads, MLP width %d, %d classes",
			n.ImageSize, n.ImageSize, n.PatchSize, n.Dim, n.Depth, n.Heads, n.MLPDim, n.Classes)},
		{"pictures", fmt.Sprintf("resize %s, crop %d, %s, mean %v, std %v", r.model.Preprocess.Resize, r.model.Preprocess.Crop,
			r.model.Preprocess.Interpolation, r.model.Preprocess.Mean, r.model.Preprocess.Std)},
		{"measured on", fmt.Sprintf("%d pictures (layers on %d), %d could not be read", r.Images, r.comparison.measured, len(r.comparison.unreadable))},
		{"kernel", vitlite.Kernel()},
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

// changes are the pictures whose answers differ, those first of which the float
// model was surest.
func (r *result) changes(ctx context.Context) (list []change, more int, err error) {
	var differ []int
	for i, f := range r.comparison.figures {
		if !f.agree {
			differ = append(differ, i)
		}
	}
	slices.SortStableFunc(differ, func(a, b int) int {
		return cmp.Compare(r.comparison.figures[b].margin, r.comparison.figures[a].margin)
	})
	more = max(0, len(differ)-maxChanges)
	prepare, err := newPreparer(r.model)
	if err != nil {
		return nil, 0, err
	}
	for _, i := range differ[:len(differ)-more] {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		p, f := r.comparison.pictures[i], r.comparison.figures[i]
		if err := prepare.load(p.path); err != nil {
			return nil, 0, err
		}
		picture, err := dataURL(prepare.pixels, r.model.Config.ImageSize)
		if err != nil {
			return nil, 0, err
		}
		row := func(model string, a answer) answerRow {
			return answerRow{model, r.label(a.class), a.probability, a.class == p.class}
		}
		c := change{Name: p.name, Picture: picture, Float: row("float32", f.floatAnswer), Int8: row("int8", f.int8Answer), Margin: f.margin}
		if p.class >= 0 {
			c.True = r.label(p.class)
		}
		list = append(list, c)
	}
	return list, more, nil
}

func (r *result) label(class int) string {
	if r.model.Labels == nil {
		return fmt.Sprintf("class %d", class)
	}
	return r.model.Labels[class]
}

// dataURL is a square of RGB pixels as a JPEG in an address.
func dataURL(pixels []byte, side int) (template.URL, error) {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(img.Pix[4*i:], pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80}); err != nil {
		return "", err
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}
