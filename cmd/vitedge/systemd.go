package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// runSystemd tells systemd that the daemon is ready, what it is doing, and, as
// long as no pipeline is stalled, that it is alive: a watchdog that a timer
// fed would only prove that timers work. It does nothing where systemd did not
// start the daemon.
func (d *daemon) runSystemd(ctx context.Context) error {
	if sent, err := sd.SdNotify(false, sd.SdNotifyReady); err != nil {
		d.log.Warn("systemd cannot be notified", "err", err)
		return nil
	} else if !sent {
		return nil
	}
	defer func() {
		// One that starts anew in its process must not say that it stops: systemd
		// would wait for the end, and then kill it (TimeoutStopSec=).
		select {
		case <-d.restart:
			sd.SdNotify(false, "STATUS=starting anew")
		default:
			sd.SdNotify(false, sd.SdNotifyStopping)
		}
	}()

	every := 10 * time.Second
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("the watchdog's time is not understood", "err", err)
	}
	if watchdog > 0 {
		every = min(every, watchdog/4)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		state := "STATUS=" + d.statusLine()
		if watchdog > 0 && len(d.stalled()) == 0 {
			state += "\n" + sd.SdNotifyWatchdog
		}
		sd.SdNotify(false, state)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// statusLine is what systemctl status shows.
func (d *daemon) statusLine() string {
	var parts []string
	for _, name := range d.cfg.CameraNames() {
		p := d.pipelines[name]
		state := "up"
		if p.Ended() {
			state = "at its end"
		} else if !p.Settings().Enabled {
			state = "switched off"
		} else if !p.Up() {
			state = "down"
		}
		parts = append(parts, fmt.Sprintf("camera %s is %s", name, state))
	}
	if names := d.stalled(); len(names) > 0 {
		parts = append(parts, "stalled: "+strings.Join(names, ", "))
	}
	if d.link != nil {
		if s := d.link.Stats(); s.Connected {
			parts = append(parts, "connected to the broker")
		} else if s.LastError != "" {
			parts = append(parts, "no broker: "+s.LastError)
		}
	}
	return strings.Join(parts, "; ")
}
