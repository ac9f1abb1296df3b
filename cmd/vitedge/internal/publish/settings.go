package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/wholefile"
)

// Names of the settings that can be changed over MQTT, one topic each.
const (
	settingEnabled   = "enabled"   // ON, OFF
	settingThreshold = "threshold" // probability, 0 to 1
	settingInterval  = "interval"  // seconds, 0 to maxInterval
)

var settingNames = []string{settingEnabled, settingThreshold, settingInterval}

// maxInterval is the longest interval in seconds, that of the configuration.
const maxInterval = 3600

// Overrides are the settings of one camera that were changed over MQTT. They
// go over the configuration; a nil field leaves it as it is.
type Overrides struct {
	Enabled   *bool    `json:"enabled,omitempty"`
	Threshold *float64 `json:"threshold,omitempty"`
	Interval  *float64 `json:"interval,omitempty"` // seconds
}

// Apply returns s with what o overrides.
func (o Overrides) Apply(s pipeline.Settings) pipeline.Settings {
	if o.Enabled != nil {
		s.Enabled = *o.Enabled
	}
	if o.Threshold != nil {
		s.Threshold = *o.Threshold
	}
	if o.Interval != nil {
		s.Interval = time.Duration(*o.Interval * float64(time.Second))
	}
	return s
}

// set parses the payload of a set topic. An error leaves o as it was.
func (o *Overrides) set(name, payload string) error {
	number := func(high float64) (*float64, error) {
		f, err := strconv.ParseFloat(payload, 64)
		if err != nil || !(f >= 0 && f <= high) { // NaN fails, too
			return nil, fmt.Errorf("%s is %q; want a number from 0 to %g", name, shorten(payload), high)
		}
		return &f, nil
	}
	var err error
	switch name {
	case settingEnabled:
		if payload != "ON" && payload != "OFF" {
			return fmt.Errorf("enabled is %q; want ON or OFF", shorten(payload))
		}
		on := payload == "ON"
		o.Enabled = &on
	case settingThreshold:
		var f *float64
		if f, err = number(1); err == nil {
			o.Threshold = f
		}
	case settingInterval:
		var f *float64
		if f, err = number(maxInterval); err == nil {
			o.Interval = f
		}
	}
	return err
}

// shorten keeps what somebody sent out of logs and answers beyond a few words.
func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// settingValue is the payload of a state topic.
func settingValue(name string, s pipeline.Settings) string {
	switch name {
	case settingEnabled:
		if s.Enabled {
			return "ON"
		}
		return "OFF"
	case settingThreshold:
		return strconv.FormatFloat(s.Threshold, 'g', -1, 64)
	default:
		return strconv.FormatFloat(math.Round(s.Interval.Seconds()*1000)/1000, 'g', -1, 64)
	}
}

// Store keeps the overrides of all cameras in a file.
type Store struct {
	path string

	mu      sync.Mutex
	sources map[string]Overrides
	failure string // why the file is not written; empty when it is
	retry   time.Time
	pause   time.Duration // before the next try, if that fails too
}

// The pauses between two tries to write a file that could not be written, as
// those of the outbox.
const minPause, maxPause = time.Second, time.Minute

// maxStore bounds the file in bytes.
const maxStore = 1 << 20

// OpenStore reads the file at path, which may be missing. A file that cannot
// be used is an error; the store then starts empty and works all the same.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path, sources: make(map[string]Overrides)}
	wholefile.Clean(path)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil && len(data) > maxStore {
		err = fmt.Errorf("more than %d bytes", maxStore)
	}
	if err == nil {
		err = json.Unmarshal(data, &s.sources)
	}
	if err != nil || s.sources == nil { // as null leaves it
		s.sources = make(map[string]Overrides)
	}
	if err != nil {
		return s, fmt.Errorf("settings in %s: %w", path, err)
	}
	for name, o := range s.sources { // the file may have been edited
		if o.Threshold != nil && !(*o.Threshold >= 0 && *o.Threshold <= 1) {
			o.Threshold = nil
		}
		if o.Interval != nil && !(*o.Interval >= 0 && *o.Interval <= maxInterval) {
			o.Interval = nil
		}
		s.sources[name] = o
	}
	return s, nil
}

// Get returns the overrides of a camera.
func (s *Store) Get(src string) Overrides {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sources[src]
}

// Put replaces the overrides of a camera and writes the file. If it cannot be
// written they hold until the daemon ends, and the error says so.
func (s *Store) Put(src string, o Overrides) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources[src] = o
	s.pause = minPause
	return s.write()
}

func (s *Store) write() error {
	data, err := json.MarshalIndent(s.sources, "", "  ")
	if err == nil {
		err = wholefile.Write(s.path, append(data, '\n'))
	}
	s.failure = ""
	if err != nil {
		s.failure = fmt.Sprintf("settings are not kept over a restart: %v", err)
		s.retry = time.Now().Add(s.pause)
		return errors.New(s.failure)
	}
	return nil
}

// Retry tries to write what could not be written, if it is time to.
func (s *Store) Retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == "" || time.Now().Before(s.retry) {
		return
	}
	s.pause = min(2*s.pause, maxPause)
	s.write()
}

// Failure says why the settings are not kept, or is empty.
func (s *Store) Failure() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

func isSetting(name string) bool { return slices.Contains(settingNames, name) }
