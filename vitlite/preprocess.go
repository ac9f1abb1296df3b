package vitlite

import (
	"fmt"
	"math"

	"vitedge/kernels"
	"vitedge/quant"
)

// maxSource is the largest side of a picture that a Preprocessor takes, and of a
// JPEG. With quant.MaxSide the size of a resized side fits an int32.
const maxSource = 1<<16 - 1

// maxPlans bounds the source sizes whose coefficients are kept. A daemon has
// one a camera.
const maxPlans = 8

// Preprocessor turns pictures of any size into the pixels that a model reads:
// resized, then cropped or bordered to a square, 8-bit RGB. Mean and standard
// deviation are not applied here, the model has them in its patch embedding.
//
// The pixels are those of Pillow's Image.resize followed by torchvision's
// CenterCrop or timm's CenterCropOrPad, bit for bit. Only the rows and columns
// inside the crop are computed, and source rows are read once, top down.
//
// A Preprocessor is not safe for concurrent use.
type Preprocessor struct {
	p     quant.Preprocess
	fill  [3]byte // color of the border
	plans []*plan // most recently used first, at most maxPlans

	// Scratch memory, grown to the largest plan seen.
	row    []byte  // source row, and what the filter reads beyond it
	ring   []byte  // [rows.taps][3*columns] resampled rows; row y is at y mod rows.taps
	coeffs []int32 // [rows.taps] of an output row, in the order of the ring
}

// plan is the resampling of one source size.
type plan struct {
	width, height int // of the source
	columns, rows axis
	filter        *kernels.Resampling // of columns
	left, right   int                 // source columns that have a coefficient
}

// NewPreprocessor checks p.
func NewPreprocessor(p quant.Preprocess) (*Preprocessor, error) {
	if p.Crop < 1 || p.Crop > quant.MaxSide {
		return nil, fmt.Errorf("preprocess: crop size is %d; want 1 to %d", p.Crop, quant.MaxSide)
	}
	if p.Resize.Size < 1 || p.Resize.Size > quant.MaxSide {
		return nil, fmt.Errorf("preprocess: resize size is %d; want 1 to %d", p.Resize.Size, quant.MaxSide)
	}
	switch p.Interpolation {
	case quant.Nearest, quant.Bilinear, quant.Bicubic, quant.Lanczos:
	default:
		return nil, fmt.Errorf("preprocess: interpolation %q is not supported; want %q, %q, %q or %q",
			p.Interpolation, quant.Nearest, quant.Bilinear, quant.Bicubic, quant.Lanczos)
	}
	pre := &Preprocessor{p: p}
	switch p.Resize.Mode {
	case quant.ShortestEdge, quant.Squash: // torchvision's CenterCrop pads with black
	case quant.LongestEdge:
		for c, mean := range p.Mean {
			if !(mean >= 0 && mean <= 1) {
				return nil, fmt.Errorf("preprocess: mean of channel %d is %g; the border needs 0 to 1", c, mean)
			}
			pre.fill[c] = byte(math.RoundToEven(255 * float64(mean)))
		}
	default:
		return nil, fmt.Errorf("preprocess: resize mode %q is not supported; want %q, %q or %q",
			p.Resize.Mode, quant.ShortestEdge, quant.Squash, quant.LongestEdge)
	}
	return pre, nil
}

// Process writes the Crop*Crop*3 bytes of the model's input to dst, rows top
// down, interleaved RGB. It allocates only when it meets a new source size. An
// error leaves dst as it was.
func (p *Preprocessor) Process(dst []byte, pic Picture) error {
	crop := p.p.Crop
	if len(dst) != crop*crop*3 {
		return fmt.Errorf("preprocess: destination has %d bytes; want %d for %dx%d RGB", len(dst), crop*crop*3, crop, crop)
	}
	width, height := pic.Size()
	if width < 1 || height < 1 || width > maxSource || height > maxSource {
		return fmt.Errorf("preprocess: picture is %dx%d; want sides of 1 to %d", width, height, maxSource)
	}
	pl := p.plan(width, height)
	columns, rows := &pl.columns, &pl.rows
	if columns.hi-columns.lo < crop || rows.hi-rows.lo < crop {
		p.border(dst)
	}

	part, _ := pic.(spans)
	seen := p.row[3*pl.left : 3*pl.right]
	stride := 3 * (columns.hi - columns.lo)
	taps := rows.taps
	ring, coeffs := p.ring[:taps*stride], p.coeffs[:taps]
	next := 0 // source row to read next
	for i, first := range rows.first {
		for next = max(next, int(first)); next < int(first+rows.count[i]); next++ {
			if part != nil {
				part.SpanRGB(seen, pl.left, next)
			} else {
				pic.RowRGB(p.row[:3*width], next)
			}
			kernels.ResampleRGB(ring[next%taps*stride:][:stride], p.row, pl.filter)
		}
		// Slots of the ring beyond the count hold old rows; their coefficients
		// are 0.
		k := rows.coeffs[i*taps:][:taps]
		slot := int(first) % taps
		copy(coeffs[slot:], k)
		copy(coeffs, k[taps-slot:])
		kernels.BlendRows(dst[3*((rows.lo+i)*crop+columns.lo):][:stride], ring, coeffs)
	}
	return nil
}

func (p *Preprocessor) border(dst []byte) {
	for i := 0; i < len(dst); i += 3 {
		copy(dst[i:i+3], p.fill[:])
	}
}

// plan returns the coefficients for a source size and makes room for it.
func (p *Preprocessor) plan(width, height int) *plan {
	for i, pl := range p.plans {
		if pl.width == width && pl.height == height {
			copy(p.plans[1:i+1], p.plans[:i])
			p.plans[0] = pl
			return pl
		}
	}
	w, h := resized(p.p.Resize, width, height)
	pl := &plan{
		width: width, height: height,
		columns: newAxis(p.p.Interpolation, width, w, p.p.Crop),
		rows:    newAxis(p.p.Interpolation, height, h, p.p.Crop),
	}
	c := &pl.columns
	pl.filter = kernels.NewResampling(c.first, c.coeffs, c.taps)
	pl.left = int(c.first[0])
	for i, first := range c.first {
		pl.right = max(pl.right, int(first+c.count[i]))
	}
	if len(p.plans) < maxPlans {
		p.plans = append(p.plans, nil)
	}
	copy(p.plans[1:], p.plans)
	p.plans[0] = pl

	stride := 3 * (pl.columns.hi - pl.columns.lo)
	p.row = grown(p.row, max(3*width, pl.filter.Reach()))
	p.ring = grown(p.ring, pl.rows.taps*stride)
	p.coeffs = grown(p.coeffs, pl.rows.taps)
	return pl
}

// grown returns s when it has n elements, else a new slice that has.
func grown[T any](s []T, n int) []T {
	if len(s) >= n {
		return s
	}
	return make([]T, n)
}

// resized is the size of a width x height picture after r and before the crop.
// Each mode rounds as its original does: torchvision's Resize cuts off, timm's
// ResizeKeepRatio rounds half to even.
func resized(r quant.Resize, width, height int) (w, h int) {
	switch r.Mode {
	case quant.ShortestEdge:
		scaled := func(long, short int) int { return int(int64(r.Size) * int64(long) / int64(short)) }
		if width <= height {
			return r.Size, scaled(height, width)
		}
		return scaled(width, height), r.Size
	case quant.LongestEdge:
		ratio := max(float64(height)/float64(r.Size), float64(width)/float64(r.Size))
		// A side that vanishes has no pixels to resample; it keeps one.
		scaled := func(side int) int { return max(1, int(math.RoundToEven(float64(side)/ratio))) }
		return scaled(width), scaled(height)
	}
	return r.Size, r.Size
}
