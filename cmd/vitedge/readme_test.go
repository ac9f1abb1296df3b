package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/internal/readme"
	"vitedge/cmd/vitedge/internal/config"
)

const root = "../../"

// sources are the files of the module in dir whose names end in ext, without those
// in hidden folders and in the folders that are built: the rest of a clone is not ours.
func sources(t *testing.T, dir, ext string) (paths []string) {
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			if filepath.Ext(path) == ext {
				paths = append(paths, path)
			}
		case path != dir && strings.HasPrefix(d.Name(), "."),
			slices.Contains([]string{filepath.Join(dir, "bin"), filepath.Join(dir, "build")}, path):
			return filepath.SkipDir
		}
		return nil
	}))
	return paths
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.md", "a.go", "doc/build/b.md", ".git/c.md", "build/man/d.md", "bin/e.md", "testdata/.cache/pip/f.md"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	require.Equal(t, []string{filepath.Join(dir, "a.md"), filepath.Join(dir, "doc/build/b.md")}, sources(t, dir, ".md"))
}

// TestLinks follows the relative links and pictures of every page.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|<img src="([^"]+)"`)
	pages, links := sources(t, root, ".md"), 0
	for _, path := range pages {
		page, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(page), -1) {
			target, fragment, _ := strings.Cut(found[1]+found[2], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			text, err := os.ReadFile(file)
			if fragment == "" {
				_, err = os.Stat(file) // a folder will do
			}
			require.NoErrorf(t, err, "a link of %s", path)
			if fragment != "" {
				require.Containsf(t, anchors(string(text)), fragment, "a link of %s to %s", path, target)
			}
		}
	}
	require.Greater(t, len(pages), 3)
	require.Greater(t, links, 10)
}

// anchors are the headings of a page as links name them.
func anchors(page string) []string {
	var all []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

// TestReadme holds the README to the program: the commands that it names exist,
// with their flags, its configuration is one, and no heading comes twice.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile(root + "README.md")
	require.NoError(t, err)
	text := string(data)

	headings := anchors(regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, ""))
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(headings))), len(headings), "a heading comes twice: %q", headings)

	commands, err := readme.Commands(newRoot, text)
	require.NoError(t, err)
	require.Subset(t, commands, []string{"demo", "run", "doctor", "cameras", "check-config", "cleanup", "bench", "version"})
	quantizes := readme.Section(text, "Your own model") // its test has the flags of that section
	require.NotEmpty(t, quantizes)
	require.NoError(t, readme.CheckFlags(newRoot(), strings.Replace(text, quantizes, "", 1)))

	sample := regexp.MustCompile("(?s)```yaml\n(model:.*?)```").FindStringSubmatch(text)
	require.NotNil(t, sample, "no configuration")
	cfg, _, err := config.Load(config.Input{Path: configFile(t, sample[1])})
	require.NoError(t, err)
	require.Equal(t, []string{"door", "yard"}, cfg.CameraNames())

	keys := config.Keys()
	for _, found := range regexp.MustCompile("`((?:device|model|decide|mqtt|home_assistant|http|log)\\.[a-z_.]+)(?:: [a-z]+)?`").FindAllStringSubmatch(text, -1) {
		require.Contains(t, keys, found[1], "a key of the configuration")
	}
}
