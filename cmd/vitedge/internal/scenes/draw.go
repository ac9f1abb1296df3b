package scenes

import (
	"math"
	"time"
)

// stage is everything that is needed to draw a frame, with its buffers.
type stage struct {
	width, height int // pixels
	plot          *plot
	room          room
	glyphs        [][]byte
	card          texture

	line    []lanes // [width]
	between []lanes // [columns of the room]
	noise   []int8  // normal, in levels
}

// noiseLength is a power of two; rows begin anywhere in it.
const noiseLength = 1 << 15

func (s *stage) build(width, height int, glyphs [][]byte, seed uint64) {
	s.width, s.height, s.glyphs = width, height, glyphs
	s.plot = newPlot(len(glyphs), seed)
	s.room.build(width, height, s.plot)
	s.card.build(height)
	s.line = make([]lanes, width)
	s.between = make([]lanes, s.room.columns)
	s.noise = make([]int8, noiseLength+width)
	for i := range noiseLength {
		s.noise[i] = int8(math.RoundToEven(clamp64(1.7*s.plot.rng.NormFloat64(), -100, 100)))
	}
	copy(s.noise[noiseLength:], s.noise)
}

func clamp64(x, low, high float64) float64 { return min(max(x, low), high) }

// draw draws frame n as YUYV.
func (s *stage) draw(yuyv []byte, n uint64, period time.Duration) {
	t := seconds(n, period)
	prop, since := s.plot.at(t)
	pose := prop.pose(since)
	var view projection
	var shade shadow
	if pose.visible {
		if !s.card.drawn || s.card.act != prop.act {
			s.card.draw(prop, s.glyphs)
		}
		view = project(pose)
		shade = shadow{view: &view, card: prop, size: pose.size, strength: 0.42}
	}
	s.room.paint(t, s.height, &shade)
	var quad quad
	var light lighting
	if pose.visible {
		quad = s.corners(&view)
		light = lightOn(prop, &pose, t)
	}
	random := splitmix(s.plot.seed ^ n*0x9e3779b97f4a7c15)
	for y := range s.height {
		s.room.line(s.line, s.between, y)
		if pose.visible {
			from, to := quad.span(float64(y)+0.5, s.width)
			if from < to {
				s.cardLine(y, from, to, &view, &light)
			}
			s.thumbLine(y, prop, &pose, &view)
		}
		pack(yuyv[2*s.width*y:][:2*s.width], s.line, s.noise[random.next()%noiseLength:])
	}
}

// pack writes a line as YUYV, with noise on the luma. Two pixels share their
// chroma.
func pack(yuyv []byte, line []lanes, noise []int8) {
	noise = noise[:len(line)]
	for x := 0; x+1 < len(line) && len(yuyv) >= 4; x += 2 {
		a, b := line[x], line[x+1]
		chroma := (a + b + 1<<16 + 1<<32) >> 1
		yuyv[0] = byte(min(max(int(a&0xff)+int(noise[x]), 0), 255))
		yuyv[1] = byte(chroma >> 16)
		yuyv[2] = byte(min(max(int(b&0xff)+int(noise[x+1]), 0), 255))
		yuyv[3] = byte(chroma >> 32)
		yuyv = yuyv[4:]
	}
}

// splitmix is a generator of random numbers that is made in no time. See
// G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
// generators", 2014.
type splitmix uint64

func (s *splitmix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// projection maps the card's u, v, 1 to the picture's x, y, 1, up to a factor,
// and back.
type projection struct{ m, inv [9]float64 }

// project is the projection of render.py.
func project(p pose) projection {
	c, s := p.size*math.Cos(p.angle), p.size*math.Sin(p.angle)
	m := [9]float64{
		c + p.x*p.tiltU, -s + p.x*p.tiltV, p.x,
		s + p.y*p.tiltU, c + p.y*p.tiltV, p.y,
		p.tiltU, p.tiltV, 1,
	}
	// The adjugate is the inverse up to a factor.
	return projection{m, [9]float64{
		m[4]*m[8] - m[5]*m[7], m[2]*m[7] - m[1]*m[8], m[1]*m[5] - m[2]*m[4],
		m[5]*m[6] - m[3]*m[8], m[0]*m[8] - m[2]*m[6], m[2]*m[3] - m[0]*m[5],
		m[3]*m[7] - m[4]*m[6], m[1]*m[6] - m[0]*m[7], m[0]*m[4] - m[1]*m[3],
	}}
}

func apply(m *[9]float64, a, b float64) (float64, float64) {
	w := 1 / (m[6]*a + m[7]*b + m[8])
	return (m[0]*a + m[1]*b + m[2]) * w, (m[3]*a + m[4]*b + m[5]) * w
}

func (p *projection) forward(u, v float64) (x, y float64) { return apply(&p.m, u, v) }
func (p *projection) inverse(x, y float64) (u, v float64) { return apply(&p.inv, x, y) }

// pixel is where x, y of the picture lies in the frame.
func (s *stage) pixel(x, y float64) (px, py float64) {
	half := float64(s.height) / 2
	return x*half + float64(s.width)/2, y*half + half
}

// point is the inverse of pixel.
func (s *stage) point(px, py float64) (x, y float64) {
	half := float64(s.height) / 2
	return (px - float64(s.width)/2) / half, (py - half) / half
}

// quad is the outline of the card's texture in the frame, in pixels.
type quad [4]struct{ x, y float64 }

func (s *stage) corners(view *projection) (q quad) {
	right := s.card.left + float64(s.card.width)/s.card.scale
	bottom := s.card.top + float64(s.card.height)/s.card.scale
	for i, c := range [4][2]float64{{s.card.left, s.card.top}, {right, s.card.top}, {right, bottom}, {s.card.left, bottom}} {
		q[i].x, q[i].y = s.pixel(view.forward(c[0], c[1]))
	}
	return q
}

// span is the first and the end of the pixels of a line whose centers lie in
// the outline, which is convex.
func (q *quad) span(y float64, width int) (from, to int) {
	left, right := math.Inf(1), math.Inf(-1)
	for i, a := range q {
		b := q[(i+1)%len(q)]
		if (a.y <= y) == (b.y <= y) {
			continue
		}
		x := a.x + (b.x-a.x)*(y-a.y)/(b.y-a.y)
		left, right = min(left, x), max(right, x)
	}
	if left > right {
		return 0, 0
	}
	return int(math.Ceil(clamp64(left-0.5, 0, float64(width)))), int(math.Ceil(clamp64(right-0.5, 0, float64(width))))
}

// lighting is the light on a card: where it is, it makes the card darker, from
// 0 to 256, linear in u and v.
type lighting struct{ base, u, v float64 }

func lightOn(c *prop, p *pose, t float64) lighting {
	l := lighting{base: 22 + 120*p.tiltU + 60*p.tiltV + 6*math.Sin(0.11*t), u: 7, v: 9}
	if c.phone { // shines by itself
		l = lighting{base: 6, u: 2, v: 3}
	}
	return l
}

// segment is the number of pixels between two exact points of a line of the
// card; between them steps are even.
const segment = 16

// cardLine draws the card's pixels of line y.
func (s *stage) cardLine(y, from, to int, view *projection, light *lighting) {
	texels, stride := s.card.texels, s.card.width
	// Samples lie between four centers of texels, all in the texture.
	const fraction = 16
	mostU, mostV := float64(s.card.width)-1.001, float64(s.card.height)-1.001
	at := func(x int) (tu, tv, dark float64) {
		u, v := view.inverse(s.point(float64(x)+0.5, float64(y)+0.5))
		tu = clamp64((u-s.card.left)*s.card.scale-0.5, 0, mostU)
		tv = clamp64((v-s.card.top)*s.card.scale-0.5, 0, mostV)
		return tu, tv, clamp64(light.base+light.u*u+light.v*v, 0, 256)
	}
	const one = 1 << fraction
	tu, tv, dark := at(from)
	for from < to {
		n := min(segment, to-from)
		nextU, nextV, nextDark := at(from + n)
		u, v, d := int(tu*one), int(tv*one), int(dark*one)
		du, dv, dd := (int(nextU*one)-u)/n, (int(nextV*one)-v)/n, (int(nextDark*one)-d)/n
		for i := range s.line[from : from+n] {
			texel := sample(texels[v>>fraction*stride+u>>fraction:], stride, uint64(u>>8&0xff), uint64(v>>8&0xff))
			w := uint64(d >> fraction)
			switch alpha := uint64(texel >> 48); alpha {
			case 0:
			case 255:
				s.line[from+i] = mix(texel, black, w)
			default:
				shade := black * lanes(alpha+alpha>>7) >> 8 & laneMask
				s.line[from+i] = over(mix(texel, shade, w), s.line[from+i])
			}
			u, v, d = u+du, v+dv, d+dd
		}
		from += n
		tu, tv, dark = nextU, nextV, nextDark
	}
}

// sample interpolates four texels; fu and fv are from 0 to 255.
func sample(t []lanes, stride int, fu, fv uint64) lanes {
	below := t[stride : stride+2]
	t = t[:2]
	top := (t[0]*lanes(256-fu) + t[1]*lanes(fu)) >> 8 & laneMask
	bottom := (below[0]*lanes(256-fu) + below[1]*lanes(fu)) >> 8 & laneMask
	return (top*lanes(256-fv) + bottom*lanes(fv)) >> 8 & laneMask
}

// thumbLine draws the thumb that holds the card at its lower edge.
func (s *stage) thumbLine(y int, c *prop, p *pose, view *projection) {
	const thick = 0.21 // half, in half sizes of the glyph
	tip := c.centerV + c.halfHeight - 0.02
	// The thumb is a straight line in the picture, too.
	ax, ay := s.pixel(view.forward(c.thumb, tip))
	bx, by := s.pixel(view.forward(c.thumb, tip+1))
	half := thick * p.size * float64(s.height) / 2 // pixels
	length := math.Hypot(bx-ax, by-ay)
	if length == 0 || float64(y) < min(ay, by)-half-1 && by > ay {
		return
	}
	dx, dy := (bx-ax)/length, (by-ay)/length
	// Pixels farther than half from the line are not the thumb's.
	center, reach := ax, float64(s.width)
	if math.Abs(dy) > 0.1 {
		center, reach = ax+dx/dy*(float64(y)+0.5-ay), (half+2)/math.Abs(dy)+half
	}
	from := int(clamp64(center-reach, 0, float64(s.width)))
	to := int(clamp64(center+reach, 0, float64(s.width)))
	for x := from; x < to; x++ {
		px, py := float64(x)+0.5-ax, float64(y)+0.5-ay
		along, across := px*dx+py*dy, px*dy-py*dx
		if along < 0 {
			across = math.Hypot(along, across)
		}
		across = math.Abs(across)
		if across >= half {
			continue
		}
		round := across / half
		shade := float32(1 - 0.38*round*round)
		s.line[x] = over(c.skin.scale(shade).covering(clamp(float32(half-across), 0, 1)), s.line[x])
	}
}
