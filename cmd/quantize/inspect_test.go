package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// A report that another program spoiled is left out.
func TestInspectSpoiledReport(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	out, spoiled := filepath.Join(dir, "out"), filepath.Join(dir, "spoiled")
	code, _, stderr := execute(dir, out)
	require.Zero(t, code, stderr)
	f, err := quant.OpenFile(out)
	require.NoError(t, err)
	defer f.Close()
	metadata := f.Metadata()
	require.Contains(t, metadata, "quantization_report")
	metadata["quantization_report"] = `{"int8_tensors":`
	require.NoError(t, quant.WriteFile(spoiled, f.Tensors(), metadata))

	for file, want := range map[string]bool{out: true, spoiled: false} {
		code, stdout, stderr := execute("inspect", "--json", file)
		require.Zero(t, code, stderr)
		var d map[string]any
		require.NoError(t, json.Unmarshal([]byte(stdout), &d))
		require.Equal(t, want, d["report"] != nil, stdout)
		code, stdout, stderr = execute("inspect", file)
		require.Zero(t, code, stderr)
		require.Equal(t, want, strings.Contains(stdout, "\n  report "))
	}
}
