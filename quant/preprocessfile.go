package quant

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// processor is transformers' preprocessor_config.json.
type processor struct {
	Type         string          `json:"image_processor_type,omitempty"`
	OldType      string          `json:"feature_extractor_type,omitempty"`
	DoResize     *bool           `json:"do_resize,omitempty"`
	Size         json.RawMessage `json:"size,omitempty"` // a number or an object, see imageSize
	Resample     *int            `json:"resample,omitempty"`
	DoCenterCrop *bool           `json:"do_center_crop,omitempty"`
	CropSize     json.RawMessage `json:"crop_size,omitempty"`
	DoRescale    *bool           `json:"do_rescale,omitempty"`
	Rescale      *float64        `json:"rescale_factor,omitempty"`
	DoNormalize  *bool           `json:"do_normalize,omitempty"`
	Mean         []float32       `json:"image_mean,omitempty"`
	Std          []float32       `json:"image_std,omitempty"`
}

// imageSize is how transformers writes a size: a number, which stands for both
// sides or the shortest edge, or named sides.
type imageSize struct {
	Height   int `json:"height,omitempty"`
	Width    int `json:"width,omitempty"`
	Shortest int `json:"shortest_edge,omitempty"`
	Longest  int `json:"longest_edge,omitempty"`
}

// resamples are Pillow's filters by their numbers.
var resamples = map[int]Interpolation{0: Nearest, 1: Lanczos, 2: Bilinear, 3: Bicubic}

// parseImageSize takes a number as the shortest edge or as both sides.
func parseImageSize(text json.RawMessage, shortest bool) (s imageSize, err error) {
	var n int
	if unmarshalJSON(text, &n) != nil {
		err = unmarshalJSON(text, &s)
		return s, err
	}
	if shortest {
		return imageSize{Shortest: n}, nil
	}
	return imageSize{Height: n, Width: n}, nil
}

// isNull is JSON's null, which means what an absent value means.
func isNull(text json.RawMessage) bool { return text == nil || string(text) == "null" }

// resize is the Resize that the size means.
func (s imageSize) resize() (Resize, error) {
	switch {
	case s.Height > 0 && s.Height == s.Width && s.Shortest == 0 && s.Longest == 0:
		return Resize{Squash, s.Height}, nil
	case s.Shortest > 0 && s.Height == 0 && s.Width == 0 && s.Longest == 0:
		return Resize{ShortestEdge, s.Shortest}, nil
	case s.Longest > 0 && s.Height == 0 && s.Width == 0 && s.Shortest == 0:
		return Resize{LongestEdge, s.Longest}, nil
	}
	return Resize{}, fmt.Errorf("size is %+v; want equal height and width, shortest_edge or longest_edge", s)
}

// processorDefaults is what transformers' processors do where a file does not
// say. Sources: transformers/models/{vit,deit,bit,clip}/image_processing_*.py.
type processorDefaults struct {
	resize        Resize
	crop          bool
	interpolation Interpolation
	mean, std     [3]float32
}

var half = [3]float32{0.5, 0.5, 0.5}

// clipDefaults are of CLIP, whose processor BiT's is a copy of.
var clipDefaults = processorDefaults{Resize{ShortestEdge, 224}, true, Bicubic,
	[3]float32{0.48145466, 0.4578275, 0.40821073}, [3]float32{0.26862954, 0.26130258, 0.27577711}}

var processors = map[string]processorDefaults{
	"ViT":  {Resize{Squash, 224}, false, Bilinear, half, half},
	"DeiT": {Resize{Squash, 256}, true, Bicubic, half, half},
	"Bit":  clipDefaults,
	"CLIP": clipDefaults,
}

// readPreprocess takes what a preprocessor_config.json says. What it leaves
// out has the default of transformers' processor of that type, if it is known.
func readPreprocess(c *Checkpoint, text []byte, from string) error {
	var r processor
	if err := unmarshalJSON(text, &r); err != nil {
		return err
	}
	if r.Type == "" {
		r.Type = r.OldType
	}
	kind, _, _ := strings.Cut(r.Type, "ImageProcessor")
	kind = strings.TrimSuffix(kind, "FeatureExtractor")
	defaults, known := processors[kind]
	isDefault := fmt.Sprintf("the default of %s", r.Type)
	p := &c.Preprocess

	if r.DoResize != nil && !*r.DoResize {
		return fmt.Errorf("do_resize is false; pictures have every size")
	}
	resize, where := defaults.resize, isDefault
	if !isNull(r.Size) {
		size, err := parseImageSize(r.Size, defaults.resize.Mode == ShortestEdge)
		if err != nil {
			return fmt.Errorf("size: %w", err)
		}
		if resize, err = size.resize(); err != nil {
			return err
		}
		where = from
	}
	if err := readCrop(c, r, defaults, resize, from); err != nil {
		return err
	}
	if !isNull(r.Size) || known {
		p.Resize = resize
		c.note("resize", resize, where)
	}

	if r.Resample != nil {
		i, ok := resamples[*r.Resample]
		if !ok {
			return fmt.Errorf("resample is %d; want 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)", *r.Resample)
		}
		p.Interpolation = i
		c.note("interpolation", i, from)
	} else if known {
		p.Interpolation = defaults.interpolation
		c.note("interpolation", p.Interpolation, isDefault)
	}

	if r.DoRescale != nil && !*r.DoRescale || r.Rescale != nil && math.Abs(*r.Rescale*255-1) > 1e-4 {
		return fmt.Errorf("pixels are not rescaled by 1/255 (do_rescale, rescale_factor)")
	}
	if r.DoNormalize != nil && !*r.DoNormalize {
		c.setPixels([3]float32{}, [3]float32{1, 1, 1}, from)
		return nil
	}
	for _, f := range []struct {
		key       string
		text      []float32
		dst       *[3]float32
		byDefault [3]float32
	}{{"image_mean", r.Mean, &p.Mean, defaults.mean}, {"image_std", r.Std, &p.Std, defaults.std}} {
		where := from
		if f.text == nil {
			if !known {
				continue
			}
			f.text, where = f.byDefault[:], isDefault
		}
		if err := channels(f.dst, f.text, f.key); err != nil {
			return err
		}
		c.note(f.key[len("image_"):], *f.dst, where)
	}
	return nil
}

// readCrop compares the size that the processor delivers with that of the
// position embedding, or resizes the latter where the reference does so.
func readCrop(c *Checkpoint, r processor, defaults processorDefaults, resize Resize, from string) error {
	size := c.Config.ImageSize
	if crop := r.DoCenterCrop; crop != nil && *crop || crop == nil && defaults.crop {
		if isNull(r.CropSize) {
			return nil
		}
		crop, err := parseImageSize(r.CropSize, false)
		if err != nil {
			return fmt.Errorf("crop_size: %w", err)
		}
		if c.anySize && crop.Height == crop.Width {
			return c.resizeTo(crop.Height, from)
		}
		if crop.Height != size || crop.Width != size {
			return fmt.Errorf("crop_size is %d by %d, but the tensors are for %d", crop.Height, crop.Width, size)
		}
		return nil
	}
	if resize == (Resize{}) || resize == (Resize{Squash, size}) {
		return nil
	}
	if c.anySize && resize.Mode == Squash {
		return c.resizeTo(resize.Size, from)
	}
	return fmt.Errorf("size is %s without a crop, but the tensors are for %d by %d pixels", resize, size, size)
}

// processorConfig is the preprocessor_config.json of p, of the processor of
// transformers that does the same.
func processorConfig(p Preprocess) processor {
	yes := true
	factor := 1.0 / 255
	r := processor{
		DoResize: &yes, DoCenterCrop: &yes, DoRescale: &yes, DoNormalize: &yes,
		Rescale: &factor, Mean: p.Mean[:], Std: p.Std[:],
		CropSize: appendJSON(nil, imageSize{Height: p.Crop, Width: p.Crop}),
	}
	for n, i := range resamples {
		if i == p.Interpolation {
			r.Resample = &n
		}
	}
	switch p.Resize.Mode {
	case Squash:
		r.Type = "DeiTImageProcessor"
		r.Size = appendJSON(nil, imageSize{Height: p.Resize.Size, Width: p.Resize.Size})
	case ShortestEdge:
		r.Type = "BitImageProcessor"
		r.Size = appendJSON(nil, imageSize{Shortest: p.Resize.Size})
	case LongestEdge: // none of transformers' does this
		r.Size = appendJSON(nil, imageSize{Longest: p.Resize.Size})
	}
	return r
}
