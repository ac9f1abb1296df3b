package camera

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

// Errors of an [Inspector]: the frame is whole, but it does not show what is
// before the camera now.
var (
	// ErrStale says that a frame is older than it may be.
	ErrStale = errors.New("stale frame")
	// ErrFrozen says that a camera has been repeating the same bytes.
	ErrFrozen = errors.New("frozen camera")
)

// Light says how bright a picture is.
type Light uint8

const (
	Lit   Light = iota // bright enough to see something
	Dark               // the mean luma is low
	Black              // nothing but the noise of a covered lens
)

// String is "lit", "dark" or "black".
func (l Light) String() string { return [...]string{"lit", "dark", "black"}[l] }

// Luma that tells the lights apart. DarkLuma is what most sensors do not get
// below in a room where people see. A covered sensor still makes noise: its
// mean stays below BlackLuma and its samples below BlackPeak.
const (
	DarkLuma  = 32
	BlackLuma = 8
	BlackPeak = 40
)

// Luma is the brightness of a picture, from 0 to 255.
type Luma struct {
	Mean, Peak uint8
}

// black reports whether nothing can be seen.
func (l Luma) black() bool { return l.Mean < BlackLuma && l.Peak < BlackPeak }

// An Inspector looks at the frames of one camera and tells which of them must
// not be believed. Set the limits before the first call. It belongs to the
// goroutine that owns the camera.
type Inspector struct {
	// MaxAge is how old a frame may be when it is looked at; 0 is any age.
	MaxAge time.Duration
	// FrozenAfter is how long a live camera may repeat the same bytes; 0 is
	// for ever. Sensors are noisy, so no two frames are equal unless something
	// hangs. Files are never frozen, nor is a camera whose lens is covered.
	FrozenAfter time.Duration
	// DarkBelow is the mean luma below which a picture is Dark. With 0 every
	// picture is Lit, black ones too.
	DarkBelow int
	// Clock is the clock of the camera; nil is the machine's.
	Clock Clock

	seed  maphash.Seed
	hash  uint64
	since time.Time // when a frame with this hash came first; zero before
	black bool      // the last picture was black
}

// Frame returns [ErrStale] or [ErrFrozen] for a frame that must not be
// believed.
func (i *Inspector) Frame(f *Frame) error {
	if err := i.Fresh(f); err != nil {
		return err
	}
	if same := i.repeats(f, i.now()); i.FrozenAfter > 0 && same >= i.FrozenAfter && !i.black {
		return fmt.Errorf("%w: the same %d bytes for %v", ErrFrozen, len(f.Data), same.Round(time.Millisecond))
	}
	return nil
}

// Fresh returns [ErrStale] for a frame that is too old by now. Files are never
// stale.
func (i *Inspector) Fresh(f *Frame) error {
	if age := i.now().Sub(f.Time); i.MaxAge > 0 && age > i.MaxAge && f.Name == "" {
		return fmt.Errorf("%w: captured %v ago; want at most %v", ErrStale, age.Round(time.Millisecond), i.MaxAge)
	}
	return nil
}

func (i *Inspector) now() time.Time {
	if i.Clock != nil {
		return i.Clock.Now()
	}
	return time.Now()
}

// repeats is how long the camera has given the bytes of f. It lasts over an
// outage: a camera that comes back with the very same picture has not moved.
func (i *Inspector) repeats(f *Frame, now time.Time) time.Duration {
	if i.FrozenAfter <= 0 || f.Name != "" {
		return 0
	}
	if i.since.IsZero() {
		i.seed = maphash.MakeSeed()
	}
	h := maphash.Bytes(i.seed, f.Data)
	if h != i.hash || i.since.IsZero() {
		i.hash, i.since = h, now
	}
	return now.Sub(i.since)
}

// Light judges the picture that the last frame decoded to.
func (i *Inspector) Light(l Luma) Light {
	i.black = l.black()
	switch {
	case i.DarkBelow <= 0:
		return Lit
	case i.black:
		return Black
	case int(l.Mean) < i.DarkBelow:
		return Dark
	}
	return Lit
}

// Luma looks at a grid of 32x24 pixels.
func (p *Picture) Luma() Luma {
	const across, down = 32, 24
	k := &p.walk
	if k.width == 0 || k.height == 0 {
		return Luma{}
	}
	sum, peak := 0, 0
	for j := range down {
		for i := range across {
			x, y := (2*i+1)*k.width/(2*across), (2*j+1)*k.height/(2*down)
			r, g, b := p.planes.at(k.x0+x*k.xx+y*k.yx, k.y0+x*k.xy+y*k.yy)
			luma := (77*int(r) + 150*int(g) + 29*int(b)) >> 8
			sum += luma
			peak = max(peak, luma)
		}
	}
	return Luma{Mean: uint8(sum / (across * down)), Peak: uint8(peak)}
}
