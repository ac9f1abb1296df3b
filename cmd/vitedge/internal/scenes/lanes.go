package scenes

// lanes is a pixel: Y, Cb, Cr of ITU-R BT.601 in limited range, and coverage
// (255: opaque), each in 16 bits, Y lowest. The color is multiplied by the
// coverage. While a lane holds 8 bits, one multiplication by up to 256 scales
// all four, and neighbors are not touched.
type lanes uint64

const laneMask = 0x00ff00ff00ff00ff

// black is opaque; darker is a mixture with it.
const black = lanes(16 | 128<<16 | 128<<32 | 255<<48)

// mix is a where w is 0 and b where w is 256.
func mix(a, b lanes, w uint64) lanes {
	return (a*lanes(256-w) + b*lanes(w)) >> 8 & laneMask
}

// over puts a on an opaque b.
func over(a, b lanes) lanes {
	w := uint64(a >> 48)
	return a + (b*lanes(256-w-w>>7))>>8&laneMask&^(0xff<<48)
}

// rgb is a color with parts from 0 to 1.
type rgb struct{ r, g, b float32 }

func (c rgb) scale(f float32) rgb { return rgb{c.r * f, c.g * f, c.b * f} }

// blend is c where w is 0 and d where w is 1.
func (c rgb) blend(d rgb, w float32) rgb {
	return rgb{c.r + (d.r-c.r)*w, c.g + (d.g-c.g)*w, c.b + (d.b-c.b)*w}
}

// ycc converts to Y, Cb, Cr in limited range, from 16 to 235 or 240.
func (c rgb) ycc() (y, cb, cr float32) {
	r, g, b := clamp(c.r, 0, 1), clamp(c.g, 0, 1), clamp(c.b, 0, 1)
	return 16 + 65.481*r + 128.553*g + 24.966*b,
		128 - 37.797*r - 74.203*g + 112*b,
		128 + 112*r - 93.786*g - 18.214*b
}

// opaque is the color as a pixel.
func (c rgb) opaque() lanes {
	y, cb, cr := c.ycc()
	return lanes(y+0.5) | lanes(cb+0.5)<<16 | lanes(cr+0.5)<<32 | 255<<48
}

// covering is the color as a pixel of which only a part from 0 to 1 is covered.
func (c rgb) covering(part float32) lanes {
	y, cb, cr := c.ycc()
	return lanes(y*part+0.5) | lanes(cb*part+0.5)<<16 | lanes(cr*part+0.5)<<32 | lanes(255*part+0.5)<<48
}

func clamp(x, low, high float32) float32 { return min(max(x, low), high) }

// smooth goes from 0 to 1 without a corner while x does.
func smooth(x float32) float32 {
	x = clamp(x, 0, 1)
	return x * x * (3 - 2*x)
}
