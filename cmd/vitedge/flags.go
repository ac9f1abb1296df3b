package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"vitedge/cmd/vitedge/internal/config"
)

// shortcuts are the flags of the most used keys. Every other key has --set.
var shortcuts = []struct{ flag, key, usage string }{
	{"model", "model.path", "model file"},
	{"camera", "cameras." + config.OnlyCamera + ".source", "auto, /dev/videoN, file:PATH, http://…, test: or demo:"},
	{"broker", "mqtt.url", "mqtt://HOST:PORT or mqtts://HOST:PORT; empty: no MQTT"},
	{"topic", "mqtt.base_topic", "base of all topics"},
	{"interval", "decide.interval", "least time between two inferences of a camera"},
	{"threshold", "decide.threshold", "probability below which the label is \"unknown\""},
	{"http", "http.listen", "ADDRESS:PORT of the web server; empty: none"},
	{"log-level", "log.level", "debug, info, warn or error"},
	{"log-format", "log.format", "text, json or auto"},
}

// configFlags are the flags from which a configuration is loaded.
type configFlags struct {
	path   string
	values []*string
	sets   []string
	flags  *pflag.FlagSet

	alone    bool             // neither a file nor the environment counts
	defaults []config.Setting // what comes before the flags
}

// addConfigFlags adds the flags of a command that reads the configuration.
func addConfigFlags(flags *pflag.FlagSet) *configFlags {
	c := &configFlags{flags: flags}
	flags.StringVar(&c.path, "config", "", "configuration file (default $VITEDGE_CONFIG, else "+config.DefaultPath+" if it exists)")
	c.addKeys()
	return c
}

// addKeyFlags adds the flags of a command that starts from a configuration of
// its own.
func addKeyFlags(flags *pflag.FlagSet) *configFlags {
	c := &configFlags{flags: flags, alone: true}
	c.addKeys()
	return c
}

func (c *configFlags) addKeys() {
	for _, s := range shortcuts {
		c.values = append(c.values, c.flags.String(s.flag, "", s.usage+" ("+strings.Replace(s.key, config.OnlyCamera, "NAME", 1)+")"))
	}
	c.flags.StringArrayVar(&c.sets, "set", nil, "any key of the configuration, as KEY=VALUE; may be repeated")
	c.flags.SortFlags = false
}

// load reads the configuration that the flags describe.
func (c *configFlags) load() (*config.Config, []string, error) {
	in := config.Input{Path: c.path, Environ: os.Environ(), Settings: slices.Clone(c.defaults)}
	if c.alone {
		in.Path, in.Environ = os.DevNull, nil
	}
	for i, s := range shortcuts {
		if c.flags.Changed(s.flag) {
			in.Settings = append(in.Settings, config.Setting{Flag: "--" + s.flag, Key: s.key, Value: *c.values[i]})
		}
	}
	for _, set := range c.sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, nil, usageError{fmt.Errorf("--set is %q; want KEY=VALUE", set)}
		}
		in.Settings = append(in.Settings, config.Setting{Flag: "--set", Key: key, Value: value})
	}
	return config.Load(in)
}

// given is what a flag sets the key to, the last one if several do.
func (c *configFlags) given(key string) (value string, ok bool) {
	for i, s := range shortcuts {
		if s.key == key && c.flags.Changed(s.flag) {
			value, ok = *c.values[i], true
		}
	}
	for _, set := range c.sets {
		if name, text, _ := strings.Cut(set, "="); name == key {
			value, ok = text, true
		}
	}
	return value, ok
}
