package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
)

// machine is where the kernel's files are.
const machine = device.FS("/")

// flushTime is how long messages may take to leave after a source without loop
// is at its end.
const flushTime = 10 * time.Second

// daemon is everything that runs, wired together.
type daemon struct {
	cfg       *config.Config
	log       *slog.Logger
	id        string
	session   string
	started   time.Time
	engine    *engine.Engine
	outbox    *outbox.Queue
	link      *link.Link // nil: no MQTT
	publisher *publish.Publisher
	pipelines []*pipeline.Pipeline
}

// newDaemon makes all parts and starts none.
func newDaemon(cfg *config.Config, log *slog.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log, id: cfg.Device.ID, session: publish.NewSession(), started: time.Now()}
	if d.id == "" {
		var err error
		if d.id, err = machine.ID(cfg.StateDir); err != nil {
			return nil, configError{err}
		}
	}
	var err error
	if d.engine, err = engine.Load(cfg.Model.Path, cfg.Model.Threads); err != nil {
		return nil, err
	}
	info := d.engine.Info()
	log.Info("model loaded", "model", info.ID(), "path", cfg.Model.Path, "kernel", info.Kernel,
		"image", info.Config.ImageSize, "classes", info.Config.Classes)
	if err := d.connect(); err != nil {
		return nil, err
	}
	d.cameras()
	return d, nil
}

// named puts the device's id where the configuration says {id}.
func (d *daemon) named(text string) string { return strings.ReplaceAll(text, "{id}", d.id) }

// connect makes the publisher and, if there is a broker, the link to it.
func (d *daemon) connect() error {
	m := &d.cfg.MQTT
	topics := publish.Topics{Base: d.named(m.BaseTopic)}
	d.outbox = outbox.New(m.Outbox.Messages, int(m.Outbox.Bytes))
	var out publish.Link = nowhere{}
	if m.URL != "" {
		o := link.Options{
			URL: m.URL, ClientID: d.named(m.ClientID), Username: m.Username, Password: m.Password,
			TLS:          link.Files{CA: m.TLS.CAFile, Cert: m.TLS.CertFile, Key: m.TLS.KeyFile, ServerName: m.TLS.ServerName},
			Availability: topics.Availability(),
			Keepalive:    m.Keepalive, PingTimeout: m.PingTimeout, Timeout: m.Timeout,
			ReconnectMin: m.ReconnectMin, ReconnectMax: m.ReconnectMax,
			Handle: func(link.Inbound) {}, MaxPayload: 4096,
			Outbox: d.outbox, Log: d.log,
		}
		var err error
		if d.link, err = link.New(o); err != nil {
			return configError{fmt.Errorf("mqtt.url: %w", err)}
		}
		out = d.link
	}
	d.publisher = publish.New(publish.Options{
		Topics: topics, Sources: d.cfg.CameraNames(), Session: d.session, Started: d.started, Version: programVersion(),
		Model: d.model, Live: m.Predictions, Machine: machine, Link: out, Log: d.log,
	})
	return nil
}

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

// cameras makes a pipeline for each camera.
func (d *daemon) cameras() {
	for _, name := range d.cfg.CameraNames() {
		c := d.cfg.Cameras[name]
		log := d.log.With("camera", name)
		d.pipelines = append(d.pipelines, pipeline.New(pipeline.Options{
			Name: name,
			Open: func(ctx context.Context) (camera.Camera, error) {
				o, err := cameraConfig(c, d.engine.Info().Config.ImageSize, log)
				if err != nil {
					return nil, err
				}
				return camera.Open(ctx, o)
			},
			Classifier: d.engine.Eye(),
			Settings: pipeline.Settings{
				Enabled: c.Enabled, Threshold: d.cfg.Decide.Threshold, Interval: d.cfg.Decide.Interval, Top: d.cfg.Decide.Top,
				Rule: pipeline.Rule{Votes: d.cfg.Decide.Votes, Window: d.cfg.Decide.Window, Hold: d.cfg.Decide.Hold, Heartbeat: d.cfg.Decide.Heartbeat},
			},
			Sinks: []pipeline.Sink{d.publisher},
			Log:   d.log,
		}))
	}
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

// errEnd says that all sources are at their end.
var errEnd = errors.New("all sources are at their end")

// run works until ctx ends or all sources are at their end.
func (d *daemon) run(ctx context.Context) error {
	defer d.engine.Close()
	// The link ends last: what the pipelines said is still to be sent.
	linkCtx, endLink := context.WithCancel(context.WithoutCancel(ctx))
	defer endLink()
	var links errgroup.Group
	if d.link != nil {
		links.Go(func() error { return d.link.Run(linkCtx) })
	}

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.runPipelines(gctx) })
	g.Go(func() error { return d.publisher.RunStatus(gctx, d.cfg.MQTT.Status, d.facts) })
	err := g.Wait()

	switch {
	case errors.Is(err, errEnd):
		d.log.Info("all sources are at their end")
		d.flush(ctx)
		err = nil
	case ctx.Err() != nil:
		d.log.Info("stopping")
	}
	endLink()
	links.Wait()
	return err
}

// runPipelines runs all of them and returns errEnd when each is at its end.
func (d *daemon) runPipelines(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, p := range d.pipelines {
		g.Go(func() error {
			if err := p.Run(gctx); err != nil {
				return configError{fmt.Errorf("cameras.%s: %w", p.Name(), err)}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return errEnd
}

// flush lets the messages of a finished run reach the broker.
func (d *daemon) flush(ctx context.Context) {
	if d.link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := d.link.Flush(ctx); err != nil {
		d.log.Warn("messages were not delivered", "messages", d.outbox.Stats().Len)
	}
}

// facts are what the status reports beside the frames.
func (d *daemon) facts() publish.Facts {
	q := d.outbox.Stats()
	f := publish.Facts{QueueLen: q.Len, Dropped: q.Dropped}
	if d.link != nil {
		s := d.link.Stats()
		f.Reconnects = max(s.Connects, 1) - 1
		for _, filter := range s.Denied {
			f.Problems = append(f.Problems, "the broker does not authorize the subscription "+filter)
		}
	}
	return f
}
