package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vitedge/quant"
)

// sourceFlags say what files do not.
type sourceFlags struct {
	labels, resize, interp string
	weights                string
	heads, imageSize       int
	crop                   float64
	mean, std              []float32
}

func (s *sourceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.labels, "labels", "", "text `file` of class names, one a line")
	f.StringVar(&s.weights, "weights", "", "`key` of the weights in a PyTorch file that holds several")
	f.IntVar(&s.imageSize, "image-size", 0, "input side in `pixels`, where it is not to be the trained one")
	f.IntVar(&s.heads, "heads", 0, "`number` of attention heads of a block")
	f.Float32SliceVar(&s.mean, "mean", nil, "mean of red, green and blue as `R,G,B`, of pixels from 0 to 1")
	f.Float32SliceVar(&s.std, "std", nil, "standard deviation of red, green and blue as `R,G,B`")
	f.Lookup("mean").DefValue, f.Lookup("std").DefValue = "", "" // and not "(default [])"
	f.StringVar(&s.resize, "resize", "", "resize the shortest edge to `N` pixels before the centre crop;\nsquash:N both edges, longest:N the longest")
	f.Float64Var(&s.crop, "crop", 0, "instead of --resize: the `fraction` of the shortest edge that the\ncentre crop keeps")
	f.StringVar(&s.interp, "interp", "", "`filter` of the resize: nearest, bilinear, bicubic or lanczos")
}

// options checks what the command line alone can be blamed for.
func (s *sourceFlags) options(f *pflag.FlagSet) (quant.Options, error) {
	for _, name := range []string{"image-size", "heads", "crop"} {
		// Zero is what the options take for unknown.
		if flag := f.Lookup(name); flag.Changed && (flag.Value.String() == "0" || strings.HasPrefix(flag.Value.String(), "-")) {
			return quant.Options{}, fmt.Errorf("--%s is %s; want more than 0", name, flag.Value)
		}
	}
	for _, name := range []string{"labels", "weights", "resize", "interp"} {
		if flag := f.Lookup(name); flag.Changed && flag.Value.String() == "" {
			return quant.Options{}, fmt.Errorf("--%s is empty", name)
		}
	}
	o := quant.Options{
		PreferFloat: true, Labels: s.labels, Weights: s.weights, Heads: s.heads, ImageSize: s.imageSize, CropFraction: s.crop,
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

// flagFor is the flag that says what an IncompleteError misses.
var flagFor = map[string]string{
	"heads": "--heads", "resize": "--resize or --crop", "interpolation": "--interp", "mean": "--mean", "std": "--std",
}

// askForFlags adds the flags that say what is missing.
func askForFlags(err error) error {
	var incomplete *quant.IncompleteError
	if !errors.As(err, &incomplete) {
		return err
	}
	var give []string
	for _, what := range incomplete.Missing {
		give = append(give, flagFor[what])
	}
	return fmt.Errorf("%w; give %s", err, strings.Join(give, ", "))
}
