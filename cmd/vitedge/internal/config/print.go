package config

import (
	"bytes"

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
