package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/vitlite"
)

// timed is a feed whose frames are ms apart.
func timed(ms int64) *Feed {
	var now int64
	return NewFeed(func(r *pipeline.Result) publish.Prediction {
		now += ms
		return publish.Prediction{Source: r.Source, MonoMS: now, Label: r.Vote.Label, Score: probability(r.Vote.Score), Top: []publish.Score{}}
	})
}

// stable is a result whose label is the stable one.
func stable(label string, change bool) *pipeline.Result {
	r := result(label)
	r.Decision = pipeline.Decision{Stable: vitlite.Prediction{Label: label, Score: 0.9}, Decided: true, Changed: change}
	return r
}

func TestPredictionOfThePage(t *testing.T) {
	f := timed(100)
	r := result("cat")
	r.Best = []vitlite.Prediction{{Label: "cat", Score: 0.61239}, {Label: "dog", Score: 0.2}}
	r.Timing = pipeline.Timing{Decode: 1234 * time.Microsecond, Preprocess: 2 * time.Millisecond, Infer: 30 * time.Millisecond}
	r.Publish = 50 * time.Microsecond
	f.Classified(r)
	p := f.Latest()["cam"]
	require.Equal(t, []publish.Score{{Label: "cat", Score: 0.6124}, {Label: "dog", Score: 0.2}}, p.Best)
	require.Equal(t, Stages{Capture: 30, Decode: 1.23, Preprocess: 2, Infer: 30, Publish: 0.05}, p.Stages)
	require.Nil(t, p.State, "nothing is stable yet")

	r = stable("cat", false)
	r.Decision.First = true
	f.Classified(r)
	require.Equal(t, &State{MonoMS: 200, Label: "cat", Score: 0.9}, f.Latest()["cam"].State)
	f.Classified(stable("cat", false))
	require.Equal(t, int64(200), f.Latest()["cam"].State.MonoMS, "since it became stable")
	f.Classified(stable("dog", true))
	require.Equal(t, &State{MonoMS: 400, Label: "dog", Score: 0.9}, f.Latest()["cam"].State)

	data, err := json.Marshal(f.Latest()["cam"])
	require.NoError(t, err)
	require.Contains(t, string(data), `"label":"dog"`, "the payload of MQTT is part of it")
	require.Contains(t, string(data), `"state":{"mono_ms":400,`)
}

// TestHistory looks at what is kept of an hour of ten frames a second whose
// label changes each second.
func TestHistory(t *testing.T) {
	f := timed(100)
	s := newServer(t, func(o *Options) { o.Feed = f })
	var h History
	get := func() {
		h = History{}
		require.NoError(t, json.Unmarshal(get(s, "/api/v1/history").Body.Bytes(), &h))
	}
	get()
	require.Equal(t, History{Samples: []Sample{}, Changes: []State{}}, h, "lists, not null")
	for i := range 36000 {
		f.Classified(stable(fmt.Sprint("label ", i/10), i%10 == 0))
	}
	get()
	require.Len(t, h.Samples, maxSamples)
	require.Len(t, h.Changes, maxChanges)
	require.Equal(t, "label 3599", h.Samples[maxSamples-1].Label)
	require.Equal(t, "label 3599", h.Changes[maxChanges-1].Label)
	for i := range maxSamples - 1 {
		require.Equal(t, h.Samples[i].MonoMS+sampleMS, h.Samples[i+1].MonoMS)
	}
	require.Equal(t, [5]float64{30, 0, 1, 2, 0.05}, h.Samples[0].Stages)
	require.LessOrEqual(t, cap(f.camera("cam").history.samples), 4*maxSamples, "memory is bounded")

	s = newServer(t, func(o *Options) { o.Cameras = []string{"a", "b"} })
	require.Equal(t, http.StatusNotFound, statusOf(s, "/api/v1/history"))
	require.Equal(t, http.StatusOK, statusOf(s, "/api/v1/history?camera=a"))
}

func statusOf(s *Server, path string) int { return get(s, path).Code }

func TestStatus(t *testing.T) {
	f := timed(100)
	up := true
	s := newServer(t, func(o *Options) {
		o.Feed = f
		o.Sources = Sources{
			Name: "shed", Board: "Raspberry Pi", Session: "abcd", Started: time.Now().Add(-time.Minute), Cameras: []string{"cam", "yard"}, Version: "1.2.3",
			Model: "vit", SHA256: "ab12", Kernel: "neon", Broker: "broker.example:1883", Machine: o.Machine,
			Settings: func(name string) pipeline.Settings { return pipeline.Settings{Enabled: name == "cam", Threshold: 0.4} },
			Outbox:   func() outbox.Stats { return outbox.Stats{Len: 1, Acked: 2, Dropped: 3} },
			Link:     func() link.Stats { return link.Stats{LastError: "refused", Connects: 4, LiveSent: 5} },
		}
	})
	f.Classified(stable("cat", true))
	f.Dropped("cam", pipeline.Skipped, 7)
	f.Available("cam", up)
	var got Status
	require.NoError(t, json.Unmarshal(get(s, "/api/v1/status").Body.Bytes(), &got))
	require.InDelta(t, 60_000, got.MonoMS, 30_000)
	got.MonoMS = 0
	require.Equal(t, Status{
		Version: "1.2.3", Session: "abcd", Model: StatusModel{Name: "vit", SHA256: "ab12", Kernel: "neon"},
		Device: StatusDevice{Name: "shed", Board: "Raspberry Pi"},
		Broker: &StatusBroker{Address: "broker.example:1883", Error: "refused", Waiting: 1, Acknowledged: 2, Live: 5, Dropped: 3, Connects: 4},
		Cameras: []StatusCamera{
			{Name: "cam", Enabled: true, Up: &up, Threshold: 0.4, Counts: Counts{Classified: 1, Changes: 1, Dropped: map[string]uint64{pipeline.Skipped: 7}}},
			{Name: "yard", Threshold: 0.4, Counts: Counts{Dropped: map[string]uint64{}}},
		},
	}, got)
}

// TestPageFiles checks what the server says of the files of the page.
func TestPageFiles(t *testing.T) {
	s := newServer(t, nil)
	w := get(s, "/")
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	w = get(s, "/page/main.js")
	require.Equal(t, "text/javascript; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
	require.Equal(t, http.StatusNotModified, get(s, "/page/main.js", "If-None-Match", w.Header().Get("ETag")).Code)
	require.Equal(t, http.StatusOK, get(s, "/page/main.js", "If-None-Match", `"another"`).Code)
	for _, path := range []string{"/page/", "/page/other.js", "/page/..%2fserver.go"} {
		require.NotEqual(t, http.StatusOK, statusOf(s, path), path)
	}
}
