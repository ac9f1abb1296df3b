package main

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrows says which packages of this module a folder may import. It is the
// policy: whoever adds an arrow adds it here and says why in the commit.
var arrows = map[string][]string{
	"":             {}, // testdata, which is data but for what embeds it
	"kernels":      {},
	"quant":        {},
	"camera":       {},
	"vitlite":      {"kernels", "quant"},
	"cmd/internal": {},
	"cmd/quantize": {"vitlite", "quant", "cmd/internal"},
	"cmd/vitedge":  {"vitlite", "quant", "camera", "cmd/internal", "testdata"}, // testdata/demo is embedded
}

// TestArrows reads the imports of every Go file of the module, for all
// architectures and tags. A folder may always import what lies under it.
func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range sources(t, root, ".go") {
		rel, err := filepath.Rel(root, path)
		require.NoError(t, err)
		folder := owner(filepath.ToSlash(filepath.Dir(rel)))
		if folder == "testdata" {
			folder = "" // imports nothing of ours
		}
		allowed, ok := arrows[folder]
		require.True(t, ok, "%s: folder %q is not in the list of arrows", rel, folder)
		seen[folder] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			name, ours := strings.CutPrefix(name, "vitedge/")
			if !ours {
				continue
			}
			to := owner(name)
			require.True(t, to == folder || slices.Contains(allowed, to), "%s imports %s; %s may import %v", rel, name, folder, allowed)
		}
	}
	require.Len(t, seen, len(arrows), "folders without Go files: arrows is out of date")
}

// owner is the folder in the list of arrows that path lies in.
func owner(path string) string {
	parts := strings.Split(path, "/")
	if parts[0] == "cmd" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}
