package web

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
)

// rgb is a frame of a smooth picture.
func rgb(width, height int) *camera.Frame {
	f := &camera.Frame{Width: width, Height: height, Stride: 3 * width, Format: camera.RGB24}
	for y := range height {
		for x := range width {
			f.Data = append(f.Data, byte(255*x/width), byte(255*y/height), byte(255-255*x/width))
		}
	}
	return f
}

// requireSmooth compares the colors of a picture with those of rgb.
func requireSmooth(t *testing.T, img image.Image) {
	t.Helper()
	b := img.Bounds()
	for y := 0; y < b.Dy(); y += 7 {
		for x := 0; x < b.Dx(); x += 7 {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			fx, fy := (float64(x)+0.5)/float64(b.Dx()), (float64(y)+0.5)/float64(b.Dy())
			require.InDelta(t, 255*fx, c.R, 20, "red at %d, %d", x, y)
			require.InDelta(t, 255*fy, c.G, 20, "green at %d, %d", x, y)
			require.InDelta(t, 255-255*fx, c.B, 20, "blue at %d, %d", x, y)
		}
	}
}

func TestEncode(t *testing.T) {
	var e encoder
	for _, c := range []struct{ width, height, wantWidth, wantHeight int }{
		{320, 240, 320, 240}, {640, 480, 640, 480}, {1280, 720, 640, 360}, {1920, 1080, 640, 360}, {641, 301, 320, 150}, {101, 75, 101, 75},
	} {
		data, err := e.encode(rgb(c.width, c.height))
		require.NoError(t, err)
		img, err := jpeg.Decode(bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, image.Pt(c.wantWidth, c.wantHeight), img.Bounds().Size())
		requireSmooth(t, img)
	}
	_, err := e.encode(rgb(1, 1))
	require.NoError(t, err)
	_, err = e.encode(rgb(5000, 1)) // less high than the factor by which it becomes smaller
	require.NoError(t, err)
	_, err = e.encode(&camera.Frame{Width: 64, Height: 64, Format: camera.MJPG, Data: []byte("no picture")})
	require.ErrorIs(t, err, camera.ErrCorrupt)
}

// TestEncodeKeepsThePast guards that a picture is not overwritten by the next.
func TestEncodeKeepsThePast(t *testing.T) {
	var e encoder
	first, err := e.encode(rgb(64, 48))
	require.NoError(t, err)
	kept := bytes.Clone(first)
	black := rgb(64, 48)
	clear(black.Data)
	_, err = e.encode(black)
	require.NoError(t, err)
	require.Equal(t, kept, first)
}

func jpegOf(t *testing.T, width, height int) []byte {
	t.Helper()
	data, err := (&encoder{}).encode(rgb(width, height))
	require.NoError(t, err)
	return data
}

// TestPassedOn checks that JPEG of a camera is not encoded again, and that
// tables that it lacks are put in.
func TestPassedOn(t *testing.T) {
	var e encoder
	data := jpegOf(t, 64, 48)
	f := &camera.Frame{Width: 64, Height: 48, Format: camera.MJPG, Data: data}
	got, err := e.encode(f)
	require.NoError(t, err)
	require.Equal(t, data, got)
	got[0] = 0
	require.Equal(t, byte(0xff), data[0], "the picture is a copy")

	segment, whole := find(data, dht)
	require.True(t, whole)
	bare := bytes.Replace(data, segment, nil, 1)
	_, err = jpeg.Decode(bytes.NewReader(bare))
	require.Error(t, err, "nobody can read it as it is")
	f.Data = bare
	got, err = e.encode(f)
	require.NoError(t, err)
	img, err := jpeg.Decode(bytes.NewReader(got))
	require.NoError(t, err)
	requireSmooth(t, img)

	f.Data, f.View = data, camera.View{Turn: 90}
	got, err = e.encode(f)
	require.NoError(t, err)
	c, err := jpeg.DecodeConfig(bytes.NewReader(got))
	require.NoError(t, err)
	require.Equal(t, [2]int{48, 64}, [2]int{c.Width, c.Height}, "a picture to be turned is turned")

	large := append(bytes.Clone(data), make([]byte, maxPassed)...)
	f = &camera.Frame{Width: 64, Height: 48, Format: camera.JPEG, Data: large}
	got, err = e.encode(f)
	require.NoError(t, err)
	require.Less(t, len(got), maxPassed)
}

// TestFind gives broken headers.
func TestFind(t *testing.T) {
	data := jpegOf(t, 16, 16)
	for n := range data {
		find(data[:n], dht)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		broken := bytes.Clone(data[:200])
		broken[2+r.IntN(198)] = byte(r.Uint32())
		find(broken, dht)
	}
	_, whole := find([]byte{0xff, 0xd8, 0xff, 0xc4, 0, 0, 0xff, 0xda}, sos)
	require.False(t, whole, "a segment has two bytes at least")
	_, whole = find(nil, dht)
	require.False(t, whole)
}

func BenchmarkEncode(b *testing.B) {
	f := rgb(640, 480)
	var e encoder
	for b.Loop() {
		if _, err := e.encode(f); err != nil {
			b.Fatal(err)
		}
	}
}
