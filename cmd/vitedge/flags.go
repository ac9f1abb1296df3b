package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"vitedge/cmd/vitedge/internal/config"
)

// shortcuts are the flags of the most used keys. Every other key has --set.
var shortcuts = []struct{ flag, key, usage string }{
	{"model", "model.path", "model file"},
	{"camera", "cameras." + config.OnlyCamera + ".source", "auto, /dev/videoN, file:PATH, http://… or test:"},
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

	defaults []config.Setting // what comes before the flags
}

func addConfigFlags(flags *pflag.FlagSet) *configFlags {
	c := &configFlags{flags: flags}
	flags.StringVar(&c.path, "config", "", "configuration file (default $VITEDGE_CONFIG, else "+config.DefaultPath+" if it exists)")
	for _, s := range shortcuts {
		c.values = append(c.values, flags.String(s.flag, "", s.usage+" ("+s.key+")"))
	}
	flags.StringArrayVar(&c.sets, "set", nil, "any key of the configuration, as KEY=VALUE; may be repeated")
	flags.SortFlags = false
	return c
}

// load reads the configuration that the flags describe.
func (c *configFlags) load() (*config.Config, []string, error) {
	in := config.Input{Path: c.path, Environ: os.Environ(), Settings: slices.Clone(c.defaults)}
	for i, s := range shortcuts {
		if c.flags.Changed(s.flag) {
			in.Settings = append(in.Settings, config.Setting{Flag: "--" + s.flag, Key: s.key, Value: *c.values[i]})
		}
	}
	for _, set := range c.sets {
		key, value, _ := strings.Cut(set, "=")
		in.Settings = append(in.Settings, config.Setting{Flag: "--set", Key: key, Value: value})
	}
	return config.Load(in)
}
