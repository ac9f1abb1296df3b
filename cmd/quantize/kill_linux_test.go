package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// A kill at any line of output leaves the old file or the new one, whole, and
// the next run removes what the killed one left.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	vit, out := filepath.Join(dir, "vit"), filepath.Join(dir, "out")
	require.NoError(t, writeViT(vit))
	code, text, stderr := execute("--crop", "1", vit, out)
	require.Zero(t, code, stderr)
	old, err := os.ReadFile(out)
	require.NoError(t, err)
	code, _, stderr = execute(vit, out+"2")
	require.Zero(t, code, stderr)
	new, err := os.ReadFile(out + "2")
	require.NoError(t, err)
	require.NoError(t, os.Remove(out+"2"))

	lines := strings.Count(text, "\n")
	for after := 1; after <= lines; after += 2 {
		require.NoError(t, os.WriteFile(out, old, 0o644))
		cmd := command(vit, out)
		pipe, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		r := bufio.NewScanner(pipe)
		for range after {
			if !r.Scan() {
				break
			}
		}
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait() // it was killed, or faster
		now, err := os.ReadFile(out)
		require.NoError(t, err)
		require.True(t, string(now) == string(old) || string(now) == string(new), "after line %d", after)
	}
	stale := filepath.Join(dir, ".out.99999999-0.tmp")
	require.NoError(t, os.WriteFile(stale, []byte("half"), 0o600))
	code, _, stderr = execute(vit, out)
	require.Zero(t, code, stderr)
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	c, err := quant.Open(out, quant.Options{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}
