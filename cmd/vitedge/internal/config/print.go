package config

import (
	"bytes"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// YAML writes the effective configuration as a file that Load reads back. It
// holds no secret: passwords and keys are only ever names of files.
func (c *Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(c); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// MarshalYAML writes the size with its unit.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// Diff lists the keys whose values differ, with those of cameras that only one
// of the two has.
func Diff(a, b *Config) []string {
	values := func(c *Config) map[string]string {
		m := make(map[string]string)
		walk(reflect.ValueOf(c).Elem(), "", func(key string, v reflect.Value) { m[key] = text(v) })
		return m
	}
	before, after := values(a), values(b)
	var keys []string
	for key, value := range before {
		if other, ok := after[key]; !ok || other != value {
			keys = append(keys, key)
		}
	}
	for key := range after {
		if _, ok := before[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
