// Package config reads the daemon's configuration: a YAML file, environment
// variables and command-line settings, in that order of precedence from low to
// high. The result is validated as a whole, so that one run shows every fault,
// and is not changed afterwards.
//
// Every key of the file is also an environment variable: mqtt.url is
// VITEDGE_MQTT_URL, and source of the camera "front-door" is
// VITEDGE_CAMERAS_FRONT_DOOR_SOURCE. Passwords and private keys are never
// values of the configuration, only names of files that hold them. Only the URL
// of a camera may have a password in it; see Redacted.
package config

import (
	"maps"
	"slices"
	"time"
)

// Config is everything the daemon can be told. The yaml tags are the keys; the
// sample file says what each means.
type Config struct {
	Device        Device            `yaml:"device"`
	StateDir      string            `yaml:"state_dir"`
	Model         Model             `yaml:"model"`
	Cameras       map[string]Camera `yaml:"cameras"`
	Decide        Decide            `yaml:"decide"`
	MQTT          MQTT              `yaml:"mqtt"`
	HomeAssistant HomeAssistant     `yaml:"home_assistant"`
	HTTP          HTTP              `yaml:"http"`
	Log           Log               `yaml:"log"`
}

// Device says who this is.
type Device struct {
	ID   string `yaml:"id"`   // empty: derived from the machine id
	Name string `yaml:"name"` // for people; empty: the id
}

// Model is the network that classifies.
type Model struct {
	Path    string `yaml:"path"`
	Threads int    `yaml:"threads"` // 0: one a core
}

// Camera is one source of frames. Package camera says what its values mean.
type Camera struct {
	Source   string         `yaml:"source"`
	Format   string         `yaml:"format"`
	Width    int            `yaml:"width"`  // pixels; 0: the camera chooses
	Height   int            `yaml:"height"` // pixels; 0: the camera chooses
	FPS      float64        `yaml:"fps"`    // 0: the camera chooses
	Loop     bool           `yaml:"loop"`
	Crop     []float64      `yaml:"crop"` // x, y, width, height as fractions; empty: all
	Rotate   int            `yaml:"rotate"`
	Flip     string         `yaml:"flip"`
	Controls map[string]int `yaml:"controls"`

	MaxAge      time.Duration `yaml:"max_age"`      // of a frame that is classified; 0: any
	FrozenAfter time.Duration `yaml:"frozen_after"` // of the same bytes; 0: never
	DarkLevel   int           `yaml:"dark_level"`   // mean luma, 0 to 255; 0: nothing is dark

	Enabled bool `yaml:"enabled"`
}

// Decide says how predictions become a stable label.
type Decide struct {
	Interval  time.Duration `yaml:"interval"`  // least time between two inferences of a camera
	Top       int           `yaml:"top"`       // labels in a prediction
	Threshold float64       `yaml:"threshold"` // probability below which the label is "unknown"
	Votes     int           `yaml:"votes"`     // N of
	Window    int           `yaml:"window"`    // M
	Hold      time.Duration `yaml:"hold"`      // least time between two changes
	Heartbeat time.Duration `yaml:"heartbeat"` // most time between two state messages
}

// MQTT is the connection to the broker.
type MQTT struct {
	URL          string        `yaml:"url"` // empty: no MQTT
	ClientID     string        `yaml:"client_id"`
	BaseTopic    string        `yaml:"base_topic"`
	Username     string        `yaml:"username"`
	PasswordFile string        `yaml:"password_file"`
	Keepalive    time.Duration `yaml:"keepalive"`
	PingTimeout  time.Duration `yaml:"ping_timeout"`
	Timeout      time.Duration `yaml:"timeout"`       // of connecting, of one write, of one acknowledgment
	ReconnectMin time.Duration `yaml:"reconnect_min"` // first backoff
	ReconnectMax time.Duration `yaml:"reconnect_max"` // longest backoff
	Predictions  time.Duration `yaml:"predictions"`   // least time between two live predictions; 0: none
	Status       time.Duration `yaml:"status"`        // time between two status messages
	Image        bool          `yaml:"image"`
	Commands     bool          `yaml:"commands"`
	TLS          TLS           `yaml:"tls"`
	Outbox       Outbox        `yaml:"outbox"`
}

// TLS secures the connection to the broker.
type TLS struct {
	CAFile     string `yaml:"ca_file"` // empty: the system's
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"` // empty: the host of the URL
}

// Outbox bounds what waits while the broker is away.
type Outbox struct {
	Messages int  `yaml:"messages"`
	Bytes    Size `yaml:"bytes"`
	Persist  bool `yaml:"persist"`
}

// HomeAssistant is the discovery of the device's entities.
type HomeAssistant struct {
	Discovery bool   `yaml:"discovery"`
	Prefix    string `yaml:"prefix"`
}

// HTTP is the local web server.
type HTTP struct {
	Listen string   `yaml:"listen"` // empty: none
	Hosts  []string `yaml:"hosts"`  // names under which clients may address it, beside loopback and Listen
}

// Log is what is said about it all.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// DefaultCamera is the name of the camera of a configuration that names none.
const DefaultCamera = "cam"

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		StateDir: "/var/lib/vitedge",
		Model:    Model{Path: "/var/lib/vitedge/model.safetensors"},
		Cameras:  map[string]Camera{DefaultCamera: defaultCamera()},
		Decide: Decide{
			Interval:  500 * time.Millisecond,
			Top:       3,
			Threshold: 0.5,
			Votes:     3,
			Window:    5,
			Hold:      2 * time.Second,
			Heartbeat: 5 * time.Minute,
		},
		MQTT: MQTT{
			URL:          "mqtt://127.0.0.1:1883",
			ClientID:     "{id}",
			BaseTopic:    "vitedge/{id}",
			Keepalive:    30 * time.Second,
			PingTimeout:  10 * time.Second,
			Timeout:      10 * time.Second,
			ReconnectMin: time.Second,
			ReconnectMax: time.Minute,
			Predictions:  time.Second,
			Status:       time.Minute,
			Commands:     true,
			Outbox:       Outbox{Messages: 1000, Bytes: 1 << 20},
		},
		HomeAssistant: HomeAssistant{Discovery: true, Prefix: "homeassistant"},
		HTTP:          HTTP{Listen: "127.0.0.1:8780"},
		Log:           Log{Level: "info", Format: "auto"},
	}
}

// defaultCamera is what a camera is before its keys are read.
func defaultCamera() Camera {
	return Camera{
		Source: "auto", Format: "auto", Loop: true, Flip: "none",
		MaxAge: 2 * time.Second, FrozenAfter: 10 * time.Second, DarkLevel: 32, Enabled: true,
	}
}

// CameraNames lists the cameras in one order for every run.
func (c *Config) CameraNames() []string {
	return slices.Sorted(maps.Keys(c.Cameras))
}
