package camera

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// numbered is a small JPEG that differs by its comment.
func numbered(n int) []byte {
	s := jpegSpec{width: 16, height: 8, sampling: samplings["422"], step: 9, comment: fmt.Appendf(nil, "number %d\n--frame-ish", n)}
	return s.encode(drawn(rand.New(rand.NewPCG(uint64(n), 1)), s.step))
}

// dialects are how servers write a part, and what they declare.
var dialects = map[string]struct {
	contentType, part string // of length and body
	preamble          string
}{
	"go2rtc":            {"multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", ""},
	"ESP32-CAM":         {"multipart/x-mixed-replace;boundary=123456789000000000000987654321", "\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: 5.000000\r\n\r\n%s", ""},
	"motion":            {"multipart/x-mixed-replace; boundary=BoundaryString", "--BoundaryString\r\nContent-type: image/jpeg\r\nContent-Length:   %9d\r\n\r\n%s\r\n", ""},
	"mjpg-streamer":     {"multipart/x-mixed-replace;boundary=boundarydonotcross", "Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: 1.2\r\n\r\n%s\r\n--boundarydonotcross\r\n", "--boundarydonotcross\r\n"},
	"dashes declared":   {"multipart/x-mixed-replace; boundary=--myboundary", "--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", ""},
	"dashes missing":    {"multipart/x-mixed-replace; boundary=xyz", "xyz\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", ""},
	"quoted":            {`multipart/x-mixed-replace; boundary="a b"`, "--a b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", ""},
	"no boundary":       {"multipart/x-mixed-replace", "--whatever\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", ""},
	"no length":         {"multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\nX-Length: %d\r\n\r\n%s\r\n", ""},
	"no length, LF":     {"multipart/x-mixed-replace; boundary=frame", "--frame\nX-Length: %d\n\n%s\n", ""},
	"other parts":       {"multipart/x-mixed-replace; boundary=frame", "--frame\r\nContent-Type: text/plain\r\n\r\nhello\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", "some text first\r\n\r\n"},
	"bytes after parts": {"multipart/mixed; boundary=frame", "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n\r\njunk\r\n", ""},
}

func TestMultipartDialects(t *testing.T) {
	for name, d := range dialects {
		t.Run(name, func(t *testing.T) {
			body := d.preamble
			for i := range 4 {
				body += fmt.Sprintf(d.part, len(numbered(i)), numbered(i))
			}
			boundary := ""
			if _, b, ok := strings.Cut(d.contentType, "boundary="); ok {
				boundary = b
			}
			if strings.HasPrefix(name, "no length") {
				body += "--frame\n\n" // without a length only the next boundary ends a part
			}
			for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
				p := newPartReader(r, boundary)
				var part []byte
				var err error
				for i := range 4 {
					part, err = p.next(part[:0])
					require.NoError(t, err)
					require.Equal(t, numbered(i), part)
				}
				_, err = p.next(nil)
				require.ErrorIs(t, err, ErrGone)
			}
		})
	}
}

func TestMultipartBounds(t *testing.T) {
	endless := func(prefix string) io.Reader {
		return io.MultiReader(strings.NewReader(prefix), &forever{})
	}
	for name, tt := range map[string]struct {
		body string
		want string
	}{
		"announced size": {"--frame\r\nContent-Length: 999999999\r\n\r\n", "part of 999999999 bytes; want at most 8388608"},
		"negative size":  {"--frame\r\nContent-Length: -5\r\n\r\n", `Content-Length "-5"`},
		"no size":        {"--frame\r\n\r\n", "part of more than 8388608 bytes"},
		"header":         {"--frame\r\nA: ", "part header of more than"},
		"junk":           {"", `no boundary "frame" in 1048576 bytes`},
	} {
		p := newPartReader(endless(tt.body), "frame")
		part, err := p.next(nil)
		require.ErrorContains(t, err, tt.want, name)
		require.LessOrEqual(t, len(part), maxPartBytes)
	}
}

// forever is a stream without end.
type forever struct{ n int }

func (f *forever) Read(b []byte) (int, error) {
	for i := range b {
		if b[i] = 'x'; f.n%4000 == 3999 {
			b[i] = '\n'
		}
		f.n++
	}
	return len(b), nil
}

func TestPartsAllocateNothing(t *testing.T) {
	d := dialects["go2rtc"]
	var body bytes.Buffer
	for range 60 {
		fmt.Fprintf(&body, d.part, len(numbered(0)), numbered(0))
	}
	p := newPartReader(&body, "frame")
	part, err := p.next(nil)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(50, func() {
		if part, err = p.next(part[:0]); err != nil {
			panic(err)
		}
	}))
}

// TestStreamAllocatesNothing passes buffers round as the reading goroutine and
// the owner do.
func TestStreamAllocatesNothing(t *testing.T) {
	s := &httpStream{config: mustNormalize(t, Config{}), fresh: make(chan struct{}, 1)}
	data := numbered(0)
	var part []byte
	require.Zero(t, testing.AllocsPerRun(50, func() {
		part = append(part[:0], data...)
		s.newest, part = part, s.newest
		s.count++
		s.signal()
		if _, err := s.Next(context.Background()); err != nil {
			panic(err)
		}
	}))
}

// serve runs a handler on a free port of the loopback interface.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// next is Next within a generous time.
func next(t *testing.T, cam Camera) (*Frame, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return cam.Next(ctx)
}

// TestHTTPStream connects, loses the stream, and connects again.
func TestHTTPStream(t *testing.T) {
	connections := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		connections++
		w.Header().Set("Content-Type", dialects["go2rtc"].contentType)
		n := numbered(connections)
		fmt.Fprintf(w, dialects["go2rtc"].part, len(n), n)
	})
	cam := open(t, Config{Source: strings.Replace(url, "http://", "http://me:secret@", 1) + "/stream?token=hidden", View: View{Turn: 90}})
	for i := range 3 {
		f, err := next(t, cam)
		require.NoError(t, err)
		require.Equal(t, numbered(i+1), f.Data)
		require.Equal(t, [2]int{16, 8}, [2]int{f.Width, f.Height})
		require.Equal(t, uint64(i), f.Sequence)
		require.Less(t, time.Since(f.Time), time.Minute)
		var p Picture
		require.NoError(t, f.Decode(&p))
		w, h := p.Size()
		require.Equal(t, [2]int{8, 16}, [2]int{w, h})

		_, err = next(t, cam)
		require.ErrorIs(t, err, ErrGone)
		require.ErrorContains(t, err, "the stream ended")
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "hidden")
	}
	require.NoError(t, cam.Close())
	_, err := cam.Next(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

// TestHTTPNewest has an owner that is slower than the server.
func TestHTTPNewest(t *testing.T) {
	const total = 200
	seen := make(chan struct{})
	hold := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", dialects["ESP32-CAM"].contentType)
		for i := range total {
			n := numbered(i)
			fmt.Fprintf(w, dialects["ESP32-CAM"].part, len(n), n)
			if i == 0 {
				w.(http.Flusher).Flush()
				<-seen
			}
		}
		w.(http.Flusher).Flush()
		<-hold
	})
	defer close(hold)
	cam, err := openHTTP(mustNormalize(t, Config{Source: url}))
	require.NoError(t, err)
	defer cam.Close()
	f, err := next(t, cam)
	require.NoError(t, err)
	require.Equal(t, numbered(0), f.Data)
	close(seen)
	stream := cam.(*recovering).cam.(*httpStream)
	require.Eventually(t, func() bool {
		stream.mu.Lock()
		defer stream.mu.Unlock()
		return stream.count == total
	}, 30*time.Second, time.Millisecond)
	f, err = next(t, cam)
	require.NoError(t, err)
	require.Equal(t, numbered(total-1), f.Data)
	require.Equal(t, uint64(total-1), f.Sequence)
}

func mustNormalize(t *testing.T, c Config) Config {
	t.Helper()
	require.NoError(t, c.normalize())
	return c
}

// TestHTTPSilence has servers that say nothing more: before the answer, before
// its picture, and after the first ones.
func TestHTTPSilence(t *testing.T) {
	for name, kind := range map[string]string{"answer": "", "stream": "multipart/x-mixed-replace; boundary=frame", "still": "image/jpeg"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hold := make(chan struct{})
			defer close(hold)
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if kind != "" {
					w.Header().Set("Content-Type", kind)
					w.(http.Flusher).Flush()
				}
				select {
				case <-hold:
				case <-r.Context().Done():
				}
			})
			cam := open(t, Config{Source: url, Timeout: 50 * time.Millisecond})
			_, err := next(t, cam)
			require.ErrorIs(t, err, ErrTimeout)
			require.NotErrorIs(t, err, ErrGone)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			_, err = cam.Next(ctx)
			require.Equal(t, context.Canceled, err)
		})
	}
}

// TestHTTPSlowStills has a server that takes longer for a picture than a stream
// may be silent.
func TestHTTPSlowStills(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(numbered(1))
	})
	cam := open(t, Config{Source: url, Timeout: time.Millisecond, FPS: 100})
	for range 3 {
		_, err := next(t, cam)
		require.NoError(t, err)
	}
}

// TestStreamEndIsToldAgain: the call that met the end of a stream may have been
// cancelled.
func TestStreamEndIsToldAgain(t *testing.T) {
	s := &httpStream{config: Config{Timeout: time.Hour}, fresh: make(chan struct{}, 1), err: ErrGone}
	s.signal()
	for range 3 {
		_, err := next(t, s)
		require.ErrorIs(t, err, ErrGone)
	}
}

func TestHTTPRefuses(t *testing.T) {
	big := jpegSpec{width: 16, height: 8, sampling: samplings["grey"], step: 9}
	bomb := big.encode(drawn(rand.New(rand.NewPCG(1, 1)), 9))
	copy(bomb[bytes.Index(bomb, []byte{0xff, markerSOF0})+5:], []byte{0xff, 0xff, 0xff, 0xff})
	part := func(kind string, body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Write(body)
		}
	}
	stream := func(body []byte) http.HandlerFunc {
		return part("multipart/x-mixed-replace; boundary=frame", fmt.Appendf(nil, "--frame\r\nContent-Length: %d\r\n\r\n%s\r\n", len(body), body))
	}
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		is   error
		want string
	}{
		"not found":      {http.NotFound, nil, "HTTP status 404 Not Found"},
		"one client":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, ErrBusy, "HTTP status 503"},
		"a page":         {part("text/html; charset=utf-8", nil), nil, `serves "text/html"; want multipart/x-mixed-replace`},
		"no type":        {func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil }, nil, `serves ""`},
		"bomb":           {stream(bomb), ErrCorrupt, "JPEG of 65535x65535 pixels; want at most 16777216"},
		"small":          {stream([]byte("hello")), ErrTruncated, "5 bytes of JPEG"},
		"text":           {stream(bytes.Repeat([]byte("hello"), 99)), ErrCorrupt, "starts with 68 65"},
		"still bomb":     {part("image/jpeg", bomb), ErrCorrupt, "65535x65535"},
		"still too long": {part("image/jpeg", make([]byte, maxPartBytes+1)), ErrCorrupt, "JPEG of more than 8388608 bytes"},
		"empty still":    {part("image/jpeg", nil), ErrTruncated, "0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			cam := open(t, Config{Source: serve(t, tt.h)})
			_, err := next(t, cam)
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "camera http://127.0.0.1:")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close() // nobody listens there now
	cam := open(t, Config{Source: s.URL})
	_, err := next(t, cam)
	require.ErrorIs(t, err, ErrGone)
	for source, want := range map[string]string{"http://": "names no host", "http:///x": "names no host", "http://me:secret@[::1": "missing ']' in host",
		"http:me:secret@host": "names no host", "https:///?pwd=secret": "want https://HOST/PATH", "rtsp://me:secret@host/": "is a URL of rtsp; want http"} {
		_, err := Open(t.Context(), Config{Source: source})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}

// TestHTTPStills asks for every picture, at the frame rate.
func TestHTTPStills(t *testing.T) {
	requests := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Content-Type", []string{"image/jpeg", "image/jpg"}[requests%2])
		w.Write(numbered(requests))
	})
	clock := newFakeClock()
	start := clock.now
	cam := open(t, Config{Source: url + "/snapshot.jpg", FPS: 0.5, Clock: clock})
	for i := range 4 {
		f, err := next(t, cam)
		require.NoError(t, err)
		require.Equal(t, numbered(i+1), f.Data)
		require.Equal(t, uint64(i), f.Sequence)
		require.Equal(t, time.Duration(i)*2*time.Second, f.Time.Sub(start))
	}
	require.Equal(t, 4, requests)
}

// TestHTTPLeavesNothing opens and loses streams and counts goroutines.
func TestHTTPLeavesNothing(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", dialects["go2rtc"].contentType)
		for i := range 3 {
			n := numbered(i)
			fmt.Fprintf(w, dialects["go2rtc"].part, len(n), n)
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client goes
	})
	before := runtime.NumGoroutine()
	for range 50 {
		cam, err := Open(t.Context(), Config{Source: url})
		require.NoError(t, err)
		_, err = next(t, cam)
		require.NoError(t, err)
		require.NoError(t, cam.Close())
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+4 }, 30*time.Second, 10*time.Millisecond)
}

// FuzzMultipart never panics, never hands out more than a part may have, and
// ends.
func FuzzMultipart(f *testing.F) {
	for _, d := range dialects {
		f.Add(fmt.Appendf([]byte(d.preamble), d.part, 3, "abc"), "frame")
	}
	f.Fuzz(func(t *testing.T, data []byte, boundary string) {
		p := newPartReader(bytes.NewReader(data), boundary)
		var part []byte
		for n := 0; ; n++ {
			require.LessOrEqual(t, n, len(data))
			var err error
			if part, err = p.next(part[:0]); err != nil {
				return
			}
			require.LessOrEqual(t, len(part), len(data))
		}
	})
}
