package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitedge/quant"
	"vitedge/vitlite"
)

// verify is the command quantize verify.
type verify struct {
	*console
	float, weights, images, labels, model, report string
	json                                          bool
	gates                                         gates
}

func newVerify(con *console) *cobra.Command {
	v := verify{console: con}
	cmd := &cobra.Command{
		Use:   "verify --float SRC [--images DIR [--labels FILE]] MODEL",
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

Fractions come with the interval that holds the true one with 95 % confidence
(Wilson). The worst layers come with the SQNR of

  weights         the int8 weights
  local           the layer's output, given exact input: its own error
  cumulative      the layer's output in the int8 model: its own and all before

A picture that cannot be decoded is counted and left out. Without pictures the
model is not verified. A gate that is missed, or that nothing was measured for,
gives exit status 3.`,
		Example: `  quantize verify --float vit_tiny_patch16_224/ --images photos/ \
      --labels photos/labels.csv --report report.html vit_tiny.int8.safetensors
  quantize verify -q --float vit_tiny_patch16_224/ --images photos/ \
      --min-agree 98.5 vit_tiny.int8.safetensors || echo not good enough`,
		Args: exactArgs("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v.model = args[0]
			if err := v.check(cmd); err != nil {
				return usageError{err}
			}
			return v.run(cmd.Context())
		},
	}
	cmd.DisableFlagsInUseLine = true
	f := cmd.Flags()
	f.StringVar(&v.float, "float", "", "float weights that the model was made of, as the `SRC` of quantize")
	f.StringVar(&v.weights, "weights", "", "`key` of the weights in a PyTorch file that holds several")
	f.StringVar(&v.images, "images", "", "`folder` of JPEG and PNG pictures")
	f.StringVar(&v.labels, "labels", "", "csv `file` with columns file and class (from 0) of the pictures")
	f.BoolVar(&v.json, "json", false, "print the figures as JSON, fractions and no percent")
	f.StringVar(&v.report, "report", "", "write a page with charts to this HTML `file`")
	v.gates.add(f)
	return cmd
}

// check reports flags that are missing or do not go together.
func (v *verify) check(cmd *cobra.Command) error {
	switch {
	case v.float == "":
		return errors.New("--float is missing")
	case v.labels != "" && v.images == "":
		return errors.New("--labels needs --images")
	}
	return v.gates.check(cmd.Flags(), v.labels != "")
}

// result is what verify found out.
type result struct {
	figures
	Layers    []layerFigures `json:"layers"`
	Intervals intervals      `json:"intervals"`

	comparison   comparison
	model, float *quant.Checkpoint
	missed       []string // gates
	gates        bool     // there were some
}

func (v *verify) run(ctx context.Context) error {
	start := time.Now()
	if err := vitlite.CheckKernel(); err != nil {
		return err
	}
	if v.report != "" {
		if err := checkReport(v.report); err != nil {
			return err
		}
	}
	model, float, err := v.openPair(ctx)
	if err != nil {
		return err
	}
	defer model.Close()
	defer float.Close()
	if err := v.checkPair(model, float); err != nil {
		return err
	}
	r := result{model: model, float: float, gates: v.gates.set()}
	if v.images != "" {
		if r.comparison, err = v.compare(ctx, model, float); err != nil {
			return err
		}
	}
	r.figures = sumUp(r.comparison.figures)
	r.Intervals = r.figures.intervals()
	if r.Layers, err = describeLayers(float, model, r.comparison.layers); err != nil {
		return err
	}
	r.missed = v.gates.missed(r.figures)
	if v.report != "" {
		if err := writeReport(ctx, v.report, &r); err != nil {
			return err
		}
	}
	if v.json {
		if err := json.NewEncoder(v.stdout).Encode(r); err != nil {
			return err
		}
	} else {
		printFigures(v.text(), &r)
		fmt.Fprintf(v.text(), "%.1f s with kernel %s\n", time.Since(start).Seconds(), vitlite.Kernel())
	}
	if r.missed != nil {
		return gateError{fmt.Errorf("gate missed: %s", strings.Join(r.missed, "; "))}
	}
	return nil
}

// compare runs both models on the pictures.
func (v *verify) compare(ctx context.Context, model, float *quant.Checkpoint) (comparison, error) {
	pictures, err := v.pictures(model.Config.Classes)
	if err != nil {
		return comparison{}, err
	}
	bar := newBar(v.stderr)
	c, err := comparePictures(ctx, float, model, pictures, func(done int) { bar.count("pictures", done, len(pictures)) })
	bar.clear()
	if err != nil {
		return c, err
	}
	for _, err := range c.unreadable {
		v.log.Warn(fmt.Sprintf("left out: %v", err))
	}
	if len(c.unreadable) > 0 {
		v.log.Warn(fmt.Sprintf("%d of %d pictures could not be read", len(c.unreadable), len(pictures)))
	}
	if len(c.figures) == 0 {
		return c, fmt.Errorf("%s: no picture could be read", v.images)
	}
	return c, nil
}

// openPair opens the int8 model and the float weights it was made of. What the
// float weights leave open is as in the model, the preprocessing always:
// another one would be measured, too. Their labels are not needed and may be wrong.
func (v *verify) openPair(ctx context.Context) (model, float *quant.Checkpoint, err error) {
	if model, err = quant.Open(v.model, quant.Options{}); err != nil {
		return nil, nil, err
	}
	float, err = v.openSource(ctx, v.float, quant.Options{
		PreferFloat: true, NoLabels: true, Weights: v.weights, ImageSize: model.Config.ImageSize,
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
func (v *verify) checkPair(model, float *quant.Checkpoint) error {
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
		v.log.Warn(fmt.Sprintf("%s was made of other weights (sha256 %.12s…) than %s (%.12s…)",
			model.Path, model.SourceSHA256, float.Path, float.SHA256))
	}
	return nil
}

// pictures lists the folder and looks up the classes.
func (v *verify) pictures(classes int) ([]picture, error) {
	names, leftOut, err := findPictures(v.images)
	for _, err := range leftOut {
		v.log.Warn(fmt.Sprintf("left out: %v", err))
	}
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
		pictures = append(pictures, picture{filepath.Join(v.images, name), name, class})
	}
	switch {
	case known == nil || unknown == 0:
	case unknown == len(pictures):
		return nil, fmt.Errorf("%s: names none of the %d pictures in %s", v.labels, len(pictures), v.images)
	default:
		v.log.Warn(fmt.Sprintf("%s has no class for %d of %d pictures", v.labels, unknown, len(pictures)))
	}
	return pictures, nil
}
