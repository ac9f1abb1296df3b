package vitlite

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

var writeTable = flag.Bool("table", false, "write the tables of README.md and testdata/README.md")

// TestReferenceTable checks that the table in testdata/README.md lists what
// TestReference runs, and what opening each case found. With -table it writes
// the table.
func TestReferenceTable(t *testing.T) {
	what := referenceCases(t)
	var table strings.Builder
	table.WriteString("| case | family found | format, types | what is special |\n|---|---|---|---|\n")
	folders := referenceFolders(t)
	require.Len(t, what, len(folders))
	for _, folder := range folders {
		name := filepath.Base(folder)
		require.NotEmpty(t, what[name], name)
		c := openReference(t, folder)
		format, dtype := storedAs(t, c)
		fmt.Fprintf(&table, "| %s | %s | %s, %s | %s |\n", name, c.Family, format, dtype, what[name])
	}
	checkTable(t, "../testdata/README.md", "cases", table.String())
}

// referenceCases says what is special about each case.
func referenceCases(t *testing.T) (what map[string]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(referenceRoot, "cases.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &what))
	return what
}

// familyMembers are the models that a family's name does not tell of.
var familyMembers = map[string]string{
	"timm ViT": "timm: ViT, DeiT, DeiT-III, MAE",
	"JAX ViT":  "JAX ViT: AugReg, big_vision",
}

// TestFamilyTable checks the table in README.md: a line for each family that
// TestReference and TestReferenceInt8 run, with what they measure. Both logits
// are the same on every CPU. With -table it writes the table.
func TestFamilyTable(t *testing.T) {
	if testing.Short() {
		t.Skip("TestReference has the same models, and their logits are the same everywhere")
	}
	type line struct {
		models                    int
		formats, types, has       []string
		largest, worst            float64 // logit difference, SQNR in dB
		smallestPatch, largestOne int
	}
	lines := map[string]*line{}
	var families []string
	what := referenceCases(t)
	for _, folder := range referenceFolders(t) {
		c := openReference(t, folder)
		family, _, _ := strings.Cut(c.Family, " of release ")
		l := lines[family]
		if l == nil {
			l = &line{worst: 1000, smallestPatch: 1000}
			lines[family], families = l, append(families, family)
		}
		format, dtype := storedAs(t, c)
		l.models++
		l.formats, l.types = append(l.formats, format), append(l.types, string(dtype))
		if l.has = append(l.has, variants(c)...); strings.Contains(what[filepath.Base(folder)], "LayerScale") {
			l.has = append(l.has, "LayerScale") // which is folded into the weights
		}
		l.smallestPatch, l.largestOne = min(l.smallestPatch, c.Config.PatchSize), max(l.largestOne, c.Config.PatchSize)
		l.largest = max(l.largest, largestDifference(t, c, folder))
		l.worst = min(l.worst, int8SQNR(t, c, folder))
	}
	slices.Sort(families)
	var table strings.Builder
	table.WriteString("| family | models | formats; types | with | patches | float32, largest logit difference | int8, least SQNR |\n|---|---|---|---|---|---|---|\n")
	list := func(texts []string) string {
		slices.Sort(texts)
		return strings.Join(slices.Compact(texts), ", ")
	}
	for _, family := range families {
		l := lines[family]
		patches := fmt.Sprint(l.smallestPatch)
		if l.largestOne > l.smallestPatch {
			patches += fmt.Sprintf(" to %d", l.largestOne)
		}
		fmt.Fprintf(&table, "| %s | %d | %s; %s | %s | %s | %.1g | %.1f dB |\n",
			cmp.Or(familyMembers[family], family), l.models, list(l.formats), list(l.types), list(l.has), patches, l.largest, l.worst)
	}
	checkTable(t, "../README.md", "families", table.String())
}

// variants are what a model has beyond the plainest ViT, in the words of the
// table.
func variants(c *quant.Checkpoint) (list []string) {
	n := c.Config
	list = []string{map[quant.Pool]string{
		quant.Token: "class token", quant.Mean: "mean pooling", quant.NormMean: "mean pooling", quant.TokenMean: "class token and mean",
	}[n.Pool]}
	tokens := "registers"
	if strings.Contains(c.Family, "DeiT") {
		tokens = "distillation token"
	}
	for what, has := range map[string]bool{
		tokens:             n.Registers > 0 && !n.Distilled,
		"two heads":        n.Distilled,
		"pre-logits":       n.PreLogits > 0,
		"no qkv bias":      !n.QKVBias,
		"tanh GELU":        n.Activation == quant.GELUTanh,
		"quick GELU":       n.Activation == quant.QuickGELU,
		"other image size": slices.ContainsFunc(c.Notes, func(n quant.Note) bool { return n.What == "positions" }),
	} {
		if has {
			list = append(list, what)
		}
	}
	return list
}

// storedAs is the format of a case and the type of its weights.
func storedAs(t *testing.T, c *quant.Checkpoint) (format string, dtype quant.DType) {
	t.Helper()
	for _, note := range c.Notes {
		if note.What == "format" {
			format = note.Value
		}
	}
	head, err := c.Tensor("classifier.bias")
	require.NoError(t, err)
	return format, head.DType
}

// checkTable compares the table between two comments of a page, or writes it.
func checkTable(t *testing.T, path, name, table string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- %s: go test ./vitlite -run Table -table -->\n", name), "<!-- end -->\n"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(page), begin)
	require.True(t, found, "%s has no %s", path, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	want := before + begin + table + end + after
	if *writeTable {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "go test ./vitlite -run Table -table writes the table")
}
