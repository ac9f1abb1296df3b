package quant

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Options say what the files do not, and override what they say.
type Options struct {
	ImageSize     int           // input side in pixels, other than the trained one
	Heads         int           // attention heads
	Resize        Resize        // before the centre crop
	CropFraction  float64       // instead of Resize: shortest edge to image size / fraction
	Interpolation Interpolation // filter of the resize
	Mean, Std     []float32     // one a channel, of pixels in [0, 1]
	Labels        string        // text file of class names, one a line
	NoLabels      bool          // leave class names aside, also those of the files

	// PreferFloat leaves int8 models aside in a folder that has other weights, too.
	PreferFloat bool

	// Weights is the key of the weights in a PyTorch file that holds several,
	// "state_dict_ema" for example.
	Weights string
}

// Open reads a plain ViT: a float checkpoint in safetensors, one file or shards
// with their index, in PyTorch's format or in NumPy's .npz, by timm, Hugging
// Face, torchvision or JAX; or an int8 model that WriteFile stored. What it is
// follows from its bytes and the names of its tensors alone.
//
// The path names the weights, or their folder. config.json,
// preprocessor_config.json and labels.txt are looked for in the same folder,
// or the first two in the file's own metadata. What neither they nor o say is
// an [IncompleteError]: a wrong guess costs more accuracy than int8 does.
//
// No code from a pickle is ever run.
func Open(path string, o Options) (*Checkpoint, error) {
	weights, err := findWeights(path, o.PreferFloat)
	if err != nil {
		return nil, err
	}
	s, err := openSource(weights, o.Weights)
	if err != nil {
		return nil, err
	}
	c, err := open(s, weights, o)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", weights, err)
	}
	return c, nil
}

func open(s *source, path string, o Options) (*Checkpoint, error) {
	side, err := readSidecars(filepath.Dir(path), s.metadata, o)
	if err != nil {
		return nil, err
	}
	fam, err := findFamily(s)
	if err != nil {
		return nil, side.explain(err)
	}
	c := &Checkpoint{Path: path, Family: fam.name, Bytes: s.bytes(), source: s, anySize: fam.anySize}
	c.note("format", s.format, "the file's first bytes")
	c.note("family", fam.name, "tensor names")
	c.Notes = append(c.Notes, s.notes...)
	var positions positionTable
	if c.Config, positions, err = fam.sizes(s); err != nil {
		return nil, side.explain(err)
	}
	if side.labels != nil {
		c.setLabels(side.labels, side.labelsFrom)
	}
	c.Files = append(s.paths, side.files...)
	c.trainedSize, c.Preprocess.Crop = c.Config.ImageSize, c.Config.ImageSize
	if err := fam.configure(c, side); err != nil {
		return nil, err
	}
	if err := o.apply(c); err != nil {
		return nil, err
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	if err := c.Config.Validate(); err != nil {
		return nil, err
	}
	if err := c.Preprocess.Validate(c.Config.ImageSize); err != nil {
		return nil, err
	}
	if c.Labels != nil && len(c.Labels) != c.Config.Classes {
		return nil, fmt.Errorf("%d labels in %s, but the model has %d classes", len(c.Labels), c.labelsFrom, c.Config.Classes)
	}
	if c.weights, err = fam.take(s, c.Config, positions, c.filter); err != nil {
		return nil, side.explain(err)
	}
	c.SHA256 = s.sum()
	c.SourceSHA256, c.Version, c.report = s.metadata[sourceKey], s.metadata[versionKey], s.metadata[reportKey]
	return c, nil
}

// option is where the notes on Options come from.
const option = "option"

// apply lets the options override what the files say.
func (o Options) apply(c *Checkpoint) error {
	p := &c.Preprocess
	if o.ImageSize != 0 {
		if err := c.resizeTo(o.ImageSize, option); err != nil {
			return err
		}
	}
	if o.Heads != 0 {
		c.Config.Heads = o.Heads
		c.note("heads", o.Heads, option)
	}
	if o.CropFraction != 0 {
		if !(o.CropFraction > 0 && o.CropFraction <= 1) {
			return fmt.Errorf("crop fraction is %g; want more than 0 and at most 1", o.CropFraction)
		}
		p.Resize = Resize{ShortestEdge, cropResize(c.Config.ImageSize, o.CropFraction)}
		c.note("resize", p.Resize, option)
	}
	if o.Resize != (Resize{}) {
		p.Resize = o.Resize
		c.note("resize", p.Resize, option)
	}
	if o.Interpolation != "" {
		p.Interpolation = o.Interpolation
		c.note("interpolation", p.Interpolation, option)
	}
	if o.Mean != nil {
		if err := channels(&p.Mean, o.Mean, "mean"); err != nil {
			return err
		}
		c.note("mean", p.Mean, option)
	}
	if o.Std != nil {
		if err := channels(&p.Std, o.Std, "std"); err != nil {
			return err
		}
		c.note("std", p.Std, option)
	}
	return nil
}

// IncompleteError lists what neither the weights nor the files beside them
// say: "heads", "resize", "interpolation", "mean" or "std". Options can.
type IncompleteError struct{ Missing []string }

func (e *IncompleteError) Error() string {
	return "neither the weights nor the files beside them say: " + strings.Join(e.Missing, ", ")
}

// complete asks for everything that is still unknown.
func (c *Checkpoint) complete() error {
	var missing []string
	for _, what := range []string{"heads", "resize", "interpolation", "mean", "std"} {
		if !slices.ContainsFunc(c.Notes, func(n Note) bool { return n.What == what }) {
			missing = append(missing, what)
		}
	}
	if missing != nil {
		return &IncompleteError{missing}
	}
	return nil
}

// sidecars are the texts that come with weights, nil where absent, and where
// they were found.
type sidecars struct {
	config, preprocess         []byte
	configFrom, preprocessFrom string
	labels                     []string
	labelsFrom                 string
	files                      []string // that were read
	noLabels                   bool     // of the options
	imageSize                  int      // of the options, which settles what texts dispute
}

// modelTypes are transformers' names for what Open knows.
var modelTypes = []string{"vit", "deit", "dinov2", "dinov2_with_registers"}

// explain adds to an error about tensors that are unknown, missing or there several
// times what the files beside them call the network.
func (s sidecars) explain(err error) error {
	var missing missingError
	if !errors.Is(err, errUnknown) && !errors.Is(err, errSeveral) && !errors.As(err, &missing) {
		return err
	}
	var config struct {
		ModelType    string `json:"model_type"`
		Architecture string `json:"architecture"` // timm's
	}
	if json.Unmarshal(s.config, &config) != nil {
		return err
	}
	switch {
	case config.Architecture != "":
		return fmt.Errorf("%w; %s calls it %q", err, s.configFrom, config.Architecture)
	case config.ModelType != "" && !slices.Contains(modelTypes, config.ModelType):
		return fmt.Errorf("%w; %s calls it %q", err, s.configFrom, config.ModelType)
	}
	return err
}

// readSidecars prefers what the weights file itself holds, and labels of the options
// to any.
func readSidecars(dir string, metadata map[string]string, o Options) (s sidecars, err error) {
	s.imageSize, s.noLabels = o.ImageSize, o.NoLabels
	for _, f := range []struct {
		key, name string
		text      *[]byte
		from      *string
	}{
		{configKey, "config.json", &s.config, &s.configFrom},
		{preprocessKey, "preprocessor_config.json", &s.preprocess, &s.preprocessFrom},
	} {
		*f.from = f.name
		if text, ok := metadata[f.key]; ok {
			*f.text, *f.from = []byte(text), "metadata "+f.key
			continue
		}
		path := filepath.Join(dir, f.name)
		switch *f.text, err = ReadText(path); {
		case err == nil:
			s.files = append(s.files, path)
		case !errors.Is(err, fs.ErrNotExist):
			return s, err
		}
	}
	if o.NoLabels {
		return s, nil
	}
	if o.Labels != "" {
		s.labelsFrom, s.files = o.Labels, append(s.files, o.Labels)
		s.labels, err = ReadLabels(o.Labels)
		return s, err
	}
	if _, ok := metadata[configKey]; ok {
		return s, nil // a model file stands alone
	}
	s.labelsFrom = "labels.txt"
	path := filepath.Join(dir, s.labelsFrom)
	switch s.labels, err = ReadLabels(path); {
	case err == nil:
		s.files = append(s.files, path)
	case !errors.Is(err, fs.ErrNotExist):
		return s, err
	}
	return s, nil
}

// channels sets dst to three numbers of a file or flag.
func channels(dst *[3]float32, v []float32, key string) error {
	if len(v) != 3 {
		return fmt.Errorf("%s has %d numbers; want 3, for red, green and blue", key, len(v))
	}
	copy(dst[:], v)
	return nil
}

func mismatch(key string, config, tensors int) error {
	return fmt.Errorf("%s is %d, but the tensors say %d", key, config, tensors)
}
