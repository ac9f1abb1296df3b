package web

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/pipeline"
)

const (
	maxViewers = 8
	defaultFPS = 10
	maxFPS     = 30
	// writeTime is how long a viewer may leave a picture unread.
	writeTime = 15 * time.Second
	// repeat is when a picture without successor is sent again: browsers show
	// one when the next begins.
	repeat = 150 * time.Millisecond
)

// stream is one camera as its viewers see it. The pipeline hands frames to it
// only while somebody looks, and only as many as the fastest viewer wants. Each
// is encoded once, in a goroutine of its own, while the pipeline goes on.
type stream struct {
	mu      sync.Mutex
	viewers map[*viewer]struct{}
	period  time.Duration // of the fastest viewer
	next    time.Time     // when the next frame is wanted
	busy    bool          // frame and encoder are in use
	frame   camera.Frame  // a copy
	encoder encoder
}

// viewer is one client.
type viewer struct {
	period  time.Duration
	next    time.Time
	picture chan []byte // the newest that is not yet written
}

var _ pipeline.Viewer = (*stream)(nil)

// Due is when the next frame is wanted.
func (s *stream) Due() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next, len(s.viewers) > 0
}

// Show has a copy of the frame encoded, unless the last one still is.
func (s *stream) Show(f *camera.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.next = s.next.Add(s.period); s.next.Before(now) {
		s.next = now.Add(s.period)
	}
	if s.busy || len(s.viewers) == 0 {
		return
	}
	data := append(s.frame.Data[:0], f.Data...)
	s.frame = *f
	s.frame.Data = data
	s.busy = true
	go s.encode()
}

func (s *stream) encode() {
	jpeg, err := s.encoder.encode(&s.frame)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	if err != nil {
		return // a frame that cannot be decoded; the pipeline counts them
	}
	now := time.Now()
	for v := range s.viewers {
		v.offer(now, jpeg)
	}
}

// offer gives a picture to a viewer who is due for one, in place of one that
// the viewer has not taken.
func (v *viewer) offer(now time.Time, jpeg []byte) {
	if now.Add(v.period / 2).Before(v.next) {
		return
	}
	if v.next = v.next.Add(v.period); v.next.Before(now) {
		v.next = now
	}
	select {
	case <-v.picture:
	default:
	}
	v.picture <- jpeg
}

// join adds a viewer until leave is called.
func (s *stream) join(period time.Duration) (pictures <-chan []byte, leave func()) {
	v := &viewer{period: period, picture: make(chan []byte, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = time.Time{} // at once, however slow the others are
	s.viewers[v] = struct{}{}
	s.pace()
	return v.picture, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.viewers, v)
		s.pace()
	}
}

// pace finds the fastest viewer. s is locked.
func (s *stream) pace() {
	s.period = math.MaxInt64
	for v := range s.viewers {
		s.period = min(s.period, v.period)
	}
}

// Viewer is who looks at a camera for the clients of the server.
func (s *Server) Viewer(camera string) pipeline.Viewer { return s.streams[camera] }

// stream sends pictures until the client or the server goes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	name, ok := s.camera(w, r)
	if !ok {
		return
	}
	fps := float64(defaultFPS)
	if text := r.URL.Query().Get("fps"); text != "" {
		var err error
		if fps, err = strconv.ParseFloat(text, 64); err != nil || !(fps >= 0.1 && fps <= maxFPS) {
			http.Error(w, fmt.Sprintf("fps=%s is not a number from 0.1 to %d", text, maxFPS), http.StatusBadRequest)
			return
		}
	}
	select {
	case s.looking <- struct{}{}:
		defer func() { <-s.looking }()
	default:
		http.Error(w, fmt.Sprintf("%d viewers look already; close one of them", maxViewers), http.StatusServiceUnavailable)
		return
	}
	pictures, leave := s.streams[name].join(time.Duration(float64(time.Second) / fps))
	defer leave()
	if s.o.Wake != nil {
		s.o.Wake(name)
	}
	const boundary = "vitedge-frame"
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // that of the request, which has been read
	part := []byte("--" + boundary + "\r\n")
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	for {
		control.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := w.Write(part); err != nil {
			return
		}
		if control.Flush() != nil {
			return
		}
		select {
		case jpeg := <-pictures:
			again.Reset(repeat)
			part = fmt.Appendf(part[:0], "Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(jpeg))
			part = append(part, jpeg...)
			part = append(part, "\r\n--"+boundary+"\r\n"...)
		case <-again.C: // the same part
		case <-r.Context().Done():
			return
		}
	}
}
