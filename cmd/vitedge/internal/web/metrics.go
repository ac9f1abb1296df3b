package web

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
)

// Metrics is the sink that counts for Prometheus.
type Metrics struct {
	registry *prometheus.Registry
	classify *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	poor     *prometheus.CounterVec
	changes  *prometheus.CounterVec
	stages   *prometheus.HistogramVec
	age      *prometheus.HistogramVec
	up       *prometheus.GaugeVec
	outages  *prometheus.CounterVec
}

var _ pipeline.Sink = (*Metrics)(nil)

// buckets are in seconds, from a tenth of a millisecond of a small model on a
// workstation to ten seconds of a large one on a small board.
var buckets = prometheus.ExponentialBucketsRange(1e-4, 10, 16)

// Sources are what others than the pipelines know. Nil ones have no metrics.
type Sources struct {
	Name     string // of the device
	Board    string
	Session  string
	Started  time.Time
	Cameras  []string
	Settings func(camera string) pipeline.Settings // may be nil
	Version  string
	Broker   string // HOST:PORT
	Model    string // name
	SHA256   string // of the model file
	Kernel   string
	Outbox   func() outbox.Stats
	Link     func() link.Stats
	Commands func() uint64 // dropped
	Machine  device.FS
}

// NewMetrics registers everything with a registry of its own.
func NewMetrics(s Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		classify: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitedge_frames_classified_total", Help: "Frames that the model has answered for.",
		}, []string{"camera"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitedge_frames_dropped_total", Help: "Frames that were not classified, by reason.",
		}, []string{"camera", "reason"}),
		poor: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitedge_frames_poor_light_total", Help: "Classified frames that were too dark to see much, or black.",
		}, []string{"camera", "light"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitedge_label_changes_total", Help: "Changes of the stable label.",
		}, []string{"camera"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitedge_stage_duration_seconds", Help: "Time of one frame in each stage; total is from taking it to deciding, publish comes after that.", Buckets: buckets,
		}, []string{"camera", "stage"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vitedge_frame_age_seconds", Help: "Age of a frame when its preprocessing began.", Buckets: buckets,
		}, []string{"camera"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vitedge_camera_up", Help: "Whether the camera delivers frames.",
		}, []string{"camera"}),
		outages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vitedge_camera_outages_total", Help: "Times that the camera began to deliver nothing, or nothing to believe; one that is absent from the start counts.",
		}, []string{"camera"}),
	}
	m.registry.MustRegister(m.classify, m.dropped, m.poor, m.changes, m.stages, m.age, m.up, m.outages,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, name := range s.Cameras { // series exist from the start, so that rates are right
		m.classify.WithLabelValues(name)
		m.changes.WithLabelValues(name)
		m.up.WithLabelValues(name)
		m.outages.WithLabelValues(name)
		for _, reason := range pipeline.Reasons {
			m.dropped.WithLabelValues(name, reason)
		}
		for _, light := range []camera.Light{camera.Dark, camera.Black} {
			m.poor.WithLabelValues(name, light.String())
		}
	}
	m.info("vitedge_build_info", "The program and the kernels in use; always 1.",
		prometheus.Labels{"version": s.Version, "goversion": runtime.Version(), "kernel": s.Kernel})
	m.info("vitedge_model_info", "The model in use; always 1.", prometheus.Labels{"name": s.Model, "sha256": s.SHA256})
	m.others(s)
	return m
}

// Gatherer is what /metrics shows.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

func (m *Metrics) info(name, help string, labels prometheus.Labels) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	g.Set(1)
	m.registry.MustRegister(g)
}

func (m *Metrics) gauge(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

func (m *Metrics) counter(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// others registers what is asked for when somebody looks.
func (m *Metrics) others(s Sources) {
	if s.Machine.Health().TemperatureC != nil {
		m.gauge("vitedge_temperature_celsius", "Temperature of the processor.", func() float64 {
			if t := s.Machine.Health().TemperatureC; t != nil {
				return *t
			}
			return 0
		})
	}
	if s.Link == nil {
		return
	}
	m.gauge("vitedge_outbox_messages", "Messages that wait for the broker.", func() float64 { return float64(s.Outbox().Len) })
	m.gauge("vitedge_outbox_bytes", "Bytes of the messages that wait for the broker.", func() float64 { return float64(s.Outbox().Bytes) })
	m.counter("vitedge_outbox_accepted_total", "Messages that were put into the outbox.", func() float64 { return float64(s.Outbox().Accepted) })
	m.counter("vitedge_outbox_acknowledged_total", "Messages that the broker has acknowledged.", func() float64 { return float64(s.Outbox().Acked) })
	m.counter("vitedge_outbox_dropped_total", "Messages that were dropped to make room.", func() float64 { return float64(s.Outbox().Dropped) })
	m.gauge("vitedge_mqtt_connected", "Whether there is a connection to the broker.", func() float64 {
		if s.Link().Connected {
			return 1
		}
		return 0
	})
	m.counter("vitedge_mqtt_connects_total", "Connections that were made to the broker.", func() float64 { return float64(s.Link().Connects) })
	m.counter("vitedge_mqtt_live_sent_total", "Live messages that were sent.", func() float64 { return float64(s.Link().LiveSent) })
	m.counter("vitedge_mqtt_live_lost_total", "Live messages that were not sent.", func() float64 { return float64(s.Link().LiveLost) })
	m.counter("vitedge_commands_dropped_total", "Inbound messages that were not obeyed for their number or for being retained.",
		func() float64 { return float64(s.Commands()) })
}

// Classified counts one frame.
func (m *Metrics) Classified(r *pipeline.Result) {
	m.classify.WithLabelValues(r.Source).Inc()
	m.stages.WithLabelValues(r.Source, "decode").Observe(r.Timing.Decode.Seconds())
	m.stages.WithLabelValues(r.Source, "preprocess").Observe(r.Timing.Preprocess.Seconds())
	m.stages.WithLabelValues(r.Source, "infer").Observe(r.Timing.Infer.Seconds())
	m.stages.WithLabelValues(r.Source, "total").Observe(r.Total.Seconds())
	m.stages.WithLabelValues(r.Source, "publish").Observe(r.Publish.Seconds())
	m.age.WithLabelValues(r.Source).Observe(r.Age.Seconds())
	if r.Light != camera.Lit {
		m.poor.WithLabelValues(r.Source, r.Light.String()).Inc()
	}
	if r.Decision.Changed {
		m.changes.WithLabelValues(r.Source).Inc()
	}
}

// Dropped counts frames that were not classified.
func (m *Metrics) Dropped(source, reason string, n uint64) {
	m.dropped.WithLabelValues(source, reason).Add(float64(n))
}

// Available shows whether a camera delivers.
func (m *Metrics) Available(source string, up bool) {
	value := 1.0
	if !up {
		value = 0
		m.outages.WithLabelValues(source).Inc()
	}
	m.up.WithLabelValues(source).Set(value)
}
