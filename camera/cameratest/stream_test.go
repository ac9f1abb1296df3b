package cameratest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// take reads one frame at a time of the test's own.
func take(t *testing.T, c *Camera, now time.Time) (frame []byte, payloads int) {
	for {
		data, wait := c.payload(now, maxPayload)
		require.Zero(t, wait)
		require.LessOrEqual(t, len(data), maxPayload)
		frame = append(frame, data[2:]...)
		payloads++
		if data[1]&2 != 0 {
			return frame, payloads
		}
	}
}

// Frames leave at the rate that was agreed on; what a slow guest has missed is
// not made up for.
func TestPace(t *testing.T) {
	c := New(Config{})
	start := time.Now()
	_, wait := c.payload(start, maxPayload)
	require.Equal(t, never, wait, "no stream")
	c.stream.start(c.config.streamOf(c.config.negotiate(probe{Format: 2, Frame: 3, Interval: 666666})))
	interval := 66666600 * time.Nanosecond

	frame, payloads := take(t, c, start)
	require.Len(t, frame, 160*120*2)
	require.Equal(t, 3, payloads)
	_, wait = c.payload(start, maxPayload)
	require.Equal(t, interval, wait)
	_, wait = c.payload(start.Add(interval-1), maxPayload)
	require.Equal(t, time.Duration(1), wait)
	take(t, c, start.Add(interval))

	late := start.Add(time.Hour)
	take(t, c, late)
	_, wait = c.payload(late, maxPayload)
	require.Equal(t, interval, wait, "one frame, not thousands")

	c.SetFPS(10)
	take(t, c, late.Add(interval))
	_, wait = c.payload(late.Add(interval), maxPayload)
	require.Equal(t, 100*time.Millisecond, wait)
	require.EqualValues(t, 4, c.State().Frames)
}

// Freezing ends the frame that is on its way and sends no other.
func TestFreezeBetweenFrames(t *testing.T) {
	c := New(Config{})
	c.SetImage(blueOrange)
	c.stream.start(mode{YUYV, small}, 333333)
	now := time.Now()
	first, _ := c.payload(now, maxPayload)
	c.SetFaults(Faults{Freeze: true})
	c.SetImage(greenWhite)
	rest, _ := take(t, c, now)
	require.Equal(t, Encode(blueOrange, YUYV, small), append(first[2:], rest...), "one picture")
	_, wait := c.payload(now.Add(time.Hour), maxPayload)
	require.Equal(t, never, wait)
	c.SetFaults(Faults{})
	frame, _ := take(t, c, now.Add(time.Hour))
	require.Equal(t, Encode(greenWhite, YUYV, small), frame)
}

// A request smaller than a payload gets a smaller payload; one without room
// for a pixel gets none.
func TestSmallRequests(t *testing.T) {
	c := New(Config{})
	c.stream.start(mode{YUYV, small}, 333333)
	data, _ := c.payload(time.Now(), 512)
	require.Len(t, data, 512)
	_, wait := c.payload(time.Now(), 2)
	require.Equal(t, never, wait)
}

func TestEncode(t *testing.T) {
	gray, red := color.RGBA{128, 128, 128, 255}, color.RGBA{255, 0, 0, 255}
	for want, c := range map[[4]byte]color.Color{
		{16, 128, 16, 128}:   color.Black,
		{235, 128, 235, 128}: color.White,
		{126, 128, 126, 128}: gray,
		{82, 90, 82, 240}:    red, // BT.601 in limited range
	} {
		require.Equal(t, bytes.Repeat(want[:], 160*120/2), Encode(image.NewUniform(c), YUYV, small))
	}
	img, err := jpeg.Decode(bytes.NewReader(Encode(image.NewUniform(red), MJPEG, small)))
	require.NoError(t, err)
	require.Equal(t, small, img.Bounds().Max)
	r, g, b, _ := img.At(80, 60).RGBA()
	require.InDelta(t, 255, r>>8, 3)
	require.InDelta(t, 0, g>>8, 3)
	require.InDelta(t, 0, b>>8, 3)

	// The nearest pixels, in their places.
	img = image.NewRGBA(image.Rect(10, 20, 12, 22))
	img.(*image.RGBA).Set(11, 20, color.White)
	frame := Encode(img, YUYV, image.Pt(4, 4))
	require.Equal(t, []byte{16, 128, 16, 128, 235, 128, 235, 128}, frame[:8])
	require.Equal(t, frame[:8], frame[8:16])
	require.Equal(t, bytes.Repeat([]byte{16, 128}, 8), frame[16:])
}

func TestBreak(t *testing.T) {
	good := Encode(blueOrange, MJPEG, small)
	kept := bytes.Clone(good)
	require.Equal(t, good, Faults{}.Break(good, MJPEG))

	bare := Faults{NoHuffmanTables: true}.Break(good, MJPEG)
	require.NotContains(t, string(bare), "\xff\xc4")
	_, err := jpeg.Decode(bytes.NewReader(bare))
	require.ErrorContains(t, err, "Huffman")
	require.True(t, bytes.HasSuffix(good, bare[len(bare)-100:]))

	broken := Faults{Garbage: true}.Break(good, MJPEG)
	require.Len(t, broken, len(good))
	config, err := jpeg.DecodeConfig(bytes.NewReader(broken))
	require.NoError(t, err, "the headers are whole")
	require.Equal(t, 160, config.Width)
	require.NotEqual(t, good, broken)

	require.Equal(t, good[:len(good)/4], Faults{Truncate: 0.75}.Break(good, MJPEG))
	require.Equal(t, kept, good, "the good frame is untouched")
}
