package camera

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxPartBytes bounds one JPEG of a stream.
	maxPartBytes = 8 << 20
	// maxStreamPixels bounds its size, since no negotiation does.
	maxStreamPixels = 16 << 20
	// connectTimeout bounds the time to the headers of the answer, and to all of
	// a single picture. Small cameras take seconds for them.
	connectTimeout = 4 * time.Second
)

// errNoAnswer is why connecting is given up.
var errNoAnswer = fmt.Errorf("%w: no answer within %v", ErrTimeout, connectTimeout)

// openHTTP makes a camera of a URL that serves MJPEG as
// multipart/x-mixed-replace, or one JPEG at every request. It recovers, and
// connects at the first Next.
func openHTTP(c Config) (Camera, error) {
	u, err := url.Parse(c.Source)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err // without the URL, which may hold a password
		}
		return nil, fmt.Errorf("camera source: %w", err)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("camera source %s:… names no host; want %[1]s://HOST/PATH", u.Scheme)
	}
	h := &httpSource{
		url:    u,
		name:   (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(),
		config: c,
		client: &http.Client{Transport: &http.Transport{
			// A camera is a neighbor: no proxy is asked.
			DialContext:        (&net.Dialer{}).DialContext,
			DisableKeepAlives:  true,
			DisableCompression: true,
		}},
	}
	return newRecovering(h.open, c), nil
}

// httpSource is what it takes to connect.
type httpSource struct {
	url    *url.URL
	name   string // without user, password and query
	config Config
	client *http.Client
}

func (h *httpSource) open(ctx context.Context) (Camera, error) {
	// The stream outlives the context of the call that opens it.
	stream, cancelCause := context.WithCancelCause(context.WithoutCancel(ctx))
	cancel := func() { cancelCause(nil) }
	stop := context.AfterFunc(ctx, func() { cancelCause(ctx.Err()) })
	late := time.AfterFunc(connectTimeout, func() { cancelCause(errNoAnswer) })
	resp, err := h.get(stream)
	stop()
	late.Stop()
	if cause := context.Cause(stream); cause != nil { // also if it came with the answer
		if err == nil {
			resp.Body.Close()
		}
		err = cause
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("camera %s: %w", h.name, err)
	}
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil && kind == "" {
		kind = resp.Header.Get("Content-Type")
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		s := &httpStream{
			name: h.name, config: h.config, cancel: cancel, body: resp.Body,
			parts: newPartReader(resp.Body, params["boundary"]),
			fresh: make(chan struct{}, 1), done: make(chan struct{}),
		}
		go s.read()
		return s, nil
	case kind == "image/jpeg", kind == "image/jpg":
		return &httpStills{source: h, cancel: cancel, first: resp.Body, pace: newPace(h.config.Clock, h.config.FPS)}, nil
	}
	resp.Body.Close()
	cancel()
	return nil, fmt.Errorf("camera %s: serves %q; want multipart/x-mixed-replace or image/jpeg", h.name, kind)
}

// get sends one request.
func (h *httpSource) get(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, transportError(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%w: HTTP status %s", ErrBusy, resp.Status)
	}
	return nil, fmt.Errorf("HTTP status %s", resp.Status)
}

// transportError drops the URL from an error and tells absence from silence.
func transportError(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

// httpStream takes the parts of a stream. A goroutine reads them as fast as
// they come and keeps the newest, so none grows old in the socket's buffers.
type httpStream struct {
	name   string
	config Config
	cancel context.CancelFunc
	body   io.Closer
	parts  *partReader
	fresh  chan struct{} // a part is in newest, or err is set
	done   chan struct{} // closed when the goroutine ends

	frame   Frame
	data    []byte // of frame; the owner's
	timer   *time.Timer
	waiting time.Time // since when nothing came; calls that were cancelled count

	mu     sync.Mutex
	newest []byte // the last whole part
	time   time.Time
	count  uint64 // parts so far
	err    error  // why there are no more
}

// read is the goroutine.
func (s *httpStream) read() {
	defer close(s.done)
	var part []byte
	for {
		var err error
		part, err = s.parts.next(part[:0])
		s.mu.Lock()
		if err != nil {
			s.err = err
		} else {
			s.newest, part = part, s.newest
			s.time = s.config.Clock.Now()
			s.count++
		}
		s.mu.Unlock()
		s.signal()
		if err != nil {
			return
		}
	}
}

func (s *httpStream) Next(ctx context.Context) (*Frame, error) {
	now := time.Now()
	if s.waiting.IsZero() {
		s.waiting = now
	}
	if left := s.waiting.Add(s.config.Timeout).Sub(now); s.timer == nil {
		s.timer = time.NewTimer(left)
	} else {
		s.timer.Reset(left)
	}
	defer s.timer.Stop()
	for {
		select {
		case <-s.fresh:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.timer.C:
			if taken, err := s.take(); taken || err != nil {
				return s.give(err)
			}
			return nil, fmt.Errorf("camera %s: %w: no frame for %v", s.name, ErrTimeout, s.config.Timeout)
		}
		if taken, err := s.take(); taken || err != nil {
			return s.give(err)
		}
		// The part that the signal was for went with an earlier one.
	}
}

// give returns what take left in the frame.
func (s *httpStream) give(err error) (*Frame, error) {
	s.waiting = time.Time{}
	if err != nil {
		return nil, fmt.Errorf("camera %s: %w", s.name, err)
	}
	return &s.frame, nil
}

// take makes the newest part the frame, if there is one. The error of the
// stream comes after its last part.
func (s *httpStream) take() (taken bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.newest) == 0 {
		if s.err != nil {
			s.signal() // again: the call may have been cancelled meanwhile
		}
		return false, s.err
	}
	s.data, s.newest = s.newest, s.data[:0]
	s.frame.Sequence, s.frame.Time, s.frame.View = s.count-1, s.time, s.config.View
	if s.err != nil {
		s.signal()
	}
	return true, streamFrame(&s.frame, s.data)
}

// signal wakes the owner.
func (s *httpStream) signal() {
	select {
	case s.fresh <- struct{}{}:
	default: // it is awake
	}
}

// streamFrame makes a frame of a JPEG that was not negotiated.
func streamFrame(f *Frame, data []byte) error {
	if len(data) < leastJPEG {
		return fmt.Errorf("%w: %d bytes of JPEG", ErrTruncated, len(data))
	}
	width, height, err := jpegSize(data)
	if err != nil {
		return err
	}
	if width == 0 || height == 0 || width > maxStreamPixels/height {
		return fmt.Errorf("%w: JPEG of %dx%d pixels; want at most %d in all", ErrCorrupt, width, height, maxStreamPixels)
	}
	f.Width, f.Height, f.Format, f.Data = width, height, MJPG, data
	return nil
}

func (s *httpStream) Close() error {
	s.cancel()
	err := s.body.Close()
	<-s.done
	return err
}

// httpStills asks for every picture. The first one came with the answer that
// showed what the server is.
type httpStills struct {
	source   *httpSource
	cancel   context.CancelFunc
	first    io.ReadCloser
	pace     pace
	frame    Frame
	data     []byte
	sequence uint64
}

func (s *httpStills) Next(ctx context.Context) (*Frame, error) {
	if err := s.pace.wait(ctx); err != nil {
		return nil, err
	}
	err := s.fetch(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	sequence := s.sequence
	s.sequence++
	if err == nil {
		err = streamFrame(&s.frame, s.data)
	}
	if err != nil {
		return nil, fmt.Errorf("camera %s: %w", s.source.name, err)
	}
	s.frame.Sequence, s.frame.Time, s.frame.View = sequence, s.source.config.Clock.Now(), s.source.config.View
	return &s.frame, nil
}

// fetch reads one whole answer, in the time that connecting may take or the
// timeout, whichever is longer.
func (s *httpStills) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, max(s.source.config.Timeout, connectTimeout), errNoAnswer)
	defer cancel()
	body := s.first
	s.first = nil
	if body == nil {
		resp, err := s.source.get(ctx)
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
		body = resp.Body
	}
	defer body.Close()
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	var err error
	s.data, err = readUpTo(s.data[:0], body, maxPartBytes)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return transportError(err)
	}
	return err
}

func (s *httpStills) Close() error {
	s.cancel()
	if s.first != nil {
		return s.first.Close()
	}
	return nil
}

// readUpTo appends all of r to dst, and refuses more than limit bytes.
func readUpTo(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 4096)
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, fmt.Errorf("%w: JPEG of more than %d bytes", ErrCorrupt, limit)
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// newPartReader reads the parts of a stream with that boundary.
func newPartReader(r io.Reader, boundary string) *partReader {
	return &partReader{r: bufio.NewReaderSize(r, 1<<15), boundary: strings.Trim(boundary, "-\"")}
}
