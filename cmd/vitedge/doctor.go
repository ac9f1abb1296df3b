package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/vitlite"
)

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and say how to mend what is wrong",
		Long: `Doctor checks configuration, model, kernels, cameras, state folder, broker,
clock, temperature and power, one line each, and says how to mend what is wrong.
The exit status is 1 if something keeps vitedge from working. It takes a frame
from each camera, so stop the daemon first or a camera is reported as busy.`,
		Example: "  vitedge doctor --config /etc/vitedge/vitedge.yaml",
		Args:    noArgs,
	}
	flags := addConfigFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := flags.load()
		if err != nil {
			return err
		}
		d := doctor{cfg: cfg, machine: machine, out: cmd.OutOrStdout(), asJSON: asJSON, ctx: cmd.Context()}
		for _, w := range warnings {
			d.report("configuration", warn, w, "")
		}
		return d.examine()
	}
	return cmd
}

// How a check ended.
const (
	good = "ok"
	warn = "warning" // it works, but not as well as it could
	bad  = "problem" // it does not work
)

// finding is the line of one check.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	What    string `json:"what"`
	Mend    string `json:"mend,omitempty"`
}

// doctor checks one machine.
type doctor struct {
	ctx      context.Context
	cfg      *config.Config
	machine  device.FS
	out      io.Writer
	asJSON   bool
	problems int
}

// report prints a finding.
func (d *doctor) report(check, verdict, what, mend string) {
	if d.ctx.Err() != nil {
		return // whatever it found, it was interrupted
	}
	if verdict == bad {
		d.problems++
	}
	if d.asJSON {
		json.NewEncoder(d.out).Encode(finding{check, verdict, what, mend})
		return
	}
	fmt.Fprintf(d.out, "%-8s %-13s %s\n", verdict, check, what)
	if mend != "" {
		fmt.Fprintf(d.out, "%22s -> %s\n", "", mend)
	}
}

// patience bounds each check that waits for something.
const patience = 10 * time.Second

// examine runs all checks.
func (d *doctor) examine() error {
	d.kernel()
	size := d.model()
	for _, name := range d.cfg.CameraNames() {
		d.camera(name, size)
	}
	d.state()
	d.broker()
	d.clock()
	d.health()
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if d.problems > 0 {
		return fmt.Errorf("%d problems", d.problems)
	}
	return nil
}

func (d *doctor) kernel() {
	if err := vitlite.CheckKernel(); err != nil {
		d.report("kernel", bad, err.Error(), "unset VITEDGE_KERNEL or name one of this list")
		return
	}
	name := vitlite.Kernel()
	if name == "generic" {
		d.report("kernel", warn, "generic: no assembly for this processor is in use", "a 64-bit system is several times as fast on a board that can run one")
		return
	}
	d.report("kernel", good, name, "")
}

// model loads the model and returns the side of its pictures.
func (d *doctor) model() int {
	e, err := engine.Load(d.cfg.Model.Path, d.cfg.Model.Threads)
	switch {
	case errors.Is(err, engine.ErrMissing):
		d.report("model", bad, "there is no file "+d.cfg.Model.Path, `make one on a workstation with "quantize SOURCE model.safetensors" and copy it there, or name another with model.path`)
		return 224
	case errors.Is(err, os.ErrPermission):
		d.report("model", bad, err.Error(), "let the user of the daemon read the file")
		return 224
	case err != nil:
		d.report("model", bad, err.Error(), "make the file anew with quantize")
		return 224
	}
	defer e.Close()
	info := e.Info()
	d.report("model", good, fmt.Sprintf("%s, pictures of %d pixels, %d classes", info.ID(), info.Config.ImageSize, info.Config.Classes), "")
	return info.Config.ImageSize
}

// camera takes one frame and decodes it.
func (d *doctor) camera(name string, size int) {
	check := "camera " + name
	c := d.cfg.Cameras[name]
	o, err := cameraConfig(c, size, slog.New(slog.DiscardHandler))
	var cam camera.Camera
	if err == nil {
		cam, err = openCamera(d.ctx, o)
	}
	if err != nil {
		d.report(check, bad, err.Error(), "correct cameras."+name+" in the configuration")
		return
	}
	defer cam.Close()
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	f, err := cam.Next(ctx)
	if err == nil {
		err = f.Decode(new(camera.Picture))
	}
	if err == nil {
		d.report(check, good, fmt.Sprintf("%s gives %dx%d %s", config.Redacted(c.Source), f.Width, f.Height, f.Format), "")
		return
	}
	verdict, mend := mendCamera(name, c.Source, err)
	d.report(check, verdict, err.Error(), mend)
}

// mendCamera says how bad it is that a camera gives no frame, and what to do.
func mendCamera(name, source string, err error) (verdict, mend string) {
	remote := strings.HasPrefix(source, "http:") || strings.HasPrefix(source, "https:")
	switch {
	case remote && (errors.Is(err, camera.ErrGone) || errors.Is(err, camera.ErrTimeout)):
		return bad, "see whether it is on and serves this address, or name another with cameras." + name + ".source"
	case errors.Is(err, os.ErrPermission):
		return bad, "add the user to the group video: sudo usermod -aG video $USER, then log in again"
	case errors.Is(err, camera.ErrBusy):
		return bad, "end the other program that uses it; if that is vitedge itself, systemctl stop vitedge"
	case errors.Is(err, camera.ErrGone):
		return bad, "plug it in, or name another with cameras." + name + ".source; vitedge cameras lists what there is"
	case errors.Is(err, camera.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return bad, "unplug it and plug it in again; try another port or a shorter cable"
	case errors.Is(err, camera.ErrCorrupt):
		return warn, "try another cable, or a smaller size with cameras." + name + ".width and height"
	}
	return bad, "see cameras." + name + " in the configuration"
}

// state tries to write where settings are kept.
func (d *doctor) state() {
	err := os.MkdirAll(d.cfg.StateDir, 0o700)
	if err == nil {
		path := filepath.Join(d.cfg.StateDir, ".doctor")
		if err = os.WriteFile(path, []byte("x"), 0o600); err == nil {
			err = os.Remove(path)
		}
	}
	if err != nil {
		d.report("state folder", warn, err.Error(), "settings made over MQTT will not be kept; let the user of the daemon write there (vitedge.service does), or set state_dir")
		return
	}
	d.report("state folder", good, d.cfg.StateDir, "")
}

// broker connects under another client id, so that a daemon that runs is not
// disturbed, and without a will.
func (d *doctor) broker() {
	m := d.cfg.MQTT
	if m.URL == "" {
		d.report("broker", good, "none is configured", "")
		return
	}
	o := link.Options{
		URL: m.URL, ClientID: fmt.Sprintf("vitedge-doctor-%d", os.Getpid()), Username: m.Username, Password: m.Password,
		TLS:       link.Files{CA: m.TLS.CAFile, Cert: m.TLS.CertFile, Key: m.TLS.KeyFile, ServerName: m.TLS.ServerName},
		Keepalive: m.Keepalive, PingTimeout: m.PingTimeout, Timeout: min(m.Timeout, patience),
		ReconnectMin: time.Second, ReconnectMax: time.Second, Handle: func(link.Inbound) {},
		Outbox: outbox.New(1, 64<<10), Log: slog.New(slog.DiscardHandler),
	}
	l, err := link.New(o)
	if err != nil {
		d.report("broker", bad, err.Error(), "correct mqtt.url")
		return
	}
	began := time.Now()
	if err := l.Try(d.ctx); err != nil {
		d.report("broker", bad, m.URL+": "+err.Error(), "")
		return
	}
	d.report("broker", good, fmt.Sprintf("%s answers in %v", m.URL, time.Since(began).Round(time.Millisecond)), "")
}

func (d *doctor) clock() {
	if d.machine.ClockSynced() {
		d.report("clock", good, "synchronized", "")
		return
	}
	d.report("clock", warn, "not synchronized: the times in messages cannot be trusted", "let it have a time server: timedatectl set-ntp true; without a network, a clock module keeps the time")
}

// hot is the temperature in degrees Celsius from which boards slow down.
const hot = 80

func (d *doctor) health() {
	h := d.machine.Health()
	switch {
	case h.TemperatureC == nil:
		d.report("temperature", good, "not known on this machine", "")
	case *h.TemperatureC >= hot:
		d.report("temperature", warn, fmt.Sprintf("%.0f °C: the processor slows down", *h.TemperatureC), "give it a heat sink or a fan, or a longer decide.interval")
	default:
		d.report("temperature", good, fmt.Sprintf("%.0f °C", *h.TemperatureC), "")
	}
	switch {
	case h.Throttled == nil:
		d.report("power", good, "not known on this machine", "")
	case *h.Throttled == 0:
		d.report("power", good, "no under-voltage, no throttling", "")
	default:
		mend := "give it a heat sink or a fan"
		if (*h.Throttled|*h.Throttled>>16)&device.UnderVoltage != 0 {
			mend = "use the power supply that the board's maker sells, and a short cable; a hub with a supply of its own for cameras"
		}
		d.report("power", warn, strings.Join(h.Throttled.Names(), ", "), mend)
	}
}
