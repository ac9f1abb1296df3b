package pipeline

import (
	"errors"
	"sync"

	"vitedge/camera"
)

// condition is what is wrong with a camera that delivers, empty if nothing is.
// Single frames may be bad; the condition is that of several in a row.
type condition struct {
	mu     sync.Mutex
	now    string
	seen   string // of the last frames
	streak int    // how many those were
}

// steady is how many frames in a row make a condition.
const steady = 3

// Conditions beside the reasons for which frames are dropped.
const (
	dark  = "dark"
	black = "black"
)

// lights are the conditions that a picture shows.
var lights = map[camera.Light]string{camera.Lit: "", camera.Dark: dark, camera.Black: black}

// warnings say in words what is wrong with the camera.
var warnings = map[string]string{
	Stale:   "gives frames that are too old",
	Corrupt: "gives corrupt frames",
	Frozen:  "is frozen: it repeats one picture; if that is as it should be, set its frozen_after to 0s",
	dark:    "sees too little light",
	black:   "sees nothing but black; is the lens covered?",
}

// see takes the condition of one more frame and reports whether that of the
// camera is another now. Frozen has been going on for a while when it is first
// seen.
func (c *condition) see(frame string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame != c.seen {
		c.seen, c.streak = frame, 0
	}
	c.streak++
	if frame == c.now || c.streak < steady && frame != Frozen {
		return false
	}
	c.now = frame
	return true
}

func (c *condition) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.seen, c.streak = "", "", 0
}

// Warning says what is wrong with a camera that delivers, in words that follow
// its name; empty is nothing.
func (p *Pipeline) Warning() string {
	p.condition.mu.Lock()
	defer p.condition.mu.Unlock()
	return warnings[p.condition.now]
}

// sees notes the condition of a frame and logs the camera's when it is another
// one. It reports whether it is.
func (p *Pipeline) sees(frame string, err error) bool {
	if !p.condition.see(frame) {
		return false
	}
	if frame == "" {
		p.o.Log.Info("camera shows what it should", "camera", p.o.Name)
		return true
	}
	args := []any{"camera", p.o.Name}
	if err != nil {
		args = append(args, "err", err)
	}
	p.o.Log.Warn("camera "+warnings[frame], args...)
	return true
}

// refused counts a frame that must not be classified and returns why.
//
// A camera that is frozen is as good as one that is gone: what it shows is old.
// It is opened again once, which frees most that hang.
func (p *Pipeline) refused(err error) error {
	reason, cond := Corrupt, Corrupt
	switch {
	case errors.Is(err, camera.ErrStale):
		reason, cond = Stale, Stale
	case errors.Is(err, camera.ErrFrozen):
		reason, cond = Frozen, Frozen
	case errors.Is(err, camera.ErrTruncated):
		reason = Truncated
	}
	p.dropped(reason, 1)
	p.o.Log.Debug("a frame was refused", "camera", p.o.Name, "err", err)
	if p.sees(cond, err) && cond == Frozen {
		p.close()
	}
	if cond == Frozen {
		p.isDown()
	}
	return err
}
