package vitlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// synthetic is the picture that testdata/preprocess.py makes by the same
// formula: ramps, noise, and hard edges that make the filters overshoot.
type synthetic struct {
	width, height int
	read          func(y int) // called for every row that is read
}

func (p synthetic) Size() (int, int) { return p.width, p.height }

func (p synthetic) RowRGB(dst []byte, row int) {
	if p.read != nil {
		p.read(row)
	}
	y := uint32(row)
	for i := range dst {
		x, c := uint32(i/3), uint32(i%3)
		switch (x>>4 + y>>3 + c) % 3 {
		case 0:
			h := x*0x9E3779B1 ^ y*0x85EBCA77 ^ c*0xC2B2AE3D
			dst[i] = byte((h ^ h>>15) * 0x2C1B3C6D >> 24)
		case 1:
			dst[i] = byte(3*x + 5*y + 85*c)
		case 2:
			dst[i] = byte((x>>2 ^ y>>1) & 1 * 255)
		}
	}
}

// golden is a line of testdata/preprocess.json.
type golden struct {
	width, height int
	quant.Preprocess
	sha256 string
}

func (g *golden) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&g.width, &g.height, &g.Resize.Mode, &g.Resize.Size, &g.Crop, &g.Interpolation, &g.sha256})
}

func (g *golden) String() string {
	return fmt.Sprintf("%dx%d %s %d crop %d %s", g.width, g.height, g.Resize.Mode, g.Resize.Size, g.Crop, g.Interpolation)
}

// TestPillow compares with Pillow, torchvision and timm, bit for bit.
func TestPillow(t *testing.T) {
	b, err := os.ReadFile("../testdata/preprocess.json")
	require.NoError(t, err)
	var cases []golden
	require.NoError(t, json.Unmarshal(b, &cases))
	require.NotEmpty(t, cases)
	for _, g := range cases {
		g.Mean = [3]float32{0.5, 0.485, 0.1}
		p, err := NewPreprocessor(g.Preprocess)
		require.NoError(t, err, g.String())
		dst := make([]byte, g.Crop*g.Crop*3)
		require.NoError(t, p.Process(dst, synthetic{width: g.width, height: g.height}), g.String())
		sum := sha256.Sum256(dst)
		if hex.EncodeToString(sum[:]) != g.sha256 {
			t.Errorf("%v: other pixels than Pillow's", &g)
		}
	}
}

// imagenet is timm's usual preprocessing of a 224 px model.
var imagenet = quant.Preprocess{
	Resize:        quant.Resize{Mode: quant.ShortestEdge, Size: 248},
	Crop:          224,
	Interpolation: quant.Bicubic,
}

func newPreprocessor(t testing.TB, p quant.Preprocess) *Preprocessor {
	pre, err := NewPreprocessor(p)
	require.NoError(t, err)
	return pre
}

// TestRowsReadOnce: source rows come in order, none twice, none that the crop
// does not need.
func TestRowsReadOnce(t *testing.T) {
	for _, filter := range []quant.Interpolation{quant.Nearest, quant.Bilinear, quant.Bicubic, quant.Lanczos} {
		for _, height := range []int{7, 480, 2000} {
			p := imagenet
			p.Interpolation = filter
			last, rows := -1, 0
			pic := synthetic{width: 500, height: height, read: func(y int) {
				require.Greater(t, y, last)
				last = y
				rows++
			}}
			require.NoError(t, newPreprocessor(t, p).Process(make([]byte, 224*224*3), pic))
			if height == 480 {
				// 224 of 248 rows of 480, and on both sides what the filter reaches.
				reach := map[quant.Interpolation]int{quant.Nearest: 0, quant.Bilinear: 2, quant.Bicubic: 4, quant.Lanczos: 6}[filter]
				require.Less(t, last, 480*(248+224)/2/248+reach+1)
				require.LessOrEqual(t, rows, 480*224/248+2*reach+2)
			}
		}
	}
}

// parts is a picture that gives parts of its rows.
type parts struct {
	synthetic
	least, greatest int // columns that were read
}

func (p *parts) RowRGB([]byte, int) { panic("the whole row was read") }

func (p *parts) SpanRGB(dst []byte, x, y int) {
	row := make([]byte, 3*p.width)
	p.synthetic.RowRGB(row, y)
	copy(dst, row[3*x:])
	p.least, p.greatest = min(p.least, x), max(p.greatest, x+len(dst)/3-1)
}

// TestPartsOfRows: of a picture that gives parts, no column is read that the
// crop does not need, and the pixels are the same.
func TestPartsOfRows(t *testing.T) {
	for _, width := range []int{300, 641, 2000} {
		whole := synthetic{width: width, height: 480}
		part := &parts{synthetic: whole, least: width}
		want, got := make([]byte, 224*224*3), make([]byte, 224*224*3)
		require.NoError(t, newPreprocessor(t, imagenet).Process(want, whole))
		require.NoError(t, newPreprocessor(t, imagenet).Process(got, part))
		require.Equal(t, want, got)
		if width > 480 { // 224 of 248 pixels of the height, and what the filter reaches
			require.InDelta(t, 480*224/248, part.greatest-part.least, 10)
			require.InDelta(t, width-1, part.greatest+part.least, 2, "in the middle")
		}
	}
}

// TestSizesInTurn alternates more sizes than there are plans, so that plans
// and scratch memory are reused in every order.
func TestSizesInTurn(t *testing.T) {
	p := newPreprocessor(t, imagenet)
	dst, want := make([]byte, 224*224*3), make([]byte, 224*224*3)
	for i := range 5 * maxPlans {
		if i%3 == 2 {
			i -= 2 // again, and after a smaller one
		}
		pic := synthetic{width: 1 + i*i*131%700, height: 1 + i*i*37%900}
		require.NoError(t, p.Process(dst, pic))
		require.NoError(t, newPreprocessor(t, imagenet).Process(want, pic))
		require.True(t, bytes.Equal(want, dst), "%v", pic)
		require.LessOrEqual(t, len(p.plans), maxPlans)
	}
}

// TestVanishingSide: a side that would round to 0 keeps one row of pixels.
// Pillow refuses such a resize.
func TestVanishingSide(t *testing.T) {
	p := newPreprocessor(t, quant.Preprocess{
		Resize:        quant.Resize{Mode: quant.LongestEdge, Size: 4},
		Crop:          4,
		Interpolation: quant.Bilinear,
		Mean:          [3]float32{0, 0.2, 1},
	})
	flat := &frame{width: 100, height: 1, pix: bytes.Repeat([]byte{9}, 300)}
	dst := make([]byte, 4*4*3)
	require.NoError(t, p.Process(dst, flat))
	border := bytes.Repeat([]byte{0, 51, 255}, 4)
	want := bytes.Join([][]byte{border, bytes.Repeat([]byte{9}, 12), border, border}, nil)
	require.Equal(t, want, dst)
}

func TestProcessAllocs(t *testing.T) {
	p := newPreprocessor(t, imagenet)
	dst := make([]byte, 224*224*3)
	pics := []Picture{synthetic{width: 64, height: 48}, synthetic{width: 30, height: 99}}
	process := func() {
		for _, pic := range pics {
			if err := p.Process(dst, pic); err != nil {
				t.Fatal(err)
			}
		}
	}
	process()
	require.Zero(t, testing.AllocsPerRun(2, process))
}

func TestProcessErrors(t *testing.T) {
	p := newPreprocessor(t, imagenet)
	dst := bytes.Repeat([]byte{7}, 224*224*3)
	for _, size := range [][2]int{{0, 5}, {5, 0}, {-1, 5}, {65536, 5}, {5, 65536}} {
		err := p.Process(dst, synthetic{width: size[0], height: size[1]})
		require.ErrorContains(t, err, fmt.Sprintf("%dx%d", size[0], size[1]))
	}
	require.Equal(t, bytes.Repeat([]byte{7}, len(dst)), dst)
	require.ErrorContains(t, p.Process(dst[1:], synthetic{width: 5, height: 5}), "want 150528")
}

func TestNewPreprocessorErrors(t *testing.T) {
	for _, c := range []struct {
		change func(p *quant.Preprocess)
		want   string
	}{
		{func(p *quant.Preprocess) { p.Crop = 0 }, "crop size is 0"},
		{func(p *quant.Preprocess) { p.Crop = 1<<14 + 1 }, "crop size is 16385"},
		{func(p *quant.Preprocess) { p.Resize.Size = -3 }, "resize size is -3"},
		{func(p *quant.Preprocess) { p.Resize.Size = 1 << 30 }, "resize size is 1073741824"},
		{func(p *quant.Preprocess) { p.Resize.Mode = "stretch" }, `"stretch"`},
		{func(p *quant.Preprocess) { p.Interpolation = "box" }, `"box"`},
		{func(p *quant.Preprocess) { p.Resize.Mode, p.Mean[1] = quant.LongestEdge, 123.7 }, "channel 1 is 123.7"},
	} {
		p := imagenet
		c.change(&p)
		_, err := NewPreprocessor(p)
		require.ErrorContains(t, err, c.want)
	}
}

func BenchmarkProcess(b *testing.B) {
	for _, size := range [][2]int{{640, 480}, {1280, 720}, {299, 299}} {
		src := synthetic{width: size[0], height: size[1]}
		pic := &frame{src.width, src.height, make([]byte, 3*src.width*src.height)}
		for y := range pic.height {
			src.RowRGB(pic.pix[3*y*pic.width:][:3*pic.width], y)
		}
		for _, f := range []quant.Interpolation{quant.Bilinear, quant.Bicubic} {
			b.Run(fmt.Sprintf("size=%dx%d/filter=%s", size[0], size[1], f), func(b *testing.B) {
				p := imagenet
				p.Interpolation = f
				pre := newPreprocessor(b, p)
				dst := make([]byte, 224*224*3)
				b.ReportAllocs()
				for b.Loop() {
					if err := pre.Process(dst, pic); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// frame is a picture in memory.
type frame struct {
	width, height int
	pix           []byte
}

func (f *frame) Size() (int, int)         { return f.width, f.height }
func (f *frame) RowRGB(dst []byte, y int) { copy(dst, f.pix[3*y*f.width:]) }
