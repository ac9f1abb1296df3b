package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/publish"
)

func newMQTT() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "mqtt",
		Short:   "Look after what is stored at the broker",
		Long:    "Mqtt has the commands for what the broker keeps of this device.",
		Example: "  vitedge mqtt",
		Args:    noArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(newCleanup())
	return cmd
}

func newCleanup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove this device from the broker and from Home Assistant",
		Long: `Cleanup removes every message that the broker retains for this device, its
description for Home Assistant among them, so that its entities vanish. Stop the
daemon first: it would publish them again. A broker that lost power together
with the daemon may take it for online ever after; --force removes all the same.`,
		Example: "  systemctl stop vitedge && vitedge mqtt cleanup --config /etc/vitedge/vitedge.yaml",
		Args:    noArgs,
	}
	flags := addConfigFlags(cmd.Flags())
	force := cmd.Flags().Bool("force", false, "also if the broker takes the daemon for online")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, _, err := flags.load()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), cleanupTime)
		defer cancel()
		return cleanup(ctx, cfg, *force, cmd.OutOrStdout())
	}
	return cmd
}

// cleanupTime bounds the whole command.
const cleanupTime = 30 * time.Second

// cleanup empties every retained topic below the base topic, and the
// description for Home Assistant, unless the broker takes the daemon for online and
// force is false.
func cleanup(ctx context.Context, cfg *config.Config, force bool, w io.Writer) error {
	if cfg.MQTT.URL == "" {
		return configError{errors.New("mqtt.url is empty: there is no broker to clean up")}
	}
	id := cfg.Device.ID
	if id == "" {
		var err error
		if id, err = machine.ID(cfg.StateDir); err != nil {
			return configError{err}
		}
	}
	d := &daemon{cfg: cfg, id: id, log: slog.New(slog.DiscardHandler), outbox: outbox.New(16, 64<<10)}
	topics := publish.Topics{Base: d.named(cfg.MQTT.BaseTopic)}
	discovery := publish.Discovery{Prefix: cfg.HomeAssistant.Prefix, ID: id}

	// The broker sends what it retains in answer to the subscription, in order,
	// so that all of it has come when the marker comes back.
	marker := topics.Base + "/cleanup"
	var mu sync.Mutex
	var found []string
	online := false
	marked := make(chan struct{})
	var once sync.Once

	o := d.linkOptions(topics)
	o.ClientID += "-cleanup"
	o.Availability = ""
	o.Filters = []string{topics.Base + "/#", discovery.Topic()}
	o.Handle = func(m link.Inbound) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case m.Topic == marker:
			once.Do(func() { close(marked) })
		case m.Retained && len(m.Payload) > 0:
			found = append(found, m.Topic)
			online = online || m.Topic == topics.Availability() && string(m.Payload) == link.Online
		}
	}
	l, err := link.New(o)
	if err != nil {
		return configError{fmt.Errorf("mqtt.url: %w", err)}
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(running)
	}()
	defer func() {
		stop()
		<-ended
	}()
	l.Send(outbox.Message{Topic: marker, Payload: []byte("x")})
	select {
	case <-marked:
	case <-ctx.Done():
		return noAnswer(l, ctx)
	}
	mu.Lock()
	slices.Sort(found)
	topicsFound, stillOnline := slices.Compact(found), online
	mu.Unlock()
	if stillOnline && !force {
		return fmt.Errorf("the daemon of %s is running and would publish everything again; stop it first, or use --force if it is not, as after a power cut", id)
	}
	for _, topic := range topicsFound {
		l.Retain(topic, nil)
	}
	if err := l.Flush(ctx); err != nil {
		return noAnswer(l, ctx)
	}
	for _, topic := range topicsFound {
		fmt.Fprintf(w, "removed %s\n", topic)
	}
	if len(topicsFound) == 0 {
		fmt.Fprintf(w, "the broker retains nothing of %s\n", id)
	}
	return nil
}

// noAnswer says why the broker did not do what was asked in time.
func noAnswer(l *link.Link, ctx context.Context) error {
	if reason := l.Stats().LastError; reason != "" {
		return fmt.Errorf("no connection to the broker: %s", reason)
	}
	return fmt.Errorf("the broker did not answer: %w", ctx.Err())
}
