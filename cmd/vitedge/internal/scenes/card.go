package scenes

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"math"
)

// The sheet of sprites: Columns squares of Sprite pixels a row.
const (
	Sprite  = 128
	Columns = 8
)

// cut makes the sprites a list of RGBA squares, whose color is multiplied by
// the coverage: [Sprite][Sprite][4].
func cut(sheet image.Image) ([][]byte, error) {
	b := sheet.Bounds()
	if b.Dx() != Columns*Sprite || b.Dy() < Sprite || b.Dy()%Sprite != 0 {
		return nil, fmt.Errorf("the sheet of sprites has %dx%d pixels; want %d squares of %d a row", b.Dx(), b.Dy(), Columns, Sprite)
	}
	var list [][]byte
	for y := b.Min.Y; y < b.Max.Y; y += Sprite {
		for x := b.Min.X; x < b.Max.X; x += Sprite {
			square := image.NewRGBA(image.Rect(0, 0, Sprite, Sprite))
			draw.Draw(square, square.Rect, sheet, image.Pt(x, y), draw.Src)
			if blank(square.Pix) {
				break
			}
			list = append(list, square.Pix)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("the sheet of sprites is empty")
	}
	return list, nil
}

func blank(pix []byte) bool {
	for _, v := range pix {
		if v != 0 {
			return false
		}
	}
	return true
}

// texture is a card, drawn flat, with an empty margin around it so that its
// edge is smooth when sampled.
type texture struct {
	act           uint64
	drawn         bool
	width, height int     // texels
	scale         float64 // texels in a half size of the glyph
	left, top     float64 // u and v of the corner of the first texel
	texels        []lanes // [height][width]

	columns  []rgba // of the sprite, stretched: [Sprite][side]
	position []tap  // where each of side texels lies in the sprite
}

// rgba is multiplied by its coverage; parts are from 0 to 255.
type rgba struct{ r, g, b, a float32 }

func (p *rgba) add(q rgba, w float32) {
	p.r, p.g, p.b, p.a = p.r+q.r*w, p.g+q.g*w, p.b+q.b*w, p.a+q.a*w
}

// tap is the first of four neighbors and their weights.
type tap struct {
	first  int
	weight [4]float32
}

const margin = 2 // texels

// build makes room for the largest card of a frame of the given height. A texel
// is about a pixel while the card is held.
func (t *texture) build(height int) {
	t.scale = 0.54 * float64(height) / 2
	side := int(2 * t.scale)
	most := func(half float64) int { return int(2*half*t.scale) + 2*margin + 2 }
	t.texels = make([]lanes, 0, most(1.4)*most(1.28*1.8))
	t.columns = make([]rgba, Sprite*side)
	t.position = make([]tap, side)
	for i := range t.position {
		t.position[i] = catmullRom((float64(i)+0.5)*Sprite/float64(side) - 0.5)
	}
}

// catmullRom is the cubic through four neighbors of x. See R. G. Keys, "Cubic
// convolution interpolation for digital image processing", 1981.
func catmullRom(x float64) tap {
	whole := math.Floor(x)
	f := float32(x - whole)
	return tap{int(whole) - 1, [4]float32{
		f * (-0.5 + f*(1-0.5*f)),
		1 + f*f*(-2.5+1.5*f),
		f * (0.5 + f*(2-1.5*f)),
		f * f * (-0.5 + 0.5*f),
	}}
}

// draw draws the card of c.
func (t *texture) draw(c *prop, glyphs [][]byte) {
	t.act, t.drawn = c.act, true
	t.width = int(2*c.halfWidth*t.scale) + 2*margin
	t.height = int(2*c.halfHeight*t.scale) + 2*margin
	t.left = -float64(t.width) / 2 / t.scale
	t.top = c.centerV - float64(t.height)/2/t.scale
	t.texels = t.texels[:t.width*t.height]

	paper, rim := c.paper.opaque(), c.rim.opaque()
	for y := range t.height {
		// Distances are in texels, negative inside.
		dv := math.Abs(float64(y)+0.5-float64(t.height)/2) - (c.halfHeight-c.corner)*t.scale
		for x := range t.width {
			du := math.Abs(float64(x)+0.5-float64(t.width)/2) - (c.halfWidth-c.corner)*t.scale
			distance := max(du, dv)
			if du > 0 && dv > 0 {
				distance = math.Sqrt(du*du + dv*dv)
			}
			distance -= c.corner * t.scale
			texel := paper
			switch inside := -distance - c.bezel*t.scale; {
			case distance > -1:
				texel = c.rim.covering(clamp(float32(-distance), 0, 1))
			case inside < 0:
				texel = rim
			case inside < 1:
				texel = mix(rim, paper, uint64(256*inside))
			}
			t.texels[y*t.width+x] = texel
		}
	}
	if c.glyph != Empty {
		t.print(glyphs[c.glyph])
	}
}

// print puts a sprite on the card, its center at u = v = 0.
func (t *texture) print(sprite []byte) {
	side := len(t.position)
	for y := range Sprite {
		row := sprite[4*Sprite*y:][:4*Sprite]
		for x, tap := range t.position {
			var sum rgba
			for i, w := range tap.weight {
				if j := tap.first + i; j >= 0 && j < Sprite {
					p := row[4*j : 4*j+4 : 4*j+4]
					sum.add(rgba{float32(p[0]), float32(p[1]), float32(p[2]), float32(p[3])}, w)
				}
			}
			t.columns[y*side+x] = sum
		}
	}
	x0 := int(-t.left*t.scale) - side/2
	y0 := int(-t.top*t.scale) - side/2
	for y, tap := range t.position {
		line := t.texels[(y0+y)*t.width+x0:][:side]
		for x := range line {
			var sum rgba
			for i, w := range tap.weight {
				if j := tap.first + i; j >= 0 && j < Sprite {
					sum.add(t.columns[j*side+x], w)
				}
			}
			if sum.a < 1 {
				continue
			}
			a := min(sum.a, 255)
			y, cb, cr := rgb{sum.r / a, sum.g / a, sum.b / a}.ycc()
			part := a / 255
			line[x] = over(lanes(y*part)|lanes(cb*part)<<16|lanes(cr*part)<<32|lanes(a)<<48, line[x]) | 255<<48
		}
	}
}
