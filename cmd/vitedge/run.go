package main

import (
	"log/slog"

	"github.com/spf13/cobra"
)

// newRun is the daemon's command. It is also the command without a name.
func newRun(name string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: "Run the daemon (what vitedge does without a command)",
		Long: `Run takes frames from the cameras, classifies them and publishes the labels
over MQTT until SIGTERM or SIGINT, or until a source of pictures without loop
is at its end.`,
		Example: `  vitedge run --config /etc/vitedge/vitedge.yaml
  vitedge run --model model.safetensors --camera file:photos --broker mqtt://127.0.0.1:1883`,
		Args: noArgs,
	}
	flags := addConfigFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		hup := hangups()
		cfg, warnings, err := flags.load()
		if err != nil {
			return err
		}
		var level slog.LevelVar
		log := newLogger(cmd.ErrOrStderr(), cfg.Log, &level)
		for _, w := range warnings {
			log.Warn(w)
		}
		d, err := newDaemon(cfg, log, &level, flags.load)
		if err != nil {
			return err
		}
		return d.run(cmd.Context(), hup)
	}
	return cmd
}
