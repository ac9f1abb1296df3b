package vitlite

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var writeTable = flag.Bool("table", false, "write the table of testdata/README.md")

// TestReferenceTable checks that the table in testdata/README.md lists what
// TestReference runs, and what opening each case found. With -table it writes
// the table.
func TestReferenceTable(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(referenceRoot, "cases.json"))
	require.NoError(t, err)
	var what map[string]string
	require.NoError(t, json.Unmarshal(b, &what))

	var table strings.Builder
	table.WriteString("| case | family found | format, types | what is special |\n|---|---|---|---|\n")
	folders := referenceFolders(t)
	require.Len(t, what, len(folders))
	for _, folder := range folders {
		name := filepath.Base(folder)
		require.NotEmpty(t, what[name], name)
		c := openReference(t, folder)
		format := ""
		for _, note := range c.Notes {
			if note.What == "format" {
				format = note.Value
			}
		}
		head, err := c.Tensor("classifier.bias")
		require.NoError(t, err)
		fmt.Fprintf(&table, "| %s | %s | %s, %s | %s |\n", name, c.Family, format, head.DType, what[name])
	}

	const path, begin, end = "../testdata/README.md", "<!-- cases: go test ./vitlite -run ReferenceTable -table -->\n", "<!-- end -->\n"
	readme, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(readme), begin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + table.String() + end + after
	if *writeTable {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(readme), "go test ./vitlite -run ReferenceTable -table writes the table")
}
