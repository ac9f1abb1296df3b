package scenes

import (
	"math"
	"math/rand/v2"
	"time"
)

// The plot is a sequence of acts of the same length. In each, nothing is to be
// seen at first, then a card comes in, is held, and leaves. Seconds:
const (
	actTime   = 5.4
	enterTime = 0.8
	holdTime  = 2.6
	leaveTime = 0.6
	// The card comes between these times of the act. What is left of it, 0.8 s
	// at least, is empty.
	earliest, latest = 0.3, 0.6
)

// Empty is the glyph of a card with nothing on it.
const Empty = -1

// prop is what is held up in one act.
type prop struct {
	act   uint64
	glyph int // number of the sprite, or Empty
	phone bool
	enter float64 // seconds after the act began

	x, y, size, angle, tiltU, tiltV float64 // while it is held; see pose
	fromX, fromY, toX, toY          float64 // where it comes from and goes to, seen from there
	sway                            float64 // phase of its small movements

	// The card, in half sizes of the glyph, whose center is the origin.
	halfWidth, halfHeight, corner, bezel float64
	centerV                              float64
	paper, rim                           rgb
	thumb                                float64 // where it is held: u
	skin                                 rgb
}

// pose is where a card is: its glyph's center and half size, the angle in
// radians, and how it is tilted out of the picture's plane.
type pose struct {
	x, y, size, angle, tiltU, tiltV float64
	visible                         bool
}

// Scene is what a frame shows.
type Scene struct {
	Act   uint64
	Glyph int  // number of the sprite, or Empty
	Held  bool // the card is held still, all of its glyph in the model's square
	Bare  bool // no card is in the picture
}

// plot knows what is shown when.
type plot struct {
	seed   uint64
	glyphs int
	pcg    rand.PCG
	rng    *rand.Rand
	prop   prop
	ready  bool // prop is that of an act
	order  []int
	round  uint64 // the order is that of this round
}

func newPlot(glyphs int, seed uint64) *plot {
	p := &plot{seed: seed, glyphs: glyphs, order: make([]int, glyphs), round: math.MaxUint64}
	p.rng = rand.New(&p.pcg)
	return p
}

// glyph is that of an act: each once a round, in an order of the round's own,
// with an empty card at the end.
func (p *plot) glyph(act uint64) int {
	round, i := act/uint64(p.glyphs+1), act%uint64(p.glyphs+1)
	if round != p.round {
		p.round = round
		for i := range p.order {
			p.order[i] = i
		}
		p.pcg.Seed(p.seed, 1<<63|round)
		p.rng.Shuffle(len(p.order), func(i, j int) { p.order[i], p.order[j] = p.order[j], p.order[i] })
	}
	if i == uint64(p.glyphs) {
		return Empty
	}
	return p.order[i]
}

var skins = [...]rgb{{0.96, 0.80, 0.69}, {0.89, 0.67, 0.52}, {0.72, 0.50, 0.36}, {0.47, 0.31, 0.22}, {0.34, 0.22, 0.16}}

// at returns what is held up at a time of the show, and the seconds since its
// act began.
func (p *plot) at(t float64) (*prop, float64) {
	act := uint64(max(t, 0) / actTime)
	if !p.ready || p.prop.act != act {
		p.prop, p.ready = p.cast(act), true
	}
	return &p.prop, t - float64(act)*actTime
}

// cast draws the lots of an act. Ranges are those of a clear view in render.py:
// size from 0.5 to 0.74 there, angle within 0.15, tilt within 0.05.
func (p *plot) cast(act uint64) prop {
	c := prop{act: act, glyph: p.glyph(act)}
	p.pcg.Seed(p.seed, act)
	between := func(low, high float64) float64 { return low + (high-low)*p.rng.Float64() }
	part := func(low, high float32) float32 { return low + (high-low)*p.rng.Float32() }

	c.phone = p.rng.Float64() < 0.35
	c.enter = between(earliest, latest)
	c.size = between(0.5, 0.58)
	c.x, c.y = between(-0.14, 0.14), between(-0.1, 0.08)
	c.angle = between(-0.12, 0.12)
	c.tiltU, c.tiltV = between(-0.05, 0.05), between(-0.05, 0.05)
	c.sway = between(0, 2*math.Pi)

	c.halfWidth, c.halfHeight = between(1.18, 1.38), between(1.18, 1.4)
	c.corner, c.bezel = between(0.04, 0.16), 0.03
	c.paper = rgb{part(0.9, 1), part(0.9, 1), part(0.88, 1)}
	if p.rng.Float64() < 0.35 { // tinted
		c.paper = c.paper.blend(rgb{p.rng.Float32(), p.rng.Float32(), p.rng.Float32()}, 0.22)
	}
	c.rim = c.paper.scale(0.92)
	if c.phone {
		c.halfWidth = between(1.16, 1.28)
		c.halfHeight = c.halfWidth * between(1.6, 1.8)
		c.corner, c.bezel = between(0.16, 0.26), between(0.06, 0.1)
		c.rim = rgb{0.09, 0.09, 0.11}
		c.paper = rgb{part(0.9, 1), part(0.92, 1), 1}
		c.centerV = between(-0.2, 0.2)
	}
	c.thumb = between(-0.6, 0.6)
	c.skin = skins[p.rng.IntN(len(skins))]

	// A hand comes from below or from a side, and goes elsewhere.
	from := between(-0.15, 1.15) * math.Pi
	to := between(-0.15, 1.15) * math.Pi
	const away = 3.4
	c.fromX, c.fromY = away*math.Cos(from), away*math.Sin(from)
	c.toX, c.toY = away*math.Cos(to), away*math.Sin(to)
	return c
}

// pose is where the prop is, so many seconds after its act began.
func (c *prop) pose(t float64) pose {
	t -= c.enter
	if t <= 0 || t >= enterTime+holdTime+leaveTime {
		return pose{}
	}
	// A held card is never quite still.
	s := pose{
		x:       c.x + 0.022*math.Sin(1.7*t+c.sway),
		y:       c.y + 0.018*math.Sin(2.3*t+2*c.sway),
		size:    c.size * (1 + 0.025*math.Sin(1.1*t+3*c.sway)),
		angle:   c.angle + 0.035*math.Sin(1.3*t+c.sway),
		tiltU:   c.tiltU + 0.03*math.Sin(1.9*t+c.sway),
		tiltV:   c.tiltV + 0.025*math.Sin(1.5*t+2*c.sway),
		visible: true,
	}
	coming, going := 1-t/enterTime, (t-enterTime-holdTime)/leaveTime
	switch {
	case coming > 0: // slows down
		d := coming * coming * coming
		s.x, s.y, s.angle = s.x+d*c.fromX, s.y+d*c.fromY, s.angle+0.5*d*c.fromX/3
	case going > 0: // speeds up
		d := going * going * going
		s.x, s.y, s.angle = s.x+d*c.toX, s.y+d*c.toY, s.angle+0.4*d*c.toX/3
	}
	return s
}

// Scene says what frame number n shows.
func (c *Camera) Scene(n uint64) Scene {
	prop, t := c.stage.plot.at(seconds(n, c.period))
	p := prop.pose(t)
	since := t - prop.enter
	return Scene{
		Act: prop.act, Glyph: prop.glyph, Bare: !p.visible,
		Held: p.visible && since >= enterTime && since <= enterTime+holdTime,
	}
}

// seconds is the time of the show at frame n.
func seconds(n uint64, period time.Duration) float64 { return float64(n) * period.Seconds() }
