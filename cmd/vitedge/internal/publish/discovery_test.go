package publish

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The options that Home Assistant documents for each platform of its MQTT
// integration, of those that are of use here, and the ones that it requires.
// It refuses a whole device for one unknown option.
var (
	entityOptions = "platform unique_id default_entity_id name availability availability_mode entity_category device_class " +
		"json_attributes_topic json_attributes_template qos enabled_by_default icon"
	platforms = map[string]struct{ options, required string }{
		"sensor":        {"state_topic value_template unit_of_measurement state_class options expire_after suggested_display_precision", "state_topic"},
		"binary_sensor": {"state_topic value_template payload_on payload_off", "state_topic"},
		"event":         {"state_topic event_types value_template", "state_topic event_types"},
		"image":         {"image_topic content_type image_encoding url_topic", "image_topic"},
		"switch":        {"command_topic state_topic payload_on payload_off state_on state_off", "command_topic"},
		"number":        {"command_topic state_topic min max step mode unit_of_measurement value_template", "command_topic"},
		"update":        {"state_topic value_template command_topic payload_install title latest_version_topic", ""},
		"button":        {"command_topic payload_press", "command_topic"},
	}
	deviceClasses = map[string]string{
		"sensor": "enum temperature", "binary_sensor": "problem", "number": "duration", "button": "restart", "update": "firmware",
	}
)

func discovery() *Discovery {
	return &Discovery{
		Topics: Topics{"vitedge/my-pi"}, Prefix: "homeassistant", ID: "my-pi", Name: "Front door", Board: "Raspberry Pi 4 Model B Rev 1.4",
		Version: "1.2.3", Sources: []string{"cam", "yard"}, Labels: []string{"open", "closed"}, Image: true, Commands: true, Heat: true,
	}
}

// decode reads a payload and returns its components.
func decode(t *testing.T, d *Discovery) (root map[string]any, components map[string]map[string]any) {
	t.Helper()
	payload := d.Payload()
	require.NoError(t, json.Unmarshal(payload, &root))
	components = make(map[string]map[string]any)
	for key, c := range root["components"].(map[string]any) {
		components[key] = c.(map[string]any)
	}
	return root, components
}

func TestDiscoverySchema(t *testing.T) {
	d := discovery()
	require.Regexp(t, `^homeassistant/device/[a-zA-Z0-9_-]+/config$`, d.Topic())
	root, components := decode(t, d)

	for key := range root {
		require.Contains(t, []string{"device", "origin", "availability", "qos", "components"}, key)
	}
	device := root["device"].(map[string]any)
	require.Equal(t, []any{"my-pi"}, device["identifiers"])
	for key := range device {
		require.Contains(t, []string{"identifiers", "name", "manufacturer", "model", "sw_version", "configuration_url"}, key)
	}
	require.Equal(t, "vitedge", root["origin"].(map[string]any)["name"])

	seen := make(map[string]bool)
	entity := regexp.MustCompile(`^[a-z_]+\.[a-z0-9_]+$`)
	for key, c := range components {
		platform, ok := platforms[c["platform"].(string)]
		require.True(t, ok, key)
		allowed := strings.Fields(entityOptions + " " + platform.options)
		for option := range c {
			require.Contains(t, allowed, option, key)
		}
		for _, option := range append(strings.Fields(platform.required), "unique_id", "name") {
			require.Contains(t, c, option, key)
		}
		if class, ok := c["device_class"]; ok {
			require.Contains(t, strings.Fields(deviceClasses[c["platform"].(string)]), class, key)
		}
		if category, ok := c["entity_category"]; ok {
			require.Contains(t, []string{"config", "diagnostic"}, category, key)
		}
		require.False(t, seen[c["unique_id"].(string)], "unique ids are unique")
		seen[c["unique_id"].(string)] = true
		id := c["default_entity_id"].(string)
		require.Regexp(t, entity, id)
		require.True(t, strings.HasPrefix(id, c["platform"].(string)+"."), id)
		for option, value := range c {
			if strings.HasSuffix(option, "_topic") {
				require.True(t, strings.HasPrefix(value.(string), "vitedge/my-pi/"), "%s %s", key, option)
			}
		}
		if c["device_class"] == "enum" {
			require.NotContains(t, c, "unit_of_measurement")
			require.NotContains(t, c, "state_class")
		}
	}
}

func TestDiscoveryComponents(t *testing.T) {
	_, components := decode(t, discovery())
	var keys []string
	for key := range components {
		keys = append(keys, key)
	}
	want := []string{"temperature", "model", "restart"}
	for _, src := range []string{"cam", "yard"} {
		for _, name := range strings.Fields("label score problem event image enabled threshold interval") {
			want = append(want, src+"_"+name)
		}
	}
	require.ElementsMatch(t, want, keys)

	label := components["cam_label"]
	require.Equal(t, "my-pi_cam_label", label["unique_id"])
	require.Equal(t, "sensor.my_pi_cam_label", label["default_entity_id"])
	require.Equal(t, "vitedge/my-pi/cam/state", label["state_topic"])
	require.Equal(t, []any{"open", "closed", "unknown"}, label["options"])
	require.Equal(t, "all", label["availability_mode"])
	require.Equal(t, []any{
		map[string]any{"topic": "vitedge/my-pi/availability"}, map[string]any{"topic": "vitedge/my-pi/cam/availability"},
	}, label["availability"])
	require.Equal(t, "vitedge/my-pi/yard/threshold/set", components["yard_threshold"]["command_topic"])
	require.Equal(t, "vitedge/my-pi/yard/threshold/state", components["yard_threshold"]["state_topic"])

	var c Command
	require.NoError(t, json.Unmarshal([]byte(components["restart"]["payload_press"].(string)), &c))
	require.Equal(t, "home-assistant", c.ID, "what the button sends must be a command")
}

func TestDiscoveryLeavesOut(t *testing.T) {
	d := discovery()
	d.Image, d.Commands, d.Heat, d.Board = false, false, false, ""
	d.Labels = make([]string, 1000)
	for i := range d.Labels {
		d.Labels[i] = fmt.Sprintf("class %d", i)
	}
	root, components := decode(t, d)
	for key, c := range components {
		require.NotContains(t, c, "command_topic", key)
	}
	require.NotContains(t, components, "cam_image")
	require.NotContains(t, components, "temperature")
	require.NotContains(t, components["cam_label"], "options")
	require.NotContains(t, root["device"], "model")
	require.Less(t, len(d.Payload()), 16<<10)
}
