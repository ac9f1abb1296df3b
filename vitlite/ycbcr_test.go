package vitlite

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestJPEG compares with JPEGs that Pillow decoded, bit for bit.
func TestJPEG(t *testing.T) {
	paths, err := filepath.Glob("../testdata/jpeg/*.jpg")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		got, want := decode(t, path), decode(t, strings.TrimSuffix(path, ".jpg")+".png")
		require.IsType(t, ycbcr{}, got)
		w, h := want.Size()
		a, b := make([]byte, 3*w), make([]byte, 3*w)
		for y := range h {
			want.RowRGB(a, y)
			got.RowRGB(b, y)
			require.Equal(t, a, b, "%s row %d", path, y)
		}
	}
}

var ratios = []image.YCbCrSubsampleRatio{
	image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
	image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
}

// TestYCbCr compares random pictures of every ratio and odd and even sizes,
// whole and cut out, with color.YCbCrToRGB of chroma interpolated in floating
// point. Where a part starts inside a chroma sample, and for ratios of 4, the
// samples are repeated.
func TestYCbCr(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, ratio := range ratios {
		for _, size := range []image.Point{{23, 11}, {24, 12}, {9, 2}, {8, 1}} {
			whole := image.NewYCbCr(image.Rectangle{Max: size}, ratio)
			for _, plane := range [][]byte{whole.Y, whole.Cb, whole.Cr} {
				for i := range plane {
					plane[i] = byte(rng.Uint32())
				}
			}
			for _, cut := range []image.Rectangle{whole.Rect, image.Rect(2, 2, 9, 9), image.Rect(4, 0, 20, 1), image.Rect(1, 1, 8, 4)} {
				m := whole.SubImage(cut).(*image.YCbCr)
				if !m.Rect.Empty() {
					compareYCbCr(t, m)
				}
			}
		}
	}
}

func compareYCbCr(t *testing.T, m *image.YCbCr) {
	h := map[image.YCbCrSubsampleRatio]int{image.YCbCrSubsampleRatio444: 1, image.YCbCrSubsampleRatio440: 1, image.YCbCrSubsampleRatio422: 2, image.YCbCrSubsampleRatio420: 2}[m.SubsampleRatio]
	v := map[image.YCbCrSubsampleRatio]int{image.YCbCrSubsampleRatio444: 1, image.YCbCrSubsampleRatio440: 2, image.YCbCrSubsampleRatio422: 1, image.YCbCrSubsampleRatio420: 2}[m.SubsampleRatio]
	smooth := h > 0 && m.Rect.Min.X%h == 0 && m.Rect.Min.Y%v == 0

	pic := PictureOf(m)
	w, height := pic.Size()
	row := make([]byte, 3*w)
	for y := range height {
		pic.RowRGB(row, y)
		for x := range w {
			c := m.YCbCrAt(m.Rect.Min.X+x, m.Rect.Min.Y+y)
			cb, cr := float64(c.Cb), float64(c.Cr)
			if smooth && (h == 1 || (w+1)/2 > 2) {
				cb, cr = interpolated(m, m.Cb, x, y, h, v), interpolated(m, m.Cr, x, y, h, v)
			}
			// Chroma is rounded to within 3/4 of a level and then weighs at
			// most 1.772; the sum is rounded once more.
			want := [3]float64{
				float64(c.Y) + 1.402*(cr-128),
				float64(c.Y) - 0.344136*(cb-128) - 0.714136*(cr-128),
				float64(c.Y) + 1.772*(cb-128),
			}
			for i, f := range want {
				require.InDelta(t, min(max(f, 0), 255), row[3*x+i], 0.75*1.772+0.51, "%v %v pixel %d,%d", m.SubsampleRatio, m.Rect, x, y)
			}
		}
	}
}

// interpolated is the chroma at pixel x, y of m: samples sit in the middle of
// h by v pixels, and the outermost reach to the border.
func interpolated(m *image.YCbCr, plane []byte, x, y, h, v int) float64 {
	side := func(pixel, pixels, share int) (near, far int, weight float64) {
		if share == 1 {
			return pixel, pixel, 0
		}
		near = pixel / 2
		far = min(max(near+pixel%2*2-1, 0), (pixels+1)/2-1)
		return near, far, 0.25
	}
	x0, x1, wx := side(x, m.Rect.Dx(), h)
	y0, y1, wy := side(y, m.Rect.Dy(), v)
	at := func(x, y int) float64 { return float64(plane[y*m.CStride+x]) }
	return (1-wy)*((1-wx)*at(x0, y0)+wx*at(x1, y0)) + wy*((1-wx)*at(x0, y1)+wx*at(x1, y1))
}

// TestToRGB compares with image/color, which rounds otherwise, for every luma
// and a lattice of chroma that includes the extremes.
func TestToRGB(t *testing.T) {
	for y := range 256 {
		for cb := 0; cb < 256; cb += 5 {
			for cr := 0; cr < 256; cr += 5 {
				r, g, b := toRGB(byte(y), int32(cb), int32(cr))
				wr, wg, wb := color.YCbCrToRGB(byte(y), byte(cb), byte(cr))
				for _, d := range []int{int(r) - int(wr), int(g) - int(wg), int(b) - int(wb)} {
					if d < -1 || d > 1 {
						t.Fatal(fmt.Sprint(y, cb, cr, ": ", r, g, b, " and ", wr, wg, wb))
					}
				}
			}
		}
	}
	r, g, b := toRGB(77, 128, 128)
	require.Equal(t, [3]byte{77, 77, 77}, [3]byte{r, g, b})
}

func BenchmarkRowRGB(b *testing.B) {
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420} {
		b.Run("ratio="+ratio.String(), func(b *testing.B) {
			pic := PictureOf(image.NewYCbCr(image.Rect(0, 0, 640, 480), ratio))
			row := make([]byte, 3*640)
			b.SetBytes(640)
			for b.Loop() {
				pic.RowRGB(row, 100)
			}
		})
	}
}
