package camera

import (
	"fmt"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// rgbRows is the whole picture, 3 bytes a pixel.
func rgbRows(p *Picture) []byte {
	w, h := p.Size()
	out := make([]byte, 3*w*h)
	for y := range h {
		p.RowRGB(out[3*w*y:], y)
	}
	return out
}

// exactRGB is the conversion in float64 by the standards' own numbers.
func exactRGB(c Color, y, cb, cr byte) [3]byte {
	kr, kb := 0.299, 0.114
	if c == BT709 || c == BT709Full {
		kr, kb = 0.2126, 0.0722
	}
	l, u, v := float64(y)/255, (float64(cb)-128)/255, (float64(cr)-128)/255
	if c == BT601 || c == BT709 {
		l, u, v = (float64(y)-16)/219, (float64(cb)-128)/224, (float64(cr)-128)/224
	}
	r := l + 2*(1-kr)*v
	b := l + 2*(1-kb)*u
	g := (l - kr*r - kb*b) / (1 - kr - kb)
	var out [3]byte
	for i, x := range []float64{r, g, b} {
		out[i] = byte(math.Round(255 * min(max(x, 0), 1)))
	}
	return out
}

// distance is the difference of two levels.
func distance(a, b byte) int { return max(int(a)-int(b), int(b)-int(a)) }

func TestColorTables(t *testing.T) {
	for c, table := range colorTables {
		worst := 0
		for y := 0; y < 256; y += 3 {
			for cb := 0; cb < 256; cb += 5 {
				for cr := 0; cr < 256; cr += 5 {
					want := exactRGB(Color(c), byte(y), byte(cb), byte(cr))
					r, g, b := table.rgb(byte(y), byte(cb), byte(cr))
					worst = max(worst, distance(want[0], r), distance(want[1], g), distance(want[2], b))
				}
			}
		}
		// One level where 16 fractional bits round a tie the other way.
		require.LessOrEqual(t, worst, 1, "color %d", c)
	}
	// The ends of limited range are exact.
	r, g, b := colorTables[BT601].rgb(16, 128, 128)
	require.Equal(t, [3]byte{0, 0, 0}, [3]byte{r, g, b})
	r, g, b = colorTables[BT601].rgb(235, 128, 128)
	require.Equal(t, [3]byte{255, 255, 255}, [3]byte{r, g, b})
}

// patternFrame is the first frame of the noise pattern in the given format.
func patternFrame(t *testing.T, f FourCC, width, height int) *Frame {
	t.Helper()
	cam := open(t, Config{Source: "test:noise", Width: width, Height: height, Format: f})
	frame, err := cam.Next(t.Context())
	require.NoError(t, err)
	return frame
}

// TestViews holds every view of every format against the same view of the
// frame's pixels taken one by one.
func TestViews(t *testing.T) {
	for _, format := range []FourCC{YUYV, NV12, Grey, RGB24, BGR24, MJPG} {
		for _, size := range [][2]int{{1, 1}, {2, 2}, {7, 5}, {16, 9}, {33, 20}, {2*bandWidth + 7, 6}} {
			frame := patternFrame(t, format, size[0], size[1])
			var p Picture
			require.NoError(t, frame.Decode(&p))
			whole := rgbRows(&p)
			for _, crop := range []Region{{}, {0.2, 0.3, 0.5, 0.4}, {0.5, 0, 0.5, 1}} {
				cx, cy, cw, ch := crop.pixels(size[0], size[1])
				for _, v := range []View{
					{crop, 0, false, false}, {crop, 90, false, false}, {crop, 180, false, false}, {crop, 270, false, false},
					{crop, 0, true, false}, {crop, 0, false, true}, {crop, 90, true, false}, {crop, 270, true, true},
				} {
					frame.View = v
					require.NoError(t, frame.Decode(&p))
					w, h := p.Size()
					var want []byte
					for y := range h {
						for x := range w {
							sx, sy := x, y
							if v.FlipX {
								sx = w - 1 - sx
							}
							if v.FlipY {
								sy = h - 1 - sy
							}
							switch v.Turn { // turned back, counterclockwise
							case 90:
								sx, sy = sy, ch-1-sx
							case 180:
								sx, sy = cw-1-sx, ch-1-sy
							case 270:
								sx, sy = cw-1-sy, sx
							}
							want = append(want, whole[3*((cy+sy)*size[0]+cx+sx):][:3]...)
						}
					}
					require.Equal(t, want, rgbRows(&p), "%v %v %+v", format, size, v)
					p.SpanRGB(nil, w, h-1)
					if x := w / 3; w > 1 { // a part of a row
						span := make([]byte, 3*(w-x-1))
						p.SpanRGB(span, x, h-1)
						require.Equal(t, want[3*(w*(h-1)+x):][:len(span)], span)
					}
				}
			}
			frame.View = View{}
		}
	}
}

func TestRawFormatsAgree(t *testing.T) {
	// Bars eight pixels wide: no chroma sample is shared by two colors.
	decode := func(f FourCC) []byte {
		cam := open(t, Config{Source: "test:", Width: 64, Height: 48, Format: f})
		frame, err := cam.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, f, frame.Format)
		var p Picture
		require.NoError(t, frame.Decode(&p))
		return rgbRows(&p)
	}
	want := decode(RGB24)
	require.Equal(t, []byte{191, 191, 191}, want[:3], "white bar at the left")
	require.Equal(t, want, decode(BGR24))
	for _, f := range []FourCC{YUYV, NV12} {
		got := decode(f)
		for i := range want {
			require.InDelta(t, want[i], got[i], 2, "%v at byte %d: limited range has 219 levels", f, i)
		}
	}
	grey := decode(Grey)
	require.Equal(t, grey[0], grey[1])
	require.InDelta(t, 191, grey[0], 1)
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Frame
		is   error
		want string
	}{
		{"no size", Frame{Format: YUYV}, ErrCorrupt, "size 0x0"},
		{"huge", Frame{Width: 65535, Height: 65535, Format: MJPG}, ErrCorrupt, "size 65535x65535; want at most 67108864 pixels"},
		{"huge stride", Frame{Width: 4, Height: 1024, Stride: 1 << 22, Format: YUYV}, ErrCorrupt, "stride of 4194304 bytes"},
		{"short", Frame{Width: 4, Height: 2, Stride: 8, Format: YUYV, Data: make([]byte, 15)}, ErrTruncated, "15 bytes; 4x2 of YUYV take 16"},
		{"stride", Frame{Width: 4, Height: 2, Stride: 6, Format: YUYV, Data: make([]byte, 16)}, ErrCorrupt, "stride of 6 bytes; 4 pixels of YUYV take 8"},
		{"NV12 without chroma", Frame{Width: 4, Height: 4, Stride: 4, Format: NV12, Data: make([]byte, 16)}, ErrTruncated, "take 24"},
		{"format", Frame{Width: 4, Height: 2, Stride: 8, Format: 'H', Data: make([]byte, 16)}, nil, "not supported"},
		{"text as JPEG", Frame{Width: 4, Height: 2, Format: MJPG, Data: []byte("hello")}, ErrCorrupt, "corrupt"},
		{"text as PNG", Frame{Width: 4, Height: 2, Format: PNG, Data: []byte("hello")}, ErrCorrupt, "corrupt"},
		{"view", Frame{Width: 4, Height: 2, Stride: 8, Format: YUYV, Data: make([]byte, 16), View: View{Turn: 1}}, nil, "rotation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Picture{walk: walk{width: 1, height: 1}}
			tt.f.Name = "front.jpg"
			err := tt.f.Decode(&p)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "front.jpg")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			w, h := p.Size()
			require.Zero(t, w+h, "no row of an earlier picture is left to read")
		})
	}
	require.ErrorIs(t, ErrTruncated, ErrCorrupt)
}

func TestStrideIsHonored(t *testing.T) {
	f := Frame{Width: 2, Height: 2, Stride: 8, Format: RGB24, Data: []byte{
		1, 2, 3, 4, 5, 6, 99, 99,
		7, 8, 9, 10, 11, 12, // the last row may end at its last pixel only if size says so
		99, 99,
	}}
	var p Picture
	require.NoError(t, f.Decode(&p))
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, rgbRows(&p))
	require.Panics(t, func() { p.RowRGB(make([]byte, 6), 2) })
	require.Panics(t, func() { p.RowRGB(make([]byte, 5), 0) })
	require.Panics(t, func() { p.SpanRGB(make([]byte, 6), 1, 0) })
	require.Panics(t, func() { p.SpanRGB(make([]byte, 3), -1, 0) })
}

func TestPNGDropsAlpha(t *testing.T) {
	path := t.TempDir() + "/a.png"
	writePNG(t, path, flat(3, 2, color.NRGBA{200, 100, 50, 10}))
	f, err := ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, [3]byte{200, 100, 50}, pixel(t, f))
}

func TestRawDecodeAllocatesNothing(t *testing.T) {
	for _, format := range []FourCC{YUYV, NV12, Grey, RGB24, BGR24} {
		frame := patternFrame(t, format, 64, 48)
		for _, turn := range []int{0, 90, 180} {
			frame.View.Turn = turn
			var p Picture
			row := make([]byte, 3*64)
			require.Zero(t, testing.AllocsPerRun(10, func() {
				if err := frame.Decode(&p); err != nil {
					panic(err)
				}
				_, h := p.Size()
				for y := range h {
					p.RowRGB(row, y)
				}
			}), fmt.Sprint(format, turn))
		}
	}
}

// TestNoWholeRGB: whatever the format and the view, no more of a picture is ever
// RGB at once than the row of the caller and a band.
func TestNoWholeRGB(t *testing.T) {
	const width, height = 640, 480
	for _, format := range []FourCC{YUYV, NV12, Grey, RGB24, BGR24, MJPG} {
		for _, turn := range []int{0, 90, 180, 270} {
			frame := patternFrame(t, format, width, height)
			frame.View = View{Turn: turn, FlipX: turn == 90}
			var p Picture
			row := make([]byte, 3*width)
			read := func() {
				if err := frame.Decode(&p); err != nil {
					panic(err)
				}
				w, h := p.Size()
				for y := range h {
					p.RowRGB(row[:3*w], y)
				}
			}
			require.Zero(t, testing.AllocsPerRun(1, read), "%v turned by %d", format, turn)
			require.Zero(t, cap(p.rgb))
			require.LessOrEqual(t, cap(p.band.rgb), 3*bandWidth*height*3/2) // slices.Grow rounds up
		}
	}
}

func TestParseFourCC(t *testing.T) {
	for name, want := range map[string]FourCC{"YUYV": YUYV, "yuy2": YUYV, "mjpeg": MJPG, "MJPG": MJPG, "nv12": NV12, "gray": Grey, "rgb24": RGB24, "bgr3": BGR24} {
		got, err := ParseFourCC(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseFourCC("h264")
	require.ErrorContains(t, err, `"h264" is not supported`)
	require.Equal(t, "MJPG", MJPG.String())
	require.Equal(t, "PNG", PNG.String())
	require.Equal(t, "H..", FourCC('H').String()[:3])
}

func BenchmarkRows(b *testing.B) {
	for _, format := range []FourCC{YUYV, NV12, RGB24, MJPG} {
		for _, turn := range []int{0, 90} {
			b.Run(fmt.Sprintf("format=%v/turn=%d", format, turn), func(b *testing.B) {
				f := photoFrame(b, format, 640, 480)
				f.View.Turn = turn
				var p Picture
				require.NoError(b, f.Decode(&p))
				row := make([]byte, 3*640)
				_, h := p.Size()
				for b.Loop() {
					for y := range h {
						p.RowRGB(row, y)
					}
				}
			})
		}
	}
}

// photoFrame is a picture like a photograph in the given format.
func photoFrame(t testing.TB, format FourCC, width, height int) *Frame {
	t.Helper()
	if format == MJPG {
		return &Frame{Width: width, Height: height, Format: MJPG, Data: photoJPEG(t, width, height, 85)}
	}
	m := photo(width, height, 1)
	cam, err := openPattern("", Config{Width: width, Height: height, Format: format, Clock: systemClock{}})
	require.NoError(t, err)
	p := cam.(*patternCamera)
	p.draw = func(x, y, _, _ int, _ uint64) color.RGBA { return m.RGBAAt(x, y) }
	f, err := p.Next(t.Context())
	require.NoError(t, err)
	return f
}
