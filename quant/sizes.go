package quant

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizes derives from names and shapes all that they can say. The image size is
// the one that the position embedding is for.
func (fam *family) sizes(s *source) (c Config, positions positionTable, err error) {
	var shape [4]int
	const projection = "vit.embeddings.patch_embeddings.projection.weight"
	// dims reads the shape of a tensor of known rank.
	dims := func(canonical string, rank int) (name string, err error) {
		view, whole, _, err := fam.find(s, canonical)
		if err != nil {
			return "", err
		}
		if len(view.shape) != rank {
			return "", fmt.Errorf("tensor %q: shape is %v; want %d dimensions", whole.name, whole.shape, rank)
		}
		copy(shape[:], view.shape)
		return whole.name, nil
	}
	name, err := dims(projection, 4)
	if err != nil {
		return c, positions, err
	}
	if shape[1] != 3 || shape[2] != shape[3] {
		return c, positions, fmt.Errorf("tensor %q: shape is %v; want [D 3 p p], square patches of RGB", name, shape)
	}
	c.Dim, c.PatchSize = shape[0], shape[2]

	c.NoClassToken = !fam.has(s, "vit.embeddings.cls_token")
	for _, token := range []string{"vit.embeddings.distillation_token", "vit.embeddings.register_tokens"} {
		if !fam.has(s, token) {
			continue
		}
		if _, err := dims(token, 3); err != nil {
			return c, positions, err
		}
		c.Registers += shape[1]
	}
	if name, err = dims("vit.embeddings.position_embeddings", 3); err != nil {
		var missing missingError
		if errors.As(err, &missing) {
			err = fmt.Errorf("no position embedding: %w; rotary and relative positions are not supported", err)
		}
		return c, positions, err
	}
	positions, err = fam.positions(shape[1], c)
	if err != nil {
		return c, positions, fmt.Errorf("tensor %q: shape is %v; %w", name, shape[:3], err)
	}
	grid := positions.grid
	if c.PatchSize < 1 || grid > 1<<16/c.PatchSize { // so that the product below fits an int
		return c, positions, fmt.Errorf("a grid of %d by %d patches of %d pixels makes no image of 1 to 65536", grid, grid, c.PatchSize)
	}
	c.ImageSize = grid * c.PatchSize

	const norm = "vit.encoder.layer.0.layernorm_before"
	if fam.has(s, norm+".weight") && !fam.has(s, norm+".bias") {
		return c, positions, errors.New("its norms have no bias (RMSNorm); a plain ViT has LayerNorm")
	}
	if _, err = dims("vit.encoder.layer.0.intermediate.dense.weight", 2); err != nil {
		return c, positions, err
	}
	c.MLPDim = shape[0]
	if _, err = dims("classifier.weight", 2); err != nil {
		var missing missingError
		if errors.As(err, &missing) {
			err = fmt.Errorf("no classification head: %w; weights must be trained to classify", err)
		}
		return c, positions, err
	}
	c.Classes = shape[0]
	if fam.has(s, "pre_logits.weight") {
		if _, err = dims("pre_logits.weight", 2); err != nil {
			return c, positions, err
		}
		c.PreLogits = shape[0]
	}
	c.Distilled = fam.has(s, "distillation_classifier.weight")
	c.Depth = fam.depth(s)
	c.QKVBias = fam.has(s, "vit.encoder.layer.0.attention.attention.query.bias")
	return c, positions, nil
}

// positionTable is a position embedding as the source has it.
type positionTable struct {
	grid   int // patches along one side of the image
	tokens int // of those before the patches, how many have positions
}

// positions finds the grid of a position embedding of n rows.
func (fam *family) positions(n int, c Config) (positionTable, error) {
	class := 1
	if c.NoClassToken {
		class = 0
	}
	for _, tokens := range fam.positioned(class, c.Registers) {
		grid := int(math.Sqrt(max(0, float64(n)-float64(tokens))))
		if grid >= 1 && tokens+grid*grid == n {
			return positionTable{grid, tokens}, nil
		}
	}
	root := int(math.Sqrt(float64(n)))
	switch {
	case c.NoClassToken && c.Registers == 0 && n > 1 && root*root == n-1:
		return positionTable{}, fmt.Errorf("%d positions are a class token and a square of patches, but the class token is missing", n)
	case c.NoClassToken && c.Registers == 0:
		return positionTable{}, fmt.Errorf("%d positions are not a square of patches", n)
	case c.Registers == 0:
		return positionTable{}, fmt.Errorf("%d positions are not a class token and a square of patches", n)
	}
	return positionTable{}, fmt.Errorf("%d positions are not a square of patches and some of %d other tokens", n, class+c.Registers)
}

// depth is the number of blocks that the names speak of, or that are stacked.
func (fam *family) depth(s *source) int {
	depth := 0
	for _, a := range s.arrays {
		for _, blocks := range fam.blocks {
			rest, ok := strings.CutPrefix(a.name, blocks)
			if !ok {
				continue
			}
			number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
			if i, err := strconv.ParseUint(number, 10, 31); err == nil {
				depth = max(depth, int(min(i, 1<<16))+1) // more than Validate takes is enough
			}
		}
	}
	if _, whole, o, err := fam.find(s, "vit.encoder.layer.0.layernorm_before.weight"); err == nil && o.stacked {
		depth = whole.shape[0]
	}
	return depth
}
