package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/cmd/vitedge/internal/web"
)

// machine is where the kernel's files are.
const machine = device.FS("/")

// daemon is everything that runs, wired together:
//
//	pipelines -> publisher -> link -> broker
//	          -> metrics, feed -> web
//	broker -> link -> control -> pipelines
type daemon struct {
	log     *slog.Logger
	level   *slog.LevelVar
	load    func() (*config.Config, []string, error) // reads the configuration again
	id      string
	session string
	started time.Time

	engine    *engine.Engine
	outbox    *outbox.Queue
	journal   *outbox.Journal // nil: messages do not outlive the process
	link      *link.Link      // nil: no MQTT
	store     *publish.Store
	publisher *publish.Publisher
	control   *publish.Control // nil: no MQTT
	pipelines map[string]*pipeline.Pipeline
	web       *web.Server // nil: no HTTP
	sinks     []pipeline.Sink
	next      nextModel
	announced announced

	stallLimit time.Duration // see the constant

	cfg     *config.Config // as of the start, and not changed
	mu      sync.Mutex
	current *config.Config // with what reload has changed; another one each time

	reloading sync.Mutex // so that of two reloads the later has read the newer files

	restart chan struct{} // closed when a restart is wanted
	again   sync.Once
}

// newDaemon makes all parts and starts none.
func newDaemon(cfg *config.Config, log *slog.Logger, level *slog.LevelVar, load func() (*config.Config, []string, error)) (*daemon, error) {
	d := &daemon{
		cfg: cfg, current: cfg, log: log, level: level, load: load, id: cfg.Device.ID, session: publish.NewSession(), started: time.Now(),
		pipelines: make(map[string]*pipeline.Pipeline), restart: make(chan struct{}),
		next: nextModel{path: cfg.Model.Path + nextSuffix}, stallLimit: stallLimit,
	}
	var err error
	if d.id == "" {
		if d.id, err = machine.ID(cfg.StateDir); err != nil {
			return nil, configError{err}
		}
	}
	if d.engine, err = engine.Load(cfg.Model.Path, cfg.Model.Threads); err != nil {
		return nil, err
	}
	info := d.engine.Info()
	log.Info("model loaded", "model", info.ID(), "path", cfg.Model.Path, "kernel", info.Kernel,
		"image", info.Config.ImageSize, "classes", info.Config.Classes)
	if d.store, err = publish.OpenStore(filepath.Join(cfg.StateDir, "settings.json")); err != nil {
		log.Warn("settings made over MQTT are lost", "err", err)
	}
	return d, d.wire()
}

// named puts the device's id where the configuration says {id}.
func (d *daemon) named(text string) string { return strings.ReplaceAll(text, "{id}", d.id) }

// name is that of the device for people.
func (d *daemon) name() string { return cmp.Or(d.cfg.Device.Name, d.id) }

func (d *daemon) model() publish.Model {
	info := d.engine.Info()
	return publish.Model{Name: info.Name, SHA256: info.SHA256, Kernel: info.Kernel}
}

// nowhere is the link of a daemon without a broker.
type nowhere struct{}

func (nowhere) Retain(string, []byte)     {}
func (nowhere) Send(outbox.Message)       {}
func (nowhere) Live(string, []byte, bool) {}
func (nowhere) Refresh()                  {}

// wire makes the publisher, the pipelines and, if there is a broker, the link
// and the control.
func (d *daemon) wire() error {
	m := &d.cfg.MQTT
	topics := publish.Topics{Base: d.named(m.BaseTopic)}
	d.outbox = outbox.New(m.Outbox.Messages, int(m.Outbox.Bytes))
	var out publish.Link = nowhere{}
	o := d.linkOptions(topics)
	if m.URL != "" {
		// The filters of the subscriptions are known before the control exists,
		// which needs the link and the pipelines.
		discovery := d.discovery(topics)
		o.Filters = publish.Filters(topics, d.controlSources(), d.birthTopic(discovery))
		o.Handle = func(in link.Inbound) {
			d.control.Handle(publish.Inbound{Topic: in.Topic, Payload: in.Payload, Retained: in.Retained})
		}
		var err error
		if d.link, err = link.New(o); err != nil {
			return configError{fmt.Errorf("mqtt.url: %w", err)}
		}
		out = d.link
		d.announce(topics, discovery)
	}
	d.publisher = publish.New(publish.Options{
		Topics: topics, Sources: d.cfg.CameraNames(), Session: d.session, Started: d.started, Version: programVersion(),
		Model: d.model, Live: m.Predictions, Machine: machine, Link: out, Log: d.log, Changed: d.photograph,
	})
	d.sinks = []pipeline.Sink{d.publisher}
	if d.cfg.HTTP.Listen != "" {
		if err := d.listen(); err != nil {
			return err
		}
	}
	for _, name := range d.cfg.CameraNames() {
		d.pipelines[name] = d.newPipeline(name)
	}
	if d.link == nil {
		return nil
	}
	d.control = publish.NewControl(publish.ControlOptions{
		Topics: topics, Sources: d.controlSources(), Link: out, Actions: d.actions(), Store: d.store,
		BirthTopic: d.birthTopic(d.discovery(topics)), BirthDelay: birthDelay, ActionTimeout: actionTimeout, Log: d.log,
	})
	if m.Outbox.Persist {
		var err error
		if d.journal, err = outbox.OpenJournal(d.outbox, filepath.Join(d.cfg.StateDir, "outbox"), d.log); err != nil {
			d.log.Error("waiting messages are not kept on disk; the file of those that waited stays as it is", "err", err)
		}
	}
	return nil
}

// linkOptions are those that the configuration has.
func (d *daemon) linkOptions(topics publish.Topics) link.Options {
	m := &d.cfg.MQTT
	return link.Options{
		URL: m.URL, ClientID: d.named(m.ClientID), Username: m.Username, Password: m.Password,
		TLS:          link.Files{CA: m.TLS.CAFile, Cert: m.TLS.CertFile, Key: m.TLS.KeyFile, ServerName: m.TLS.ServerName},
		Availability: topics.Availability(),
		Keepalive:    m.Keepalive, PingTimeout: m.PingTimeout, Timeout: m.Timeout,
		ReconnectMin: m.ReconnectMin, ReconnectMax: m.ReconnectMax,
		MaxPayload: publish.MaxPayload, Outbox: d.outbox, Log: d.log,
	}
}

// discovery describes the device to Home Assistant.
func (d *daemon) discovery(topics publish.Topics) *publish.Discovery {
	return &publish.Discovery{
		Topics: topics, Prefix: d.cfg.HomeAssistant.Prefix, ID: d.id, Name: d.name(), Board: machine.Model(), Version: programVersion(),
		URL:     d.networkPage(),
		Sources: d.cfg.CameraNames(), Labels: d.engine.Info().Labels, Image: d.cfg.MQTT.Image, Commands: d.cfg.MQTT.Commands,
		Heat: machine.Health().TemperatureC != nil,
	}
}

// birthTopic is where Home Assistant says that it has started, if anybody
// wants to know.
func (d *daemon) birthTopic(discovery *publish.Discovery) string {
	if !d.cfg.HomeAssistant.Discovery {
		return ""
	}
	return discovery.BirthTopic()
}

// controlSources are the cameras that may be controlled over MQTT.
func (d *daemon) controlSources() []string {
	if !d.cfg.MQTT.Commands {
		return nil
	}
	return d.cfg.CameraNames()
}

// newPipeline makes the pipeline of a camera.
func (d *daemon) newPipeline(name string) *pipeline.Pipeline {
	c := d.cfg.Cameras[name]
	log := d.log.With("camera", name)
	var viewer pipeline.Viewer
	if d.web != nil {
		viewer = d.web.Viewer(name)
	}
	return pipeline.New(pipeline.Options{
		Name: name,
		Open: func(ctx context.Context) (camera.Camera, error) {
			o, err := cameraConfig(c, d.engine.Info().Config.ImageSize, log)
			if err != nil {
				return nil, err
			}
			return openCamera(ctx, o)
		},
		Classifier: d.engine.Eye(),
		Inspector:  camera.Inspector{MaxAge: c.MaxAge, FrozenAfter: c.FrozenAfter, DarkBelow: c.DarkLevel},
		Settings:   d.settings(name),
		Sinks:      d.sinks,
		Viewer:     viewer,
		Log:        d.log,
	})
}

// settings are those of the configuration with what was changed over MQTT. Once
// the daemon runs d.mu is held until they are in force.
func (d *daemon) settings(name string) pipeline.Settings {
	decide := d.current.Decide
	return d.store.Get(name).Apply(pipeline.Settings{
		Enabled: d.current.Cameras[name].Enabled, Threshold: decide.Threshold, Interval: decide.Interval, Top: decide.Top,
		Rule: pipeline.Rule{Votes: decide.Votes, Window: decide.Window, Hold: decide.Hold, Heartbeat: decide.Heartbeat},
	})
}

// cameraConfig is c as package camera takes it.
func cameraConfig(c config.Camera, cover int, log *slog.Logger) (camera.Config, error) {
	o := camera.Config{
		Source: c.Source, Width: c.Width, Height: c.Height, Cover: cover, FPS: c.FPS, Loop: c.Loop, Controls: c.Controls, Log: log,
		View: camera.View{Turn: c.Rotate, FlipX: c.Flip == "horizontal" || c.Flip == "both", FlipY: c.Flip == "vertical" || c.Flip == "both"},
	}
	if len(c.Crop) == 4 {
		o.View.Crop = camera.Region{X: c.Crop[0], Y: c.Crop[1], Width: c.Crop[2], Height: c.Crop[3]}
	}
	if c.Format != "auto" {
		var err error
		if o.Format, err = camera.ParseFourCC(c.Format); err != nil {
			return o, err
		}
	}
	return o, nil
}

// facts are what the status reports beside the frames.
func (d *daemon) facts() publish.Facts {
	q := d.outbox.Stats()
	f := publish.Facts{QueueLen: q.Len, Dropped: q.Dropped, NextModel: d.next.sha256()}
	if d.link != nil {
		s := d.link.Stats()
		f.Reconnects = max(s.Connects, 1) - 1
		for _, filter := range s.Denied {
			f.Problems = append(f.Problems, "the broker does not authorize the subscription "+filter)
		}
		if s.Rival != "" {
			f.Problems = append(f.Problems, s.Rival)
		}
	}
	if d.cfg.MQTT.Outbox.Persist && d.link != nil && (d.journal == nil || d.journal.Failing()) {
		f.Problems = append(f.Problems, "waiting messages are not kept on disk")
	}
	d.store.Retry()
	if text := d.store.Failure(); text != "" {
		f.Problems = append(f.Problems, text)
	}
	f.Problems = append(f.Problems, d.warnings()...)
	f.Problems = append(f.Problems, d.hanging()...)
	return f
}

// errEnd says that all sources are at their end, errRestart that the program
// is to start anew.
var (
	errEnd     = errors.New("all sources are at their end")
	errRestart = errors.New("a restart was asked for")
)
