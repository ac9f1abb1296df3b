// Package demo is the model and the pictures of `vitedge demo`, embedded in the
// program so that the first run needs nothing else. README.md says how they were
// made.
package demo

import (
	"embed"
	"os"
)

//go:embed emoji.safetensors pictures/*.jpg
var files embed.FS

// Model and Pictures are the names of what Unpack writes.
const (
	Model    = "emoji.safetensors"
	Pictures = "pictures"
)

// Unpack writes the model and the folder of pictures into the folder dir.
func Unpack(dir string) error {
	return os.CopyFS(dir, files)
}
