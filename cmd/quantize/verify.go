package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vitedge/quant"
	"vitedge/vitlite"
)

// newVerify is the command quantize verify.
func newVerify() *cobra.Command {
	var v verify
	cmd := &cobra.Command{
		Use:   "verify --float SRC --images DIR [--labels FILE] [--json] MODEL",
		Short: "Compare an int8 model with its float weights on pictures",
		Long: `Verify runs an int8 model and the float weights that it was made of on the
same pictures, prepared as the int8 model says, and prints how far they differ.

  agreement       how often both put the same class on top
  top-1, top-5    how often the right class is on top or among five; with --labels
  KL              divergence KL(float || int8) of the probabilities, in nats
  logits SQNR     10 log10(sum (f - mean f)^2 / sum (f - q)^2) over all logits f of
                  the float and q of the int8 model, with each picture's own mean
  RMS change      of the probability of the class that the float model puts on top
  flip margin     the float model's best probability minus its second, the largest
                  among the pictures on which the models disagree

A picture that cannot be decoded is counted and left out.`,
		Example: `  quantize verify --float vit_tiny_patch16_224/ --images photos/ \
      --labels photos/labels.csv vit_tiny.int8.safetensors`,
		Args: exactArgs("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.float == "" {
				return usageError{errors.New("--float is missing")}
			}
			if v.images == "" {
				return usageError{errors.New("--images is missing")}
			}
			v.model = args[0]
			return v.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.DisableFlagsInUseLine = true
	cmd.Flags().StringVar(&v.float, "float", "", "float weights that the model was made of, a `file` or folder")
	cmd.Flags().StringVar(&v.images, "images", "", "`folder` of JPEG and PNG pictures")
	cmd.Flags().StringVar(&v.labels, "labels", "", "csv `file` with columns file and class (from 0) of the pictures")
	cmd.Flags().BoolVar(&v.json, "json", false, "print the figures as JSON, fractions and no percent")
	return cmd
}

type verify struct {
	float, images, labels, model string
	json                         bool
}

func (v *verify) run(ctx context.Context, stdout, stderr io.Writer) error {
	start := time.Now()
	if err := vitlite.CheckKernel(); err != nil {
		return err
	}
	model, float, err := openPair(v.model, v.float)
	if err != nil {
		return err
	}
	defer model.Close()
	defer float.Close()
	if err := checkPair(model, float, stderr); err != nil {
		return err
	}
	pictures, err := v.pictures(model.Config.Classes, stderr)
	if err != nil {
		return err
	}
	c, err := comparePictures(ctx, float, model, pictures, progressBar(stderr, len(pictures)))
	if err != nil {
		return err
	}
	for _, err := range c.unreadable {
		fmt.Fprintf(stderr, "quantize: left out: %v\n", err)
	}
	if len(c.unreadable) > 0 {
		fmt.Fprintf(stderr, "quantize: %d of %d pictures could not be read\n", len(c.unreadable), len(pictures))
	}
	if len(c.figures) == 0 {
		return fmt.Errorf("%s: no picture could be read", v.images)
	}
	f := sumUp(c.figures)
	if v.json {
		return json.NewEncoder(stdout).Encode(f)
	}
	printFigures(stdout, f, len(c.unreadable))
	fmt.Fprintf(stdout, "%.1f s with kernel %s\n", time.Since(start).Seconds(), vitlite.Kernel())
	return nil
}

// openPair opens the int8 model and the float weights it was made of. What the
// float weights leave open is as in the model, the preprocessing always:
// another one would be measured, too.
func openPair(modelPath, floatPath string) (model, float *quant.Checkpoint, err error) {
	if model, err = quant.Open(modelPath, quant.Options{}); err != nil {
		return nil, nil, err
	}
	float, err = quant.Open(floatPath, quant.Options{
		Heads: model.Config.Heads, Resize: model.Preprocess.Resize, Interpolation: model.Preprocess.Interpolation,
		Mean: model.Preprocess.Mean[:], Std: model.Preprocess.Std[:],
	})
	if err != nil {
		model.Close()
		return nil, nil, err
	}
	return model, float, nil
}

// checkPair reports what cannot be compared, and warns of what should not be.
func checkPair(model, float *quant.Checkpoint, stderr io.Writer) error {
	if !model.Quantized() {
		return fmt.Errorf("%s: the model is not int8; make it with quantize", model.Path)
	}
	if float.Quantized() {
		return fmt.Errorf("--float %s: the weights are int8", float.Path)
	}
	want, have := model.Config, float.Config
	want.Architecture, have.Architecture = "", "" // a name, and free
	if want != have {
		return fmt.Errorf("--float %s: %+v is not the architecture of %s, %+v", float.Path, have, model.Path, want)
	}
	if model.SourceSHA256 != float.SHA256 {
		fmt.Fprintf(stderr, "quantize: warning: %s was made of other weights (sha256 %.12s…) than %s (%.12s…)\n",
			model.Path, model.SourceSHA256, float.Path, float.SHA256)
	}
	return nil
}

// pictures lists the folder and looks up the classes.
func (v *verify) pictures(classes int, stderr io.Writer) ([]picture, error) {
	names, err := findPictures(v.images)
	if err != nil {
		return nil, err
	}
	var known map[string]int
	if v.labels != "" {
		if known, err = readClasses(v.labels, classes); err != nil {
			return nil, err
		}
	}
	var pictures []picture
	unknown := 0
	for _, name := range names {
		class, ok := known[filepath.ToSlash(name)]
		if !ok {
			class = -1
			unknown++
		}
		pictures = append(pictures, picture{filepath.Join(v.images, name), class})
	}
	switch {
	case known == nil || unknown == 0:
	case unknown == len(pictures):
		return nil, fmt.Errorf("%s: names none of the %d pictures in %s", v.labels, len(pictures), v.images)
	default:
		fmt.Fprintf(stderr, "quantize: warning: %s has no class for %d of %d pictures\n", v.labels, unknown, len(pictures))
	}
	return pictures, nil
}

func printFigures(w io.Writer, f figures, unreadable int) {
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%-24s "+format+"\n", append([]any{name}, values...)...)
	}
	if row("pictures", "%d", f.Images); unreadable > 0 {
		row("unreadable", "%d", unreadable)
	}
	row("agreement", "%.2f %%", 100*f.Agreement)
	if f.labelled > 0 {
		row("top-1", "%.2f %% float, %.2f %% int8", 100**f.Top1Float, 100**f.Top1Int8)
		row("top-5", "%.2f %% float, %.2f %% int8", 100**f.Top5Float, 100**f.Top5Int8)
	} else {
		row("top-1, top-5", "unknown without --labels")
	}
	row("KL mean", "%.5f", f.KLMean)
	row("KL max", "%.5f", f.KLMax)
	if f.SQNR != nil {
		row("logits SQNR", "%.2f dB", *f.SQNR)
	} else {
		row("logits SQNR", "exact")
	}
	row("RMS probability change", "%.4f", f.RMSDeltaP)
	row("largest flip margin", "%.4f", f.MaxFlipMargin)
}

// progressBar counts on a terminal and is silent elsewhere.
func progressBar(w io.Writer, total int) func(done int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int) {}
	}
	start := time.Now()
	return func(done int) {
		left := time.Since(start) / time.Duration(done) * time.Duration(total-done)
		fmt.Fprintf(w, "\r%d of %d pictures, %s left \x1b[K", done, total, left.Round(time.Second))
		if done == total {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
