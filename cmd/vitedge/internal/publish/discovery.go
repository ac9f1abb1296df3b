package publish

import (
	"strings"
)

// Discovery describes the device to Home Assistant (MQTT integration, "device
// discovery"): one retained message on PREFIX/device/ID/config announces all
// entities. Option names are written out; Home Assistant knows abbreviations
// for most, but fewer people do.
type Discovery struct {
	Topics   Topics
	Prefix   string // of Home Assistant, "homeassistant"
	ID       string
	Name     string // for people
	Board    string // name of the machine, may be empty
	Version  string // of the program
	URL      string // of the device's own page; empty: none
	Sources  []string
	Labels   []string // of the model
	Image    bool     // images are published
	Commands bool     // commands and settings are obeyed
	Heat     bool     // the temperature is known

	// Gone are components of an earlier description, platforms by key. Home
	// Assistant removes an entity when its component holds the platform only;
	// one that is merely left out stays. The next description is without them.
	Gone map[string]string
}

// Topic is where the description goes.
func (d *Discovery) Topic() string { return d.Prefix + "/device/" + d.ID + "/config" }

// BirthTopic is where Home Assistant says that it has started.
func (d *Discovery) BirthTopic() string { return d.Prefix + "/status" }

// maxOptions is the number of labels up to which the label sensor lists them.
// A list of a thousand would make the message larger than many brokers take.
const maxOptions = 50

// component is one entity, by option name.
type component = map[string]any

// Payload is the description.
func (d *Discovery) Payload() []byte {
	device := map[string]any{"identifiers": []string{d.ID}, "name": d.Name, "manufacturer": "vitedge", "sw_version": d.Version}
	if d.Board != "" {
		device["model"] = d.Board
	}
	if d.URL != "" {
		device["configuration_url"] = d.URL
	}
	components := d.components()
	for key, platform := range d.Gone {
		components[key] = component{"platform": platform}
	}
	return encode(map[string]any{
		"device":       device,
		"origin":       map[string]any{"name": "vitedge", "sw_version": d.Version},
		"availability": []any{map[string]any{"topic": d.Topics.Availability()}},
		"qos":          1,
		"components":   components,
	})
}

// components are the entities of all cameras and of the device, by key.
func (d *Discovery) components() map[string]component {
	components := make(map[string]component)
	for _, src := range d.Sources {
		d.camera(components, src)
	}
	d.machine(components)
	for key, c := range components {
		c["unique_id"] = d.ID + "_" + key
		c["default_entity_id"] = c["platform"].(string) + "." + entityName(d.ID+"_"+key)
	}
	return components
}

// entityName is what Home Assistant allows in an entity id.
func entityName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// camera adds the entities of one camera.
func (d *Discovery) camera(components map[string]component, src string) {
	title := strings.ToUpper(src[:1]) + src[1:]
	add := func(name string, c component) { components[src+"_"+name] = c }
	// What a camera sees is only known while both it and the device are there.
	both := []any{
		map[string]any{"topic": d.Topics.Availability()},
		map[string]any{"topic": d.Topics.SourceAvailability(src)},
	}

	label := component{
		"platform": "sensor", "name": title + " label",
		"state_topic": d.Topics.State(src), "value_template": "{{ value_json.label[:255] }}",
		"json_attributes_topic": d.Topics.State(src),
		"availability":          both, "availability_mode": "all",
	}
	if len(d.Labels) > 0 && len(d.Labels) <= maxOptions {
		label["device_class"] = "enum"
		label["options"] = append(append([]string{}, d.Labels...), "unknown")
	}
	add("label", label)
	add("score", component{
		"platform": "sensor", "name": title + " score",
		"state_topic": d.Topics.State(src), "value_template": "{{ (value_json.score * 100) | round(1) }}",
		"unit_of_measurement": "%", "state_class": "measurement",
		"availability": both, "availability_mode": "all",
	})
	add("problem", component{
		"platform": "binary_sensor", "name": title + " problem", "device_class": "problem", "entity_category": "diagnostic",
		"state_topic": d.Topics.SourceAvailability(src), "payload_on": offline, "payload_off": online,
	})
	add("event", component{
		"platform": "event", "name": title + " change", "event_types": []string{"changed"},
		"state_topic": d.Topics.Event(src),
	})
	if d.Image {
		add("image", component{
			"platform": "image", "name": title + " image",
			"image_topic": d.Topics.Image(src), "content_type": "image/jpeg",
		})
	}
	if !d.Commands {
		return
	}
	add(settingEnabled, component{
		"platform": "switch", "name": title + " enabled",
		"command_topic": d.Topics.Set(src, settingEnabled), "state_topic": d.Topics.Setting(src, settingEnabled),
	})
	add(settingThreshold, component{
		"platform": "number", "name": title + " threshold", "entity_category": "config",
		"min": 0, "max": 1, "step": 0.01, "mode": "box",
		"command_topic": d.Topics.Set(src, settingThreshold), "state_topic": d.Topics.Setting(src, settingThreshold),
	})
	add(settingInterval, component{
		"platform": "number", "name": title + " interval", "entity_category": "config",
		"min": 0, "max": maxInterval, "step": 0.1, "mode": "box", "unit_of_measurement": "s", "device_class": "duration",
		"command_topic": d.Topics.Set(src, settingInterval), "state_topic": d.Topics.Setting(src, settingInterval),
	})
}

// pressed is the command that Home Assistant sends.
const pressed = `{"id":"home-assistant"}`

// machine adds the entities of the device itself.
func (d *Discovery) machine(components map[string]component) {
	if d.Heat {
		components["temperature"] = component{
			"platform": "sensor", "name": "Temperature", "device_class": "temperature", "entity_category": "diagnostic",
			"state_topic": d.Topics.Status(), "value_template": "{{ value_json.temp_c }}",
			"unit_of_measurement": "°C", "state_class": "measurement", "suggested_display_precision": 1,
		}
	}
	model := component{
		"platform": "update", "name": "Model", "title": "Model", "entity_category": "config",
		"state_topic": d.Topics.Status(),
		"value_template": "{{ {'installed_version': value_json.model.sha256[:12], " +
			"'latest_version': value_json.model.latest[:12]} | tojson }}",
	}
	if d.Commands {
		model["command_topic"] = d.Topics.Command(CommandUpdateModel)
		model["payload_install"] = pressed
		components["restart"] = component{
			"platform": "button", "name": "Restart", "device_class": "restart", "entity_category": "config",
			"command_topic": d.Topics.Command(CommandRestart), "payload_press": pressed,
		}
	}
	components["model"] = model
}
