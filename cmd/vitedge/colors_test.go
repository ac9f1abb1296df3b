package main

import (
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"

	"vitedge/quant"
)

// writeColorModel writes a float ViT that tells red, green and blue pictures
// apart, and nothing else. Its patch embedding puts the mean of each channel
// into the first three features, its encoder block adds nothing, and its head
// reads these features. A grey picture gives three equal probabilities.
func writeColorModel(dir string) (path string, err error) {
	const dim, mlp, patch, classes = 32, 32, 8, 3
	var tensors []quant.Tensor
	add := func(name string, fill func(i int) float32, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		data := make([]byte, 0, 4*n)
		for i := range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(fill(i)))
		}
		tensors = append(tensors, quant.Tensor{Name: name, DType: quant.F32, Shape: shape, Data: data})
	}
	zero := func(int) float32 { return 0 }
	one := func(int) float32 { return 1 }
	add("cls_token", zero, 1, 1, dim)
	add("pos_embed", zero, 1, 5, dim)
	add("patch_embed.proj.weight", func(i int) float32 {
		feature, channel := i/(3*patch*patch), i/(patch*patch)%3
		if feature == channel {
			return 1.0 / (patch * patch)
		}
		return 0
	}, dim, 3, patch, patch)
	add("patch_embed.proj.bias", zero, dim)
	for _, norm := range []string{"norm1", "norm2"} {
		add("blocks.0."+norm+".weight", one, dim)
		add("blocks.0."+norm+".bias", zero, dim)
	}
	for _, l := range []struct {
		name    string
		out, in int
	}{{"attn.qkv", 3 * dim, dim}, {"attn.proj", dim, dim}, {"mlp.fc1", mlp, dim}, {"mlp.fc2", dim, mlp}} {
		add("blocks.0."+l.name+".weight", zero, l.out, l.in)
		add("blocks.0."+l.name+".bias", zero, l.out)
	}
	add("fc_norm.weight", one, dim)
	add("fc_norm.bias", zero, dim)
	add("head.weight", func(i int) float32 {
		if i%dim == i/dim {
			return 1
		}
		return 0
	}, classes, dim)
	add("head.bias", zero, classes)

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, text := range map[string]string{
		"labels.txt": "red\ngreen\nblue\n",
		"config.json": `{"architecture": "vit_colors", "num_classes": 3, "num_features": 32, "global_pool": "avg",
			"model_args": {"num_heads": 2},
			"pretrained_cfg": {"input_size": [3, 16, 16], "interpolation": "bicubic", "crop_pct": 1,
			"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	path = filepath.Join(dir, "model.safetensors")
	return path, quant.WriteFile(path, tensors, nil)
}

var namedColors = map[string]color.RGBA{
	"red": {230, 20, 20, 255}, "green": {20, 230, 20, 255}, "blue": {20, 20, 230, 255}, "grey": {128, 128, 128, 255},
}

// writePictures writes a folder of JPEG files, one for each word of colors, in
// order. The word "broken" is a file that is none.
func writePictures(dir, colors string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, name := range strings.Fields(colors) {
		path := filepath.Join(dir, string(rune('a'+i/26))+string(rune('a'+i%26))+"-"+name+".jpg")
		if name == "broken" {
			if err := os.WriteFile(path, []byte("this is no picture"), 0o644); err != nil {
				return err
			}
			continue
		}
		img := image.NewRGBA(image.Rect(0, 0, 40, 30))
		for y := range 30 {
			for x := range 40 {
				img.SetRGBA(x, y, namedColors[name])
			}
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := jpeg.Encode(f, img, nil); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
