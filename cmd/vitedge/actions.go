package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
)

const (
	// birthDelay spreads what many devices send when Home Assistant starts.
	birthDelay = 10 * time.Second
	// actionTimeout bounds one command. A frame takes seconds at most, loading
	// a model file some more.
	actionTimeout = 30 * time.Second
)

// actions are what commands over MQTT do.
func (d *daemon) actions() publish.Actions {
	return publish.Actions{
		Classify:    func(ctx context.Context, src string) error { return d.pipelines[src].Classify(ctx) },
		Snapshot:    d.snapshot,
		Reload:      func(context.Context) (string, error) { return d.reload() },
		Restart:     func() { d.again.Do(func() { close(d.restart) }) },
		UpdateModel: d.updateModel,
		Settings:    func(src string) pipeline.Settings { return d.pipelines[src].Settings() },
		Override: func(src string) {
			d.mu.Lock() // a reload may be under way
			defer d.mu.Unlock()
			d.pipelines[src].Set(d.settings(src))
		},
	}
}

// snapshot publishes a picture of a camera, if pictures may be published.
func (d *daemon) snapshot(ctx context.Context, src string) error {
	if !d.cfg.MQTT.Image {
		return errors.New("pictures are not published; see mqtt.image in the configuration")
	}
	jpeg, err := d.pipelines[src].Snapshot(ctx)
	if err != nil {
		return err
	}
	d.publisher.Image(src, jpeg)
	return nil
}

// photograph publishes the frame that has changed the label. The pipeline waits
// for it, some milliseconds for a change; the frame is gone afterwards.
func (d *daemon) photograph(r *pipeline.Result) {
	if !d.cfg.MQTT.Image || d.link == nil {
		return
	}
	jpeg, err := r.JPEG()
	if err != nil {
		d.log.Warn("no picture of the change", "camera", r.Source, "err", err)
		return
	}
	d.publisher.Image(r.Source, jpeg)
}

// reload reads the configuration again, puts into force what can be, and says
// what cannot.
func (d *daemon) reload() (detail string, err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	next, warnings, err := d.load()
	if err != nil {
		return "", err
	}
	for _, w := range warnings {
		d.log.Warn(w)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	merged := *d.current
	merged.Decide, merged.Log.Level, merged.MQTT.Predictions = next.Decide, next.Log.Level, next.MQTT.Predictions
	merged.Cameras = make(map[string]config.Camera)
	for name, c := range d.current.Cameras {
		if n, ok := next.Cameras[name]; ok {
			c.Enabled = n.Enabled
		}
		merged.Cameras[name] = c
	}
	applied, left := config.Diff(d.current, &merged), config.Diff(&merged, next)
	d.current = &merged

	setLevel(d.level, merged.Log.Level)
	d.publisher.SetLive(merged.MQTT.Predictions)
	for name, p := range d.pipelines {
		p.Set(d.settings(name))
	}
	if d.control != nil {
		d.control.PublishSettings()
	}
	var parts []string
	if len(applied) > 0 {
		parts = append(parts, "in force: "+strings.Join(applied, ", "))
	}
	if len(left) > 0 {
		parts = append(parts, "only after a restart: "+strings.Join(left, ", "))
	}
	if len(parts) == 0 {
		return "nothing has changed", nil
	}
	return strings.Join(parts, "; "), nil
}

// nextSuffix is the end of the name of a model file that waits to be taken.
const nextSuffix = ".next"

// updateModel takes the model file that waits beside the one in use, after it
// has been loaded for a trial, and starts anew with it.
func (d *daemon) updateModel(context.Context) error {
	path := d.cfg.Model.Path
	e, err := engine.Load(path+nextSuffix, 1)
	if errors.Is(err, engine.ErrMissing) {
		return fmt.Errorf("no model file waits; put one beside the one in use, with %s at the end of its name", nextSuffix)
	}
	if err != nil {
		return fmt.Errorf("the model file that waits is no good: %w", err)
	}
	info := e.Info()
	e.Close()
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return fmt.Errorf("the model file cannot be replaced: %w", err)
	}
	d.log.Info("took a new model", "model", info.ID())
	d.again.Do(func() { close(d.restart) })
	return nil
}

// nextModel knows the hash of the model file that waits. It reads the file
// only when that has changed.
type nextModel struct {
	path string

	mu   sync.Mutex
	size int64
	time time.Time
	sum  string
}

// sha256 is the hash in hex, empty if no file waits.
func (n *nextModel) sha256() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, err := os.OpenFile(n.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may be a pipe
	if err != nil {
		n.sum, n.size = "", 0
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	if n.sum != "" && info.Size() == n.size && info.ModTime().Equal(n.time) {
		return n.sum
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	n.sum, n.size, n.time = hex.EncodeToString(h.Sum(nil)), info.Size(), info.ModTime()
	return n.sum
}
