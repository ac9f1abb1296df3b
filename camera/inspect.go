package camera

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
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
	Dark               // the mean luma is below DarkLuma
	Black              // nothing but the noise of a covered lens
)

// String is "lit", "dark" or "black".
func (l Light) String() string { return [...]string{"lit", "dark", "black"}[l] }

// Luma, from 0 to 255, that tells the lights apart. A covered sensor still
// makes noise: its mean stays below BlackLuma and its samples below BlackPeak.
const (
	DarkLuma  = 32
	BlackLuma = 8
	BlackPeak = 40
)

// Stats counts what an [Inspector] has seen. Truncated frames are counted as
// corrupt too.
type Stats struct {
	Frames    uint64 `json:"frames"`    // that arrived, good or bad
	Dropped   uint64 `json:"dropped"`   // that the source made and nobody took
	Corrupt   uint64 `json:"corrupt"`   // that cannot be decoded
	Truncated uint64 `json:"truncated"` // that end early
	Stale     uint64 `json:"stale"`     // older than MaxAge
	Frozen    uint64 `json:"frozen"`    // that repeat a frame FrozenAfter later
	Dark      uint64 `json:"dark"`
	Black     uint64 `json:"black"`
}

// An Inspector looks at the frames of one camera and counts what is wrong with
// them. Set the limits before the first call. Its methods may be called from
// any goroutine.
type Inspector struct {
	// MaxAge is how old a frame may be when it is looked at; 0 is any age.
	MaxAge time.Duration
	// FrozenAfter is how long a live camera may repeat the same bytes; 0 is
	// for ever. Sensors are noisy, so no two frames are equal unless something
	// hangs. Files are never frozen, nor is a camera whose lens is covered.
	FrozenAfter time.Duration
	// Clock is the clock of the camera; nil is the machine's.
	Clock Clock

	mu       sync.Mutex
	stats    Stats
	next     uint64 // sequence number that is due
	seed     maphash.Seed
	hash     uint64
	since    time.Time // when a frame with this hash came first; zero before
	lastDark bool      // the last picture was black
}

// Frame looks at what Next returned. It passes errors on, and returns
// [ErrStale] or [ErrFrozen] for a frame that must not be believed.
func (i *Inspector) Frame(f *Frame, err error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		if errors.Is(err, ErrCorrupt) {
			i.stats.Frames++
			i.next++ // the source counted it
			i.corrupt(err)
		}
		return err
	}
	i.stats.Frames++
	if f.Sequence > i.next && i.stats.Frames > 1 {
		i.stats.Dropped += f.Sequence - i.next
	}
	i.next = f.Sequence + 1

	now := time.Now()
	if i.Clock != nil {
		now = i.Clock.Now()
	}
	if age := now.Sub(f.Time); i.MaxAge > 0 && age > i.MaxAge {
		i.stats.Stale++
		return fmt.Errorf("%w: captured %v ago; want at most %v", ErrStale, age.Round(time.Millisecond), i.MaxAge)
	}
	if same := i.repeats(f, now); i.FrozenAfter > 0 && same >= i.FrozenAfter && !i.lastDark {
		i.stats.Frozen++
		return fmt.Errorf("%w: the same %d bytes for %v", ErrFrozen, len(f.Data), same.Round(time.Millisecond))
	}
	return nil
}

// repeats is how long the camera has given the bytes of f.
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

// corrupt counts a bad frame.
func (i *Inspector) corrupt(err error) {
	if errors.Is(err, ErrCorrupt) {
		i.stats.Corrupt++
	}
	if errors.Is(err, ErrTruncated) {
		i.stats.Truncated++
	}
}

// Picture looks at what Decode made of the last frame.
func (i *Inspector) Picture(p *Picture, err error) Light {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.corrupt(err)
		return Lit
	}
	light := p.Light()
	i.lastDark = light == Black
	switch light {
	case Black:
		i.stats.Black++
	case Dark:
		i.stats.Dark++
	}
	return light
}

// Stats returns the counts so far.
func (i *Inspector) Stats() Stats {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stats
}

// Light looks at a grid of 32x24 pixels.
func (p *Picture) Light() Light {
	const across, down = 32, 24
	k := &p.walk
	if k.width == 0 || k.height == 0 {
		return Black
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
	switch mean := sum / (across * down); {
	case mean < BlackLuma && peak < BlackPeak:
		return Black
	case mean < DarkLuma:
		return Dark
	}
	return Lit
}
