package camera

import (
	"fmt"
	"image"
	"image/color"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestInspectorStale(t *testing.T) {
	clock := newFakeClock()
	i := Inspector{MaxAge: time.Second, Clock: clock}
	require.NoError(t, i.Frame(&Frame{Time: clock.now}))
	require.NoError(t, i.Frame(&Frame{Time: clock.now.Add(-time.Second)}))
	err := i.Frame(&Frame{Time: clock.now.Add(-time.Second - 1)})
	require.ErrorIs(t, err, ErrStale)
	require.ErrorContains(t, err, "captured 1s ago; want at most 1s")
	require.NoError(t, i.Frame(&Frame{Name: "photo.jpg"}), "a file does not grow old")
	i.MaxAge = 0
	require.NoError(t, i.Frame(&Frame{}), "any age")
}

func TestInspectorFrozen(t *testing.T) {
	clock := newFakeClock()
	i := Inspector{FrozenAfter: 3 * time.Second, DarkBelow: DarkLuma, Clock: clock}
	same := Frame{Data: []byte{1, 2, 3}}
	show := func(f Frame) error {
		clock.now = clock.now.Add(time.Second)
		f.Time = clock.now
		return i.Frame(&f)
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

	for range 10 {
		require.NoError(t, show(Frame{Data: same.Data, Name: "still.png"}), "a file may stay")
	}
	// Under a cap the bytes may be equal, and the light says why.
	lens := Frame{Width: 4, Height: 4, Stride: 12, Format: RGB24, Data: make([]byte, 48)}
	for _, dark := range []int{DarkLuma, 0} {
		i.DarkBelow = dark
		for range 10 {
			require.NoError(t, show(lens))
			var p Picture
			require.NoError(t, lens.Decode(&p))
			require.Equal(t, dark > 0, i.Light(p.Luma()) == Black)
		}
	}
	i.FrozenAfter = 0
	require.Equal(t, Lit, i.Light(Luma{Mean: 99, Peak: 99}))
	for range 10 {
		require.NoError(t, show(lens), "0 is for ever")
	}
}

func TestLight(t *testing.T) {
	i := Inspector{DarkBelow: DarkLuma}
	light := func(m *image.NRGBA, v View) Light {
		b := m.Bounds()
		f := Frame{Width: b.Dx(), Height: b.Dy(), Stride: 3 * b.Dx(), Format: RGB24, View: v}
		for i := 0; i < len(m.Pix); i += 4 {
			f.Data = append(f.Data, m.Pix[i:i+3]...)
		}
		var p Picture
		require.NoError(t, f.Decode(&p))
		return i.Light(p.Luma())
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
	require.Equal(t, Luma{}, new(Picture).Luma())
	require.Equal(t, Luma{200, 200}, func() Luma {
		var p Picture
		f := Frame{Width: 2, Height: 1, Stride: 2, Format: Grey, Data: []byte{200, 200}}
		require.NoError(t, f.Decode(&p))
		return p.Luma()
	}())
	require.Equal(t, "lit dark black", fmt.Sprint(Lit, " ", Dark, " ", Black))
	i.DarkBelow = 0
	require.Equal(t, Lit, light(gray(0), View{}), "nobody asks")
}

func TestInspectorAllocatesNothing(t *testing.T) {
	f := patternFrame(t, YUYV, 64, 48)
	i := Inspector{MaxAge: time.Hour, FrozenAfter: time.Hour, DarkBelow: DarkLuma}
	var p Picture
	require.Zero(t, testing.AllocsPerRun(20, func() {
		if i.Frame(f) != nil || f.Decode(&p) != nil || i.Light(p.Luma()) != Lit {
			panic("frame refused")
		}
	}))
}
