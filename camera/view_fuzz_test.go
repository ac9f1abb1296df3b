package camera

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzView reads rows and parts of rows of any view of any format, and holds
// every pixel against the frame's, converted one by one.
func FuzzView(f *testing.F) {
	raw := []FourCC{YUYV, NV12, Grey, RGB24, BGR24}
	jpegs := slices.Sorted(func(yield func(string) bool) {
		for name := range samplings {
			if !yield(name) {
				return
			}
		}
	})
	for i := range len(raw) + len(jpegs) {
		f.Add(byte(i), byte(2*bandWidth+3), byte(9), byte(i), byte(0), byte(0), byte(255), byte(255), byte(i), byte(1))
		f.Add(byte(i), byte(7), byte(bandWidth+1), byte(0), byte(30), byte(90), byte(111), byte(77), byte(i+3), byte(200))
	}
	f.Fuzz(func(t *testing.T, kind, width, height, pad, left, top, across, down, turn, part byte) {
		w, h := max(int(width), 1), max(int(height), 1)
		if w*h > 1<<14 {
			return
		}
		frame := Frame{Width: w, Height: h}
		rng := rand.New(rand.NewPCG(uint64(kind)<<16|uint64(width)<<8|uint64(height), 1))
		if i := int(kind) % (len(raw) + len(jpegs)); i < len(raw) {
			frame.Format, frame.Color = raw[i], Color(pad&3)
			frame.Stride = frame.Format.minStride(w) + int(pad)
			frame.Data = make([]byte, frame.Format.size(frame.Stride, h))
			for i := range frame.Data {
				frame.Data[i] = byte(rng.Uint32())
			}
		} else {
			s := jpegSpec{width: w, height: h, sampling: samplings[jpegs[i-len(raw)]], step: 9, interval: int(pad % 5)}
			frame.Format, frame.Data = MJPG, s.encode(drawn(rng, s.step))
		}
		frame.View = View{Turn: int(turn%4) * 90, FlipX: turn&4 != 0, FlipY: turn&8 != 0}
		if turn&16 == 0 {
			frame.View.Crop = Region{
				X: float64(left) / 256, Y: float64(top) / 256,
				Width: float64(across) / 255 * (1 - float64(left)/256), Height: float64(down) / 255 * (1 - float64(top)/256),
			}
		}
		var p Picture
		p.Target = int(pad >> 5)
		if err := frame.Decode(&p); err != nil {
			require.ErrorContains(t, frame.View.Validate(), "crop", err)
			return
		}
		k := p.walk
		check := func(span []byte, x, y int) {
			for i := range len(span) / 3 {
				r, g, b := p.planes.at(k.x0+(x+i)*k.xx+y*k.yx, k.y0+(x+i)*k.xy+y*k.yy)
				if [3]byte(span[3*i:]) != [3]byte{r, g, b} {
					require.Failf(t, "wrong pixel", "(%d, %d) of %+v: %v, want %v", x+i, y, frame.View, span[3*i:][:3], []byte{r, g, b})
				}
			}
		}
		row := make([]byte, 3*k.width)
		for y := range k.height {
			p.RowRGB(row, y)
			check(row, 0, y)
			x := int(part) % k.width
			span := row[:3*(int(part)%(k.width-x+1))]
			p.SpanRGB(span, x, k.height-1-y)
			check(span, x, k.height-1-y)
		}
		p.Luma()
	})
}
