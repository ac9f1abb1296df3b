package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// patches are colors in squares of 16 pixels, so that the middle of each is
// the same however chroma is interpolated.
const (
	patchesAcross, patchesDown = 16, 16
	patchSide                  = 16
)

// patchColor is the Y, Cb and Cr of a patch: the ends of full and of limited
// range, and what is between.
func patchColor(n int) (y, cb, cr byte) {
	luma := [...]byte{0, 16, 30, 81, 128, 180, 235, 255}
	chroma := [...]byte{16, 64, 100, 128, 150, 240}
	return luma[n%len(luma)], chroma[n/8%len(chroma)], chroma[n/48%len(chroma)]
}

// patchFrame paints the patches in a raw format.
func patchFrame(format FourCC) *Frame {
	w, h := patchesAcross*patchSide, patchesDown*patchSide
	f := &Frame{Width: w, Height: h, Format: format, Stride: format.minStride(w)}
	f.Data = make([]byte, format.size(f.Stride, h))
	for y := range h {
		for x := range w {
			luma, cb, cr := patchColor(y/patchSide*patchesAcross + x/patchSide)
			line := f.Data[y*f.Stride:]
			switch format {
			case YUYV:
				line[2*x], line[x&^1*2+1], line[x&^1*2+3] = luma, cb, cr
			case NV12:
				line[x] = luma
				c := f.Data[h*f.Stride+y/2*f.Stride+x&^1:]
				c[0], c[1] = cb, cr
			case Grey:
				line[x] = luma
			case RGB24, BGR24:
				line[3*x], line[3*x+1], line[3*x+2] = luma, cb, cr
			}
		}
	}
	return f
}

// patchJPEG is the patches as a JPEG, whose YCbCr is in full range.
func patchJPEG(t *testing.T) *Frame {
	w, h := patchesAcross*patchSide, patchesDown*patchSide
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for y := range h {
		for x := range w {
			i, j := m.YOffset(x, y), m.COffset(x, y)
			m.Y[i], m.Cb[j], m.Cr[j] = patchColor(y/patchSide*patchesAcross + x/patchSide)
		}
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}))
	return &Frame{Width: w, Height: h, Format: MJPG, Data: b.Bytes()}
}

// TestFFmpeg compares the colors of every format with those of ffmpeg's
// swscale, to within two levels.
func TestFFmpeg(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil && os.Getenv("VITEDGE_TEST_REQUIRE") != "1" {
		t.Skip("ffmpeg is not installed")
	}
	require.NoError(t, err)
	raw := func(pixels, color string) []string {
		return []string{"-f", "rawvideo", "-pixel_format", pixels, "-video_size", fmt.Sprintf("%dx%d", patchesAcross*patchSide, patchesDown*patchSide), "-color_range", color}
	}
	full := patchFrame(YUYV)
	full.Color = BT601Full
	for _, tt := range []struct {
		name  string
		frame *Frame
		input []string
	}{
		{"YUYV", patchFrame(YUYV), raw("yuyv422", "tv")},
		{"YUYV in full range", full, raw("yuyv422", "pc")},
		{"NV12", patchFrame(NV12), raw("nv12", "tv")},
		{"GREY", patchFrame(Grey), raw("gray", "pc")},
		{"RGB24", patchFrame(RGB24), raw("rgb24", "pc")},
		{"BGR24", patchFrame(BGR24), raw("bgr24", "pc")},
		{"MJPEG", patchJPEG(t), []string{"-f", "mjpeg"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"-v", "error", "-nostdin"}, tt.input...)
			args = append(args, "-i", "pipe:0", "-frames:v", "1", "-sws_flags", "accurate_rnd+full_chroma_int+bicubic", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1")
			cmd := exec.CommandContext(t.Context(), ffmpeg, args...)
			var stderr bytes.Buffer
			cmd.Stdin, cmd.Stderr = bytes.NewReader(tt.frame.Data), &stderr
			want, err := cmd.Output()
			require.NoError(t, err, stderr.String())

			var p Picture
			require.NoError(t, tt.frame.Decode(&p))
			got := rgbRows(&p)
			require.Len(t, want, len(got))
			worst := 0
			for n := range patchesAcross * patchesDown {
				x, y := n%patchesAcross*patchSide+patchSide/2, n/patchesAcross*patchSide+patchSide/2
				for c := range 3 {
					i := 3*(y*tt.frame.Width+x) + c
					worst = max(worst, distance(want[i], got[i]))
					require.LessOrEqual(t, distance(want[i], got[i]), 2, "patch %d, channel %d: %d, want %d", n, c, got[i], want[i])
				}
			}
			t.Logf("at most %d levels from ffmpeg", worst)
		})
	}
}
