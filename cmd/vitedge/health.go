package main

import (
	"context"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/web"
)

// stallLimit is how long a pipeline may go without a sign of life. Waiting for
// a camera gives signs; a model or a driver that hangs does not.
const stallLimit = 30 * time.Second

// stalled lists the cameras whose pipelines hang. One that has ended does not.
func (d *daemon) stalled() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.pipelines)) {
		p := d.pipelines[name]
		if !p.Ended() && time.Since(p.LastSign()) > d.stallLimit {
			names = append(names, name)
		}
	}
	return names
}

// hanging says what hangs, in words.
func (d *daemon) hanging() []string {
	var reasons []string
	for _, name := range d.stalled() {
		reasons = append(reasons, "camera "+name+" is stalled")
	}
	return reasons
}

// warnings says what is wrong with cameras, in words.
func (d *daemon) warnings() []string {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(d.pipelines)) {
		if text := d.pipelines[name].Warning(); text != "" {
			reasons = append(reasons, "camera "+name+" "+text)
		}
	}
	return reasons
}

// unready says what keeps messages from being made or delivered.
func (d *daemon) unready() []string {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(d.pipelines)) {
		if p := d.pipelines[name]; p.Settings().Enabled && !p.Up() && !p.Ended() {
			reasons = append(reasons, "camera "+name+" is down")
		}
	}
	if d.link != nil {
		if s := d.link.Stats(); !s.Connected {
			reasons = append(reasons, "no connection to the broker: "+s.LastError)
		}
	}
	return reasons
}

// listen opens the port of the HTTP server and adds its sinks.
func (d *daemon) listen() error {
	model := d.model()
	sources := web.Sources{
		Cameras: d.cfg.CameraNames(), Version: programVersion(), Model: model.Name, SHA256: model.SHA256, Kernel: model.Kernel,
		Outbox: d.outbox.Stats, Machine: machine,
		Name: d.name(), Board: machine.Model(), Session: d.session, Started: d.started,
		Settings: func(name string) pipeline.Settings { return d.pipelines[name].Settings() },
	}
	if d.link != nil {
		if u, err := url.Parse(d.cfg.MQTT.URL); err == nil {
			sources.Broker = u.Host
		}
		sources.Link = func() link.Stats { return d.link.Stats() }
		sources.Commands = func() uint64 { return d.control.Dropped() }
	}
	metrics, feed := web.NewMetrics(sources), web.NewFeed(d.publisher.Describe)
	hosts := slices.Clone(d.cfg.HTTP.Hosts)
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name, name+".local")
	}
	var err error
	d.web, err = web.Listen(web.Options{
		Sources: sources, Listen: d.cfg.HTTP.Listen, Hosts: hosts, Feed: feed, Metrics: metrics.Gatherer(),
		Snapshot: func(ctx context.Context, name string) ([]byte, error) { return d.pipelines[name].Snapshot(ctx) },
		Wake:     func(name string) { d.pipelines[name].Wake() },
		Health:   d.hanging, Ready: d.unready, Log: d.log,
	})
	if err != nil {
		return err
	}
	d.log.Info("listening", "http", d.web.Addr())
	d.sinks = append(d.sinks, metrics, feed)
	return nil
}
