// Package demo is the model and the glyphs of `vitedge demo`, embedded in the
// program so that the first run needs nothing else. README.md says how they were
// made.
package demo

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/png"
)

// Model is the int8 model file.
//
//go:embed emoji.safetensors
var Model []byte

//go:embed sprites.png
var sprites []byte

// Sprites decodes sprites.png: the glyphs in the order of the model's labels,
// on transparent ground.
func Sprites() (image.Image, error) {
	m, err := png.Decode(bytes.NewReader(sprites))
	if err != nil {
		return nil, fmt.Errorf("sprites.png: %w", err)
	}
	return m, nil
}
