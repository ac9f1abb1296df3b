package publish

import (
	"encoding/json"
	"math"
	"time"

	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/vitlite"
)

// Version of the payloads' layout, the field v. Fields may be added under one
// version; none changes its meaning.
const Version = 1

// Score is one class and its probability.
type Score struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// Prediction is the payload of the topics prediction and state.
//
// Seq counts the messages of one topic in one session from 1, so that every
// subscriber sees gaps and duplicates of what it subscribes to: (topic,
// session, seq) is unique.
type Prediction struct {
	V         int     `json:"v"`
	Session   string  `json:"session"`
	Seq       uint64  `json:"seq"`
	TS        string  `json:"ts"`      // of the frame, UTC
	Clock     string  `json:"clock"`   // "synced" or "unsynced": whether ts is to be trusted
	MonoMS    int64   `json:"mono_ms"` // of the frame, since the session began
	Source    string  `json:"source"`
	Label     string  `json:"label"`
	Index     int     `json:"index"` // of the class; -1: unknown
	Score     float64 `json:"score"` // probability
	Stable    bool    `json:"stable"`
	Top       []Score `json:"top"`
	Model     string  `json:"model"`
	LatencyMS Latency `json:"latency_ms"`
	Frame     Frame   `json:"frame"`
}

// Latency is where the time went, in milliseconds.
type Latency struct {
	Pre   float64 `json:"pre"` // decoding and resizing
	Infer float64 `json:"infer"`
	Total float64 `json:"total"`
}

// Frame describes the picture that was classified.
type Frame struct {
	Width  int     `json:"w"`
	Height int     `json:"h"`
	AgeMS  float64 `json:"age_ms"` // when it was taken
}

// Event is the payload of the topic event. Its fields are Home Assistant's.
type Event struct {
	Type    string  `json:"event_type"` // "changed"
	From    string  `json:"from"`
	To      string  `json:"to"`
	Score   float64 `json:"score"`
	TS      string  `json:"ts"`
	Seq     uint64  `json:"seq"`
	Session string  `json:"session"`
}

// Status is the payload of the topic status.
type Status struct {
	V          int         `json:"v"`
	Session    string      `json:"session"`
	Seq        uint64      `json:"seq"`
	Version    string      `json:"version"`
	Model      StatusModel `json:"model"`
	Kernel     string      `json:"kernel"`
	UptimeS    int64       `json:"uptime_s"`
	Clock      string      `json:"clock"`
	FPS        float64     `json:"fps"` // classified frames a second since the last status
	InferP50   float64     `json:"infer_ms_p50"`
	InferP95   float64     `json:"infer_ms_p95"`
	Queue      Queue       `json:"queue"`
	Frames     Frames      `json:"frames"`
	Outages    uint64      `json:"outages"`   // times that a camera began to deliver nothing, or nothing to believe; absent from the start is one
	TempC      *float64    `json:"temp_c"`    // null where unknown
	Throttled  []string    `json:"throttled"` // null where unknown
	RSSBytes   int64       `json:"rss_bytes"`
	Reconnects uint64      `json:"reconnects"`
	Problems   []string    `json:"problems"` // what does not work, for people
}

// StatusModel says which model is loaded.
type StatusModel struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Latest string `json:"latest"` // SHA256 of the file that update_model would take; else as above
}

// Queue is the outbox.
type Queue struct {
	Len     int    `json:"len"`
	Dropped uint64 `json:"dropped"`
}

// Frames counts frames of all cameras since the session began. A frame that was
// captured was classified, or one of skipped, stale, corrupt, frozen and failed.
type Frames struct {
	Captured   uint64 `json:"captured"`
	Classified uint64 `json:"classified"`
	Skipped    uint64 `json:"skipped"`   // there was a newer one
	Stale      uint64 `json:"stale"`     // older than max_age
	Corrupt    uint64 `json:"corrupt"`   // could not be decoded
	Truncated  uint64 `json:"truncated"` // those of the corrupt that end early
	Frozen     uint64 `json:"frozen"`    // the same bytes for longer than frozen_after
	Failed     uint64 `json:"failed"`    // the model gave no answer
	Dark       uint64 `json:"dark"`      // those of the classified that are darker than dark_level
	Black      uint64 `json:"black"`     // those of the classified that show nothing
}

const (
	synced   = "synced"
	unsynced = "unsynced"
)

// timestamp is RFC 3339 in UTC with milliseconds.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func milliseconds(d time.Duration) float64 { return round(d.Seconds()*1000, 10) }

// round keeps payloads short: what a float32 does not know is left out.
func round(x, scale float64) float64 { return math.Round(x*scale) / scale }

func probability(p float32) float64 { return round(float64(p), 1e4) }

// encode cannot fail: the payloads hold nothing that JSON has no form for.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("publish: " + err.Error())
	}
	return data
}

// Describe is the payload for one frame, with no Seq yet.
func (p *Publisher) Describe(r *pipeline.Result) Prediction {
	d := &r.Decision
	return p.prediction(r, r.Vote, d.Decided && d.Stable.Index == r.Vote.Index)
}

// prediction is the payload that shows a vote of this frame or the stable
// label.
func (p *Publisher) prediction(r *pipeline.Result, shown vitlite.Prediction, stable bool) Prediction {
	top := make([]Score, len(r.Top))
	for i, t := range r.Top {
		top[i] = Score{t.Label, probability(t.Score)}
	}
	return Prediction{
		V: Version, Session: p.o.Session,
		TS: timestamp(r.Time), Clock: p.clock(), MonoMS: r.Time.Sub(p.o.Started).Milliseconds(),
		Source: r.Source, Label: shown.Label, Index: shown.Index, Score: probability(shown.Score), Stable: stable,
		Top: top, Model: p.o.Model().ID(),
		LatencyMS: Latency{Pre: milliseconds(r.Timing.Decode + r.Timing.Preprocess), Infer: milliseconds(r.Timing.Infer), Total: milliseconds(r.Total)},
		Frame:     Frame{Width: r.Width, Height: r.Height, AgeMS: milliseconds(r.Age)},
	}
}
