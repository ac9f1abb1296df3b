package web

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
)

// pump plays a pipeline: it shows a stream frames whenever they are due.
func pump(t *testing.T, s *Server, name string) (shown *atomic.Int64) {
	shown = new(atomic.Int64)
	v := s.Viewer(name)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for f := rgb(64, 48); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if due, ok := v.Due(); ok && !due.After(time.Now()) {
				for i := range 3 * 64 * 16 { // no two frames are equal
					f.Data[i] += 10
				}
				v.Show(f)
				shown.Add(1)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return shown
}

// view opens a stream and returns its parts.
func view(t *testing.T, s *Server, query string) (*multipart.Reader, io.Closer) {
	t.Helper()
	response, err := http.Get("http://" + s.Addr() + "/stream.mjpg" + query)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	require.Equal(t, http.StatusOK, response.StatusCode)
	kind, params, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/x-mixed-replace", kind)
	return multipart.NewReader(response.Body, params["boundary"]), response.Body
}

// next reads one picture.
func next(t *testing.T, r *multipart.Reader) []byte {
	t.Helper()
	part, err := r.NextPart()
	require.NoError(t, err)
	require.Equal(t, "image/jpeg", part.Header.Get("Content-Type"))
	data, err := io.ReadAll(part)
	require.NoError(t, err)
	require.Equal(t, part.Header.Get("Content-Length"), fmt.Sprint(len(data)))
	return data
}

func TestStream(t *testing.T) {
	var woken atomic.Int64
	s := newServer(t, func(o *Options) { o.Wake = func(string) { woken.Add(1) } })
	stop := start(t, s)
	shown := pump(t, s, "cam")
	r, _ := view(t, s, "?camera=cam&fps=30")
	require.Equal(t, int64(1), woken.Load())
	first := next(t, r)
	_, err := jpeg.Decode(bytes.NewReader(first))
	require.NoError(t, err)
	for range 20 {
		next(t, r)
	}
	require.False(t, bytes.Equal(first, next(t, r)))
	require.Equal(t, 1, s.Status().Viewers)
	require.Positive(t, shown.Load())

	stop() // does not wait for viewers
	for err == nil {
		_, err = r.NextPart()
	}
	require.Eventually(t, func() bool { return s.Status().Viewers == 0 }, patience, time.Millisecond)
}

// TestStreamRefuses gives what is no camera and no rate.
func TestStreamRefuses(t *testing.T) {
	s := newServer(t, nil)
	for path, want := range map[string]int{
		"?camera=attic": 404, "?fps=x": 400, "?fps=0": 400, "?fps=-1": 400, "?fps=NaN": 400, "?fps=31": 400, "?fps=1e999": 400,
	} {
		require.Equal(t, want, get(s, "/stream.mjpg"+path).Code, path)
	}
}

// TestNobodyLooks guards that nothing is encoded for nobody.
func TestNobodyLooks(t *testing.T) {
	s := newServer(t, nil)
	start(t, s)
	v := s.streams["cam"]
	_, looked := v.Due()
	require.False(t, looked)
	v.Show(rgb(64, 48)) // in spite of that
	require.False(t, v.busy)

	pump(t, s, "cam")
	r, body := view(t, s, "")
	next(t, r)
	_, looked = v.Due()
	require.True(t, looked)
	body.Close()
	require.Eventually(t, func() bool { _, looked := v.Due(); return !looked }, patience, time.Millisecond)
}

// TestViewersShare guards that frames are encoded once for all, as often as the
// fastest viewer wants, and that a viewer who reads nothing disturbs nobody.
func TestViewersShare(t *testing.T) {
	s := newServer(t, nil)
	start(t, s)
	shown := pump(t, s, "cam")
	fast, _ := view(t, s, "?fps=30")
	slow, _ := view(t, s, "?fps=5")
	view(t, s, "?fps=30") // is never read
	next(t, fast)
	next(t, slow)
	require.Equal(t, time.Second/30, s.streams["cam"].period)

	began := time.Now() // before what is counted, as the end is behind it
	before := shown.Load()
	for range 30 {
		next(t, fast)
	}
	next(t, slow)
	count := shown.Load() - before
	most := 30*time.Since(began).Seconds() + 2
	require.LessOrEqual(t, float64(count), most, "as many frames as the fastest of three viewers wants")
}

// TestFastViewerJoinsSlow: the first picture does not wait until the slow viewer
// is due for one.
func TestFastViewerJoinsSlow(t *testing.T) {
	s := &stream{viewers: map[*viewer]struct{}{}}
	_, leave := s.join(time.Hour)
	defer leave()
	s.Show(&camera.Frame{Width: 1, Height: 1, Stride: 1, Format: camera.Grey, Data: []byte{1}})
	due, _ := s.Due()
	require.Greater(t, time.Until(due), time.Minute)
	_, leave = s.join(time.Second)
	defer leave()
	due, _ = s.Due()
	require.Less(t, time.Until(due), time.Minute)
}

// TestPaceOfViewers offers pictures by a clock of its own.
func TestPaceOfViewers(t *testing.T) {
	v := &viewer{period: time.Second / 5, picture: make(chan []byte, 1)}
	now := time.Now()
	taken := 0
	for range 300 { // ten seconds of 30 pictures
		v.offer(now, []byte("picture"))
		select {
		case <-v.picture:
			taken++
		default:
		}
		now = now.Add(time.Second / 30)
	}
	require.InDelta(t, 50, taken, 2)

	for range 3 { // the newest wins
		now = now.Add(time.Second)
		v.offer(now, []byte(now.String()))
	}
	require.Equal(t, now.String(), string(<-v.picture))
	require.Empty(t, v.picture)
}

func TestViewersAreBounded(t *testing.T) {
	s := newServer(t, nil)
	start(t, s)
	pump(t, s, "cam")
	var bodies []io.Closer
	for range maxViewers {
		_, body := view(t, s, "?fps=1")
		bodies = append(bodies, body)
	}
	w := get(s, "/stream.mjpg")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "8 viewers look already; close one of them\n", w.Body.String())
	bodies[0].Close()
	require.Eventually(t, func() bool { return s.Status().Viewers < maxViewers }, patience, time.Millisecond)
	r, _ := view(t, s, "")
	next(t, r)
}

// TestShowDoesNotWait guards the pipeline: while a frame is encoded, others
// pass.
func TestShowDoesNotWait(t *testing.T) {
	s := &stream{viewers: make(map[*viewer]struct{})}
	pictures, leave := s.join(time.Second / 10)
	defer leave()
	s.busy = true // as while it is encoding
	f := rgb(64, 48)
	for range 100 {
		s.Show(f)
	}
	require.Empty(t, pictures)
	s.busy = false
	s.Show(f)
	clear(f.Data) // the frame was the pipeline's
	img, err := jpeg.Decode(bytes.NewReader(<-pictures))
	require.NoError(t, err)
	requireSmooth(t, img)
}

// TestBrokenFrameIsSkipped: a viewer waits for the next good one.
func TestBrokenFrameIsSkipped(t *testing.T) {
	s := &stream{viewers: make(map[*viewer]struct{})}
	pictures, leave := s.join(time.Nanosecond)
	defer leave()
	s.Show(&camera.Frame{Width: 64, Height: 48, Format: camera.MJPG, Data: []byte("broken")})
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.busy }, patience, time.Millisecond)
	require.Empty(t, pictures)
	s.Show(rgb(64, 48))
	require.NotEmpty(t, <-pictures)
}
