package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vitedge/quant"
)

// convert is the root command, quantize SRC DST.
type convert struct {
	*console
	source        sourceFlags
	keep          []string // patterns of layers that stay float32
	dryRun, force bool
}

func newConvert(con *console) *cobra.Command {
	c := convert{console: con}
	cmd := &cobra.Command{
		Use:   "quantize SRC DST",
		Short: "Turn float weights of a Vision Transformer into an int8 model file",
		Long: `Quantize reads the float weights of a plain Vision Transformer and writes the
int8 model file for vitedge.

SRC is the weights file or its folder: safetensors, also in shards with their
index, PyTorch's .pth and .bin, or NumPy's .npz, under the names of timm, Hugging
Face, torchvision or JAX. Beside the weights it looks for config.json,
preprocessor_config.json and labels.txt; flags say what is not there and override
what is.

A SRC that is no file but names a model of the Hugging Face hub is fetched into
the cache that Python's huggingface_hub uses: ORG/NAME, ORG/NAME@REVISION, timm's
hf-hub:ORG/NAME, or the address of the model's page. HF_TOKEN, HF_HOME,
HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE mean what they mean there; the token
goes to HF_ENDPOINT and to no other host.

DST is replaced when all went well, and else left alone. A file that quantize
did not make is replaced with --force only. Where DST is a folder, or ends in a
slash, config.json and preprocessor_config.json are written beside the model,
and transformers loads the folder.`,
		Example: `  quantize vit_tiny_patch16_224/ vit_tiny.int8.safetensors
  quantize facebook/deit-tiny-patch16-224 deit_tiny.int8.safetensors
  quantize --heads 3 --crop 0.9 --interp bicubic --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 \
      --labels imagenet.txt model.safetensors vit_tiny.int8.safetensors
  quantize --keep-f32 'vit.encoder.layer.7.*' vit_tiny_patch16_224/ vit_tiny.int8.safetensors`,
		Version: toolVersion(),
		Args: func(cmd *cobra.Command, args []string) error {
			if c.dryRun && len(args) == 1 {
				return nil // nothing is written
			}
			return exactArgs("SRC", "DST")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := c.source.options(cmd.Flags())
			if err != nil {
				return usageError{err}
			}
			for _, pattern := range c.keep {
				if _, err := path.Match(pattern, ""); err != nil {
					return usageError{fmt.Errorf("--keep-f32 %q: %w", pattern, err)}
				}
			}
			dst := ""
			if len(args) > 1 {
				dst = args[1]
			}
			return c.run(cmd.Context(), args[0], dst, options)
		},
	}
	c.source.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&c.keep, "keep-f32", nil, "keep the linear layers whose names match the `pattern` in float32:\n* stands for anything; may be repeated")
	f.BoolVar(&c.dryRun, "dry-run", false, "do all but write; DST may be left out")
	f.BoolVar(&c.force, "force", false, "replace DST whatever it is, but for a file of SRC")
	f.Bool("version", false, "print the version")
	return cmd
}

// run quantizes src and reports each tensor while it works.
func (c *convert) run(ctx context.Context, src, dst string, options quant.Options) error {
	start := time.Now()
	var t target
	if dst != "" {
		var err error
		if t, err = findTarget(dst); err != nil {
			return err
		}
		if err := t.checkSource(sourceFiles(src)); err != nil {
			return err
		}
		if !c.force && !c.dryRun {
			if err := t.checkForeign(); err != nil {
				return err
			}
		}
	}
	float, err := c.openSource(ctx, src, options)
	if err != nil {
		return askForFlags(err)
	}
	defer float.Close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if float.Quantized() {
		return fmt.Errorf("%s: the model is int8 already", float.Path)
	}
	if err := t.checkSource(float.Files); err != nil {
		return err
	}
	kept, err := keptLayers(float.LinearLayers(), c.keep)
	if err != nil {
		return err
	}

	w := c.text()
	printNotes(w, float)
	printHeading(w)
	var sum totals
	q, err := float.QuantizeExcept(func(layer string) bool { return kept[layer] }, func(r quant.TensorReport) {
		sum.add(r)
		printTensor(w, r)
	})
	if err != nil {
		if len(kept) > 0 {
			err = fmt.Errorf("--keep-f32: %w", err)
		}
		return err
	}
	q.Version = toolVersion()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.dryRun {
		sum.print(w, "nothing written", float.Bytes, sum.bytes, time.Since(start))
		return nil
	}
	if what := beyondTransformers(q); t.folder != "" && what != "" {
		c.log.Warn(fmt.Sprintf("transformers' ViTForImageClassification has no %s: in the folder its answers are others than vitedge's", what))
	}
	if err := t.write(q); err != nil {
		return err
	}
	after, err := os.Stat(t.model)
	if err != nil {
		return err
	}
	sum.print(w, t.model, float.Bytes, after.Size(), time.Since(start))
	return nil
}

// keptLayers are the layers that patterns name, with or without the .weight of
// their tensors. A pattern that names none is a mistake.
func keptLayers(layers, patterns []string) (map[string]bool, error) {
	kept := map[string]bool{}
	for _, pattern := range patterns {
		found := false
		for _, layer := range layers {
			name, _ := path.Match(pattern, layer)
			weight, _ := path.Match(pattern, layer+".weight")
			if name || weight {
				kept[layer], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("--keep-f32 %q matches no linear layer; they are called %s to %s", pattern, layers[0], layers[len(layers)-1])
		}
	}
	if !slices.ContainsFunc(layers, func(layer string) bool { return !kept[layer] }) {
		return nil, errors.New("--keep-f32 keeps every linear layer; nothing is left for int8")
	}
	return kept, nil
}
