package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// envPrefix starts the name of every variable that is a key.
const envPrefix = "VITEDGE_"

// otherVariables start with the prefix but are not keys.
var otherVariables = []string{"VITEDGE_CONFIG", "VITEDGE_KERNEL", "VITEDGE_DATA", "VITEDGE_TEST_REQUIRE", "VITEDGE_CHAOS_EVENTS", "VITEDGE_FLEET"}

// EnvName is the variable of a key: mqtt.url is VITEDGE_MQTT_URL.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// environment is environ as a map. Besides the variables of this project it
// keeps those that systemd sets for a unit.
func environment(environ []string) map[string]string {
	env := make(map[string]string)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, envPrefix) || name == "CREDENTIALS_DIRECTORY" || name == "STATE_DIRECTORY" {
			env[name] = value
		}
	}
	return env
}

// environ applies the variables. An unknown one is a warning: container
// runtimes add variables of their own that start with a service's name.
func (l *loader) environ(env map[string]string) {
	// systemd's own settings come first, so that a key overrides them.
	if dir := env["STATE_DIRECTORY"]; dir != "" && l.origins["state_dir"].where == "" {
		l.cfg.StateDir, _, _ = strings.Cut(dir, ":")
		l.origins["state_dir"] = origin{where: "STATE_DIRECTORY"}
	}
	if dir := env["CREDENTIALS_DIRECTORY"]; dir != "" {
		l.credentials(dir)
	}

	known := make(map[string]bool)
	for _, name := range otherVariables {
		known[name] = true
	}
	walk(reflect.ValueOf(&l.cfg).Elem(), "", func(key string, v reflect.Value) {
		name := EnvName(key)
		known[name] = true
		value, ok := env[name]
		if !ok {
			return
		}
		o := origin{where: name}
		l.origins[key] = o
		if err := setText(v, value); err != nil {
			l.problems.add(o, key, "%s", err)
		}
	})

	var unknown []string
	for name := range env {
		if strings.HasPrefix(name, envPrefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		var names []string
		for k := range known {
			names = append(names, k)
		}
		slices.Sort(names)
		warning := fmt.Sprintf("environment variable %s is not a key and was ignored", name)
		if meant := nearest(name, names); meant != "" {
			warning += fmt.Sprintf("; did you mean %s?", meant)
		}
		l.warnings = append(l.warnings, warning)
	}
}

// OnlyCamera stands for the name of the camera in the key of a Setting, where
// there is just one.
const OnlyCamera = "*"

// settings applies the command line.
func (l *loader) settings(settings []Setting) {
	for _, s := range settings {
		o := origin{where: s.Flag}
		if strings.HasPrefix(s.Key, "cameras."+OnlyCamera+".") {
			names := l.cfg.CameraNames()
			if len(names) != 1 {
				l.problems.add(o, "", "means one camera, but there are %d: %s; use --set cameras.NAME.…", len(names), strings.Join(names, ", "))
				continue
			}
			s.Key = strings.Replace(s.Key, OnlyCamera, names[0], 1)
		}
		found := false
		walk(reflect.ValueOf(&l.cfg).Elem(), "", func(key string, v reflect.Value) {
			if key != s.Key {
				return
			}
			found = true
			l.origins[key] = o
			if err := setText(v, s.Value); err != nil {
				l.problems.add(o, key, "%s", err)
			}
		})
		if found {
			continue
		}
		hint := "; vitedge check-config --sample lists all"
		if meant := nearest(s.Key, l.keys()); meant != "" {
			hint = fmt.Sprintf("; did you mean %s?", meant)
		}
		l.problems.add(o, s.Key, "is not a key%s", hint)
	}
}

// keys lists the keys of this configuration, its own cameras included.
func (l *loader) keys() []string {
	var keys []string
	walk(reflect.ValueOf(&l.cfg).Elem(), "", func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}
