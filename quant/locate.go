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

// notWeights are what training leaves beside the weights.
var notWeights = []string{"optimizer", "scheduler", "training_args", "rng_state", "scaler"}

// List returns the tensors of a file or folder under the names that it gives them,
// whatever network they belong to, without Data. Weights are chosen as in
// [Options].
func List(path, weights string) ([]Tensor, error) {
	path, err := findWeights(path)
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
// folder.
func findWeights(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		return path, nil
	}
	for _, name := range usualWeights {
		usual := filepath.Join(path, name)
		if _, err := os.Stat(usual); err == nil {
			return usual, nil
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	// safetensors is what the others are often kept beside.
	for _, extensions := range [][]string{{".safetensors"}, {".pth", ".pt", ".bin", ".ckpt", ".npz"}} {
		var names []string
		for _, e := range entries {
			name := e.Name()
			aside := strings.HasPrefix(name, ".") || slices.ContainsFunc(notWeights, func(s string) bool { return strings.HasPrefix(name, s) })
			// timm's training script writes model_best.pth.tar, no tar file.
			if slices.Contains(extensions, filepath.Ext(strings.TrimSuffix(name, ".tar"))) && !aside {
				names = append(names, name)
			}
		}
		switch len(names) {
		case 0:
			continue
		case 1:
			return filepath.Join(path, names[0]), nil
		}
		return "", fmt.Errorf("%s: several weights files (%s); name the one to use", path, strings.Join(names, ", "))
	}
	return "", fmt.Errorf("%s: no weights in this folder: no .safetensors, .pth, .pt, .bin, .ckpt or .npz file", path)
}
