package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/vitlite"
)

func payload(r *pipeline.Result) publish.Prediction {
	return publish.Prediction{Source: r.Source, Label: r.Vote.Label, Top: []publish.Score{}}
}

func result(label string) *pipeline.Result {
	return &pipeline.Result{
		Source: "cam", Vote: vitlite.Prediction{Label: label}, Age: 30 * time.Millisecond, Total: 3 * time.Millisecond,
		Timing: pipeline.Timing{Preprocess: time.Millisecond, Infer: 2 * time.Millisecond}, Publish: 50 * time.Microsecond,
	}
}

func newMetrics() *Metrics {
	return NewMetrics(Sources{
		Cameras: []string{"cam"}, Version: "1.2.3", Model: "vit", SHA256: "abc", Kernel: "neon", Machine: device.FS("/nonexistent"),
		Outbox:   func() outbox.Stats { return outbox.Stats{Accepted: 10, Acked: 5, Dropped: 3, Len: 2, Bytes: 100} },
		Link:     func() link.Stats { return link.Stats{Connected: true, Connects: 4} },
		Commands: func() uint64 { return 7 },
	})
}

func newServer(t *testing.T, edit func(*Options)) *Server {
	t.Helper()
	o := Options{
		Listen: "127.0.0.1:0", Hosts: []string{"pi.example"}, Feed: NewFeed(payload), Metrics: newMetrics().Gatherer(),
		Sources:  Sources{Cameras: []string{"cam"}, Version: "1.2.3", Machine: device.FS("/nonexistent")},
		Snapshot: func(_ context.Context, camera string) ([]byte, error) { return []byte("jpeg of " + camera), nil },
		Health:   func() []string { return nil }, Ready: func() []string { return nil }, Log: slog.New(slog.DiscardHandler),
	}
	if edit != nil {
		edit(&o)
	}
	s, err := Listen(o)
	require.NoError(t, err)
	t.Cleanup(func() { s.listener.Close() })
	return s
}

// get asks the handler for a path with headers given as pairs.
func get(s *Server, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "127.0.0.1:8780"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestHealth(t *testing.T) {
	var health, ready []string
	s := newServer(t, func(o *Options) {
		o.Health = func() []string { return health }
		o.Ready = func() []string { return ready }
	})
	require.Equal(t, "{\"ok\":true}\n", get(s, "/healthz").Body.String())
	require.Equal(t, http.StatusOK, get(s, "/readyz").Code)

	ready = []string{"no broker"}
	require.Equal(t, http.StatusOK, get(s, "/healthz").Code, "a broker that is away is no reason to restart")
	w := get(s, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "{\"ok\":false,\"reasons\":[\"no broker\"]}\n", w.Body.String())

	health = []string{"camera cam is stalled"}
	require.Equal(t, http.StatusServiceUnavailable, get(s, "/healthz").Code)
	require.Contains(t, get(s, "/readyz").Body.String(), `["camera cam is stalled","no broker"]`)
}

func TestHosts(t *testing.T) {
	s := newServer(t, nil)
	for host, want := range map[string]int{
		"127.0.0.1:8780": 200, "localhost": 200, "LOCALHOST:8780": 200, "[::1]:8780": 200, "192.168.1.7": 200,
		"pi.example": 200, "PI.example.:80": 200,
		"evil.example": 421, "": 421, "pi.example.evil.example": 421, "127.0.0.1.evil.example": 421,
	} {
		require.Equal(t, want, get(s, "/healthz", "Host", host).Code, "%q", host)
	}
}

func TestOtherSites(t *testing.T) {
	s := newServer(t, nil)
	for _, c := range []struct {
		headers []string
		want    int
	}{
		{[]string{"Origin", "http://127.0.0.1:8780"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Origin", "http://127.0.0.1:9999"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
	} {
		require.Equal(t, c.want, get(s, "/snapshot.jpg", c.headers...).Code, "%v", c.headers)
	}
	require.Equal(t, "same-origin", get(s, "/snapshot.jpg").Header().Get("Cross-Origin-Resource-Policy"))
}

func TestNothingCanBeChanged(t *testing.T) {
	s := newServer(t, nil)
	for _, path := range []string{"/", "/healthz", "/metrics", "/api/v1/latest", "/api/v1/events", "/snapshot.jpg"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			r := httptest.NewRequest(method, path, nil)
			r.Host = "localhost"
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			require.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, path)
		}
	}
	require.Equal(t, http.StatusNotFound, get(s, "/etc/passwd").Code)
}

func TestLatest(t *testing.T) {
	feed := NewFeed(payload)
	s := newServer(t, func(o *Options) { o.Feed = feed })
	require.Equal(t, "{}\n", get(s, "/api/v1/latest").Body.String())
	feed.Classified(result("cat"))
	feed.Classified(result("dog"))
	var got map[string]publish.Prediction
	require.NoError(t, json.Unmarshal(get(s, "/api/v1/latest").Body.Bytes(), &got))
	require.Equal(t, "dog", got["cam"].Label)
	require.Equal(t, uint64(2), got["cam"].Seq)
}

func TestSnapshot(t *testing.T) {
	s := newServer(t, nil)
	w := get(s, "/snapshot.jpg")
	require.Equal(t, "jpeg of cam", w.Body.String())
	require.Equal(t, "image/jpeg", w.Header().Get("Content-Type"))
	require.Equal(t, http.StatusNotFound, get(s, "/snapshot.jpg?camera=../x").Code)

	s = newServer(t, func(o *Options) {
		o.Cameras = []string{"a", "b"}
		o.Snapshot = func(context.Context, string) ([]byte, error) { return nil, errors.New("the camera is switched off") }
	})
	require.Equal(t, http.StatusNotFound, get(s, "/snapshot.jpg").Code)
	w = get(s, "/snapshot.jpg?camera=b")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "the camera is switched off\n", w.Body.String())
}

// TestMetrics runs the client library's linter and looks for some values.
func TestMetrics(t *testing.T) {
	m := newMetrics()
	m.Classified(result("cat"))
	night := result("cat")
	night.Light = camera.Black
	m.Classified(night)
	m.Dropped("cam", pipeline.Stale, 3)
	m.Available("cam", false)
	m.Available("cam", true)
	s := newServer(t, func(o *Options) { o.Metrics = m.Gatherer() })
	w := get(s, "/metrics")
	require.Equal(t, http.StatusOK, w.Code)
	text := w.Body.String()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	for _, line := range []string{
		`vitedge_frames_classified_total{camera="cam"} 2`,
		`vitedge_frames_poor_light_total{camera="cam",light="dark"} 0`,
		`vitedge_frames_poor_light_total{camera="cam",light="black"} 1`,
		`vitedge_frames_dropped_total{camera="cam",reason="frozen"} 0`,
		`vitedge_frames_dropped_total{camera="cam",reason="stale"} 3`,
		`vitedge_frames_dropped_total{camera="cam",reason="corrupt"} 0`,
		`vitedge_camera_up{camera="cam"} 1`,
		`vitedge_camera_outages_total{camera="cam"} 1`,
		`vitedge_stage_duration_seconds_count{camera="cam",stage="infer"} 2`,
		`vitedge_stage_duration_seconds_sum{camera="cam",stage="infer"} 0.004`,
		`vitedge_stage_duration_seconds_sum{camera="cam",stage="publish"} 0.0001`,
		`vitedge_outbox_messages 2`, `vitedge_outbox_dropped_total 3`, `vitedge_mqtt_connected 1`, `vitedge_commands_dropped_total 7`,
		`vitedge_model_info{name="vit",sha256="abc"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.Regexp(t, `vitedge_build_info\{goversion="go[^"]+",kernel="neon",version="1.2.3"\} 1`, text)
}

// start serves on the real port until the test ends.
func start(t *testing.T, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
			done <- nil
		case <-time.After(30 * time.Second):
			t.Error("the server does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestEvents(t *testing.T) {
	feed := NewFeed(payload)
	s := newServer(t, func(o *Options) { o.Feed = feed })
	stop := start(t, s)
	response, err := http.Get("http://" + s.Addr() + "/api/v1/events")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	next := func() string { // the next line with something in it
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		return "the end"
	}
	require.Equal(t, "retry: 1000", next())
	require.Equal(t, "event: status", next(), "the first event has the clock of the session")
	var status Status
	require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(next(), "data: ")), &status))
	require.Equal(t, "cam", status.Cameras[0].Name)

	feed.Classified(result("cat"))
	r := result("dog")
	r.Decision.Announce = true
	feed.Classified(r)
	got := []string{next(), next(), next(), next()}
	require.Equal(t, "event: prediction", got[0])
	require.Contains(t, got[1], `"label":"cat"`)
	require.Equal(t, "event: state", got[2])
	require.Contains(t, got[3], `"label":"dog"`)

	stop() // does not wait for clients that only read
	_, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		feed.mu.Lock()
		defer feed.mu.Unlock()
		return len(feed.listeners) == 0
	}, 30*time.Second, time.Millisecond)
}

// TestSlowListener guards that one that does not read costs the pipeline
// nothing.
func TestSlowListener(t *testing.T) {
	feed := NewFeed(payload)
	_, stop := feed.Subscribe()
	defer stop()
	for i := range 1000 {
		feed.Classified(result(fmt.Sprint(i)))
	}
	require.Equal(t, uint64(1000), feed.Latest()["cam"].Seq)
}

// TestConnectionsAreBounded opens more event streams than there may be.
func TestConnectionsAreBounded(t *testing.T) {
	s := newServer(t, nil)
	start(t, s)
	client := &http.Client{Transport: &http.Transport{}}
	var open []*http.Response
	for range maxConnections {
		r, err := client.Get("http://" + s.Addr() + "/api/v1/events")
		require.NoError(t, err)
		open = append(open, r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.Addr()+"/healthz", nil)
	require.NoError(t, err)
	_, err = client.Do(request)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for _, r := range open {
		r.Body.Close()
	}
	r, err := client.Get("http://" + s.Addr() + "/healthz")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusOK, r.StatusCode)
}

func TestPortInUse(t *testing.T) {
	s := newServer(t, nil)
	_, err := Listen(Options{Listen: s.Addr()})
	require.ErrorContains(t, err, "http.listen: listen tcp "+s.Addr())
}
