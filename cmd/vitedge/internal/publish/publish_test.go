package publish

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/vitlite"
)

// sent is one message that a fakeLink was given.
type sent struct {
	topic, payload string
	how            string // "retain", "send", "send retained", "live", "live retained"
}

// fakeLink keeps what it is given.
type fakeLink struct {
	mu        sync.Mutex
	sent      []sent
	refreshed int
}

func (f *fakeLink) add(topic string, payload []byte, how string, retain bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if retain {
		how += " retained"
	}
	f.sent = append(f.sent, sent{topic, string(payload), how})
}

func (f *fakeLink) Retain(topic string, payload []byte) { f.add(topic, payload, "retain", false) }
func (f *fakeLink) Send(m outbox.Message)               { f.add(m.Topic, m.Payload, "send", m.Retain) }
func (f *fakeLink) Live(topic string, payload []byte, retain bool) {
	f.add(topic, payload, "live", retain)
}
func (f *fakeLink) Refresh() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refreshed++
}

// refreshes counts the calls of Refresh.
func (f *fakeLink) refreshes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refreshed
}

// on is what went to a topic.
func (f *fakeLink) on(topic string) []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []sent
	for _, s := range f.sent {
		if s.topic == topic {
			got = append(got, s)
		}
	}
	return got
}

// pi is a machine with a synchronized clock, as far as files tell.
func pi(t *testing.T) device.FS {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "51234",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50001",
		"proc/self/statm":                    "1 10 0",
		"sys/firmware/devicetree/base/model": "Raspberry Pi 4 Model B Rev 1.4\x00",
		"run/systemd/timesync/synchronized":  "",
	} {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return device.FS(root)
}

func newPublisher(t *testing.T, edit func(*Options)) (*Publisher, *fakeLink) {
	t.Helper()
	l := &fakeLink{}
	o := Options{
		Topics: Topics{"vitedge/pi"}, Sources: []string{"cam"}, Session: "9f2c41d0", Started: time.Now(), Version: "1.2.3",
		Model: func() Model { return Model{"vit-tiny", "ab12cd34" + strings.Repeat("0", 56), "neon"} },
		Live:  time.Hour, Machine: pi(t), Link: l, Log: slog.New(slog.DiscardHandler),
	}
	if edit != nil {
		edit(&o)
	}
	return New(o), l
}

// result is one frame in which the model saw label.
func result(p *Publisher, label string, index int) *pipeline.Result {
	best := vitlite.Prediction{Index: index, Label: label, Score: 0.93412}
	return &pipeline.Result{
		Source: "cam", Time: p.o.Started.Add(123456 * time.Millisecond), Width: 640, Height: 480, Age: 31 * time.Millisecond,
		Vote: best, Top: []vitlite.Prediction{best, {Index: 9, Label: "other", Score: 0.02}},
		Timing: pipeline.Timing{Preprocess: 4100 * time.Microsecond, Infer: 182 * time.Millisecond}, Total: 190200 * time.Microsecond,
	}
}

func TestPredictionPayload(t *testing.T) {
	started := time.Date(2026, 11, 23, 14, 3, 2, 667_000_000, time.UTC)
	p, l := newPublisher(t, func(o *Options) { o.Started = started })
	p.synced.Store(true)
	p.Classified(result(p, "open", 3))
	got := l.on("vitedge/pi/cam/prediction")
	require.Len(t, got, 1)
	require.Equal(t, "live", got[0].how)
	require.Equal(t, `{"v":1,"session":"9f2c41d0","seq":1,"ts":"2026-11-23T14:05:06.123Z","clock":"synced","mono_ms":123456,`+
		`"source":"cam","label":"open","index":3,"score":0.9341,"stable":false,`+
		`"top":[{"label":"open","score":0.9341},{"label":"other","score":0.02}],"model":"vit-tiny@ab12cd34",`+
		`"latency_ms":{"pre":4.1,"infer":182,"total":190.2},"frame":{"w":640,"h":480,"age_ms":31}}`, got[0].payload)
}

func TestStateAndEvent(t *testing.T) {
	p, l := newPublisher(t, nil)
	r := result(p, "open", 3)
	r.Decision = pipeline.Decision{Stable: r.Vote, Decided: true, First: true, Announce: true}
	p.Classified(r)
	require.Empty(t, l.on("vitedge/pi/cam/event"), "the first label is no change")

	r = result(p, "closed", 4)
	r.Decision = pipeline.Decision{Stable: r.Vote, Decided: true, Changed: true, From: "open", Announce: true}
	p.Classified(r)

	r = result(p, "open", 3) // the heartbeat, while a frame disagrees
	r.Decision = pipeline.Decision{Stable: vitlite.Prediction{Index: 4, Label: "closed", Score: 0.8}, Decided: true, Announce: true}
	p.Classified(r)

	var labels []string
	for i, m := range l.on("vitedge/pi/cam/state") {
		require.Equal(t, "send retained", m.how)
		var s Prediction
		require.NoError(t, json.Unmarshal([]byte(m.payload), &s))
		require.True(t, s.Stable)
		require.Equal(t, uint64(i+1), s.Seq)
		labels = append(labels, fmt.Sprint(s.Label, s.Index, s.Score))
	}
	require.Equal(t, []string{"open3 0.9341", "closed4 0.9341", "closed4 0.8"}, labels)

	events := l.on("vitedge/pi/cam/event")
	require.Len(t, events, 1)
	require.Equal(t, "send", events[0].how)
	require.Equal(t, fmt.Sprintf(`{"event_type":"changed","from":"open","to":"closed","score":0.9341,"ts":%q,"seq":1,"session":"9f2c41d0"}`,
		timestamp(r.Time)), events[0].payload)
}

func TestLiveRate(t *testing.T) {
	p, l := newPublisher(t, nil)
	for range 5 {
		p.Classified(result(p, "open", 3))
	}
	require.Len(t, l.on("vitedge/pi/cam/prediction"), 1)
	r := result(p, "open", 3)
	r.Asked = true
	p.Classified(r)
	require.Len(t, l.on("vitedge/pi/cam/prediction"), 2, "what was asked for is not limited")

	p, l = newPublisher(t, func(o *Options) { o.Live = 0 })
	p.Classified(result(p, "open", 3))
	require.Empty(t, l.on("vitedge/pi/cam/prediction"))
}

func TestUnknownIsPublished(t *testing.T) {
	p, l := newPublisher(t, nil)
	r := result(p, "open", 3)
	r.Vote = pipeline.Vote(r.Vote, 0.99)
	p.Classified(r)
	require.Contains(t, l.on("vitedge/pi/cam/prediction")[0].payload, `"label":"unknown","index":-1,"score":0.9341`)
}

func TestSourceAvailability(t *testing.T) {
	p, l := newPublisher(t, func(o *Options) { o.Sources = []string{"a", "b"} })
	p.Available("a", true)
	require.False(t, p.SourcesUp())
	p.Available("b", true)
	require.True(t, p.SourcesUp())
	p.Available("a", false)
	require.False(t, p.SourcesUp())
	var got []string
	for _, m := range l.on("vitedge/pi/a/availability") {
		require.Equal(t, "retain", m.how)
		got = append(got, m.payload)
	}
	require.Equal(t, []string{"offline", "online", "offline"}, got)
}

func TestStatus(t *testing.T) {
	p, l := newPublisher(t, nil)
	p.synced.Store(true)
	for i := range 20 {
		r := result(p, "open", 3)
		r.Timing.Infer = time.Duration(i+1) * time.Millisecond
		r.Light = camera.Light(i % 4 % 3) // 10 are lit
		p.Classified(r)
	}
	for i, reason := range pipeline.Reasons {
		p.Dropped("cam", reason, 1<<i)
	}
	p.Available("cam", true)
	p.Available("cam", false)
	s := p.status(p.o.Started.Add(90*time.Second), Facts{QueueLen: 4, Dropped: 5, Reconnects: 6})
	s.FPS = 0.33
	p.publishStatus(s)
	got := l.on("vitedge/pi/status")
	require.Len(t, got, 1)
	require.Equal(t, "retain", got[0].how)
	require.Equal(t, fmt.Sprintf(`{"v":1,"session":"9f2c41d0","seq":1,"version":"1.2.3",`+
		`"model":{"name":"vit-tiny","sha256":"ab12cd34%[1]s","latest":"ab12cd34%[1]s"},"kernel":"neon","uptime_s":90,"clock":"synced",`+
		`"fps":0.33,"infer_ms_p50":10,"infer_ms_p95":19,"queue":{"len":4,"dropped":5},`+
		`"frames":{"captured":83,"classified":20,"skipped":1,"stale":2,"corrupt":12,"truncated":8,"frozen":16,"failed":32,"dark":5,"black":5},"outages":1,`+
		`"temp_c":51.234,"throttled":["under-voltage","throttled-occurred"],"rss_bytes":%[2]d,"reconnects":6,"problems":[]}`,
		strings.Repeat("0", 56), 10*os.Getpagesize()), got[0].payload)
	require.Equal(t, "online", l.on("vitedge/pi/availability")[0].payload, "a status asserts that the device is there")
}

func TestStatusOnAnUnknownMachine(t *testing.T) {
	p, _ := newPublisher(t, func(o *Options) { o.Machine = device.FS(t.TempDir()) })
	require.Contains(t, string(encode(p.status(time.Now(), Facts{}))), `"temp_c":null,"throttled":null,`)
}

func TestStatusOnChange(t *testing.T) {
	p, l := newPublisher(t, nil)
	var mu sync.Mutex
	var facts Facts
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The first interval ends long after the test.
		p.runStatus(t.Context(), time.Hour, time.Millisecond, func() Facts {
			mu.Lock()
			defer mu.Unlock()
			return facts
		})
	}()
	wait := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return len(l.on("vitedge/pi/status")) >= n }, 30*time.Second, time.Millisecond)
	}
	wait(1)
	mu.Lock()
	facts.QueueLen = 3 // a mere count
	mu.Unlock()
	mu.Lock()
	facts.Problems = []string{"the disk is full"}
	mu.Unlock()
	wait(2)
	got := l.on("vitedge/pi/status")
	require.Len(t, got, 2)
	require.Contains(t, got[1].payload, `"problems":["the disk is full"]`)
}

// BenchmarkClassified is what publishing costs a prediction: the live message,
// and every tenth time a state and an event.
func BenchmarkClassified(b *testing.B) {
	l := &fakeLink{}
	p := New(Options{
		Topics: Topics{"vitedge/pi"}, Sources: []string{"cam"}, Session: "9f2c41d0", Started: time.Now(),
		Model: func() Model { return Model{"vit-tiny", strings.Repeat("0", 64), "neon"} },
		Live:  time.Nanosecond, Machine: device.FS(b.TempDir()), Link: l, Log: slog.New(slog.DiscardHandler),
	})
	r := result(p, "open", 3)
	r.Decision = pipeline.Decision{Stable: r.Vote, Decided: true, From: "closed"}
	for i := 0; b.Loop(); i++ {
		r.Decision.Announce, r.Decision.Changed = i%10 == 0, i%10 == 0
		p.Classified(r)
		l.sent = l.sent[:0]
	}
}
