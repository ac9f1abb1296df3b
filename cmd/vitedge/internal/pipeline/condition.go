package pipeline

import (
	"errors"
	"sync"
	"time"

	"vitedge/camera"
)

// condition is what is wrong with a camera, empty if nothing is.
// Single frames may be bad; the condition is that of several in a row.
type condition struct {
	mu     sync.Mutex
	down   string // why it delivered nothing; empty once a frame is believed
	now    string // newer than down, which clears it
	why    string // in words, of the frame that made it so
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
func (c *condition) see(frame string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame != c.seen {
		c.seen, c.streak = frame, 0
	}
	c.streak++
	if frame == c.now || c.streak < steady && frame != Frozen {
		return false
	}
	c.now, c.why = frame, ""
	if err != nil {
		c.why = " (" + err.Error() + ")"
	}
	return true
}

// fails notes that the camera delivers nothing.
func (c *condition) fails(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down, c.now, c.seen, c.streak = err.Error(), "", "", 0
}

// interrupt notes a frame that was good, as far as was looked at.
func (c *condition) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.streak = "", 0
}

// reset forgets everything.
func (c *condition) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down, c.now, c.why, c.seen, c.streak = "", "", "", "", 0
}

// delivers notes that it does again.
func (c *condition) delivers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = ""
}

// Warning says what is wrong with a camera, in words that follow its name; empty
// is nothing.
func (p *Pipeline) Warning() string {
	c := &p.condition
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.now != "":
		return warnings[c.now] + c.why
	case c.down != "":
		return "is down: " + c.down
	}
	return ""
}

// sees notes the condition of a frame and logs the camera's when it is another
// one. It reports whether it is.
func (p *Pipeline) sees(frame string, err error) bool {
	if !p.condition.see(frame, err) {
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
	p.sees(cond, err)
	if p.doubt.another(p.now(), cond == Frozen) {
		p.isDown()
		if c, ok := p.cam.(camera.Reopener); ok {
			p.o.Log.Debug("the camera is opened again", "camera", p.o.Name)
			c.Reopen()
		}
	}
	return err
}

// believed notes that a frame shows what is before the camera.
func (p *Pipeline) believed() {
	p.doubt = doubt{}
	p.condition.delivers()
	p.isUp()
}

const (
	// distrust is how long a camera may give nothing but frames that are
	// refused. Then it is as good as gone: its last label is old.
	distrust = 5 * time.Second
	// rarest is the longest time between two attempts to mend it.
	rarest = time.Minute
)

// doubt is about a camera all of whose frames are refused.
type doubt struct {
	frames int // in a row
	frozen bool
	next   time.Time     // when the camera is to be opened again
	pause  time.Duration // from then on
}

// another takes one more such frame and reports whether the camera is to be
// opened again: after distrust, then ever more rarely. A camera that is frozen
// has been so for long when it is first seen.
func (d *doubt) another(now time.Time, frozen bool) bool {
	d.frames++
	if d.frames == 1 {
		d.next, d.pause = now.Add(distrust), distrust
	}
	if frozen && !d.frozen {
		d.frozen, d.next = true, now
	}
	if now.Before(d.next) || d.frames < steady && !frozen {
		return false
	}
	d.next, d.pause = now.Add(d.pause), min(2*d.pause, rarest)
	return true
}
