package hub

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// FromEnviron sets what huggingface_hub takes from the environment: HF_ENDPOINT,
// HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN, HF_TOKEN_PATH and
// HF_HUB_OFFLINE.
func (c *Client) FromEnviron(getenv func(string) string) error {
	// first is the first variable that is set.
	first := func(names ...string) string {
		for _, name := range names {
			if v := getenv(name); v != "" {
				return v
			}
		}
		return ""
	}
	// folder expands variables and the home folder, as shells do.
	folder := func(path string) (string, error) {
		path = os.Expand(path, getenv)
		rest, ok := strings.CutPrefix(path, "~")
		if !ok || rest != "" && rest[0] != '/' {
			return path, nil
		}
		home := getenv("HOME")
		if home == "" {
			return "", fmt.Errorf("the cache of models is in the home folder, but HOME is not set; set HF_HOME")
		}
		return home + rest, nil
	}

	c.Endpoint = strings.TrimRight(first("HF_ENDPOINT"), "/")
	if c.Endpoint == "" {
		c.Endpoint = DefaultEndpoint
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return fmt.Errorf("HF_ENDPOINT is %q; want an address like %s", c.Endpoint, DefaultEndpoint)
	}
	home := first("HF_HOME")
	if home == "" {
		base := first("XDG_CACHE_HOME")
		if base == "" {
			base = "~/.cache"
		}
		home = filepath.Join(base, "huggingface")
	}
	path := first("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
	if path == "" {
		path = filepath.Join(home, "hub")
	}
	var err error
	if c.Cache, err = folder(path); err != nil {
		return err
	}
	switch strings.ToUpper(first("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")) {
	case "1", "ON", "YES", "TRUE":
		c.Offline = true
	}
	c.Token = strings.TrimSpace(first("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
	if c.Token == "" {
		path := first("HF_TOKEN_PATH")
		if path == "" {
			path = filepath.Join(home, "token")
		}
		if path, err = folder(path); err != nil {
			return err
		}
		text, err := os.ReadFile(path) // there is none without a login
		if err == nil {
			c.Token = strings.TrimSpace(string(text))
		}
	}
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the token for the hub has characters that no token has; look at HF_TOKEN")
	}
	return nil
}
