package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// samples are the planes of a decoded picture without padding.
func samples(p planes, width, height int) [][]byte {
	plane := func(b []byte, stride int, hs, vs uint) []byte {
		var out []byte
		w := (width + 1<<hs - 1) >> hs
		for y := range (height + 1<<vs - 1) >> vs {
			out = append(out, b[y*stride:][:w]...)
		}
		return out
	}
	all := [][]byte{plane(p.y, p.yStride, 0, 0)}
	if p.layout == layoutPlanar {
		all = append(all, plane(p.cb, p.cStride, p.hs, p.vs), plane(p.cr, p.cStride, p.hs, p.vs))
	}
	return all
}

// imageJPEG is the same by the standard library.
func imageJPEG(t testing.TB, data []byte) [][]byte {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	b := m.Bounds()
	var p Picture
	p.setImage(m)
	return samples(p.planes, b.Dx(), b.Dy())
}

// requireClose compares planes to within a level.
func requireClose(t testing.TB, want, got [][]byte, msg ...any) {
	t.Helper()
	require.Equal(t, len(want), len(got), msg...)
	for i := range want {
		require.Equal(t, len(want[i]), len(got[i]), msg...)
		for j := range want[i] {
			if distance(want[i][j], got[i][j]) > 1 {
				require.Failf(t, "planes differ", "plane %d, sample %d: %d, want %d; %v", i, j, got[i][j], want[i][j], msg)
			}
		}
	}
}

func decodeJPEG(t testing.TB, d *jpegDecoder, data []byte, width, height int) [][]byte {
	t.Helper()
	var p planes
	require.NoError(t, d.decode(data, width, height, 0, &p))
	return samples(p, width, height)
}

// TestJPEGAgainstLibrary decodes the same files with image/jpeg, whose
// transform rounds differently by at most a level.
func TestJPEGAgainstLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var d jpegDecoder // one for all, so that nothing of a picture may stay
	for name, sampling := range samplings {
		for range 25 {
			s := jpegSpec{
				width: 1 + rng.IntN(70), height: 1 + rng.IntN(70), sampling: sampling,
				interval: rng.IntN(3) * rng.IntN(4), step: byte(1 + rng.IntN(40)), wide: rng.IntN(2) == 0,
			}
			data := s.encode(drawn(rng, s.step))
			got := decodeJPEG(t, &d, data, s.width, s.height)
			if name == "grey2" { // where image/jpeg keeps the padding of the MCU
				s.sampling = samplings["grey"]
			}
			requireClose(t, imageJPEG(t, data), got, name, s)
		}
	}
	for quality := 1; quality <= 100; quality += 3 {
		data := photoJPEG(t, 97, 61, quality)
		requireClose(t, imageJPEG(t, data), decodeJPEG(t, &d, data, 97, 61), quality)
	}
}

// TestPillow compares rows with those of Pillow, that is of libjpeg-turbo,
// behind which most models were trained.
func TestPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/pillow/*.jpg")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		f, err := ReadFile(path)
		require.NoError(t, err)
		var p Picture
		require.NoError(t, f.Decode(&p))
		want, err := os.ReadFile(strings.TrimSuffix(path, "jpg") + "rgb")
		require.NoError(t, err)
		got := rgbRows(&p)
		require.Equal(t, len(want), len(got), path)
		if filepath.Base(path) != "progressive.jpg" {
			require.Equal(t, want, got, path)
			continue
		}
		for i := range want { // by image/jpeg, whose transform rounds differently
			require.LessOrEqual(t, distance(want[i], got[i]), 4, "%s byte %d", path, i)
		}
	}
}

// TestJPEGLeftOut decodes what cameras leave out of their files to the very
// same samples.
func TestJPEGLeftOut(t *testing.T) {
	var d jpegDecoder
	whole := jpegSpec{width: 40, height: 30, sampling: samplings["422"], step: 5, interval: 2}
	encode := func(s jpegSpec) []byte { return s.encode(drawn(rand.New(rand.NewPCG(3, 4)), s.step)) }
	want := decodeJPEG(t, &d, encode(whole), 40, 30)
	for name, change := range map[string]func(*jpegSpec){
		"Huffman tables":    func(s *jpegSpec) { s.noTables = true },
		"end marker":        func(s *jpegSpec) { s.noEnd = true },
		"both":              func(s *jpegSpec) { s.noTables, s.noEnd = true, true },
		"a DHT in entropy":  func(s *jpegSpec) { s.noTables = true; s.comment = []byte{0xff, markerDHT, 0, 4, 0, 0} },
		"restart":           func(s *jpegSpec) { s.interval = 0 },
		"extended process":  func(s *jpegSpec) { s.frame = markerSOF1 },
		"16-bit quantizers": func(s *jpegSpec) { s.wide = true },
	} {
		s := whole
		change(&s)
		data := encode(s)
		require.Equal(t, want, decodeJPEG(t, &d, data, 40, 30), name)
		for _, tail := range [][]byte{make([]byte, 100), {0xff}, {0xff, 0xff, 0xff, markerEOI, 1, 2, 3}} {
			if s.noEnd && len(tail) == 100 {
				continue
			}
			require.Equal(t, want, decodeJPEG(t, &d, append(bytes.Clone(data), tail...), 40, 30), name)
		}
		// Fill bytes may stand before any marker.
		filled := bytes.Replace(data, []byte{0xff, markerDQT}, []byte{0xff, 0xff, 0xff, markerDQT}, 1)
		require.Equal(t, want, decodeJPEG(t, &d, filled, 40, 30), name)
	}
	// Tables of an earlier picture are not used for one that has none.
	optimized := bytes.Clone(encode(whole))
	at := bytes.Index(optimized, []byte{0xff, markerDHT}) + 5
	optimized[at+16], optimized[at+17] = optimized[at+17], optimized[at+16]
	var p planes
	_ = d.decode(optimized, 40, 30, 0, &p)
	whole.noTables = true
	require.Equal(t, want, decodeJPEG(t, &d, encode(whole), 40, 30))
}

func TestJPEGTruncated(t *testing.T) {
	var d jpegDecoder
	var p planes
	for _, interval := range []int{0, 3} {
		s := jpegSpec{width: 64, height: 48, sampling: samplings["420"], step: 9, noEnd: true, interval: interval}
		data := s.encode(drawn(rand.New(rand.NewPCG(5, 6)), s.step))
		require.NoError(t, d.decode(data, 64, 48, 0, &p))
		for n := range len(data) {
			if n < 2 {
				continue // not even a start marker
			}
			err := d.decode(data[:n], 64, 48, 0, &p)
			// The last bits may be padding, and end within the last code.
			if n < len(data)-1 {
				require.ErrorIs(t, err, ErrCorrupt, "%d of %d bytes", n, len(data))
				require.ErrorIs(t, err, ErrTruncated, "%d of %d bytes", n, len(data))
			}
		}
	}
}

// TestJPEGCorrupt breaks files in the ways that cameras and cables do.
func TestJPEGCorrupt(t *testing.T) {
	s := jpegSpec{width: 64, height: 48, sampling: samplings["420"], step: 9, interval: 2}
	data := s.encode(drawn(rand.New(rand.NewPCG(7, 8)), s.step))
	at := func(marker byte) int { return bytes.Index(data, []byte{0xff, marker}) }
	scan := at(markerSOS) + 14
	for _, tt := range []struct {
		name, want string
		edit       func(b []byte) []byte
	}{
		{"restart marker lost", "restart", func(b []byte) []byte {
			i := at(markerRST0 + 1)
			return append(b[:i], b[i+2:]...)
		}},
		{"restart interval lost", "restart", func(b []byte) []byte {
			return append(b[:at(markerRST0+1)], b[at(markerRST0+2):]...)
		}},
		{"restart intervals swapped", "restart marker", func(b []byte) []byte {
			b[at(markerRST0)+1], b[at(markerRST0+1)+1] = markerRST0+1, markerRST0
			return b
		}},
		{"bytes too many", "left over", func(b []byte) []byte {
			i := at(markerRST0)
			return append(b[:i:i], append([]byte{1, 2, 3}, b[i:]...)...)
		}},
		{"bytes lost", "decodes to unit", func(b []byte) []byte { return append(b[:at(markerRST0)-20], b[at(markerRST0):]...) }},
		{"all ones", "decodes to unit 0", func(b []byte) []byte {
			for i := scan; i < at(markerRST0); i++ {
				b[i] = 0xfe
			}
			return b
		}},
		{"no quantization table", "lacks quantization table 0", func(b []byte) []byte { b[at(markerDQT)+1] = 0xfe; return b }},
		{"quantization step of 0", "a step of 0", func(b []byte) []byte { b[at(markerDQT)+9] = 0; return b }},
		{"quantization table number", "quantization table 0x04", func(b []byte) []byte { b[at(markerDQT)+4] = 4; return b }},
		{"Huffman table with too many codes", "too many codes", func(b []byte) []byte { b[at(markerDHT)+6], b[at(markerDHT)+7] = 5, 1; return b }},
		{"Huffman table that is short", "Huffman table 0x00", func(b []byte) []byte { b[at(markerDHT)+20] = 99; return b }},
		{"Huffman class", "Huffman table 0x20", func(b []byte) []byte { b[at(markerDHT)+4] = 0x20; return b }},
		{"unknown Huffman table", "lacks Huffman table 3", func(b []byte) []byte { b[at(markerSOS)+6] = 0x33; return b }},
		{"another size", "JPEG of 64x49 pixels in a frame of 64x48", func(b []byte) []byte { b[at(markerSOF0)+6]++; return b }},
		{"bomb", "JPEG of 65535x65535 pixels", func(b []byte) []byte {
			copy(b[at(markerSOF0)+5:], []byte{0xff, 0xff, 0xff, 0xff})
			return b
		}},
		{"sampling of 0", "has sampling 0x2", func(b []byte) []byte { b[at(markerSOF0)+11] = 0x02; return b }},
		{"frame header length", "frame header of 16 bytes", func(b []byte) []byte {
			i := at(markerSOF0)
			b[i+3]++
			return append(b[:i+4:i+4], append([]byte{8}, b[i+4:]...)...)
		}},
		{"another component in the scan", "scan of component 7", func(b []byte) []byte { b[at(markerSOS)+5] = 7; return b }},
		{"two frames", "two frame headers", func(b []byte) []byte {
			i := at(markerSOF0)
			return append(b[:i:i], append(bytes.Clone(b[i:i+19]), b[i:]...)...)
		}},
		{"no frame", "without a frame header", func(b []byte) []byte { b[at(markerSOF0)+1] = 0xfe; return b }},
		{"a marker is due", "where a marker is due", func(b []byte) []byte { b[at(markerDQT)] = 0; return b }},
		{"length of 1", "with length 1", func(b []byte) []byte { copy(b[at(markerDQT)+2:], []byte{0, 1}); return b }},
		{"end before the scan", "before the scan", func(b []byte) []byte { b[at(markerSOS)+1] = markerEOI; return b }},
		{"restart interval's length", "restart interval of 1 bytes", func(b []byte) []byte { b[at(markerDRI)+3] = 3; return b }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d jpegDecoder
			var p planes
			err := d.decode(tt.edit(bytes.Clone(data)), 64, 48, 0, &p)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, tt.want)
			// Nothing of the broken picture shows in the next one.
			var fresh jpegDecoder
			require.Equal(t, decodeJPEG(t, &fresh, data, 64, 48), decodeJPEG(t, &d, data, 64, 48))
		})
	}
}

// TestJPEGDamage counts how much damage in the middle is noticed. There is no
// checksum, and a few wrong bytes may only make other pixels. What a lossy cable
// does, a packet that is missing, shows nearly always: the blocks do not add up.
func TestJPEGDamage(t *testing.T) {
	data := photoJPEG(t, 320, 240, 90)
	scan := bytes.Index(data, []byte{0xff, markerSOS}) + 14
	rng := rand.New(rand.NewPCG(9, 10))
	var d jpegDecoder
	var p planes
	const total = 100
	for _, tt := range []struct {
		name   string
		least  int // noticed, percent
		damage func(b []byte, at int) []byte
	}{
		{"packet lost", 97, func(b []byte, at int) []byte {
			return append(b[:at], b[min(at+256, len(b)-2):]...)
		}},
		{"16 random bytes", 75, func(b []byte, at int) []byte {
			for i := range min(16, len(b)-2-at) {
				b[at+i] = byte(rng.Uint32())
			}
			return b
		}},
	} {
		ours, theirs := 0, 0
		for range total {
			broken := tt.damage(bytes.Clone(data), scan+rng.IntN(len(data)-scan-2))
			if d.decode(broken, 320, 240, 0, &p) != nil {
				ours++
			}
			if _, err := jpeg.Decode(bytes.NewReader(broken)); err != nil {
				theirs++
			}
		}
		t.Logf("%s: %d of %d noticed; image/jpeg %d", tt.name, ours, total, theirs)
		require.GreaterOrEqual(t, ours, theirs)
		require.GreaterOrEqual(t, 100*ours, tt.least*total)
	}
}

// TestInverseDCT compares with the definition in float64.
func TestInverseDCT(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for n := range 500 {
		var d jpegDecoder
		last := 0
		limit := 1 + rng.IntN(64)
		if n%2 == 0 {
			limit = 1 + rng.IntN(10)
		}
		for k := range limit {
			d.block[natural[k]] = int16((rng.IntN(2001) - 1000) / (1 + k))
			if d.block[natural[k]] != 0 {
				last = k
			}
		}
		block := d.block
		for shift := range uint(4) {
			side := 8 >> shift
			var got [64]byte
			d.block = block
			d.inverse(got[:], 8, last, shift)
			require.Equal(t, [64]int16{}, d.block, "the block is left zero")
			for y := range side {
				for x := range side {
					require.InDelta(t, exactDCT(&block, x, y, side), got[8*y+x], 1, "%dx%d", side, side)
				}
			}
		}
		// Low blocks by the whole transform are the same.
		if last < 10 {
			var whole, low [64]byte
			b := block
			idct8(whole[:], 8, &b)
			idct8Low(low[:], 8, &b)
			require.Equal(t, whole, low)
		}
	}
}

// exactDCT is sample (x, y) of the inverse transform of side x side samples.
func exactDCT(b *[64]int16, x, y, side int) float64 {
	sum := 0.0
	for v := range side {
		for u := range side {
			c := 1.0
			if u == 0 {
				c *= math.Sqrt2 / 2
			}
			if v == 0 {
				c *= math.Sqrt2 / 2
			}
			n := float64(2 * side)
			sum += c * float64(b[8*v+u]) * math.Cos(float64((2*x+1)*u)*math.Pi/n) * math.Cos(float64((2*y+1)*v)*math.Pi/n)
		}
	}
	return min(max(math.Round(sum/4)+128, 0), 255)
}

// TestReducedJPEG holds pictures at 1/2, 1/4 and 1/8 against the means of the
// whole picture.
func TestReducedJPEG(t *testing.T) {
	var smooth bytes.Buffer
	m := image.NewYCbCr(image.Rect(0, 0, 161, 119), image.YCbCrSubsampleRatio420)
	for y := range 119 {
		for x := range 161 {
			m.Y[m.YOffset(x, y)] = byte(128 + 90*math.Sin(float64(x)/17)*math.Cos(float64(y)/13))
			m.Cb[m.COffset(x, y)] = byte(64 + x/2)
			m.Cr[m.COffset(x, y)] = byte(64 + y/2)
		}
	}
	require.NoError(t, jpeg.Encode(&smooth, m, &jpeg.Options{Quality: 98}))
	f := Frame{Width: 161, Height: 119, Format: MJPG, Data: smooth.Bytes()}
	var full, p Picture
	require.NoError(t, f.Decode(&full))
	whole := rgbRows(&full)
	for _, tt := range []struct{ target, shift int }{{0, 0}, {119, 0}, {60, 0}, {59, 1}, {30, 1}, {29, 2}, {14, 3}, {1, 3}} {
		p.Target = tt.target
		require.NoError(t, f.Decode(&p))
		w, h := p.Size()
		size := 1 << tt.shift
		require.Equal(t, [2]int{(161 + size - 1) / size, (119 + size - 1) / size}, [2]int{w, h}, tt.target)
		got := rgbRows(&p)
		worst := 0.0
		for y := range 119 / size {
			for x := range 161 / size {
				for c := range 3 {
					sum := 0
					for j := range size {
						for i := range size {
							sum += int(whole[3*((y*size+j)*161+x*size+i)+c])
						}
					}
					worst = max(worst, math.Abs(float64(sum)/float64(size*size)-float64(got[3*(y*w+x)+c])))
				}
			}
		}
		require.LessOrEqual(t, worst, 8.0, "at 1/%d", size)
	}
	// Turning and cropping work on the smaller picture.
	f.View = View{Crop: Region{X: 0.5, Y: 0, Width: 0.5, Height: 1}, Turn: 90}
	p.Target = 40
	require.NoError(t, f.Decode(&p))
	w, h := p.Size()
	require.Equal(t, [2]int{60, 40}, [2]int{w, h})
}

// TestOtherJPEGs are decoded by the standard library.
func TestOtherJPEGs(t *testing.T) {
	require.Equal(t, errNotBaseline, new(jpegDecoder).decode(append([]byte{0xff, 0xd8, 0xff, 0xc2, 0, 11}, make([]byte, 9)...), 1, 1, 0, new(planes)))
	data := photoJPEG(t, 40, 30, 90)
	i := bytes.Index(data, []byte{0xff, markerDQT})
	adobe := append(bytes.Clone(data[:i]), append([]byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"), data[i:]...)...) // RGB
	f := Frame{Width: 40, Height: 30, Format: JPEG, Data: adobe}
	var p Picture
	require.NoError(t, f.Decode(&p))
	require.Equal(t, layoutRGB, p.planes.layout)
	f.Width = 41
	require.ErrorIs(t, f.Decode(&p), ErrCorrupt)
}

func TestJPEGAllocatesNothing(t *testing.T) {
	for name, sampling := range samplings {
		s := jpegSpec{width: 64, height: 48, sampling: sampling, step: 9, interval: 3, noTables: name == "422"}
		f := Frame{Width: 64, Height: 48, Format: MJPG, Data: s.encode(drawn(rand.New(rand.NewPCG(1, 1)), s.step))}
		var p Picture
		row := make([]byte, 3*64)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			if err := f.Decode(&p); err != nil {
				panic(err)
			}
			for y := range 48 {
				p.RowRGB(row, y)
			}
		}), name)
	}
}

// FuzzJPEG never panics, decodes no more than the size allows, and agrees with
// image/jpeg about every file that both take.
func FuzzJPEG(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 3))
	for _, sampling := range samplings {
		s := jpegSpec{width: 17, height: 9, sampling: sampling, step: 7, interval: 2}
		f.Add(s.encode(drawn(rng, s.step)))
		s.noTables, s.noEnd, s.interval = true, true, 0
		f.Add(s.encode(drawn(rng, s.step)))
	}
	f.Add(photoJPEG(f, 33, 20, 75))
	f.Fuzz(func(t *testing.T, data []byte) {
		width, height, err := jpegSize(data)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		if width > 256 || height > 256 {
			width, height = 256, 256
		}
		var d jpegDecoder
		var p planes
		for shift := range uint(4) {
			err = d.decode(data, width, height, shift, &p)
			if err != nil && err != errNotBaseline {
				require.ErrorIs(t, err, ErrCorrupt)
			}
			for _, plane := range d.planes {
				require.LessOrEqual(t, len(plane), (width+31)*(height+31))
			}
			require.LessOrEqual(t, len(d.entropy), len(data)+jpegMargin)
		}
		// image/jpeg goes on after the first scan and takes later ones.
		if d.decode(data, width, height, 0, &p) != nil || bytes.Count(data, []byte{0xff, markerSOS}) != 1 {
			return
		}
		if m, err := jpeg.Decode(bytes.NewReader(data)); err == nil {
			var q Picture
			q.setImage(m)
			requireClose(t, samples(q.planes, width, height), samples(p, width, height))
		}
	})
}

// BenchmarkJPEG compares with the standard library in one run.
func BenchmarkJPEG(b *testing.B) {
	for _, size := range [][2]int{{640, 480}, {1280, 720}} {
		for _, quality := range []int{75, 90} {
			data := photoJPEG(b, size[0], size[1], quality)
			name := fmt.Sprintf("size=%dx%d/quality=%d/bytes=%d", size[0], size[1], quality, len(data))
			b.Run(name+"/decoder=image-jpeg", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
						b.Fatal(err)
					}
				}
			})
			for shift := range uint(4) {
				b.Run(fmt.Sprintf("%s/decoder=ours/scale=%d", name, 1<<shift), func(b *testing.B) {
					b.ReportAllocs()
					var d jpegDecoder
					var p planes
					for b.Loop() {
						if err := d.decode(data, size[0], size[1], shift, &p); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// TestManyScans: a progressive JPEG can ask for a pass over all pixels with some
// 35 bytes.
func TestManyScans(t *testing.T) {
	data := []byte{0xff, 0xd8, 0xff, markerSOF2, 0, 11, 8, 0, 16, 0, 16, 1, 1, 0x11, 0}
	for range maxScans + 1 {
		data = append(data, 0xff, markerSOS, 0, 8, 1, 1, 0, 1, 63, 0, 0)
	}
	var p Picture
	err := (&Frame{Width: 16, Height: 16, Format: MJPG, Data: data}).Decode(&p)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "progressive JPEG of 65 scans; want at most 64")
}
