package camera

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInspectorCounts(t *testing.T) {
	clock := newFakeClock()
	i := Inspector{MaxAge: time.Second, FrozenAfter: 3 * time.Second, Clock: clock}
	frame := func(sequence uint64, age time.Duration) *Frame {
		return &Frame{Sequence: sequence, Time: clock.now.Add(-age), Data: fmt.Append(nil, sequence)}
	}
	require.NoError(t, i.Frame(frame(100, 0), nil), "a camera may begin to count anywhere")
	require.NoError(t, i.Frame(frame(101, time.Second), nil))
	err := i.Frame(frame(102, time.Second+1), nil)
	require.ErrorIs(t, err, ErrStale)
	require.ErrorContains(t, err, "captured 1s ago; want at most 1s")
	require.NoError(t, i.Frame(frame(106, 0), nil), "three dropped")
	require.ErrorIs(t, i.Frame(nil, fmt.Errorf("x: %w", ErrCorrupt)), ErrCorrupt) // 107
	require.ErrorIs(t, i.Frame(nil, ErrTruncated), ErrTruncated)                  // 108
	require.NoError(t, i.Frame(frame(109, 0), nil))
	require.Equal(t, Lit, i.Picture(nil, fmt.Errorf("x: %w", ErrTruncated)), "of frame 109")
	require.NoError(t, i.Frame(frame(110, 0), nil))
	require.ErrorIs(t, i.Frame(nil, io.EOF), io.EOF)
	require.ErrorIs(t, i.Frame(nil, context.Canceled), context.Canceled)
	require.Equal(t, Stats{Frames: 8, Dropped: 3, Corrupt: 3, Truncated: 2, Stale: 1}, i.Stats())
}

func TestInspectorFrozen(t *testing.T) {
	clock := newFakeClock()
	i := Inspector{FrozenAfter: 3 * time.Second, Clock: clock}
	same := Frame{Data: []byte{1, 2, 3}}
	show := func(f Frame) error {
		clock.now = clock.now.Add(time.Second)
		f.Time = clock.now
		return i.Frame(&f, nil)
	}
	for range 3 {
		require.NoError(t, show(same))
	}
	for range 2 {
		err := show(same)
		require.ErrorIs(t, err, ErrFrozen)
		require.ErrorContains(t, err, "the same 3 bytes for")
	}
	require.NoError(t, show(Frame{Data: []byte{1, 2, 4}}))
	require.NoError(t, show(same), "it moved in between")
	require.Equal(t, uint64(2), i.Stats().Frozen)

	for range 10 {
		require.NoError(t, show(Frame{Data: same.Data, Name: "still.png"}), "a file may stay")
	}
	// Under a cap the bytes may be equal, and the light says why.
	cap := Frame{Width: 4, Height: 4, Stride: 12, Format: RGB24, Data: make([]byte, 48)}
	for range 10 {
		require.NoError(t, show(cap))
		var p Picture
		require.NoError(t, cap.Decode(&p))
		require.Equal(t, Black, i.Picture(&p, nil))
	}
	require.Equal(t, uint64(10), i.Stats().Black)
}

func TestLight(t *testing.T) {
	light := func(m *image.NRGBA, v View) Light {
		b := m.Bounds()
		f := Frame{Width: b.Dx(), Height: b.Dy(), Stride: 3 * b.Dx(), Format: RGB24, View: v}
		for i := 0; i < len(m.Pix); i += 4 {
			f.Data = append(f.Data, m.Pix[i:i+3]...)
		}
		var p Picture
		require.NoError(t, f.Decode(&p))
		return p.Light()
	}
	gray := func(v byte) *image.NRGBA { return flat(64, 48, color.Gray{v}) }
	require.Equal(t, Black, light(gray(0), View{}))
	require.Equal(t, Black, light(gray(BlackLuma-1), View{}))
	require.Equal(t, Dark, light(gray(BlackLuma), View{}))
	require.Equal(t, Dark, light(gray(DarkLuma-1), View{}))
	require.Equal(t, Lit, light(gray(DarkLuma), View{}))
	lamp := gray(0) // a small lamp in a dark room is not a covered lens
	for y := 20; y < 24; y++ {
		for x := 20; x < 24; x++ {
			lamp.Set(x, y, color.White)
		}
	}
	require.Equal(t, Dark, light(lamp, View{}))
	half := gray(200)
	for y := range 48 {
		for x := range 32 {
			half.Set(x, y, color.Black)
		}
	}
	require.Equal(t, Lit, light(half, View{}))
	require.Equal(t, Black, light(half, View{Crop: Region{Width: 0.4, Height: 1}}), "it is the view that counts")
	require.Equal(t, Black, light(half, View{Crop: Region{Width: 0.4, Height: 1}, Turn: 90}))
	require.Equal(t, Black, new(Picture).Light())
	require.Equal(t, "lit dark black", fmt.Sprint(Lit, " ", Dark, " ", Black))
}

func TestInspectorAllocatesNothing(t *testing.T) {
	f := patternFrame(t, YUYV, 64, 48)
	i := Inspector{MaxAge: time.Hour, FrozenAfter: time.Hour}
	var p Picture
	require.Zero(t, testing.AllocsPerRun(20, func() {
		if i.Frame(f, nil) != nil || f.Decode(&p) != nil || i.Picture(&p, nil) != Lit {
			panic("frame refused")
		}
	}))
}
