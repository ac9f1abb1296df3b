package vitlite

import (
	"vitedge/kernels"
	"vitedge/quant"
)

// embedding turns pixels into tokens: a linear projection of each patch, the
// class token and the registers in front, and the position embedding added.
type embedding struct {
	image, patch int // sides in pixels
	prefix       int // tokens before the patches
	projection   *kernels.Panels
	position     []float32 // [T, D]; the rows of the tokens in front have these added
}

func loadEmbedding(c *quant.Checkpoint) (*embedding, error) {
	cfg := c.Config
	d, p := cfg.Dim, cfg.PatchSize
	const name = "vit.embeddings.patch_embeddings.projection"
	w, err := loadFloats(c, name+".weight", d*3*p*p)
	if err != nil {
		return nil, err
	}
	b, err := loadFloats(c, name+".bias", d)
	if err != nil {
		return nil, err
	}
	e := &embedding{image: cfg.ImageSize, patch: p, prefix: cfg.Prefix()}
	if e.position, err = loadPositions(c); err != nil {
		return nil, err
	}
	w, b = foldPixels(w, b, d, p, c.Preprocess)
	e.projection = kernels.PackFloatWeights(w, b, d, 3*p*p)
	return e, nil
}

// loadPositions is what the patches are added to, and the tokens before them.
func loadPositions(c *quant.Checkpoint) (rows []float32, err error) {
	cfg := c.Config
	d, patches := cfg.Dim, cfg.Grid()*cfg.Grid()
	classTokens := 1
	if cfg.NoClassToken {
		classTokens = 0
	}
	position, err := loadFloats(c, "vit.embeddings.position_embeddings", (classTokens+patches)*d)
	if err != nil {
		return nil, err
	}
	rows = append(rows, position[:classTokens*d]...)
	if !cfg.NoClassToken {
		class, err := loadFloats(c, "vit.embeddings.cls_token", d)
		if err != nil {
			return nil, err
		}
		for i, v := range class {
			rows[i] += v
		}
	}
	if cfg.Registers > 0 {
		registers, err := loadFloats(c, "vit.embeddings.register_tokens", cfg.Registers*d)
		if err != nil {
			return nil, err
		}
		rows = append(rows, registers...)
	}
	return append(rows, position[classTokens*d:]...), nil
}

// foldPixels changes a projection of normalized channels, [D, 3, p, p], to one of
// pixels as they come, bytes in the order [D, p, p, 3]: with (v/255 - mean)/std for
// each pixel v, the weights take the factor and the bias the constant.
func foldPixels(w, b []float32, d, p int, pre quant.Preprocess) (weights, bias []float32) {
	weights = make([]float32, len(w))
	bias = make([]float32, d)
	for o := range d {
		sum := float64(b[o])
		for ch := range 3 {
			mean, std := float64(pre.Mean[ch]), float64(pre.Std[ch])
			for i := range p * p {
				v := float64(w[(o*3+ch)*p*p+i])
				weights[(o*p*p+i)*3+ch] = float32(v / (255 * std))
				sum -= v * mean / std
			}
		}
		bias[o] = float32(sum)
	}
	return weights, bias
}

// gather writes the patch with the given number, in raster order, to dst as a row
// of the projection's input.
func (e *embedding) gather(dst []float32, pixels []byte, number int) {
	grid := e.image / e.patch
	x, y := number%grid*e.patch, number/grid*e.patch
	n := 3 * e.patch
	kernels.ToFloats(dst, n, pixels[(y*e.image+x)*3:], 3*e.image, e.patch, n)
}
