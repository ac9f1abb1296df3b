package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/publish"
)

// homeAssistant is a running testdata/homeassistant/watch.py.
type homeAssistant struct {
	t     *testing.T
	stdin io.Writer

	mu         sync.Mutex
	ready      bool
	states     map[string]string // by entity
	complaints []string
}

// startHomeAssistant runs Home Assistant on the broker until the test ends.
func startHomeAssistant(t *testing.T, port int) *homeAssistant {
	t.Helper()
	python := os.Getenv("VITEDGE_HA_PYTHON")
	if python == "" {
		t.Skip("VITEDGE_HA_PYTHON is not set; see testdata/homeassistant/README.md")
	}
	script, err := filepath.Abs("testdata/homeassistant/watch.py")
	require.NoError(t, err)
	h := &homeAssistant{t: t, states: make(map[string]string)}
	cmd := exec.Command(python, script, t.TempDir(), fmt.Sprint(port))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	h.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			h.line(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-done
		cmd.Wait()
	})
	h.until("the connection to the broker", func() bool { return h.ready })
	return h
}

func (h *homeAssistant) line(text []byte) {
	var line struct {
		Ready                             bool
		Entity, State, Removed, Complaint string
	}
	if err := json.Unmarshal(text, &line); err != nil {
		line.Complaint = string(text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready = h.ready || line.Ready
	if line.Entity != "" {
		h.states[line.Entity] = line.State
	}
	if line.Complaint != "" {
		h.complaints = append(h.complaints, line.Complaint)
	}
	delete(h.states, line.Removed)
}

// slow bounds every wait for Home Assistant, which takes a minute to start on a
// busy machine.
const slow = 5 * time.Minute

// until waits for a condition of the states.
func (h *homeAssistant) until(what string, f func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(slow)
	for {
		h.mu.Lock()
		ok := f()
		h.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.t.Fatalf("waited in vain for %s; complaints %q, states:\n%v", what, h.complaints, h.states)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// untilState waits until an entity has a state.
func (h *homeAssistant) untilState(entity, state string) {
	h.t.Helper()
	h.until(entity+" to be "+state, func() bool { return h.states[entity] == state })
}

// entities lists those whose names have a part.
func (h *homeAssistant) entities(part string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for _, id := range slices.Sorted(maps.Keys(h.states)) {
		if strings.Contains(id, part) {
			found = append(found, id)
		}
	}
	return found
}

// call does what a person does in the user interface.
func (h *homeAssistant) call(domain, service string, data map[string]any) {
	require.NoError(h.t, json.NewEncoder(h.stdin).Encode(map[string]any{"domain": domain, "service": service, "data": data}))
}

// TestHomeAssistantItself lets Home Assistant find the daemon: every entity
// appears, is obeyed, and vanishes, and Home Assistant has nothing to warn of.
func TestHomeAssistantItself(t *testing.T) {
	b := brokertest.Start(t)
	h := startHomeAssistant(t, b.Port)
	dir := t.TempDir()
	require.NoError(t, writePictures(filepath.Join(dir, "red"), "red"))
	require.NoError(t, writePictures(filepath.Join(dir, "blue"), "blue blue blue green green green"))
	door := "cameras:\n  door: {source: 'file:" + dir + "/red'}\n"
	file := configFile(t, door+"  yard: {source: 'file:"+dir+"/blue'}\n")
	args := colors(t, b.URL(), "grey")
	args = append([]string{"--config", file, "--set", "state_dir=" + t.TempDir(), "--interval", "200ms", "--set", "mqtt.image=true"}, append(args[:2:2], args[4:]...)...)

	d := startDaemon(t, nil, args...)
	h.untilState("sensor.pi_door_label", "red")
	h.untilState("sensor.pi_door_score", "99.7")
	h.untilState("binary_sensor.pi_door_problem", "off")
	h.untilState("switch.pi_door_enabled", "on")
	h.untilState("number.pi_door_threshold", "0.5")
	h.untilState("number.pi_door_interval", "0.2")
	h.untilState("update.pi_model", "off")
	h.untilState("button.pi_restart", "unknown")
	h.until("an event", func() bool { return strings.HasPrefix(h.states["event.pi_yard_event"], "20") })
	h.until("a picture", func() bool { return strings.HasPrefix(h.states["image.pi_yard_image"], "20") })
	require.Len(t, h.entities("pi_yard_"), 8)

	h.call("number", "set_value", map[string]any{"entity_id": "number.pi_door_threshold", "value": 0.75})
	h.untilState("number.pi_door_threshold", "0.75")
	h.call("switch", "turn_off", map[string]any{"entity_id": "switch.pi_door_enabled"})
	h.untilState("switch.pi_door_enabled", "off")

	// A camera goes, and its entities with it.
	require.NoError(t, os.WriteFile(file, []byte(door), 0o600))
	h.call("button", "press", map[string]any{"entity_id": "button.pi_restart"})
	h.until("the yard gone", func() bool {
		return !slices.ContainsFunc(slices.Collect(maps.Keys(h.states)), func(id string) bool { return strings.Contains(id, "pi_yard_") })
	})
	require.Len(t, h.entities("pi_door_"), 8)

	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())
	h.untilState("button.pi_restart", "unavailable")
	code, _, stderr := execute(append([]string{"mqtt", "cleanup"}, args...)...)
	require.Zero(t, code, stderr)
	h.until("the device gone", func() bool { return len(h.states) == 0 })

	// What this machine may not have: a thermometer, and a thousand classes.
	full := publish.Discovery{
		Topics: publish.Topics{Base: "vitedge/full"}, Prefix: "homeassistant", ID: "full", Name: "Full", Board: "Raspberry Pi 4 Model B",
		Version: "1.2.3", URL: "http://full.local:8780", Sources: []string{"cam"}, Labels: make([]string, 1000), Image: true, Commands: true, Heat: true,
	}
	s := b.Subscribe("none")
	s.Publish(full.Topic(), string(full.Payload()), true)
	s.Publish("vitedge/full/availability", "online", true)
	s.Publish("vitedge/full/status", `{"temp_c":51.234,"model":{"sha256":"aaaaaaaaaaaaaaaa","latest":"bbbbbbbbbbbbbbbb"}}`, true)
	h.untilState("sensor.full_temperature", "51.234")
	h.untilState("update.full_model", "on")
	s.Publish("vitedge/full/cam/availability", "online", true)
	s.Publish("vitedge/full/cam/state", `{"label":"`+strings.Repeat("x", 300)+`","score":0.5}`, true)
	h.untilState("sensor.full_cam_label", strings.Repeat("x", 255))
	require.Empty(t, h.complaints)
}
