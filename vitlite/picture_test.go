package vitlite

import (
	"image"
	"image/color"
	"image/color/palette"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// opaque hides the type of an image, and its RGBA64At.
type opaque struct{ image.Image }

// TestPictureOf compares every type of image but YCbCr with color.NRGBAModel,
// whole and cut out.
func TestPictureOf(t *testing.T) {
	const width, height = 23, 11
	r := image.Rect(0, 0, width, height)
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(planes ...[]byte) {
		for _, p := range planes {
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
		}
	}
	type subImager interface {
		image.Image
		SubImage(image.Rectangle) image.Image
	}
	images := map[string]subImager{}
	rgba := image.NewRGBA(r)
	for y := range height {
		for x := range width { // valid premultiplied colors, a third opaque, a third transparent
			a := []byte{255, 0, byte(rng.Uint32())}[rng.IntN(3)]
			c := color.NRGBA{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), a}
			rgba.Set(x, y, c)
		}
	}
	images["RGBA"] = rgba
	gray := image.NewGray(r)
	fill(gray.Pix)
	images["Gray"] = gray
	gray16 := image.NewGray16(r)
	fill(gray16.Pix)
	images["Gray16"] = gray16
	cmyk := image.NewCMYK(r)
	fill(cmyk.Pix)
	images["CMYK"] = cmyk
	pal := image.NewPaletted(r, palette.WebSafe)
	for i := range pal.Pix {
		pal.Pix[i] = byte(rng.IntN(len(palette.WebSafe)))
	}
	images["Paletted"] = pal

	for name, whole := range images {
		for _, cut := range []image.Rectangle{r, image.Rect(1, 1, 8, 4), image.Rect(2, 4, 9, 7), image.Rect(4, 3, 6, 9), image.Rect(22, 10, 23, 11)} {
			m := whole.SubImage(cut)
			for _, img := range []image.Image{m, opaque{m}} {
				pic := PictureOf(img)
				w, h := pic.Size()
				require.Equal(t, cut.Size(), image.Pt(w, h))
				got := make([]byte, 3*w)
				for y := range h {
					pic.RowRGB(got, y)
					for x := range w {
						c := color.NRGBAModel.Convert(m.At(cut.Min.X+x, cut.Min.Y+y)).(color.NRGBA)
						require.Equal(t, []byte{c.R, c.G, c.B}, got[3*x:3*x+3], "%s %v (%T): pixel %d,%d", name, cut, pic, x, y)
					}
				}
			}
		}
	}
}

// TestAlphaIsDropped: straight alpha keeps its color, however transparent.
func TestAlphaIsDropped(t *testing.T) {
	m := image.NewNRGBA(image.Rect(3, 5, 5, 6))
	m.SetNRGBA(3, 5, color.NRGBA{10, 20, 30, 0})
	m.SetNRGBA(4, 5, color.NRGBA{40, 50, 60, 128})
	got := make([]byte, 6)
	PictureOf(m).RowRGB(got, 0)
	require.Equal(t, []byte{10, 20, 30, 40, 50, 60}, got)
}

// TestShortPalette: an index beyond the palette is black, not a panic.
func TestShortPalette(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.White})
	m.Pix[1] = 200
	got := []byte{1, 1, 1, 1, 1, 1}
	PictureOf(m).RowRGB(got, 0)
	require.Equal(t, []byte{255, 255, 255, 0, 0, 0}, got)
}

// TestPictureAllocs: reading a row of what the decoders return allocates
// nothing.
func TestPictureAllocs(t *testing.T) {
	r := image.Rect(0, 0, 40, 30)
	row := make([]byte, 3*40)
	for _, m := range []image.Image{
		image.NewYCbCr(r, image.YCbCrSubsampleRatio420), image.NewRGBA(r), image.NewNRGBA(r),
		image.NewGray(r), image.NewGray16(r), image.NewCMYK(r),
	} {
		pic := PictureOf(m)
		require.Zero(t, testing.AllocsPerRun(10, func() { pic.RowRGB(row, 7) }), "%T", m)
	}
}
