package cameratest

import (
	"encoding/binary"
	"image"
	"math"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func TestDescriptors(t *testing.T) {
	g := plug(t, New(Config{Product: "Prüfling", Serial: "A-7"}))
	require.Equal(t, []byte{18, 1, 0, 2, 0xef, 2, 1, 64, 0x6b, 0x1d, 2, 1, 1, 0, 1, 2, 3, 1}, g.descriptor(1, 0))
	require.Equal(t, deviceConnect{2, 0xef, 2, 1, 0x1d6b, 0x0102, 1}, g.info, "as in the descriptor")
	for i, want := range map[byte]string{1: "vitedge", 2: "Prüfling", 3: "A-7"} {
		d := g.descriptor(3, i)
		require.EqualValues(t, len(d), d[0])
		var units []uint16
		for j := 2; j < len(d); j += 2 {
			units = append(units, binary.LittleEndian.Uint16(d[j:]))
		}
		require.Equal(t, want, string(utf16.Decode(units)))
	}
	require.Equal(t, []byte{4, 3, 9, 4}, g.descriptor(3, 0))
	for _, missing := range [][2]uint16{{3, 4}, {2, 1}, {6, 0}, {15, 0}} {
		_, status := g.control(0x80, 6, missing[0]<<8|missing[1], 0, nil, 255)
		require.EqualValues(t, statusStall, status)
	}
	// A host reads the head of the configuration first.
	require.Len(t, g.get(0x80, 6, 2<<8, 0, 9), 9)
}

// Sizes and rates of one's own are in the descriptors.
func TestOwnSizes(t *testing.T) {
	size := image.Pt(1280, 720)
	cam := New(Config{Sizes: []image.Point{{X: 2, Y: 2}, size}, FPS: []int{10, 60}})
	g := plug(t, cam)
	for _, f := range []Format{MJPEG, YUYV} {
		g.waiting = nil
		require.EqualValues(t, 166666, g.stream(f, size).Interval, "the nearest to 30 frames a second in time")
		g.set(0x02, 1, 0, 0x81, nil)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]Config{
		"0 sizes":             {Sizes: []image.Point{}},
		"17 sizes":            {Sizes: make([]image.Point, 17)},
		"size is (161,120)":   {Sizes: []image.Point{{X: 161, Y: 120}}},
		"size is (160,4097)":  {Sizes: []image.Point{{X: 160, Y: 4097}}},
		"0 frame rates":       {FPS: []int{}},
		"frame rate is 0":     {FPS: []int{0}},
		"longer than 60 char": {Serial: strings.Repeat("x", 61)},
	} {
		func() {
			defer func() {
				text, _ := recover().(string)
				require.Contains(t, text, want)
			}()
			New(c)
		}()
	}
}

func TestBrightness(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	const selector, unit = 2 << 8, 2 << 8
	for request, want := range map[uint8][]byte{
		getCur: {50, 0}, getMin: {0, 0}, getMax: {100, 0}, getRes: {1, 0}, getDef: {50, 0}, getLen: {2, 0}, getInfo: {3},
	} {
		require.Equal(t, want, g.get(0xa1, request, selector, unit, 2))
	}
	g.set(0x21, setCur, selector, unit, []byte{42, 0})
	require.Equal(t, []byte{42, 0}, g.get(0xa1, getCur, selector, unit, 2))
	require.Equal(t, 42, cam.State().Brightness)
	g.set(0x21, setCur, selector, unit, []byte{200, 0})
	require.Equal(t, 100, cam.State().Brightness)
	_, status := g.control(0x21, setCur, selector, unit, []byte{1}, 1)
	require.EqualValues(t, statusStall, status)
	_, status = g.control(0xa1, getCur, 9<<8, unit, nil, 2)
	require.EqualValues(t, statusStall, status, "a control that it has not")
	require.Equal(t, []byte{6}, g.get(0xa1, getCur, 2<<8, 0, 1), "why it stalled")
}

func TestNegotiate(t *testing.T) {
	g := plug(t, New(Config{}))
	ask := func(p probe) (got probe) {
		g.set(0x21, setCur, 1<<8, 1, pack(p, nil))
		_, err := binary.Decode(g.get(0xa1, getCur, 1<<8, 1, 26), binary.LittleEndian, &got)
		require.NoError(t, err)
		return got
	}
	const payload = 16384
	for _, c := range []struct{ asked, want probe }{
		{probe{}, probe{Format: 1, Frame: 1, Interval: 333333, MaxFrame: 614400, MaxPayload: payload}},
		{probe{Hint: 1, Format: 2, Frame: 3, Interval: 700000}, probe{Hint: 1, Format: 2, Frame: 3, Interval: 666666, MaxFrame: 38400, MaxPayload: payload}},
		{probe{Format: 9, Frame: 9, Interval: math.MaxUint32}, probe{Format: 1, Frame: 1, Interval: 2000000, MaxFrame: 614400, MaxPayload: payload}},
		{probe{Format: 2, Frame: 2, Interval: 1}, probe{Format: 2, Frame: 2, Interval: 333333, MaxFrame: 153600, MaxPayload: payload}},
	} {
		require.Equal(t, c.want, ask(c.asked))
	}
	var least, most, usual probe
	for request, into := range map[uint8]*probe{getMin: &least, getMax: &most, getDef: &usual} {
		_, err := binary.Decode(g.get(0xa1, request, 1<<8, 1, 26), binary.LittleEndian, into)
		require.NoError(t, err)
	}
	require.EqualValues(t, 333333, least.Interval)
	require.EqualValues(t, 2000000, most.Interval)
	require.EqualValues(t, 1, usual.Frame)
	require.Equal(t, []byte{26, 0}, g.get(0xa1, getLen, 1<<8, 1, 2))
	require.Equal(t, []byte{3}, g.get(0xa1, getInfo, 2<<8, 1, 1))
	_, status := g.control(0x21, setCur, 1<<8, 1, make([]byte, 25), 25)
	require.EqualValues(t, statusStall, status)
}

func TestStandardRequests(t *testing.T) {
	g := plug(t, New(Config{}))
	for _, requestType := range []uint8{0x80, 0x81, 0x82} {
		require.Equal(t, []byte{0, 0}, g.get(requestType, 0, 0, 0, 2))
	}
	g.set(0x00, 9, 1, 0, nil)
	require.Equal(t, []byte{1}, g.get(0x80, 8, 0, 0, 1))
	g.set(0x01, 11, 0, 1, nil)
	require.Equal(t, []byte{0}, g.get(0x81, 10, 0, 1, 1))
	_, status := g.control(0x01, 11, 1, 1, nil, 0)
	require.EqualValues(t, statusStall, status)
	_, status = g.control(0x00, 3, 1, 0, nil, 0) // SET_FEATURE
	require.EqualValues(t, statusStall, status)
}
