package quant

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
