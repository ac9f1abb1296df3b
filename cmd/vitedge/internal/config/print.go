package config

import (
	"bytes"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes the effective configuration for people, in the layout of a file
// for Load. It holds no secret: passwords and keys are only ever names of files,
// and the URLs of cameras are redacted, so what had one is to be put in again
// before the file is used.
func (c *Config) YAML() ([]byte, error) {
	shown := *c
	shown.Cameras = make(map[string]Camera)
	for name, camera := range c.Cameras {
		camera.Source = Redacted(camera.Source)
		shown.Cameras[name] = camera
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&shown); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// secret stands for what is not shown.
const secret = "xxxxx"

// Redacted is the source of a camera without what may be secret in a URL: the
// password, and the values of its query, where many cameras have theirs.
func Redacted(source string) string {
	scheme, _, isURL := strings.Cut(source, "://")
	if !isURL {
		return source
	}
	u, err := url.Parse(source)
	if err != nil {
		return scheme + "://" + secret
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), secret)
	}
	if u.RawQuery != "" {
		names := strings.Split(u.RawQuery, "&")
		for i, pair := range names {
			if name, _, ok := strings.Cut(pair, "="); ok {
				names[i] = name + "=" + secret
			}
		}
		u.RawQuery = strings.Join(names, "&")
	}
	return u.String()
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
