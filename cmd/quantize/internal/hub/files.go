package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// sidecars are the texts that a model may come with.
var sidecars = []string{"config.json", "preprocessor_config.json"}

// The weights, the first that there is: one file, several files and the index
// that lists them, or PyTorch's own form.
const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
	pickleFile  = "pytorch_model.bin"
)

// maxText bounds a file that is read into memory, in bytes.
const maxText = 64 << 20

// sizeLimit is the most bytes that a file may have.
func sizeLimit(name string) int64 {
	if strings.HasSuffix(name, ".json") {
		return maxText
	}
	return math.MaxInt64
}

// modelFiles gets all files that make a model and returns the path of its
// weights, or the folder where they are in several files. get returns the path
// of a file, errAbsent where the revision has none of that name.
func modelFiles(r Repo, get func(name string) (string, error)) (weights string, err error) {
	for _, name := range sidecars {
		if _, err := get(name); err != nil && !errors.Is(err, errAbsent) {
			return "", err
		}
	}
	path, err := get(weightsFile)
	if !errors.Is(err, errAbsent) {
		return path, err
	}
	index, err := get(indexFile)
	if err == nil {
		return shards(r, index, get)
	}
	if !errors.Is(err, errAbsent) {
		return "", err
	}
	path, err = get(pickleFile)
	if errors.Is(err, errAbsent) {
		return "", fmt.Errorf("%s has no weights: none of %s, %s, %s", r, weightsFile, indexFile, pickleFile)
	}
	return path, err
}

// shardName is what a file of an index may be called. It becomes part of a
// path.
var shardName = regexp.MustCompile(`^[0-9A-Za-z][\w.-]*\.safetensors$`)

// shards gets the files that an index lists.
func shards(r Repo, index string, get func(name string) (string, error)) (folder string, err error) {
	text, err := os.ReadFile(index)
	if err != nil {
		return "", err
	}
	var list struct {
		Files map[string]string `json:"weight_map"` // of each tensor
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return "", fmt.Errorf("%s: %s: %w", r, indexFile, err)
	}
	if len(list.Files) == 0 {
		return "", fmt.Errorf("%s: %s has no weight_map", r, indexFile)
	}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(list.Files))) {
		if !shardName.MatchString(name) {
			return "", fmt.Errorf("%s: %s names a file %q; want a plain name that ends in .safetensors", r, indexFile, name)
		}
		if _, err := get(name); errors.Is(err, errAbsent) {
			return "", fmt.Errorf("%s: %s names %s, which is not there", r, indexFile, name)
		} else if err != nil {
			return "", err
		}
	}
	return filepath.Dir(index), nil
}
