package scenes

import "math"

// cell is the distance of the background's nodes in pixels. The room is out of
// focus: what lies between nodes is interpolated.
const cell = 8

// room is the background: a wall, a table and a few things too far away to be
// sharp, in light that changes within minutes.
type room struct {
	columns, rows int
	nodes         []lanes // [rows][columns], Y, Cb and Cr with 4 fractional bits
	things        [6]thing
	phase         float64
}

// thing is a round or a square patch of color. Positions sway.
type thing struct {
	x, y, size, stretch float64
	color               rgb
	strength            float32
	square              bool
	rate, phase         float64
}

func (r *room) build(width, height int, p *plot) {
	r.columns, r.rows = (width+cell-1)/cell+1, (height+cell-1)/cell+1
	r.nodes = make([]lanes, r.columns*r.rows)
	p.pcg.Seed(p.seed, 1<<62)
	between := func(low, high float64) float64 { return low + (high-low)*p.rng.Float64() }
	r.phase = between(0, 2*math.Pi)
	aspect := float64(width) / float64(height)
	for i := range r.things {
		// The first is a window, the others are shelves and lamps.
		color := rgb{p.rng.Float32(), p.rng.Float32(), p.rng.Float32()}
		t := thing{
			x: between(-aspect, aspect), y: between(-0.9, 0.3), size: between(0.12, 0.3), stretch: between(0.6, 1.6),
			color: color.blend(rgb{0.5, 0.5, 0.5}, 0.4), strength: 0.2 + 0.15*p.rng.Float32(),
			square: i%2 == 1, rate: between(0.05, 0.13), phase: between(0, 2*math.Pi),
		}
		if i == 0 {
			t = thing{x: between(-0.9, 0.9), y: -0.55, size: 0.5, stretch: 0.8, color: rgb{1, 0.97, 0.88}, strength: 0.3, square: true, rate: 0.04, phase: t.phase}
		}
		r.things[i] = t
	}
}

// paint computes the nodes at time t, with the shadow of a card.
func (r *room) paint(t float64, height int, shade *shadow) {
	slow := func(rate, phase float64) float32 { return float32(math.Sin(rate*t + phase + r.phase)) }
	day := 1 + 0.07*slow(0.11, 0)
	wall := rgb{0.60 + 0.10*slow(0.071, 0), 0.60 + 0.06*slow(0.053, 2), 0.62 + 0.10*slow(0.087, 4)}
	table := rgb{0.46 + 0.05*slow(0.05, 1), 0.36 + 0.04*slow(0.06, 3), 0.29}
	edge, lean := 0.58+0.03*float64(slow(0.21, 1)), 0.05*float64(slow(0.09, 2))
	var at [len(r.things)]thing
	for i, thing := range r.things {
		thing.x += 0.12 * math.Sin(thing.rate*t*2*math.Pi+thing.phase)
		thing.y += 0.05 * math.Cos(thing.rate*t*2*math.Pi+thing.phase)
		at[i] = thing
	}
	for row := range r.rows {
		y := float64(row*cell*2)/float64(height) - 1
		for column := range r.columns {
			x := (float64(column*cell) - float64((r.columns-1)*cell)/2) * 2 / float64(height)
			c := wall.scale(float32(1.06 - 0.14*y))
			for i := range at {
				thing := &at[i]
				c = c.blend(thing.color, thing.strength*thing.cover(x, y))
			}
			c = c.blend(table.scale(float32(1.1-0.2*y)), smooth(float32((y-edge-lean*x)/0.16+0.5)))
			light := day * float32(1-0.10*(x*x+y*y)-0.06*x)
			light *= 1 - shade.at(x, y)
			luma, cb, cr := c.scale(light).ycc()
			r.nodes[row*r.columns+column] = lanes(16*luma) | lanes(16*cb)<<16 | lanes(16*cr)<<32
		}
	}
}

// cover is how much of the thing is seen at a point.
func (t *thing) cover(x, y float64) float32 {
	dx, dy := (x-t.x)/t.size, (y-t.y)/(t.size*t.stretch)
	if t.square {
		return smooth(float32(1.25-math.Abs(dx))*2.2) * smooth(float32(1.25-math.Abs(dy))*2.2)
	}
	return smooth(float32(1.3-dx*dx-dy*dy) * 1.2)
}

// line interpolates a line of the background. to has the width of the frame;
// between has room for a row of nodes.
func (r *room) line(to []lanes, between []lanes, y int) {
	const mask12 = 0x0fff0fff0fff0fff
	top := r.nodes[y/cell*r.columns:][:r.columns]
	bottom := r.nodes[(y/cell+1)*r.columns:][:r.columns]
	k := lanes(y % cell)
	for i := range between {
		between[i] = (top[i]*(cell-k) + bottom[i]*k) / cell & mask12
	}
	const shift = 4 + 3 // fractional bits, and those of the cell
	for i, left := 0, between[0]; len(to) > 0; i++ {
		right := between[i+1]
		for k := range min(cell, len(to)) {
			to[k] = (left*lanes(cell-k) + right*lanes(k)) >> shift & laneMask
		}
		left, to = right, to[min(cell, len(to)):]
	}
}

// shadow is that of a card on what is behind it: the card's shape, moved and
// with a soft edge.
type shadow struct {
	view     *projection
	card     *prop
	size     float64
	strength float32
}

// at is the part of the light that is missing at a point.
func (s *shadow) at(x, y float64) float32 {
	if s.strength == 0 {
		return 0
	}
	// The light comes from the left and above.
	u, v := s.view.inverse(x-0.05, y-0.08)
	du := math.Abs(u) - s.card.halfWidth
	dv := math.Abs(v-s.card.centerV) - s.card.halfHeight
	distance := max(du, dv)
	if du > 0 && dv > 0 {
		distance = math.Sqrt(du*du + dv*dv)
	}
	return s.strength * smooth(float32(0.5-distance*s.size/0.34))
}
