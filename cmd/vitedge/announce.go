package main

import (
	"context"
	"path/filepath"

	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/cmd/vitedge/internal/wholefile"
)

// announced is what the broker retains of this device, and what it retains of
// an earlier configuration and is to forget.
type announced struct {
	path string
	now  publish.Announced
	gone publish.Announced
}

// announce describes the device to Home Assistant and takes back what an
// earlier configuration has left at the broker: topics get an empty message,
// components their platform only. The file names what is gone until the broker
// has acknowledged that, whenever the daemon ends before.
func (d *daemon) announce(topics publish.Topics, discovery *publish.Discovery) {
	if !d.cfg.HomeAssistant.Discovery {
		discovery = nil
	}
	a := announced{path: filepath.Join(d.cfg.StateDir, "announced.json")}
	a.now = publish.Announcement(topics, d.cfg.CameraNames(), d.cfg.MQTT.Image, d.cfg.MQTT.Commands, discovery)
	wholefile.Clean(a.path)
	before, err := publish.ReadAnnounced(a.path)
	if err != nil {
		d.log.Warn("what an earlier configuration has left at the broker is not known; vitedge mqtt cleanup removes all of it", "err", err)
	}
	a.gone = before.Without(a.now)
	if all := a.now.With(a.gone); !all.Equal(before) {
		if err := all.Write(a.path); err != nil {
			d.log.Warn("what is announced is not noted: entities of a camera that is taken out of the configuration will stay until vitedge mqtt cleanup", "err", err)
		}
	}
	d.announced = a

	if discovery != nil {
		discovery.Gone = a.gone.Components
		d.link.Retain(discovery.Topic(), discovery.Payload())
	}
	for _, topic := range a.gone.Topics {
		d.link.Retain(topic, nil)
	}
	if !a.gone.Empty() {
		d.log.Info("taking back what the configuration has no more", "topics", len(a.gone.Topics), "entities", len(a.gone.Components))
	}
}

// runRetraction notes that what is gone is gone, when the broker knows. The
// description names the components that are gone as long as this process runs:
// a Home Assistant that is not connected now removes them when it is.
func (d *daemon) runRetraction(ctx context.Context) error {
	if d.announced.gone.Empty() || d.link.Flush(ctx) != nil {
		return nil
	}
	if err := d.announced.now.Write(d.announced.path); err != nil {
		d.log.Warn("what was taken back is not noted, and is taken back again at the next start", "err", err)
	}
	return nil
}
