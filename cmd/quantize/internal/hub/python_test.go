package hub

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPython shares a cache with Python's huggingface_hub, in both directions.
// VITEDGE_PYTHON names an interpreter that has it.
func TestPython(t *testing.T) {
	python := os.Getenv("VITEDGE_PYTHON")
	if python == "" {
		t.Skip("VITEDGE_PYTHON names no Python with huggingface_hub")
	}
	f := newFixture(t)
	download := func(offline string) []string {
		cmd := exec.Command(python, "-c", `
import huggingface_hub as hub
for name in ["config.json", "model.safetensors"]:
    print(hub.hf_hub_download("org/vit", name))
try:
    hub.hf_hub_download("org/vit", "preprocessor_config.json")
except hub.errors.EntryNotFoundError as e:
    print(type(e).__name__)
`)
		cmd.Env = append(os.Environ(), "HF_ENDPOINT="+f.Hub.URL, "HF_HUB_CACHE="+f.client.Cache, "HF_HUB_OFFLINE="+offline,
			"HF_HOME="+t.TempDir(), "HF_TOKEN=")
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	m := f.requireFetched(t)
	want := []string{filepath.Join(filepath.Dir(m.Weights), "config.json"), m.Weights}
	require.Equal(t, append(want, "LocalEntryNotFoundError"), download("1"))
	f.Requests()
	require.Equal(t, append(want, "RemoteEntryNotFoundError"), download("0"))
	require.NotContains(t, strings.Join(f.Requests(), "\n"), "GET")

	require.NoError(t, os.RemoveAll(f.client.Cache))
	require.Equal(t, append(want, "RemoteEntryNotFoundError"), download("0"))
	f.Requests()
	require.Equal(t, m, f.requireFetched(t))
	require.Equal(t, []string{"HEAD main/config.json"}, f.Requests())
	f.client.Offline = true
	require.Equal(t, m, f.requireFetched(t))
}
