package camera

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeClock stands still until somebody waits, and then jumps there.
type fakeClock struct{ now time.Time }

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) WaitUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.After(c.now) {
		c.now = t
	}
	return nil
}

// flat is a picture of one color.
func flat(width, height int, c color.Color) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, c)
		}
	}
	return m
}

func writePNG(t *testing.T, path string, m image.Image) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

func writeJPEG(t *testing.T, path string, m image.Image) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

// pixel is the first pixel of a frame.
func pixel(t *testing.T, f *Frame) [3]byte {
	t.Helper()
	var p Picture
	require.NoError(t, f.Decode(&p))
	w, _ := p.Size()
	row := make([]byte, 3*w)
	p.RowRGB(row, 0)
	return [3]byte(row)
}

func open(t *testing.T, c Config) Camera {
	t.Helper()
	cam, err := Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cam.Close()) })
	return cam
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	writePNG(t, filepath.Join(dir, "b.PNG"), flat(4, 3, color.RGBA{10, 200, 30, 255}))
	writeJPEG(t, filepath.Join(dir, "c.jpg"), flat(16, 8, color.RGBA{200, 200, 200, 255}))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.jpeg"), []byte("not a picture"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labels.csv"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hidden.png"), []byte("x"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.png"), 0o700))

	clock := newFakeClock()
	start := clock.now
	cam := open(t, Config{Source: "file:" + dir, FPS: 4, Loop: true, Clock: clock})
	for pass := range 3 {
		_, err := cam.Next(t.Context())
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, "a.jpeg")

		f, err := cam.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "b.PNG"), f.Name)
		require.Equal(t, [2]int{4, 3}, [2]int{f.Width, f.Height})
		require.Equal(t, uint64(3*pass+1), f.Sequence)
		require.Equal(t, [3]byte{10, 200, 30}, pixel(t, f))

		f, err = cam.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "c.jpg"), f.Name)
		require.Equal(t, [3]byte{200, 200, 200}, pixel(t, f))
		require.Equal(t, time.Duration(3*pass+2)*250*time.Millisecond, f.Time.Sub(start), "four frames a second")
	}

	// A looping folder shows what was added.
	writePNG(t, filepath.Join(dir, "aa.png"), flat(2, 2, color.White))
	_, err := cam.Next(t.Context())
	require.ErrorIs(t, err, ErrCorrupt)
	f, err := cam.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "aa.png"), f.Name)

	// A file that vanishes costs its turn, no more.
	require.NoError(t, os.Remove(filepath.Join(dir, "b.PNG")))
	_, err = cam.Next(t.Context())
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = cam.Next(t.Context())
	require.NoError(t, err)
}

func TestFileEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.png")
	writePNG(t, path, flat(2, 2, color.White))
	cam := open(t, Config{Source: "file:" + path})
	_, err := cam.Next(t.Context())
	require.NoError(t, err)
	for range 2 {
		_, err = cam.Next(t.Context())
		require.Equal(t, io.EOF, err)
	}
	require.NoError(t, cam.Close())
	_, err = cam.Next(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

func TestPaceRestartsAfterDelay(t *testing.T) {
	clock := newFakeClock()
	start := clock.now
	cam := open(t, Config{Source: "test:", Width: 8, Height: 8, FPS: 10, Clock: clock})
	var times []time.Duration
	for i := range 6 {
		f, err := cam.Next(t.Context())
		require.NoError(t, err)
		times = append(times, f.Time.Sub(start)/time.Millisecond)
		switch i {
		case 1:
			clock.now = clock.now.Add(50 * time.Millisecond) // less than a period: the rate is kept
		case 3:
			clock.now = clock.now.Add(time.Second)
		}
	}
	require.Equal(t, []time.Duration{0, 100, 200, 300, 1300, 1400}, times)
}

// TestDay plays 24 hours at a frame a second, by the clock of the test, and
// looks at what the process holds before and after.
func TestDay(t *testing.T) {
	clock := newFakeClock()
	start := clock.now
	cam := open(t, Config{Source: "test:", Width: 16, Height: 16, FPS: 1, Clock: clock})
	inspector := Inspector{MaxAge: time.Second, FrozenAfter: 5 * time.Second, Clock: clock}
	var p Picture
	row := make([]byte, 3*16)
	var before, after runtime.MemStats
	const frames = 24 * 60 * 60
	for n := range frames {
		if n == 100 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		f, err := cam.Next(t.Context())
		if err != nil || inspector.Frame(f) != nil || f.Decode(&p) != nil {
			t.Fatal(err)
		}
		p.RowRGB(row, n%16)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Equal(t, (frames-1)*time.Second, clock.now.Sub(start))
	require.LessOrEqual(t, after.HeapAlloc, before.HeapAlloc+64<<10)
}

func TestNextHonorsContext(t *testing.T) {
	cam := open(t, Config{Source: "test:", FPS: 0.001})
	_, err := cam.Next(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = cam.Next(ctx) // due in 1000 s
	require.Equal(t, context.Canceled, err)
}

func TestStillRefuses(t *testing.T) {
	var big bytes.Buffer
	require.NoError(t, png.Encode(&big, flat(1, 1, color.Black)))
	bomb := bytes.Clone(big.Bytes())
	copy(bomb[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0}) // 65536x65536, CRC wrong too
	var jpg bytes.Buffer
	require.NoError(t, jpeg.Encode(&jpg, flat(64, 64, color.Black), nil))
	sof := bytes.Index(jpg.Bytes(), []byte{0xff, 0xc0})
	jpegBomb := bytes.Clone(jpg.Bytes())
	copy(jpegBomb[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})

	for name, data := range map[string][]byte{
		"empty":      {},
		"text":       []byte("hello"),
		"png bomb":   bomb,
		"jpeg bomb":  jpegBomb,
		"only magic": {0xff, 0xd8},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.jpg")
			require.NoError(t, os.WriteFile(path, data, 0o600))
			_, err := ReadFile(path)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, path)
		})
	}
	pipe := filepath.Join(t.TempDir(), "x.jpg") // that nobody writes to
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{t.TempDir(), pipe} {
		_, err := ReadFile(path)
		require.ErrorContains(t, err, "not a regular file")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		want string
		c    Config
	}{
		{"camera source is empty", Config{}},
		{"no .jpg, .jpeg or .png file", Config{Source: "file:" + dir}},
		{"no such file", Config{Source: "file:" + dir + "/none"}},
		{`test pattern "x"`, Config{Source: "test:x"}},
		{"camera size is 640x0", Config{Source: "test:", Width: 640}},
		{"camera size is 99999x1", Config{Source: "test:", Width: 99999, Height: 1}},
		{"camera frame rate is -1", Config{Source: "test:", FPS: -1}},
		{"camera timeout is -1s", Config{Source: "test:", Timeout: -time.Second}},
		{"camera cover is -1", Config{Source: "test:", Cover: -1}},
		{`pixel format "H264"`, Config{Source: "test:", Format: 'H' | '2'<<8 | '6'<<16 | '4'<<24}},
		{"rotation is 45", Config{Source: "test:", View: View{Turn: 45}}},
		{"crop x=0.5 y=0 width=0.6", Config{Source: "test:", View: View{Crop: Region{X: 0.5, Width: 0.6, Height: 1}}}},
	} {
		cam, err := Open(t.Context(), tt.c)
		require.ErrorContains(t, err, tt.want)
		require.Nil(t, cam)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, Config{Source: "test:"})
	require.ErrorIs(t, err, context.Canceled)
}
