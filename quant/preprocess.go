package quant

import (
	"fmt"
)

// Preprocess says how a picture becomes the pixels that a model was trained
// on. Wrong preprocessing costs more accuracy than int8 does, so it travels
// inside the model file.
type Preprocess struct {
	Resize        Resize
	Crop          int // side of the centre crop in pixels, the model's image size
	Interpolation Interpolation
	Mean, Std     [3]float32 // per RGB channel, of pixels in [0, 1]
}

// Resize says to which size a picture is brought before the centre crop.
type Resize struct {
	Mode ResizeMode
	Size int // pixels, see the modes
}

// ResizeMode is how the size of a Resize is meant.
type ResizeMode string

const (
	// ShortestEdge scales the shorter side to Size and keeps the aspect ratio
	// (timm's crop mode "center").
	ShortestEdge ResizeMode = "shortest_edge"
	// Squash scales both sides to Size whatever the aspect ratio (timm's crop
	// mode "squash", Hugging Face's {height, width}).
	Squash ResizeMode = "squash"
	// LongestEdge scales the longer side to Size and fills the border with the
	// mean colour (timm's crop mode "border").
	LongestEdge ResizeMode = "longest_edge"
)

// Interpolation is the resampling filter, antialiased as in Pillow.
type Interpolation string

// The filters by Pillow's names.
const (
	Nearest  Interpolation = "nearest"
	Bilinear Interpolation = "bilinear"
	Bicubic  Interpolation = "bicubic"
	Lanczos  Interpolation = "lanczos"
)

// String is "shortest_edge 248".
func (r Resize) String() string { return fmt.Sprintf("%s %d", r.Mode, r.Size) }

// MaxSide is the largest side of a resized picture and of a model's input, in
// pixels: with pictures of any size, no side before the crop exceeds an int32.
const MaxSide = 1 << 14

// minStd is the least deviation of pixels, a quarter of a step of 8 bits.
const minStd = 0.001

// Validate reports the first value with which no picture can be prepared for a
// model of the given image size in pixels.
func (p Preprocess) Validate(imageSize int) error {
	switch p.Resize.Mode {
	case ShortestEdge, Squash, LongestEdge:
	default:
		return fmt.Errorf("preprocessing: resize mode %q is not supported; want %q, %q or %q", p.Resize.Mode, ShortestEdge, Squash, LongestEdge)
	}
	if p.Resize.Size < 1 || p.Resize.Size > MaxSide {
		return fmt.Errorf("preprocessing: resize to %d pixels; want 1 to %d", p.Resize.Size, MaxSide)
	}
	if imageSize > MaxSide {
		return fmt.Errorf("preprocessing: the model takes %d pixels; want %d at most", imageSize, MaxSide)
	}
	if p.Crop != imageSize {
		return fmt.Errorf("preprocessing: crop is %d pixels; the model takes %d", p.Crop, imageSize)
	}
	if p.Resize.Mode != LongestEdge && p.Resize.Size < p.Crop {
		return fmt.Errorf("preprocessing: resize to %d pixels leaves no crop of %d", p.Resize.Size, p.Crop)
	}
	switch p.Interpolation {
	case Nearest, Bilinear, Bicubic, Lanczos:
	default:
		return fmt.Errorf("preprocessing: interpolation %q is not supported; want %q, %q, %q or %q", p.Interpolation, Nearest, Bilinear, Bicubic, Lanczos)
	}
	for i := range 3 {
		// Numbers for pixels from 0 to 255 are the usual mistake.
		if !(p.Mean[i] >= 0 && p.Mean[i] <= 1) {
			return fmt.Errorf("preprocessing: mean of channel %d is %g; want 0 to 1, as pixels are", i, p.Mean[i])
		}
		if !(p.Std[i] >= minStd && p.Std[i] <= 1) {
			return fmt.Errorf("preprocessing: std of channel %d is %g; want %g to 1, for pixels from 0 to 1", i, p.Std[i], minStd)
		}
	}
	return nil
}
