package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// bar draws one line of progress that the next one overwrites. A nil bar draws
// nothing.
type bar struct {
	w     io.Writer
	width int // columns
	now   func() time.Time

	what  string    // that progresses
	start time.Time // when it began
	first int64     // what was done then
	last  time.Time // when the line was drawn
}

// newBar is nil unless w is a terminal.
func newBar(w io.Writer) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	return &bar{w: w, width: width, now: time.Now}
}

// redraw is how often the line changes: faster than that nobody reads.
const redraw = 100 * time.Millisecond

// bytes shows how much of a file is there.
func (b *bar) bytes(file string, done, total int64) {
	b.draw(file, done, total, func(speed float64) string {
		return fmt.Sprintf("%3d %%  %.1f of %.1f MB  %.1f MB/s", 100*done/max(total, 1), float64(done)/1e6, float64(total)/1e6, speed/1e6)
	})
}

// count shows how many of a number of things are done.
func (b *bar) count(what string, done, total int) {
	b.draw(what, int64(done), int64(total), func(speed float64) string {
		return fmt.Sprintf("%3d %%  %d of %d  %.1f/s", 100*done/max(total, 1), done, total, speed)
	})
}

// draw shows the progress of something, with its speed in units a second, and
// removes the line when all is done.
func (b *bar) draw(what string, done, total int64, figures func(speed float64) string) {
	if b == nil {
		return
	}
	now := b.now()
	if what != b.what {
		b.what, b.start, b.first, b.last = what, now, done, time.Time{}
	}
	if done >= total {
		b.clear()
		b.what = ""
		return
	}
	if now.Sub(b.last) < redraw {
		return
	}
	b.last = now
	line := what + "  "
	speed, elapsed := 0.0, now.Sub(b.start).Seconds()
	if elapsed > 0 && done > b.first {
		speed = float64(done-b.first) / elapsed
	}
	line += figures(speed)
	if speed > 0 {
		left := time.Duration(float64(total-done) / speed * float64(time.Second))
		line += "  " + left.Round(time.Second).String() + " left"
	}
	if len(line) >= b.width {
		line = line[:b.width-1] // a line that wraps cannot be overwritten
	}
	fmt.Fprintf(b.w, "\r%s\x1b[K", line)
}

// clear removes the line, before something else is written or at the end.
func (b *bar) clear() {
	if b != nil && !b.last.IsZero() {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.last = time.Time{}
	}
}
