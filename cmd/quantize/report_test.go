package main

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// element is a start tag of a page and the text up to the next one.
type element struct {
	name string
	attr map[string]string
	text string
}

func (e element) class(name string) bool {
	return strings.Contains(" "+e.attr["class"]+" ", " "+name+" ")
}

// parsePage reads HTML whose tags are closed, as this page's are.
func parsePage(t *testing.T, page []byte) (list []element) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			list = append(list, e)
		case xml.CharData:
			if len(list) > 0 {
				list[len(list)-1].text += string(token)
			}
		}
	}
}

// count counts the elements of a class.
func count(page []element, name, class string) (n int) {
	for _, e := range page {
		if e.name == name && e.class(class) {
			n++
		}
	}
	return n
}

// badResult compares a model with one whose head is another, so that answers
// change. Picture 0 has a hostile name, and the model a hostile label.
func badResult(t *testing.T) *result {
	const mix = 0.3 // some pictures change their answer, some do not
	dir := t.TempDir()
	require.NoError(t, writePictures(dir, 12))
	require.NoError(t, os.Rename(filepath.Join(dir, "0.jpg"), filepath.Join(dir, `"><script>0.jpg`)))
	float, int8, _ := models(t, func(layer string) bool { return strings.Contains(layer, ".1.output") })
	other, err := quant.New(float.Config, float.Preprocess, func(name string, shape []int, dst []float32) {
		tensor, err := float.Tensor(name)
		require.NoError(t, err)
		v, err := tensor.Float32s()
		require.NoError(t, err)
		copy(dst, v)
		if name == "classifier.weight" {
			for i := range dst {
				dst[i] = v[i] + mix*v[(i+64)%len(v)] // something of the next class
			}
		}
	})
	require.NoError(t, err)
	int8.Path, int8.Labels = "model.safetensors", []string{"<ant> & bee", "b", "c", "d", "e"}
	names, _, err := findPictures(dir)
	require.NoError(t, err)
	var pictures []picture
	for i, name := range names {
		pictures = append(pictures, picture{filepath.Join(dir, name), name, i%5 - 1})
	}
	r := &result{model: int8, float: other}
	r.comparison, err = comparePictures(t.Context(), other, int8, pictures, func(int) {})
	require.NoError(t, err)
	r.figures = sumUp(r.comparison.figures)
	r.Intervals = r.figures.intervals()
	r.Layers, err = describeLayers(other, int8, r.comparison.layers)
	require.NoError(t, err)
	return r
}

func writePage(t *testing.T, r *result) []byte {
	path := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, writeReport(t.Context(), path, r))
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	return page
}

// The page shows every layer, picture and change, and nothing of elsewhere.
func TestReport(t *testing.T) {
	r := badResult(t)
	text := writePage(t, r)
	require.Equal(t, text, writePage(t, r), "the same figures give the same page")
	page := parsePage(t, text)

	changed := r.Images - r.agree
	require.GreaterOrEqual(t, changed, 2, "else this tests nothing")
	require.Less(t, changed, r.Images)
	key := 1 // the legends have one mark of each kind
	require.Equal(t, 12+key, count(page, "circle", "local")+count(page, "rect", "kept")-key)
	require.Equal(t, 1+key, count(page, "rect", "kept"))
	require.Equal(t, 11+key, count(page, "line", "weights"))
	require.Equal(t, r.agree+key, count(page, "circle", "same"))
	require.Equal(t, changed+key, count(page, "circle", "changed"))
	figures, pictures := 0, 0
	for _, e := range page {
		require.NotEqual(t, "script", e.name)
		require.NotContains(t, []string{"link", "iframe", "object", "embed", "base", "form", "a"}, e.name)
		for name, value := range e.attr {
			require.False(t, strings.HasPrefix(name, "on"), name)
			switch name {
			case "src":
				data, ok := strings.CutPrefix(value, "data:image/jpeg;base64,")
				require.True(t, ok, value)
				b, err := base64.StdEncoding.DecodeString(data)
				require.NoError(t, err)
				img, _, err := image.Decode(bytes.NewReader(b))
				require.NoError(t, err)
				require.Equal(t, 16, img.Bounds().Dx())
				pictures++
			case "href", "srcset", "action", "background":
				require.Fail(t, "address", "%s=%q", name, value)
			case "x", "y", "cx", "cy", "x1", "x2", "y1", "y2":
				v, err := strconv.ParseFloat(value, 64)
				require.NoError(t, err)
				require.True(t, v >= -5 && v <= 1100, "%s=%q", name, value)
			}
		}
		if e.name == "figure" {
			figures++
		}
	}
	require.Equal(t, changed, figures)
	require.Equal(t, changed, pictures)
	require.NotContains(t, string(text), "http:")
	require.NotContains(t, string(text), "https:")
	require.NotContains(t, string(text), "url(")
	require.Contains(t, string(text), "prefers-color-scheme: dark")
	require.Contains(t, string(text), "&lt;ant&gt; &amp; bee")
	require.NotContains(t, string(text), "<ant>")
	require.NotContains(t, string(text), "<script")
	require.Contains(t, string(text), fmt.Sprintf("%.2f %%", 100**r.Agreement))
	require.Contains(t, string(text), `class="verdict none">measured<`)
}

// Changes come with both answers, those first of which float32 was surest.
func TestReportChanges(t *testing.T) {
	r := badResult(t)
	changes, more, err := r.changes(t.Context())
	require.NoError(t, err)
	require.Zero(t, more)
	last := 2.0
	for _, c := range changes {
		require.LessOrEqual(t, c.Margin, last)
		last = c.Margin
		for i, p := range r.comparison.pictures {
			if p.name != c.Name {
				continue
			}
			f := r.comparison.figures[i]
			require.False(t, f.agree)
			require.Equal(t, answerRow{"float32", r.label(f.floatAnswer.class), f.floatAnswer.probability, f.floatAnswer.class == p.class}, c.Float)
			require.Equal(t, answerRow{"int8", r.label(f.int8Answer.class), f.int8Answer.probability, f.int8Answer.class == p.class}, c.Int8)
			require.NotEqual(t, c.Float.Label, c.Int8.Label)
			require.Equal(t, p.class >= 0, c.True != "")
		}
	}
	for range maxChanges {
		r.comparison.figures = append(r.comparison.figures, r.comparison.figures[:r.Images]...)
		r.comparison.pictures = append(r.comparison.pictures, r.comparison.pictures[:r.Images]...)
	}
	changes, more, err = r.changes(t.Context())
	require.NoError(t, err)
	require.Len(t, changes, maxChanges)
	require.Equal(t, (maxChanges+1)*(r.Images-r.agree)-maxChanges, more)
}

func TestReportVerdict(t *testing.T) {
	for _, test := range []struct {
		r    result
		want string
	}{
		{result{}, `class="verdict open">not verified<`},
		{result{missed: []string{"agreement is low"}}, `class="verdict fail">gate missed<`},
		{result{figures: figures{Images: 1}, gates: true}, "gates passed"},
		{result{figures: figures{Images: 1}}, "measured"},
	} {
		v := test.r.verdict()
		if test.r.Images > 0 {
			require.Equal(t, test.want, v.Text)
			continue
		}
		_, c, _ := models(t, nil)
		test.r.model, test.r.float = c, c
		require.Contains(t, string(writePage(t, &test.r)), test.want)
	}
}

func TestDrawMargins(t *testing.T) {
	c := drawMargins([]pictureFigures{{margin: 0.01}, {margin: 0.02, agree: true}, {margin: 1, agree: true}, {margin: 0.999, agree: true}})
	require.Len(t, c.Same, 2)
	require.Len(t, c.Changed, 1)
	require.Equal(t, "margin 0.00 to 0.05: 2 pictures, 1 changed", c.Changed[0].Title)
	require.Equal(t, "margin 0.95 to 1.00: 2 pictures, 0 changed", c.Same[1].Title)
	require.InDelta(t, c.Bottom-c.Top, c.Same[0].Height, 1e-9, "the tallest fills the plot")
}

func TestDrawScatterMany(t *testing.T) {
	figures := make([]pictureFigures, 3*maxPoints)
	for i := range figures {
		figures[i] = pictureFigures{agree: i%100 != 1, floatP: 0.5, int8P: 0.25}
	}
	c := drawScatter(make([]picture, len(figures)), figures)
	require.LessOrEqual(t, len(c.Same), maxPoints)
	require.Greater(t, len(c.Same), maxPoints/2)
	require.Len(t, c.Changed, len(figures)/100, "every change is drawn")
	require.Equal(t, []float64{226, 285}, []float64{c.Same[0].X, c.Same[0].Y})
}

func TestShortName(t *testing.T) {
	for layer, want := range map[string][2]string{
		"vit.encoder.layer.11.attention.attention.query": {"11", "query"},
		"vit.encoder.layer.0.attention.output.dense":     {"0", "proj"},
		"vit.encoder.layer.7.intermediate.dense":         {"7", "fc1"},
		"vit.encoder.layer.7.output.dense":               {"7", "fc2"},
	} {
		block, name := shortName(layer)
		require.Equal(t, want, [2]string{block, name})
	}
}
