package quant

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// usualWeights are what transformers and timm call the weights in a folder, the
// preferred first.
var usualWeights = []string{
	"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
}

// extensions are those of weights by other names.
var extensions = []string{".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz"}

// notWeights are what training leaves beside the weights.
var notWeights = []string{"optimizer", "scheduler", "training_args", "rng_state", "scaler"}

// List returns the tensors of a file or folder under the names that it gives them,
// whatever network they belong to, without Data. Weights are chosen as in
// [Options], float ones before int8.
func List(path, weights string) ([]Tensor, error) {
	path, err := findWeights(path, true)
	if err != nil {
		return nil, err
	}
	s, err := openSource(path, weights)
	if err != nil {
		return nil, err
	}
	defer s.close()
	list := make([]Tensor, len(s.arrays))
	for i, a := range s.arrays {
		list[i] = Tensor{Name: a.name, DType: a.dtype, Shape: a.shape}
	}
	return list, nil
}

// findWeights is the weights file that path names: itself, or the one of a
// folder. Where the folder also has what quantize made of it, float says which of
// them is meant.
func findWeights(path string, float bool) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		return path, nil
	}
	usual, others, err := listWeights(path)
	if err != nil && len(usual) == 0 { // a folder can have files and not be listed
		return "", err
	}
	if float {
		made := func(name string) bool { return isModelFile(filepath.Join(path, name)) }
		usualFloat, otherFloat := slices.DeleteFunc(slices.Clone(usual), made), slices.DeleteFunc(slices.Clone(others), made)
		if len(usualFloat)+len(otherFloat) > 0 {
			usual, others = usualFloat, otherFloat
		}
	}
	if len(usual) > 0 {
		return filepath.Join(path, usual[0]), nil
	}
	// safetensors is what the others are often kept beside.
	safe := slices.DeleteFunc(slices.Clone(others), func(name string) bool { return filepath.Ext(name) != ".safetensors" })
	if len(safe) > 0 {
		others = safe
	}
	switch len(others) {
	case 0:
		return "", fmt.Errorf("%s: no weights in this folder: no .safetensors, .pth, .pt, .bin, .ckpt or .npz file", path)
	case 1:
		return filepath.Join(path, others[0]), nil
	}
	return "", fmt.Errorf("%s: several weights files (%s); name the one to use", path, strings.Join(others, ", "))
}

// listWeights are the names of the weights files in a folder: the usual ones, the
// preferred first, and the others.
func listWeights(dir string) (usual, others []string, err error) {
	for _, name := range usualWeights {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			usual = append(usual, name)
		}
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		aside := strings.HasPrefix(name, ".") || slices.ContainsFunc(notWeights, func(s string) bool { return strings.HasPrefix(name, s) })
		// timm's training script writes model_best.pth.tar, no tar file.
		if slices.Contains(extensions, filepath.Ext(strings.TrimSuffix(name, ".tar"))) && !aside && !slices.Contains(usual, name) {
			others = append(others, name)
		}
	}
	return usual, others, err
}

// isModelFile reports whether WriteFile of a [Checkpoint] made a file.
func isModelFile(path string) bool {
	f, err := OpenFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.metadata[quantizerKey] != ""
}
