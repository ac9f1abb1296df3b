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

// weights are what the weights may be called, the first that there is: one file,
// or several and the index that lists them, in safetensors or as PyTorch does.
var weights = []string{"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}

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
// weights, or of the index of their shards. get returns the path of a file,
// errAbsent where the revision has none of that name.
func modelFiles(r Repo, get func(name string) (string, error)) (path string, err error) {
	for _, name := range sidecars {
		if _, err := get(name); err != nil && !errors.Is(err, errAbsent) {
			return "", err
		}
	}
	for _, name := range weights {
		path, err := get(name)
		switch {
		case errors.Is(err, errAbsent):
			continue
		case err == nil && strings.HasSuffix(name, ".json"):
			return path, shards(r, path, get)
		}
		return path, err
	}
	return "", fmt.Errorf("%s has no weights: none of %s", r, strings.Join(weights, ", "))
}

// shardName is what a file of an index may be called. It becomes part of a
// path.
var shardName = regexp.MustCompile(`^[0-9A-Za-z][\w.-]*\.(safetensors|bin)$`)

// shards gets the files that an index lists.
func shards(r Repo, index string, get func(name string) (string, error)) error {
	text, err := os.ReadFile(index)
	if err != nil {
		return err
	}
	var list struct {
		Files map[string]string `json:"weight_map"` // of each tensor
	}
	name := filepath.Base(index)
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%s: %s: %w", r, name, err)
	}
	if len(list.Files) == 0 {
		return fmt.Errorf("%s: %s has no weight_map", r, name)
	}
	for _, shard := range slices.Compact(slices.Sorted(maps.Values(list.Files))) {
		if !shardName.MatchString(shard) {
			return fmt.Errorf("%s: %s names a file %q; want a plain name that ends in .safetensors or .bin", r, name, shard)
		}
		if _, err := get(shard); errors.Is(err, errAbsent) {
			return fmt.Errorf("%s: %s names %s, which is not there", r, name, shard)
		} else if err != nil {
			return err
		}
	}
	return nil
}
