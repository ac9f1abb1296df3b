package quant

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

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
	usual := filepath.Join(path, "model.safetensors")
	if _, err := os.Stat(usual); err == nil {
		return usual, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".safetensors") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	switch len(names) {
	case 0:
		return "", fmt.Errorf("%s: no .safetensors file in this folder", path)
	case 1:
		return filepath.Join(path, names[0]), nil
	}
	return "", fmt.Errorf("%s: several .safetensors files (%s); name the one to use", path, strings.Join(names, ", "))
}
