package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/quant"
	"vitedge/vitlite"
)

// imagenet is the preprocessing of most models: 224 pixels out of 248.
var imagenet = quant.Preprocess{
	Resize: quant.Resize{Mode: quant.ShortestEdge, Size: 248}, Crop: 224, Interpolation: quant.Bicubic,
}

// scene draws shapes, textures and noise that compress like a photograph.
func scene(width, height int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio422)
	noise := uint32(1)
	for y := range height {
		for x := range width {
			noise = noise*1664525 + 1013904223
			u, v := 640*float64(x)/float64(width), 480*float64(y)/float64(height)
			l := 120 + 60*math.Sin(u/50+math.Sin(v/30)) + 25*math.Sin(u*v/2000) + 15*math.Sin(u/2)*math.Cos(v/3)
			m.Y[m.YOffset(x, y)] = byte(min(max(l+float64(noise>>28)-8, 0), 255))
			c := m.COffset(x, y)
			m.Cb[c], m.Cr[c] = byte(128+50*math.Sin(u/90)), byte(128+50*math.Cos(v/70))
		}
	}
	return m
}

func yuyv(m *image.YCbCr) *camera.Frame {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	f := &camera.Frame{Width: width, Height: height, Stride: 2 * width, Format: camera.YUYV, Data: make([]byte, 2*width*height)}
	for y := range height {
		for x := range width {
			c := m.COffset(x, y)
			pair := f.Data[y*f.Stride+x&^1*2:]
			pair[x&1*2], pair[1], pair[3] = m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c]
		}
	}
	return f
}

func mjpeg(t testing.TB, m *image.YCbCr) *camera.Frame {
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}))
	return &camera.Frame{Width: m.Rect.Dx(), Height: m.Rect.Dy(), Format: camera.MJPG, Data: b.Bytes()}
}

func imagenetEye(t testing.TB) *Eye {
	e, err := newEye(imagenet)
	require.NoError(t, err)
	return e
}

// TestFullSize: a large JPEG leads to the very pixels that the decoder of the
// whole picture and the resampler make of it.
func TestFullSize(t *testing.T) {
	e, f := imagenetEye(t), mjpeg(t, scene(1100, 1000))
	require.NoError(t, e.look(f, new(pipeline.Report)))
	var whole camera.Picture
	require.NoError(t, f.Decode(&whole))
	p, err := vitlite.NewPreprocessor(imagenet)
	require.NoError(t, err)
	want := make([]byte, 3*224*224)
	require.NoError(t, p.Process(want, &whole))
	require.Equal(t, want, e.pixels)

	e.picture.Target = 2 * imagenet.Resize.Size
	require.NoError(t, e.look(f, new(pipeline.Report)))
	require.NotEqual(t, want, e.pixels, "a reduced one differs")
}

func TestLookAllocatesNothing(t *testing.T) {
	e := imagenetEye(t)
	frames := []*camera.Frame{yuyv(scene(640, 480)), mjpeg(t, scene(640, 480))}
	var r pipeline.Report
	require.Zero(t, testing.AllocsPerRun(2, func() {
		for _, f := range frames {
			if err := e.look(f, &r); err != nil {
				panic(err)
			}
		}
	}))
	require.Positive(t, r.Luma.Mean)
}

// BenchmarkPreprocess times one thread from the bytes of a frame to the pixels
// of the model; JPEG also decoded at a reduced size, which the engine does not.
func BenchmarkPreprocess(b *testing.B) {
	run := func(f *camera.Frame, target int) {
		name := fmt.Sprintf("format=%v/size=%dx%d/target=%d/kernel=%s", f.Format, f.Width, f.Height, target, vitlite.Kernel())
		b.Run(name, func(b *testing.B) {
			e := imagenetEye(b)
			e.picture.Target = target
			var r pipeline.Report
			b.ReportAllocs()
			for b.Loop() {
				if err := e.look(f, &r); err != nil {
					b.Fatal(err)
				}
			}
			if f.Format == camera.MJPG {
				b.ReportMetric(float64(len(f.Data)), "bytes")
			}
		})
	}
	run(yuyv(scene(640, 480)), 0)
	for _, size := range []image.Point{{640, 480}, {1280, 720}, {1920, 1080}} {
		f := mjpeg(b, scene(size.X, size.Y))
		run(f, 0)
		if size.X > 640 {
			run(f, imagenet.Resize.Size)
			run(f, 2*imagenet.Resize.Size)
		}
	}
}
