package quant

import (
	"fmt"
	"math"
	"slices"
)

// embeddings takes the class token, the other tokens and the position embedding
// to their canonical form: the class token and the patches have positions, other
// tokens have theirs added, and the grid is that of the image size.
func (t *taker) embeddings(weights map[string]weight, c Config, p positionTable, f positionFilter) error {
	const class, registers, position = "vit.embeddings.cls_token", "vit.embeddings.register_tokens", "vit.embeddings.position_embeddings"
	classTokens := 1
	if c.NoClassToken {
		classTokens = 0
	} else {
		w, err := t.weight(spec{name: class, shape: []int{1, 1, c.Dim}})
		if err != nil {
			return err
		}
		weights[class] = w
	}
	table, err := t.weight(spec{name: position, shape: []int{1, p.tokens + p.grid*p.grid, c.Dim}})
	if err != nil {
		return err
	}
	if c.Grid() == p.grid && p.tokens == classTokens && !t.fam.has(t.source, "vit.embeddings.distillation_token") {
		weights[position] = table
		if c.Registers > 0 {
			weights[registers], err = t.weight(spec{name: registers, shape: []int{1, c.Registers, c.Dim}})
		}
		return err
	}

	rows, err := table.array.floats()
	if err != nil {
		return err
	}
	before, patches := rows[:p.tokens*c.Dim], rows[p.tokens*c.Dim:]
	canonical := make([]float32, classTokens*c.Dim)
	if p.tokens > 0 {
		before = before[copy(canonical, before):]
	}
	canonical = append(canonical, f.resize(patches, p.grid, c.Grid(), c.Dim)...)
	weights[position] = weightOf(float32Tensor(position, []int{1, classTokens + c.Grid()*c.Grid(), c.Dim}, canonical))
	if c.Registers == 0 {
		return nil
	}
	tokens, err := t.otherTokens(c)
	if err != nil {
		return err
	}
	for i, v := range before { // none, or one a token
		tokens[i] += v
	}
	weights[registers] = weightOf(float32Tensor(registers, []int{1, c.Registers, c.Dim}, tokens))
	return nil
}

// otherTokens are the distillation token and the registers, in this order.
func (t *taker) otherTokens(c Config) (tokens []float32, err error) {
	for _, name := range []string{"vit.embeddings.distillation_token", "vit.embeddings.register_tokens"} {
		if !t.fam.has(t.source, name) {
			continue
		}
		view, _, _, err := t.fam.find(t.source, name)
		if err != nil {
			return nil, err
		}
		w, err := t.weight(spec{name: name, shape: []int{1, view.shape[1], c.Dim}})
		if err != nil {
			return nil, err
		}
		v, err := w.array.floats()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, v...)
	}
	return tokens, nil
}

// positionFilter is how a position embedding is brought to another grid. Both
// take the rows of the table as a picture of D channels, and both are bicubic
// with pixel centers at halves (torch.nn.functional.interpolate).
type positionFilter bool

const (
	// antialiased is timm's resample_abs_pos_embed, and what transformers does
	// while it runs DINOv2 with registers: Keys' kernel with a = -0.5, widened
	// where the grid shrinks, and cut off at the border.
	antialiased positionFilter = false
	// notAntialiased is what transformers does while it runs DINOv2 without
	// registers: Keys' kernel with a = -0.75, of four rows always; those beyond
	// the border repeat the last.
	notAntialiased positionFilter = true
)

func (f positionFilter) String() string {
	if f == notAntialiased {
		return "bicubic"
	}
	return "antialiased bicubic"
}

// resize brings the table of from by from patches, each a row of dim elements,
// to to by to. It is float32 whatever the type in the file.
func (f positionFilter) resize(table []float32, from, to, dim int) []float32 {
	if from == to {
		return table
	}
	taps := make([][]tap, to)
	for i := range taps {
		taps[i] = f.taps(i, from, to)
	}
	// Sums are in float64, and no product is fused with an addition, so that the
	// same file comes out on every machine.
	sum := make([]float64, dim)
	combine := func(dst []float32, taps []tap, row func(i int) []float32) {
		clear(sum)
		for _, t := range taps {
			for d, v := range row(t.index) {
				sum[d] += float64(t.weight * float64(v))
			}
		}
		for d, v := range sum {
			dst[d] = float32(v)
		}
	}
	wide := make([]float32, from*to*dim)
	for y := range from {
		for x := range to {
			combine(wide[(y*to+x)*dim:][:dim], taps[x], func(i int) []float32 { return table[(y*from+i)*dim:][:dim] })
		}
	}
	resized := make([]float32, to*to*dim)
	for y := range to {
		for x := range to {
			combine(resized[(y*to+x)*dim:][:dim], taps[y], func(i int) []float32 { return wide[(i*to+x)*dim:][:dim] })
		}
	}
	return resized
}

// tap is a patch of the old grid and how much of it goes into one of the new.
type tap struct {
	index  int
	weight float64
}

// taps are what patch i of to is made of, along one side.
func (f positionFilter) taps(i, from, to int) (taps []tap) {
	scale := float64(from) / float64(to)
	center := scale * (float64(i) + 0.5)
	if f == notAntialiased {
		first := math.Floor(center - 0.5)
		for j := range 4 {
			at := first + float64(j-1)
			index := max(0, min(from-1, int(at)))
			taps = append(taps, tap{index, keys(center-0.5-at, -0.75)})
		}
		return taps
	}
	widen := max(1, scale)
	first := max(0, int(center-2*widen+0.5))
	last := min(from, int(center+2*widen+0.5))
	total := 0.0
	for j := first; j < last; j++ {
		w := keys((float64(j)+0.5-center)/widen, -0.5)
		total += w
		taps = append(taps, tap{j, w})
	}
	for j := range taps {
		taps[j].weight /= total
	}
	return taps
}

// keys is the cubic convolution kernel of R. Keys, "Cubic convolution
// interpolation for digital image processing", 1981.
func keys(x, a float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return float64((float64((float64(a*x)-5*a)*x)+8*a)*x) - 4*a
	}
	return 0
}

// resizeTo makes the checkpoint one for pictures of another size, with the
// positions that the reference would have there.
func (c *Checkpoint) resizeTo(size int, from string) error {
	n := &c.Config
	if size < n.PatchSize || size > MaxSide || size%n.PatchSize != 0 {
		return fmt.Errorf("image size is %d; want a multiple of the patch size, %d, up to %d", size, n.PatchSize, MaxSide)
	}
	if size == n.ImageSize {
		return nil
	}
	if p := &c.Preprocess; p.Resize != (Resize{}) {
		if c.cropFraction != 0 {
			p.Resize.Size = cropResize(size, c.cropFraction)
		} else {
			p.Resize.Size = p.Resize.Size * size / n.ImageSize
		}
		c.note("resize", p.Resize, "scaled to the image size")
	}
	n.ImageSize, c.Preprocess.Crop = size, size
	if c.filter = antialiased; c.anySize && n.Registers == 0 {
		c.filter = notAntialiased
	}
	c.Notes = slices.DeleteFunc(c.Notes, func(n Note) bool { return n.What == "image size" || n.What == "positions" })
	if size != c.trainedSize {
		was := c.trainedSize / n.PatchSize
		c.note("image size", fmt.Sprintf("%d, trained %d", size, c.trainedSize), from)
		c.note("positions", fmt.Sprintf("%d by %d from %d by %d", n.Grid(), n.Grid(), was, was), c.filter.String())
	}
	return nil
}
