package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vitedge/quant"
)

// target is what DST names: a model file, or a folder that transformers loads,
// with the model file and the two texts that are also inside it.
type target struct {
	model  string // path of the model file
	folder string // "" for a model file alone
}

// sidecars are the files of a folder beside its model, by their key in the
// metadata of the model file.
var sidecars = []struct{ file, key string }{
	{"config.json", "config"},
	{"preprocessor_config.json", "preprocessor_config"},
}

// findTarget looks at DST before any work is done for it.
func findTarget(dst string) (target, error) {
	t := target{model: dst}
	st, err := os.Stat(dst)
	if err == nil && st.IsDir() || err != nil && os.IsPathSeparator(dst[len(dst)-1]) {
		t = target{filepath.Join(dst, "model.safetensors"), filepath.Clean(dst)}
	}
	parent := filepath.Dir(t.model)
	if t.folder != "" && err != nil { // the folder will be made
		parent = filepath.Dir(t.folder)
		if _, err := os.Lstat(t.folder); err == nil {
			return t, fmt.Errorf("writing %s: %s is not a folder", dst, t.folder)
		}
	}
	if st, err := os.Stat(parent); err != nil {
		return t, fmt.Errorf("writing %s: %w", dst, err)
	} else if !st.IsDir() {
		return t, fmt.Errorf("writing %s: %s is not a folder", dst, parent)
	}
	for _, path := range t.outputs() {
		if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
			return t, fmt.Errorf("writing %s: not a regular file", path)
		}
	}
	return t, nil
}

// checkForeign reports what is there and was not made here: the model, or a text
// that is not the one of the model beside it.
func (t target) checkForeign() error {
	metadata, err := modelMetadata(t.model)
	foreign := ""
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		foreign = t.model
	}
	for _, s := range sidecars {
		if t.folder == "" || foreign != "" {
			break
		}
		path := filepath.Join(t.folder, s.file)
		text, err := quant.ReadText(path)
		made := metadata[s.key] != "" && string(text) == metadata[s.key]+"\n"
		if !errors.Is(err, fs.ErrNotExist) && !made {
			foreign = path
		}
	}
	if foreign != "" {
		return fmt.Errorf("%s exists and was not made by quantize; --force replaces it", foreign)
	}
	return nil
}

// outputs are all the files that write replaces.
func (t target) outputs() []string {
	if t.folder == "" {
		return []string{t.model}
	}
	paths := []string{t.model}
	for _, s := range sidecars {
		paths = append(paths, filepath.Join(t.folder, s.file))
	}
	return paths
}

// checkSource reports one of the source's files that the target would replace,
// under whatever name and however it is linked. No flag allows that.
func (t target) checkSource(files []string) error {
	for _, output := range t.outputs() {
		to, err := os.Stat(output)
		if err != nil {
			continue // nothing is lost
		}
		for _, path := range files {
			if from, err := os.Stat(path); err == nil && os.SameFile(from, to) {
				return fmt.Errorf("%s is the source itself (%s); name another file for the int8 model", output, path)
			}
		}
	}
	return nil
}

// sourceFiles are the files that SRC names, without those that quantize made: a
// folder may hold what it is quantized to.
func sourceFiles(src string) (paths []string) {
	entries, err := os.ReadDir(src)
	if err != nil {
		return []string{src} // no folder
	}
	for _, e := range entries {
		path := filepath.Join(src, e.Name())
		if _, err := modelMetadata(path); err != nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// modelMetadata is that of a model file which quantize made, or says why the file
// is none.
func modelMetadata(path string) (map[string]string, error) {
	f, err := quant.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Metadata()["quantizer"] == "" {
		return nil, errors.New("not made by quantize")
	}
	return f.Metadata(), nil
}

// beyondTransformers names what a model has and the ViT of transformers does not
// know, which would load it all the same.
func beyondTransformers(c *quant.Checkpoint) string {
	n := c.Config
	switch {
	case n.Pool != quant.Token:
		return fmt.Sprintf("pooling %q", n.Pool)
	case n.NoClassToken:
		return "model without class token"
	case n.Distilled:
		return "second head"
	case n.Registers > 0:
		return "register tokens"
	case n.PreLogits > 0:
		return "layer before the head"
	case c.Preprocess.Resize.Mode == quant.LongestEdge:
		return "resize that fills the border"
	}
	return ""
}

// write stores the model and, in a folder, what belongs beside it.
func (t target) write(q *quant.Checkpoint) (err error) {
	if t.folder == "" {
		return q.WriteFile(t.model)
	}
	made := os.Mkdir(t.folder, 0o777)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return fmt.Errorf("writing %s: %w", t.folder, made)
	}
	defer func() {
		if err != nil && made == nil {
			os.Remove(t.folder) // unless there is something in it
		}
	}()
	if err := q.WriteFile(t.model); err != nil {
		return err
	}
	f, err := quant.OpenFile(t.model)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, s := range sidecars {
		err := quant.ReplaceFile(filepath.Join(t.folder, s.file), func(w io.Writer) error {
			_, err := io.WriteString(w, f.Metadata()[s.key]+"\n")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
