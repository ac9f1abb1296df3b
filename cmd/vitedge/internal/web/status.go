package web

import (
	"time"

	"vitedge/cmd/vitedge/internal/pipeline"
)

// Status is what the page shows beside predictions.
type Status struct {
	Version string         `json:"version"`
	Session string         `json:"session"`
	MonoMS  int64          `json:"mono_ms"` // now, since the session began
	Model   StatusModel    `json:"model"`
	Device  StatusDevice   `json:"device"`
	Broker  *StatusBroker  `json:"broker"` // null: none is configured
	Cameras []StatusCamera `json:"cameras"`
	Viewers int            `json:"viewers"` // of the pictures
}

// StatusModel says which model runs, and how.
type StatusModel struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Kernel string `json:"kernel"`
}

// StatusDevice is the machine. Null is not known.
type StatusDevice struct {
	Name      string   `json:"name"`
	Board     string   `json:"board"`
	TempC     *float64 `json:"temp_c"`
	Throttled []string `json:"throttled"`
	RSSBytes  int64    `json:"rss_bytes"`
}

// StatusBroker is the connection over which messages leave.
type StatusBroker struct {
	Address      string `json:"address"`
	Connected    bool   `json:"connected"`
	Error        string `json:"error"` // why there is no connection
	Waiting      int    `json:"waiting"`
	Acknowledged uint64 `json:"acknowledged"`
	Live         uint64 `json:"live"` // live predictions sent
	Dropped      uint64 `json:"dropped"`
	Connects     uint64 `json:"connects"`
}

// StatusCamera is one camera.
type StatusCamera struct {
	Name      string  `json:"name"`
	Enabled   bool    `json:"enabled"`
	Up        *bool   `json:"up"` // null: not known yet
	Threshold float64 `json:"threshold"`
	Counts
}

// Status asks everybody.
func (s *Server) Status() Status {
	o := &s.o
	status := Status{
		Version: o.Version, Session: o.Session, MonoMS: time.Since(o.Started).Milliseconds(),
		Model:   StatusModel{Name: o.Model, SHA256: o.SHA256, Kernel: o.Kernel},
		Device:  StatusDevice{Name: o.Name, Board: o.Board, RSSBytes: o.Machine.ResidentBytes()},
		Cameras: []StatusCamera{}, Viewers: len(s.looking),
	}
	health := o.Machine.Health()
	status.Device.TempC = health.TemperatureC
	if health.Throttled != nil {
		status.Device.Throttled = health.Throttled.Names()
	}
	if o.Link != nil {
		link, queue := o.Link(), o.Outbox()
		status.Broker = &StatusBroker{
			Address: o.Broker, Connected: link.Connected, Error: link.LastError, Waiting: queue.Len,
			Acknowledged: queue.Acked, Live: link.LiveSent, Dropped: queue.Dropped, Connects: link.Connects,
		}
	}
	for _, name := range o.Cameras {
		c := StatusCamera{Name: name, Enabled: true}
		if o.Settings != nil {
			var settings pipeline.Settings = o.Settings(name)
			c.Enabled, c.Threshold = settings.Enabled, settings.Threshold
		}
		c.Up, c.Counts = o.Feed.known(name)
		status.Cameras = append(status.Cameras, c)
	}
	return status
}
