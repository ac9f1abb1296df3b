package hub

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromEnviron(t *testing.T) {
	home := t.TempDir()
	token := filepath.Join(home, ".cache", "huggingface", "token")
	require.NoError(t, os.MkdirAll(filepath.Dir(token), 0o755))
	require.NoError(t, os.WriteFile(token, []byte("hf_file\n"), 0o600))
	for _, test := range []struct {
		name string
		env  map[string]string
		want Client
	}{
		{"defaults", nil, Client{Endpoint: DefaultEndpoint, Cache: home + "/.cache/huggingface/hub", Token: "hf_file"}},
		{"home", map[string]string{"HF_HOME": "/models"}, Client{Endpoint: DefaultEndpoint, Cache: "/models/hub"}},
		{"cache", map[string]string{"HF_HOME": "~/models", "HF_HUB_CACHE": "$BASE/cache", "BASE": "/disk"}, Client{Endpoint: DefaultEndpoint, Cache: "/disk/cache"}},
		{"tilde", map[string]string{"HF_HOME": "~/models"}, Client{Endpoint: DefaultEndpoint, Cache: home + "/models/hub"}},
		{"no tilde", map[string]string{"HF_HOME": "~other/models"}, Client{Endpoint: DefaultEndpoint, Cache: "~other/models/hub"}},
		{"xdg", map[string]string{"XDG_CACHE_HOME": "/x"}, Client{Endpoint: DefaultEndpoint, Cache: "/x/huggingface/hub"}},
		{"token", map[string]string{"HF_TOKEN": " hf_env\n", "HF_HOME": "/m"}, Client{Endpoint: DefaultEndpoint, Cache: "/m/hub", Token: "hf_env"}},
		{"token file", map[string]string{"HF_TOKEN_PATH": token, "HF_HOME": "/m"}, Client{Endpoint: DefaultEndpoint, Cache: "/m/hub", Token: "hf_file"}},
		{"offline", map[string]string{"HF_HUB_OFFLINE": "yes", "HF_HOME": "/m"}, Client{Endpoint: DefaultEndpoint, Cache: "/m/hub", Offline: true}},
		{"online", map[string]string{"HF_HUB_OFFLINE": "0", "HF_HOME": "/m"}, Client{Endpoint: DefaultEndpoint, Cache: "/m/hub"}},
		{"endpoint", map[string]string{"HF_ENDPOINT": "http://127.0.0.1:80/hub/", "HF_HOME": "/m"}, Client{Endpoint: "http://127.0.0.1:80/hub", Cache: "/m/hub"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Client
			require.NoError(t, c.FromEnviron(environ(home, test.env)))
			require.Equal(t, test.want, c)
		})
	}
	for want, env := range map[string]map[string]string{
		`HF_ENDPOINT is "hub.example"; want an address like`: {"HF_ENDPOINT": "hub.example"},
		`HF_ENDPOINT is "ftp://hub.example"`:                 {"HF_ENDPOINT": "ftp://hub.example"},
		"look at HF_TOKEN":                                   {"HF_TOKEN": "hf_\nX-Header: y"},
		"HOME is not set; set HF_HOME":                       {"HOME": ""},
	} {
		var c Client
		require.ErrorContains(t, c.FromEnviron(environ(home, env)), want)
	}
}

func environ(home string, env map[string]string) func(string) string {
	return func(name string) string {
		if v, ok := env[name]; ok || name != "HOME" {
			return v
		}
		return home
	}
}
