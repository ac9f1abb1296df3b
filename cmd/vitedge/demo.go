package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/scenes"
	"vitedge/testdata/demo"
)

// demoSeed makes the scenes the same in every run.
const demoSeed = 1

// newDemo is the daemon with a model, a camera and a broker of its own.
func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the daemon on its own model, camera and broker",
		Long: `Demo runs the daemon as "vitedge run" does, with a small model that knows emoji,
moving scenes drawn by this program as the camera, and a broker inside the
process, on a free port of the loopback interface. It prints the address of the
live page, and the MQTT messages as a subscriber gets them, until Ctrl-C. On a
terminal messages are shortened; into a pipe or a file they are written whole.

The flags replace any part by a real one. A phone that shows one of the emoji
is then a good thing to hold in front of the camera. No configuration file and
no environment variable counts, and Home Assistant is not told of the demo
unless --set home_assistant.discovery=true.`,
		Example: `  vitedge demo
  vitedge demo --camera auto
  vitedge demo --broker mqtt://127.0.0.1:1883`,
		Args: noArgs,
	}
	flags := addKeyFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runDemo(cmd.Context(), flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// Keys of the configuration that flags are asked for.
const (
	keyBroker = "mqtt.url"
	keyCamera = "cameras." + config.OnlyCamera + ".source"
	keyHTTP   = "http.listen"
)

func runDemo(ctx context.Context, flags *configFlags, stdout, stderr io.Writer) error {
	// A reader that goes ("vitedge demo | head") ends the demo as Ctrl-C does,
	// instead of killing it before it has tidied up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	messages := newPrinter(stdout, stop)

	dir, err := demoFolder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	model := filepath.Join(dir, "emoji.safetensors")
	if err := os.WriteFile(model, demo.Model, 0o600); err != nil {
		return fmt.Errorf("the demo's model: %w", err)
	}
	defaults := demoSettings{
		{"device.id", "demo"}, {"state_dir", filepath.Join(dir, "state")}, {"model.path", model}, {"log.level", "warn"},
		{"decide.interval", "0s"}, {"decide.votes", "5"}, {"decide.window", "8"}, {"decide.hold", "500ms"},
		{"home_assistant.discovery", "false"},
		{keyCamera, scenes.Source},
	}
	if source, ok := flags.given(keyCamera); ok {
		defaults = append(defaults, cameraSettings(source)...)
	}
	url, real := flags.given(keyBroker)
	clientID := ""
	if real {
		// Others may run the demo on the same broker.
		defaults = append(defaults, [2]string{"device.id", hostID("demo")})
	} else {
		broker, err := startBroker(messages.print)
		if err != nil {
			return fmt.Errorf("the demo's broker: %w", err)
		}
		defer func() { broker.close(clientID) }()
		defaults = append(defaults, [2]string{keyBroker, "mqtt://" + broker.address})
	}
	wanted := config.Default().HTTP.Listen
	_, ok := flags.given(keyHTTP)
	elsewhere := !ok && taken(wanted)
	if elsewhere {
		defaults = append(defaults, [2]string{keyHTTP, "127.0.0.1:0"})
	}
	flags.defaults = defaults.settings()

	cfg, warnings, err := flags.load()
	if err != nil {
		return err
	}
	if elsewhere {
		fmt.Fprintf(stderr, "vitedge: %s is in use, so the page is at a free port\n", wanted)
	}
	var level slog.LevelVar
	log := newLogger(stderr, cfg.Log, &level)
	for _, w := range warnings {
		log.Warn(w)
	}
	d, err := newDaemon(cfg, log, &level, flags.load)
	if err != nil {
		return err
	}
	d.introduce(stderr)
	clientID = d.named(cfg.MQTT.ClientID)
	if real && url != "" {
		end, err := d.watch(messages.print)
		if err != nil {
			return err
		}
		defer end()
	}
	return cmp.Or(d.run(ctx, hangups()), messages.failure())
}

// demoParents are folders in which the demo makes one for its files, in the
// order in which they are tried. The first is $TMPDIR, else /tmp.
var demoParents = []string{"", "/dev/shm", "/run", "."}

// demoFolder makes a folder for the model file and what is set over MQTT.
func demoFolder() (string, error) {
	var first error
	for _, parent := range demoParents {
		dir, err := os.MkdirTemp(parent, "vitedge-demo-")
		if err == nil {
			return filepath.Abs(dir)
		}
		first = cmp.Or(first, err)
	}
	return "", fmt.Errorf("the demo needs a folder for its files: %w; set TMPDIR to one that can be written", first)
}

// demoSettings are keys and values; a later one counts.
type demoSettings [][2]string

func (s demoSettings) settings() []config.Setting {
	var all []config.Setting
	for _, kv := range s {
		all = append(all, config.Setting{Flag: "demo", Key: kv[0], Value: kv[1]})
	}
	return all
}

// cameraSettings are what a source other than the demo's own is run with.
func cameraSettings(source string) demoSettings {
	const cam = "cameras." + config.OnlyCamera
	switch scheme, _, _ := strings.Cut(source, ":"); scheme {
	case "demo":
		return nil
	case "file": // a picture a second, each with its own stable label
		return demoSettings{{cam + ".fps", "1"}, {"decide.votes", "1"}, {"decide.window", "1"}, {"decide.hold", "0s"}}
	case "test":
		return demoSettings{{cam + ".fps", "10"}}
	}
	// More pixels than the model needs, for those who look at the page.
	return demoSettings{{cam + ".width", "640"}, {cam + ".height", "480"}}
}

// hostID is a name of this machine with a prefix, as device.id may be.
func hostID(prefix string) string {
	host, err := os.Hostname()
	if err != nil {
		return prefix
	}
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	host = regexp.MustCompile(`[^a-z0-9_-]+`).ReplaceAllString(host, "")
	return strings.TrimSuffix(fmt.Sprintf("%s-%.32s", prefix, host), "-")
}

// taken reports whether another program listens at the address.
func taken(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	l.Close()
	return false
}

// introduce says where everything is.
func (d *daemon) introduce(w io.Writer) {
	info := d.engine.Info()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-7s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintln(w, "vitedge demo; Ctrl-C ends it")
	if d.web != nil {
		page, _ := pageURL(d.web.Addr(), ownAddress())
		line("page", "%s/", page)
	}
	if u, err := url.Parse(d.cfg.MQTT.URL); err == nil && u.Host != "" && config.BrokerSchemes[u.Scheme] {
		line("broker", "%s  (topics %s/#)", u, d.named(d.cfg.MQTT.BaseTopic))
	} else if err == nil && u.Host != "" {
		line("broker", "%s  (mosquitto_sub -h %s -p %s -v -t '%s/#')", u, u.Hostname(), cmp.Or(u.Port(), "1883"), d.named(d.cfg.MQTT.BaseTopic))
	}
	source := d.cfg.Cameras[d.cfg.CameraNames()[0]].Source
	if source == scenes.Source {
		source = "moving scenes, drawn by this program; --camera auto takes a real one"
	}
	line("camera", "%s", config.Redacted(source))
	line("model", "%s, %d classes, kernels %s", info.Name, info.Config.Classes, info.Kernel)
	fmt.Fprintln(w)
}
