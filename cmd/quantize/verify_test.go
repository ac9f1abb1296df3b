package main

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

// The figures are those of the models run by hand, one picture at a time.
func TestVerifyJSON(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(filepath.Join(dir, "vit")))
	require.NoError(t, writePictures(filepath.Join(dir, "photos"), 9))
	vit, photos, model := filepath.Join(dir, "vit"), filepath.Join(dir, "photos"), filepath.Join(dir, "int8.safetensors")
	code, _, stderr := execute(vit, model)
	require.Zero(t, code, stderr)

	open := func(path string) (*quant.Checkpoint, *vitlite.Model) {
		c, err := quant.Open(path, quant.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		m, err := vitlite.New(c, 1)
		require.NoError(t, err)
		t.Cleanup(m.Close)
		return c, m
	}
	c, float := open(vit)
	_, int8 := open(model)
	preprocessor, err := vitlite.NewPreprocessor(c.Preprocess)
	require.NoError(t, err)
	names, _, err := findPictures(photos)
	require.NoError(t, err)
	require.Len(t, names, 9)
	labels := "class,file\n"
	var want []pictureFigures
	for i, name := range names {
		f, err := os.Open(filepath.Join(photos, name))
		require.NoError(t, err)
		img, _, err := image.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		pixels, logits, int8Logits := make([]byte, 3*16*16), make([]float32, 5), make([]float32, 5)
		require.NoError(t, preprocessor.Process(pixels, vitlite.PictureOf(img)))
		require.NoError(t, float.Forward(logits, pixels))
		require.NoError(t, int8.Forward(int8Logits, pixels))
		require.NotEqual(t, logits, int8Logits)
		class := -1
		if i != 4 {
			class = (argmax(logits) + i%2) % 5 // every other one is wrong
			labels += string(rune('0'+class)) + "," + name + "\n"
		}
		want = append(want, compare(logits, int8Logits, class))
	}
	csv := filepath.Join(dir, "labels.csv")
	require.NoError(t, os.WriteFile(csv, []byte(labels), 0o644))

	code, stdout, stderr := execute("verify", "--float", vit, "--images", photos, "--labels", csv, "--json", model)
	require.Zero(t, code, stderr)
	text, err := json.Marshal(sumUp(want))
	require.NoError(t, err)
	var object, figures map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &object))
	require.NoError(t, json.Unmarshal(text, &figures))
	for key, value := range figures {
		require.Equal(t, value, object[key], key)
	}
	require.Len(t, object["layers"], 12)
	require.Equal(t, map[string]any{"agreement": true, "top1_float": true, "top1_int8": true, "top5_float": true, "top5_int8": true}, pairs(object["intervals"]))
	require.Equal(t, 9.0, object["images"])
	require.Equal(t, 0.5, object["top1_float"])
	var keys []string
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	require.Equal(t, strings.Fields("agreement images intervals kl_max kl_mean layers max_flip_margin rms_delta_p sqnr_db top1_float top1_int8 top5_float top5_int8"), keys)
}

// pairs says which values are intervals.
func pairs(object any) map[string]any {
	found := map[string]any{}
	for key, value := range object.(map[string]any) {
		list, _ := value.([]any)
		found[key] = len(list) == 2 && list[0].(float64) < list[1].(float64)
	}
	return found
}

// Weights of another model, or another file of the same, are noticed.
func TestVerifyOtherWeights(t *testing.T) {
	dir := t.TempDir()
	vit, model := filepath.Join(dir, "vit"), filepath.Join(dir, "int8.safetensors")
	require.NoError(t, writeViT(vit))
	require.NoError(t, writePictures(vit, 1))
	code, _, stderr := execute(vit, model)
	require.Zero(t, code, stderr)

	weights := filepath.Join(vit, "model.safetensors")
	f, err := quant.OpenFile(weights)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, quant.WriteFile(weights, f.Tensors(), map[string]string{"format": "pt"}))
	code, _, stderr = execute("verify", "--float", vit, "--images", vit, model)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "warning: "+model+" was made of other weights")

	var tensors []quant.Tensor
	for _, tensor := range f.Tensors() {
		if !strings.HasPrefix(tensor.Name, "blocks.1.") {
			tensors = append(tensors, tensor)
		}
	}
	require.NoError(t, quant.WriteFile(weights, tensors, nil))
	code, _, stderr = execute("verify", "--float", vit, "--images", vit, model)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "is not the architecture of "+model)
}

// A picture may claim any size in its header.
func TestDecodePictureBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bomb.png")
	chunk := "IHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00" // 65535 x 65535, 8-bit RGB
	header := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"+chunk), crc32.ChecksumIEEE([]byte(chunk)))
	header = append(header, "\x00\x00\x00\x00IDAT"...)
	require.NoError(t, os.WriteFile(path, header, 0o644))
	_, err := decodePicture(path)
	require.ErrorContains(t, err, path+": 65535 x 65535 pixels; at most 100000000 are decoded")
	_, err = decodePicture(filepath.Join(t.TempDir(), "absent.png"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestRealModel runs a trained ViT-Tiny over the first photographs of a
// folder that is no part of this repository.
func TestRealModel(t *testing.T) {
	data := os.Getenv("VITEDGE_DATA")
	if data == "" {
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	source := filepath.Join(data, "models", "vit_tiny_patch16_224.augreg_in21k_ft_in1k")
	if _, err := os.Stat(source); err != nil {
		t.Skipf("no trained model: %v", err)
	}
	names, _, err := findPictures(filepath.Join(data, "photos", "jpeg"))
	require.NoError(t, err)
	dir := t.TempDir()
	photos := filepath.Join(dir, "photos")
	require.NoError(t, os.Mkdir(photos, 0o755))
	for _, name := range names[:12] {
		picture, err := filepath.Abs(filepath.Join(data, "photos", "jpeg", name))
		require.NoError(t, err)
		require.NoError(t, os.Symlink(picture, filepath.Join(photos, name)))
	}
	model := filepath.Join(dir, "int8.safetensors")
	code, stdout, stderr := execute(source, model)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "72 tensors in int8, 128 in float32")
	code, stdout, stderr = execute("verify", "--float", source, "--images", photos,
		"--labels", filepath.Join(data, "photos", "labels.csv"), "--json", model)
	require.Zero(t, code, stderr)
	var f figures
	require.NoError(t, json.Unmarshal([]byte(stdout), &f))
	require.Equal(t, 12, f.Images)
	require.GreaterOrEqual(t, *f.Top1Float, 0.75)
	require.LessOrEqual(t, *f.MaxFlipMargin, 0.1)
	require.LessOrEqual(t, *f.KLMean, 0.004)
	require.GreaterOrEqual(t, *f.SQNR, 27.0)
}

// FuzzClasses reads arbitrary bytes as the classes of pictures.
func FuzzClasses(f *testing.F) {
	f.Add([]byte("file,class\na.jpg,0\nsub/b.png,4\n"))
	f.Add([]byte("\ufeffauthor,class,file\r\n\"A, B\",3,\"a \"\"x\"\".jpg\"\r\n"))
	f.Add([]byte("file,class\na.jpg,5\n"))
	path := filepath.Join(f.TempDir(), "labels.csv")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		known, err := readClasses(path, 5)
		if err != nil {
			require.Nil(t, known)
			require.Contains(t, err.Error(), path)
		}
		for name, class := range known {
			require.True(t, class >= 0 && class < 5, "%q: %d", name, class)
		}
	})
}
