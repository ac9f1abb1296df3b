package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"vitedge/cmd/quantize/internal/hub"
	"vitedge/quant"
)

// openSource opens weights that the user names: a file or folder, or else a
// model on the hub.
func (c *console) openSource(ctx context.Context, name string, o quant.Options) (*quant.Checkpoint, error) {
	path, from, err := c.findSource(ctx, name)
	if err != nil {
		return nil, err
	}
	checkpoint, err := quant.Open(path, o)
	if err != nil {
		return nil, err
	}
	if from != "" {
		checkpoint.Notes = append(checkpoint.Notes, quant.Note{What: "source", Value: name, From: from})
	}
	c.log.Debug("opened", "weights", checkpoint.Path, "sha256", checkpoint.SHA256)
	return checkpoint, nil
}

// findSource is the path of the weights that the user names, and the commit
// they are of where they come from the hub.
func (c *console) findSource(ctx context.Context, name string) (path, commit string, err error) {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return name, "", nil // quant says what is wrong with it
	}
	repo, ok := hub.Parse(name)
	if !ok {
		return "", "", fmt.Errorf("%s: no such file or folder, and no model of the hub, which would be ORG/NAME", name)
	}
	bar := newBar(c.stderr)
	client := hub.Client{UserAgent: "vitedge-quantize/" + toolVersion(), Log: c.log, Progress: bar.bytes}
	if err := client.FromEnviron(os.Getenv); err != nil {
		return "", "", err
	}
	model, err := client.Fetch(ctx, repo)
	bar.clear()
	if err != nil {
		return "", "", fmt.Errorf("%s is no file or folder, and on the hub: %w", name, err)
	}
	return model.Weights, "commit " + model.Commit, nil
}
