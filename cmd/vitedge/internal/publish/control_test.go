package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/pipeline"
)

// bench is a Control with everything around it.
type bench struct {
	*Control
	link     *fakeLink
	did      []string // actions, in order
	settings map[string]pipeline.Settings
	store    string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{link: &fakeLink{}, store: filepath.Join(t.TempDir(), "state", "settings.json"), settings: map[string]pipeline.Settings{
		"cam": {Enabled: true, Threshold: 0.5, Interval: 500 * time.Millisecond}, "yard": {Threshold: 0.75},
	}}
	store, err := OpenStore(b.store)
	require.NoError(t, err)
	did := func(format string, args ...any) { b.did = append(b.did, fmt.Sprintf(format, args...)) }
	b.Control = NewControl(ControlOptions{
		Topics: Topics{"vitedge/pi"}, Sources: []string{"cam", "yard"}, Link: b.link, Store: store,
		BirthTopic: "homeassistant/status", ActionTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
		Actions: Actions{
			Classify: func(_ context.Context, src string) error { did("classify %s", src); return nil },
			Snapshot: func(_ context.Context, src string) error {
				did("snapshot %s", src)
				return errors.New("camera " + src + ": the camera is switched off")
			},
			Reload:      func(context.Context) (string, error) { did("reload"); return "a restart is needed for mqtt.url", nil },
			Restart:     func() { did("restart") },
			UpdateModel: func(context.Context) error { did("update"); return nil },
			Settings:    func(src string) pipeline.Settings { return b.settings[src] },
			Override: func(src string) {
				b.settings[src] = store.Get(src).Apply(b.settings[src])
				did("override %s", src)
			},
		},
	})
	return b
}

// send obeys one message at once.
func (b *bench) send(topic, payload string) {
	b.obey(context.Background(), Inbound{Topic: topic, Payload: []byte(payload)})
}

// result is the last answer.
func (b *bench) result(t testing.TB) CommandResult {
	t.Helper()
	got := b.link.on("vitedge/pi/cmd/result")
	require.NotEmpty(t, got)
	var r CommandResult
	require.NoError(t, json.Unmarshal([]byte(got[len(got)-1].payload), &r))
	return r
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		cmd, payload string
		did          []string
		want         CommandResult
	}{
		{"classify", ``, []string{"classify cam", "classify yard"}, CommandResult{OK: true}},
		{"classify", ` {"id":"7","source":"yard"} `, []string{"classify yard"}, CommandResult{ID: "7", OK: true}},
		{"snapshot", `{"source":"cam"}`, []string{"snapshot cam"}, CommandResult{Error: "camera cam: the camera is switched off"}},
		{"reload", `{"id":"x"}`, []string{"reload"}, CommandResult{ID: "x", OK: true, Detail: "a restart is needed for mqtt.url"}},
		{"restart", `{}`, []string{"restart"}, CommandResult{OK: true}},
		{"update_model", ``, []string{"update"}, CommandResult{OK: true}},
		{"rebirth", ``, nil, CommandResult{OK: true}},

		{"classify", `{"source":"../etc"}`, nil, CommandResult{Error: `there is no camera "../etc"`}},
		{"format_disk", ``, nil, CommandResult{Error: "there is no such command"}},
		{"update_model", `{"path":"/etc/passwd"}`, nil, CommandResult{Error: `the payload is not a command: there is no field "path"`}},
		{"restart", `{"id":"a"}{"id":"b"}`, nil, CommandResult{Error: "the payload is not a command: something follows the object"}},
		{"restart", `{"id":`, nil, CommandResult{Error: "the payload is not a command: unexpected EOF"}},
		{"restart", `[]`, nil, CommandResult{Error: `the payload is not a command: want an object, such as {"id":"1"}`}},
		{"restart", `null`, nil, CommandResult{Error: `the payload is not a command: want an object, such as {"id":"1"}`}},
		{"restart", `{"id":null}`, nil, CommandResult{Error: `the payload is not a command: the field "id" is no text`}},
		{"restart", `{"id":["a"]}`, nil, CommandResult{Error: `the payload is not a command: the field "id" is no text`}},
		{"restart", `{"ID":"a"}`, nil, CommandResult{Error: `the payload is not a command: there is no field "ID"`}},
		{"restart", `{"id":"a","id":"b"}`, nil, CommandResult{Error: `the payload is not a command: the field "id" is there twice`}},
		{"restart", `{"id":"a",}`, nil, CommandResult{Error: "the payload is not a command: invalid character '}' looking for beginning of object key string"}},
		{"restart", `{"id" "a"}`, nil, CommandResult{Error: "the payload is not a command: invalid character '\"' after object key"}},
		{"restart", "{\"id\":\"\xff\"}", nil, CommandResult{Error: "the payload is not UTF-8"}},
		{"restart", `{"id":"` + strings.Repeat("x", 65) + `"}`, nil, CommandResult{Error: "the id has more than 64 bytes"}},
		{"restart", strings.Repeat(" ", MaxPayload+1), nil, CommandResult{Error: "the payload has more than 4096 bytes"}},
	} {
		b := newBench(t)
		b.send("vitedge/pi/cmd/"+c.cmd, c.payload)
		c.want.Cmd = c.cmd
		require.Equal(t, c.want, b.result(t), "%s %.80s", c.cmd, c.payload)
		require.Equal(t, c.did, b.did, "%s %.80s", c.cmd, c.payload)
		m := b.link.on("vitedge/pi/cmd/result")
		require.Len(t, m, 1)
		require.Equal(t, "send", m[0].how)
	}
}

func TestRebirth(t *testing.T) {
	b := newBench(t)
	b.send("vitedge/pi/cmd/rebirth", "")
	require.Equal(t, 1, b.link.refreshed)
}

func TestSettingsAreAnnounced(t *testing.T) {
	b := newBench(t)
	for topic, want := range map[string]string{
		"vitedge/pi/cam/enabled/state": "ON", "vitedge/pi/cam/threshold/state": "0.5", "vitedge/pi/cam/interval/state": "0.5",
		"vitedge/pi/yard/enabled/state": "OFF", "vitedge/pi/yard/threshold/state": "0.75", "vitedge/pi/yard/interval/state": "0",
	} {
		require.Equal(t, []sent{{topic, want, "retain"}}, b.link.on(topic))
	}
}

// TestSettingsPersist changes one setting of one camera: the others still come
// from the configuration after a restart.
func TestSettingsPersist(t *testing.T) {
	b := newBench(t)
	b.send("vitedge/pi/cam/enabled/set", "OFF")
	b.send("vitedge/pi/cam/interval/set", "2.5")
	require.Equal(t, pipeline.Settings{Enabled: false, Threshold: 0.5, Interval: 2500 * time.Millisecond}, b.settings["cam"])
	states := b.link.on("vitedge/pi/cam/enabled/state")
	require.Equal(t, "OFF", states[len(states)-1].payload)
	require.Empty(t, b.link.on("vitedge/pi/cmd/result"))

	require.NoError(t, os.WriteFile(b.store+".123.tmp", nil, 0o600)) // as after a power cut
	store, err := OpenStore(b.store)
	require.NoError(t, err)
	changed := pipeline.Settings{Enabled: true, Threshold: 0.9, Interval: time.Second}
	require.Equal(t, pipeline.Settings{Enabled: false, Threshold: 0.9, Interval: 2500 * time.Millisecond}, store.Get("cam").Apply(changed))
	require.Equal(t, changed, store.Get("yard").Apply(changed))
	files, err := filepath.Glob(filepath.Dir(b.store) + "/*")
	require.NoError(t, err)
	require.Equal(t, []string{b.store}, files, "no temporary file is left")
}

func TestSettingsOutOfRange(t *testing.T) {
	for _, c := range []struct{ topic, payload, want string }{
		{"cam/enabled/set", "on", `enabled is "on"; want ON or OFF`},
		{"cam/threshold/set", "1.01", `threshold is "1.01"; want a number from 0 to 1`},
		{"cam/threshold/set", "NaN", `threshold is "NaN"; want a number from 0 to 1`},
		{"cam/threshold/set", "", `threshold is ""; want a number from 0 to 1`},
		{"cam/interval/set", "-1", `interval is "-1"; want a number from 0 to 3600`},
		{"cam/interval/set", "1e300", `interval is "1e300"; want a number from 0 to 3600`},
		{"cam/interval/set", strings.Repeat("9", 5000), "the payload has more than 4096 bytes"},
		{"cam/power/set", "ON", "there is no such setting"},
		{"garden/enabled/set", "ON", "there is no such setting"},
	} {
		b := newBench(t)
		b.send("vitedge/pi/"+c.topic, c.payload)
		require.Equal(t, CommandResult{Cmd: c.topic, Error: c.want}, b.result(t))
		require.Empty(t, b.did)
		if strings.HasPrefix(c.topic, "cam/") && c.topic != "cam/power/set" {
			name := strings.Split(c.topic, "/")[1]
			require.Len(t, b.link.on("vitedge/pi/cam/"+name+"/state"), 2, "whoever set it must see the true value again")
		}
		require.NoFileExists(t, b.store)
	}
}

func TestUnwritableStateFolder(t *testing.T) {
	b := newBench(t)
	b.o.Store.path = "/proc/no/such/folder/settings.json"
	b.send("vitedge/pi/cam/enabled/set", "OFF")
	require.False(t, b.settings["cam"].Enabled, "the setting holds all the same")
	require.Contains(t, b.result(t).Error, "settings are not kept over a restart: ")
	require.NotEmpty(t, b.o.Store.Failure())

	b.o.Store.path = b.store // the folder can be written now
	b.o.Store.Retry()
	require.NotEmpty(t, b.o.Store.Failure(), "it is not time to yet")
	require.NoFileExists(t, b.store)
	b.o.Store.retry = time.Time{}
	require.NotEmpty(t, b.o.Store.Failure(), "asking writes nothing")
	require.NoFileExists(t, b.store)
	b.o.Store.Retry()
	require.Empty(t, b.o.Store.Failure())
	store, err := OpenStore(b.store)
	require.NoError(t, err)
	require.False(t, *store.Get("cam").Enabled)
}

// TestStorePausesGrow guards that a disk that stays full is not written to at
// every status, and that a new setting is tried at once.
func TestStorePausesGrow(t *testing.T) {
	s, err := OpenStore("/proc/no/such/folder/settings.json")
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		require.Error(t, s.Put("cam", Overrides{}))
		var pauses []time.Duration
		for range 8 {
			next := s.retry
			pauses = append(pauses, time.Until(next))
			time.Sleep(time.Until(next) - 1)
			s.Retry()
			require.Equal(t, next, s.retry)
			time.Sleep(1)
			s.Retry()
		}
		require.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}, pauses)
		require.Error(t, s.Put("cam", Overrides{}))
		require.Equal(t, minPause, time.Until(s.retry))
	})
}

func TestBrokenStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"cam":{"enabled":`), 0o600))
	s, err := OpenStore(path)
	require.ErrorContains(t, err, path)
	require.Equal(t, Overrides{}, s.Get("cam"))
	require.NoError(t, os.WriteFile(path, []byte(`{"cam":{"threshold":7,"interval":-1,"enabled":false}}`), 0o600))
	s, err = OpenStore(path)
	require.NoError(t, err)
	off := false
	require.Equal(t, Overrides{Enabled: &off}, s.Get("cam"))
	require.NoError(t, os.WriteFile(path, []byte("null\n"), 0o600))
	s, err = OpenStore(path)
	require.NoError(t, err)
	require.NoError(t, s.Put("cam", Overrides{Enabled: &off}))
	require.Equal(t, Overrides{Enabled: &off}, s.Get("cam"))
}

// TestNothingIsLostAtTheEnd has messages wait while the last command is obeyed:
// settings hold, and all commands are answered.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	b.o.Actions.Classify = func(ctx context.Context, src string) error {
		cancel()
		return fmt.Errorf("camera %s: %w", src, ctx.Err())
	}
	b.Handle(Inbound{Topic: "vitedge/pi/cmd/classify", Payload: []byte(`{"id":"1"}`)})
	b.Handle(Inbound{Topic: "vitedge/pi/cmd/restart", Payload: []byte(`{"id":"2"}`)})
	b.Handle(Inbound{Topic: "vitedge/pi/cam/threshold/set", Payload: []byte("0.25")})
	b.Handle(Inbound{Topic: "vitedge/pi/cmd/update_model", Payload: []byte(`{"id":"3"}`)})
	require.NoError(t, b.Run(ctx))

	var got []CommandResult
	for _, m := range b.link.on("vitedge/pi/cmd/result") {
		var r CommandResult
		require.NoError(t, json.Unmarshal([]byte(m.payload), &r))
		got = append(got, r)
	}
	const ending = "the device is ending or starting anew; send it again"
	require.Equal(t, []CommandResult{
		{ID: "1", Cmd: "classify", Error: ending}, {ID: "2", Cmd: "restart", Error: ending}, {ID: "3", Cmd: "update_model", Error: ending},
	}, got)
	require.Equal(t, []string{"override cam"}, b.did)
	store, err := OpenStore(b.store)
	require.NoError(t, err)
	require.Equal(t, 0.25, *store.Get("cam").Threshold)
}

func TestRetainedIsIgnored(t *testing.T) {
	b := newBench(t)
	for _, topic := range []string{"vitedge/pi/cmd/restart", "vitedge/pi/cam/enabled/set"} {
		b.Handle(Inbound{Topic: topic, Payload: []byte("OFF"), Retained: true})
	}
	require.Empty(t, b.inbox)
	require.Equal(t, uint64(2), b.Dropped())
}

func TestOwnResultsAreIgnored(t *testing.T) {
	b := newBench(t)
	b.Handle(Inbound{Topic: "vitedge/pi/cmd/result", Payload: []byte("{}")})
	require.Empty(t, b.inbox)
	require.Zero(t, b.Dropped())
}

// TestFlood guards that many commands cost little: a few wait, the rest is
// dropped and counted.
func TestFlood(t *testing.T) {
	b := newBench(t)
	for range 10_000 {
		b.Handle(Inbound{Topic: "vitedge/pi/cmd/restart"})
	}
	require.Len(t, b.inbox, inboxSize)
	require.Equal(t, uint64(10_000-inboxSize), b.Dropped())
}

// TestRate guards that commands are not obeyed faster than so many a second,
// even when there is room for them.
func TestRate(t *testing.T) {
	b := newBench(t)
	began := time.Now()
	obeyed := 0
	for range 10_000 {
		b.Handle(Inbound{Topic: "vitedge/pi/cmd/restart"})
		select {
		case <-b.inbox:
			obeyed++
		default:
		}
	}
	require.GreaterOrEqual(t, obeyed, 20)
	require.LessOrEqual(t, float64(obeyed), 21+5*time.Since(began).Seconds())
	require.Equal(t, uint64(10_000-obeyed), b.Dropped())
}

func TestBucket(t *testing.T) {
	b := bucket{burst: 3, perSecond: 2}
	now := time.Now()
	count := func() (n int) {
		for b.take(now) {
			n++
		}
		return n
	}
	require.Equal(t, 3, count())
	now = now.Add(time.Second)
	require.Equal(t, 2, count())
	now = now.Add(time.Hour)
	require.Equal(t, 3, count())
}

func TestHomeAssistantBirth(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	b.Handle(Inbound{Topic: "homeassistant/status", Payload: []byte("online"), Retained: true})
	b.Handle(Inbound{Topic: "homeassistant/status", Payload: []byte("offline")})
	b.Handle(Inbound{Topic: "homeassistant/status", Payload: []byte("online")})
	require.Eventually(t, func() bool { return b.link.refreshes() == 1 }, 30*time.Second, time.Millisecond)
	cancel()
	<-done
	require.Equal(t, 1, b.link.refreshes(), "only the birth that was not retained counts")
}

// TestBirthIsSpread guards that a thousand devices do not all answer Home
// Assistant's birth at once: each waits for a time of its own, of no more than
// the delay.
func TestBirthIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.o.BirthDelay = 10 * time.Second
		go b.Run(t.Context())
		var pauses []time.Duration
		for i := range 20 {
			began := time.Now()
			b.Handle(Inbound{Topic: "homeassistant/status", Payload: []byte(online)})
			for b.link.refreshes() == i {
				time.Sleep(10 * time.Millisecond)
			}
			pauses = append(pauses, time.Since(began))
		}
		require.LessOrEqual(t, slices.Max(pauses), b.o.BirthDelay+10*time.Millisecond)
		require.Greater(t, slices.Max(pauses), b.o.BirthDelay/2)
		require.Less(t, slices.Min(pauses), b.o.BirthDelay/2)
	})
}

// TestOtherTopicsAreNotObeyed: a broker that sends what was never subscribed
// commands nothing.
func TestOtherTopicsAreNotObeyed(t *testing.T) {
	b := newBench(t)
	for _, topic := range []string{"cmd/restart", "cam/enabled/set", "vitedge/other/cmd/restart", "vitedge/pi", ""} {
		b.Handle(Inbound{Topic: topic, Payload: []byte("OFF")})
	}
	require.Empty(t, b.inbox)
	require.Equal(t, uint64(5), b.Dropped())
}

// TestRetainedTopicsAreBounded: a client that retains messages on ever new
// topics costs no memory.
func TestRetainedTopicsAreBounded(t *testing.T) {
	b := newBench(t)
	for i := range 1000 {
		b.Handle(Inbound{Topic: fmt.Sprintf("vitedge/pi/cmd/%d", i), Retained: true})
	}
	require.Len(t, b.ignored, maxIgnored)
	require.Equal(t, uint64(1000), b.Dropped())
}

// FuzzControl has the broker send anything on any topic: nothing panics, every
// message is obeyed, answered once, or counted as dropped, and every answer is
// JSON of a bounded size.
func FuzzControl(f *testing.F) {
	f.Add("vitedge/pi/cmd/classify", []byte(`{"id":"1","source":"cam"}`), false)
	f.Add("vitedge/pi/cam/threshold/set", []byte("0.25"), false)
	f.Add("vitedge/pi/cam/enabled/set", []byte("ON"), true)
	f.Add("vitedge/pi/cmd/restart", []byte(`{"id":"\ud800","source":null}`), false)
	f.Add("vitedge/pi/cmd/result", []byte(`{}`), false)
	f.Add("vitedge/pi/yard/interval/set", []byte("0x1p-2"), false)
	f.Add("vitedge/pi///set", []byte{0xff}, false)
	f.Add("homeassistant/status", []byte("online"), false)
	f.Add("cmd/restart", []byte("{}"), false)
	f.Fuzz(func(t *testing.T, topic string, payload []byte, retained bool) {
		b := newBench(t)
		b.Handle(Inbound{Topic: topic, Payload: payload, Retained: retained})
		for len(b.inbox) > 0 {
			b.take(t.Context(), <-b.inbox)
		}
		results, overrides := b.link.on("vitedge/pi/cmd/result"), 0
		for _, did := range b.did {
			if strings.HasPrefix(did, "override ") {
				overrides++
			}
		}
		want := 1
		if topic == "vitedge/pi/cmd/result" || topic == "homeassistant/status" {
			want = 0
		}
		require.Equal(t, want, len(results)+overrides+int(b.Dropped()))
		for _, r := range results {
			var got CommandResult
			require.NoError(t, json.Unmarshal([]byte(r.payload), &got))
			require.Equal(t, got.Error == "", got.OK)
			require.Less(t, len(r.payload), 2048)
		}
		for _, s := range b.settings {
			require.True(t, s.Threshold >= 0 && s.Threshold <= 1)
			require.True(t, s.Interval >= 0 && s.Interval <= time.Hour)
		}
	})
}
