package camera

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patches are colors in squares of 16 pixels, so that the middle of each is
// the same however chroma is interpolated.
const (
	patchesAcross, patchesDown = 16, 16
	patchSide                  = 16
)

// patchColor is the Y, Cb and Cr of a patch: the ends of full and of limited
// range, and what is between. swscale wraps from 512 on, which blue of BT.709
// reaches with Y 255 and Cb 240.
func patchColor(n int) (y, cb, cr byte) {
	luma := [...]byte{0, 16, 30, 81, 128, 180, 235, 255}
	chroma := [...]byte{16, 64, 100, 128, 150, 238}
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

// patchJPEG is the patches as a JPEG, whose YCbCr is in full range. Every block
// is flat, and a quantization step of 8 makes its DC coefficient its level.
func patchJPEG(s jpegSpec) *Frame {
	s.width, s.height, s.step = patchesAcross*patchSide, patchesDown*patchSide, 8
	across, down := s.sampling[0][0], s.sampling[0][1] // blocks of luma in an MCU
	next := make([]int, len(s.sampling))
	data := s.encode(func(component int) (block [64]int) {
		h, v := s.sampling[component][0], s.sampling[component][1]
		mcu, i := next[component]/(h*v), next[component]%(h*v)
		next[component]++
		x := mcu%(s.width/8/across)*8*across + i%h*8
		y := mcu/(s.width/8/across)*8*down + i/h*8
		luma, cb, cr := patchColor(y/patchSide*patchesAcross + x/patchSide)
		block[0] = int([...]byte{luma, cb, cr}[component]) - 128
		return block
	})
	return &Frame{Width: s.width, Height: s.height, Format: MJPG, Data: data}
}

// requireFFmpeg skips the test where ffmpeg is missing, or fails it where every
// test must run.
func requireFFmpeg(t *testing.T) string {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil && os.Getenv("VITEDGE_TEST_REQUIRE") != "1" {
		t.Skip("ffmpeg is not installed")
	}
	require.NoError(t, err)
	return ffmpeg
}

// TestFFmpeg compares the colors of every format with those of ffmpeg's
// swscale, to within two levels.
func TestFFmpeg(t *testing.T) {
	ffmpeg := requireFFmpeg(t)
	raw := func(pixels, color string) []string {
		return []string{"-f", "rawvideo", "-pixel_format", pixels, "-video_size", fmt.Sprintf("%dx%d", patchesAcross*patchSide, patchesDown*patchSide), "-color_range", color}
	}
	colored := func(format FourCC, color Color) *Frame {
		f := patchFrame(format)
		f.Color = color
		return f
	}
	type test struct {
		name   string
		frame  *Frame
		input  []string
		matrix string // of the input, where ffmpeg does not go by the format
	}
	tests := []test{
		{"YUYV", patchFrame(YUYV), raw("yuyv422", "tv"), ""},
		{"YUYV in full range", colored(YUYV, BT601Full), raw("yuyv422", "pc"), ""},
		{"YUYV of BT.709", colored(YUYV, BT709), raw("yuyv422", "tv"), "bt709"},
		{"YUYV of BT.709 in full range", colored(YUYV, BT709Full), raw("yuyv422", "pc"), "bt709"},
		{"NV12", patchFrame(NV12), raw("nv12", "tv"), ""},
		{"NV12 in full range", colored(NV12, BT601Full), raw("nv12", "pc"), ""},
		{"NV12 of BT.709", colored(NV12, BT709), raw("nv12", "tv"), "bt709"},
		{"GREY", patchFrame(Grey), raw("gray", "pc"), ""},
		{"RGB24", patchFrame(RGB24), raw("rgb24", "pc"), ""},
		{"BGR24", patchFrame(BGR24), raw("bgr24", "pc"), ""},
	}
	for _, s := range []struct {
		name string
		spec jpegSpec
	}{
		{"MJPEG 4:2:0", jpegSpec{sampling: samplings["420"]}},
		{"MJPEG 4:2:2", jpegSpec{sampling: samplings["422"]}},
		{"MJPEG 4:4:4", jpegSpec{sampling: samplings["444"]}},
		{"MJPEG 4:4:0", jpegSpec{sampling: samplings["440"]}},
		{"MJPEG grey", jpegSpec{sampling: samplings["grey"]}},
		{"MJPEG with restart markers", jpegSpec{sampling: samplings["422"], interval: 5}},
		{"MJPEG without Huffman tables", jpegSpec{sampling: samplings["422"], noTables: true}},
		{"MJPEG without end marker", jpegSpec{sampling: samplings["420"], noEnd: true}},
		{"MJPEG with neither", jpegSpec{sampling: samplings["422"], interval: 16, noTables: true, noEnd: true}},
	} {
		tests = append(tests, test{s.name, patchJPEG(s.spec), []string{"-f", "mjpeg"}, ""})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"-v", "error", "-nostdin"}, tt.input...)
			args = append(args, "-i", "pipe:0", "-frames:v", "1")
			if tt.matrix != "" {
				args = append(args, "-vf", "scale=in_color_matrix="+tt.matrix)
			}
			args = append(args, "-sws_flags", "accurate_rnd+full_chroma_int+bicubic", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1")
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

// TestHTTPFromFFmpeg has a real server of MJPEG that comes late, is killed, and
// comes back.
func TestHTTPFromFFmpeg(t *testing.T) {
	ffmpeg := requireFFmpeg(t)
	// Below the ports that the kernel gives to connections, one of which could
	// take it while the server is away.
	var url string
	for url == "" {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			url = "http://" + address + "/stream.mjpg"
		}
	}
	serve := func(color string) (kill func()) {
		cmd := exec.Command(ffmpeg, "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "color="+color+":size=160x120:rate=20",
			"-q:v", "2", "-f", "mpjpeg", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg", "-listen", "1", url)
		require.NoError(t, cmd.Start())
		kill = sync.OnceFunc(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		t.Cleanup(kill)
		return kill
	}
	cam := open(t, Config{Source: url, Timeout: 30 * time.Second}) // ffmpeg takes its time on a busy machine
	_, err := next(t, cam)
	require.ErrorIs(t, err, ErrGone)
	sequence := uint64(0)
	for color, want := range map[string][3]byte{"red": {254, 0, 0}, "blue": {0, 0, 254}} {
		kill := serve(color)
		for range 5 {
			f, err := next(t, cam)
			require.NoError(t, err)
			require.Equal(t, [2]int{160, 120}, [2]int{f.Width, f.Height})
			got := pixel(t, f)
			for c := range got {
				require.LessOrEqual(t, distance(want[c], got[c]), 3, "%s is %v", color, got)
			}
			require.GreaterOrEqual(t, f.Sequence, sequence)
			sequence = f.Sequence + 1
		}
		kill()
		_, err := next(t, cam)
		for err == nil { // frames that were on their way
			_, err = next(t, cam)
		}
		require.ErrorIs(t, err, ErrGone)
	}
}
