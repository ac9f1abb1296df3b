package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitedge/quant"
)

// newConvert is the root command, quantize SRC DST.
func newConvert() *cobra.Command {
	var s sourceFlags
	cmd := &cobra.Command{
		Use:   "quantize SRC DST",
		Short: "Turn float weights of a Vision Transformer into an int8 model file",
		Long: `Quantize reads the float weights of a plain ViT or DeiT, in safetensors under
the names of timm or Hugging Face, and writes the int8 model file for vitedge.

SRC is the weights file or its folder. Beside the weights it looks for
config.json, preprocessor_config.json and labels.txt; flags say what is not
there and override what is. DST is replaced when all went well, and else left
alone.`,
		Example: `  quantize vit_tiny_patch16_224/ vit_tiny.int8.safetensors
  quantize --heads 3 --crop 0.9 --interp bicubic --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 \
      --labels imagenet.txt model.safetensors vit_tiny.int8.safetensors`,
		Version: toolVersion(),
		Args:    exactArgs("SRC", "DST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := s.options()
			if err != nil {
				return usageError{err}
			}
			return convert(cmd.Context(), cmd.OutOrStdout(), args[0], args[1], options)
		},
	}
	s.add(cmd)
	cmd.Flags().Bool("version", false, "print the version")
	return cmd
}

// sourceFlags say what files do not.
type sourceFlags struct {
	labels, resize, interp string
	heads                  int
	crop                   float64
	mean, std              []float32
}

func (s *sourceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.labels, "labels", "", "text `file` of class names, one a line")
	f.IntVar(&s.heads, "heads", 0, "`number` of attention heads of a block")
	f.Float32SliceVar(&s.mean, "mean", nil, "mean of red, green and blue as `R,G,B`, of pixels from 0 to 1")
	f.Float32SliceVar(&s.std, "std", nil, "standard deviation of red, green and blue as `R,G,B`")
	f.StringVar(&s.resize, "resize", "", "resize the shortest edge to `N` pixels before the centre crop;\nsquash:N both edges, longest:N the longest")
	f.Float64Var(&s.crop, "crop", 0, "instead of --resize: the `fraction` of the shortest edge that the\ncentre crop keeps")
	f.StringVar(&s.interp, "interp", "", "`filter` of the resize: nearest, bilinear, bicubic or lanczos")
}

func (s *sourceFlags) options() (quant.Options, error) {
	o := quant.Options{
		Labels: s.labels, Heads: s.heads, CropFraction: s.crop,
		Interpolation: quant.Interpolation(s.interp), Mean: s.mean, Std: s.std,
	}
	if s.resize == "" {
		return o, nil
	}
	if s.crop != 0 {
		return o, errors.New("--resize and --crop exclude each other")
	}
	mode, number, found := strings.Cut(s.resize, ":")
	if !found {
		mode, number = "shortest", s.resize
	}
	var ok bool
	o.Resize.Mode, ok = map[string]quant.ResizeMode{
		"shortest": quant.ShortestEdge, "squash": quant.Squash, "longest": quant.LongestEdge,
	}[mode]
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return o, fmt.Errorf("--resize %q: want N, squash:N or longest:N", s.resize)
	}
	o.Resize.Size = n
	return o, nil
}

// askForFlags adds the flags that say what is missing.
func askForFlags(err error) error {
	var incomplete *quant.IncompleteError
	if !errors.As(err, &incomplete) {
		return err
	}
	flags := map[string]string{"heads": "--heads", "resize": "--resize or --crop", "interpolation": "--interp", "mean": "--mean", "std": "--std"}
	var give []string
	for _, what := range incomplete.Missing {
		give = append(give, flags[what])
	}
	return fmt.Errorf("%w; give %s", err, strings.Join(give, ", "))
}

// convert quantizes src and reports each tensor while it works.
func convert(ctx context.Context, stdout io.Writer, src, dst string, options quant.Options) error {
	start := time.Now()
	c, err := quant.Open(src, options)
	if err != nil {
		return askForFlags(err)
	}
	defer c.Close()
	if c.Quantized() {
		return fmt.Errorf("%s: the model is int8 already", c.Path)
	}
	before, err := os.Stat(c.Path)
	if err != nil {
		return err
	}
	if target, err := os.Stat(dst); err == nil && os.SameFile(before, target) {
		return fmt.Errorf("%s is the source itself; name another file for the int8 model", dst)
	}

	printNotes(stdout, c)
	fmt.Fprintf(stdout, "\n%-54s %-11s %-12s %9s  %s\n", "tensor", "shape", "type", "SQNR", "max error/scale")
	var t totals
	q, err := c.Quantize(func(r quant.TensorReport) {
		t.add(r)
		printTensor(stdout, r)
	})
	if err != nil {
		return err
	}
	q.Version = toolVersion()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := q.WriteFile(dst); err != nil {
		return err
	}
	after, err := os.Stat(dst)
	if err != nil {
		return err
	}
	mb := func(st os.FileInfo) float64 { return float64(st.Size()) / 1e6 }
	fmt.Fprintf(stdout, "\n%s: %d tensors in int8, %d in float32; worst weight SQNR %s\n", dst, t.int8s, t.floats, decibels(t.worst))
	fmt.Fprintf(stdout, "%.1f MB -> %.1f MB, ratio %.2f, %.2f s; accuracy not verified, see quantize verify\n",
		mb(before), mb(after), mb(before)/mb(after), time.Since(start).Seconds())
	return nil
}

// totals are those of a conversion.
type totals struct {
	int8s, floats int
	worst         float64 // SQNR in dB
}

func (t *totals) add(r quant.TensorReport) {
	if r.To != quant.I8 {
		t.floats++
		return
	}
	if t.int8s++; t.int8s == 1 || r.SQNR < t.worst {
		t.worst = r.SQNR
	}
}

// printNotes says what was found and where it came from.
func printNotes(w io.Writer, c *quant.Checkpoint) {
	n := c.Config
	fmt.Fprintf(w, "%s\n  %d x %d pixels, patches of %d, %d tokens of width %d, %d blocks with MLP width %d, %d classes\n",
		c.Path, n.ImageSize, n.ImageSize, n.PatchSize, n.Tokens(), n.Dim, n.Depth, n.MLPDim, n.Classes)
	for _, note := range c.Notes {
		fmt.Fprintf(w, "  %-15s %-24s (%s)\n", note.What, note.Value, note.From)
	}
	if c.Labels == nil {
		fmt.Fprintf(w, "  %-15s %-24s (no --labels, labels.txt or id2label)\n", "labels", "none")
	}
}

func printTensor(w io.Writer, r quant.TensorReport) {
	shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(r.Shape), "[]"), " ", "x")
	if r.To != quant.I8 {
		fmt.Fprintf(w, "%-54s %-11s %s -> %s\n", r.Name, shape, r.From, r.To)
		return
	}
	fmt.Fprintf(w, "%-54s %-11s %-12s %9s  %.4f\n", r.Name, shape, string(r.From)+" -> int8", decibels(r.SQNR), r.MaxError)
}

// decibels formats a ratio of powers; nothing lost has no number.
func decibels(db float64) string {
	if math.IsInf(db, 1) {
		return "exact"
	}
	return fmt.Sprintf("%.2f dB", db)
}
