package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/spf13/cobra"

	"vitedge/cmd/vitedge/internal/config"
	"vitedge/testdata/demo"
)

// newDemo is the daemon with a model, pictures and a broker of its own.
func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the daemon on its own model, pictures and broker",
		Long: `Demo runs the daemon as "vitedge run" does, with the model that this program
brings along, its pictures as the camera and a broker inside the process, on a
free port of the loopback interface. It prints every message that the broker
gets, topic and payload, until Ctrl-C. The flags replace any part of that by a
real one; watch a real broker with mosquitto_sub.`,
		Example: `  vitedge demo
  vitedge demo --camera auto
  vitedge demo --broker mqtt://127.0.0.1:1883`,
		Args: noArgs,
	}
	flags := addConfigFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runDemo(cmd.Context(), flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

func runDemo(ctx context.Context, flags *configFlags, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "vitedge-demo-")
	if err != nil {
		return fmt.Errorf("the demo needs a folder for its files: %w; set TMPDIR to one that can be written", err)
	}
	defer os.RemoveAll(dir)
	if err := demo.Unpack(dir); err != nil {
		return err
	}
	url := ""
	if !flags.flags.Changed("broker") {
		b, address, err := startBroker(stdout)
		if err != nil {
			return fmt.Errorf("the demo's broker: %w", err)
		}
		defer b.Close()
		url = "mqtt://" + address
	}
	flags.defaults = demoSettings(dir, url)
	cfg, warnings, err := flags.load()
	if err != nil {
		return err
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
	return d.run(ctx)
}

// demoSettings are the configuration of the demo, which flags come on top of: a
// picture a second, each with its own stable label.
func demoSettings(dir, url string) []config.Setting {
	var all []config.Setting
	for _, kv := range [][2]string{
		{"device.id", "vitedge-demo"},
		{"state_dir", filepath.Join(dir, "state")},
		{"model.path", filepath.Join(dir, demo.Model)},
		{"cameras." + config.OnlyCamera + ".source", "file:" + filepath.Join(dir, demo.Pictures)},
		{"cameras." + config.OnlyCamera + ".fps", "1"},
		{"decide.interval", "0s"},
		{"decide.votes", "1"},
		{"decide.window", "1"},
		{"decide.hold", "0s"},
		{"mqtt.url", url},
		{"mqtt.predictions", "1ms"},
		{"home_assistant.discovery", "false"},
		{"http.listen", ""},
	} {
		all = append(all, config.Setting{Flag: "demo", Key: kv[0], Value: kv[1]})
	}
	return all
}

// startBroker starts an MQTT broker on a free port of the loopback interface, and
// returns its address. It prints every message that it gets, and none of its own.
func startBroker(out io.Writer) (*broker.Server, string, error) {
	b := broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := b.AddHook(new(allowAll), nil); err != nil {
		return nil, "", err
	}
	l := listeners.NewTCP(listeners.Config{ID: "loopback", Address: "127.0.0.1:0"})
	if err := b.AddListener(l); err != nil {
		return nil, "", err
	}
	if err := b.Serve(); err != nil {
		return nil, "", err
	}
	err := b.Subscribe("#", 1, func(_ *broker.Client, _ packets.Subscription, m packets.Packet) {
		if !strings.HasPrefix(m.TopicName, "$") {
			fmt.Fprintf(out, "%s %s\n", m.TopicName, m.Payload)
		}
	})
	return b, l.Address(), err
}

// allowAll lets every client of the demo's broker, which are this machine's, do
// everything.
type allowAll struct{ broker.HookBase }

func (*allowAll) ID() string { return "allow-all" }

func (*allowAll) Provides(hook byte) bool {
	return hook == broker.OnConnectAuthenticate || hook == broker.OnACLCheck
}

func (*allowAll) OnConnectAuthenticate(*broker.Client, packets.Packet) bool { return true }

func (*allowAll) OnACLCheck(*broker.Client, string, bool) bool { return true }
