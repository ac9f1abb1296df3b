package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/vitlite"
)

// film is a camera that gives a take a second by a clock of its own, and ends.
type film struct {
	takes  []take
	next   int
	now    time.Time
	opened int
	again  []int    // takes after which it was opened again
	seen   []string // the warning before each take
	p      *Pipeline
}

// take is what the camera gives once: an error, or a grey frame of one level.
type take struct {
	err   error
	level byte // of the first pixel, which is the class
	luma  uint8
	age   time.Duration
	wait  time.Duration // before the model
	name  string
	mess  bool // for the decoder
}

func (f *film) Now() time.Time { return f.now }

func (f *film) WaitUntil(context.Context, time.Time) error { panic("nobody waits") }

func (f *film) open(context.Context) (camera.Camera, error) {
	f.opened++
	return f, nil
}

func (f *film) Next(context.Context) (*camera.Frame, error) {
	f.seen = append(f.seen, f.p.Warning())
	if f.next == len(f.takes) {
		return nil, io.EOF
	}
	take := f.takes[f.next]
	f.next++
	f.now = f.now.Add(time.Second)
	if take.err != nil {
		return nil, take.err
	}
	x := frame(uint64(f.next-1), take.level)
	x.Time, x.Name = f.now.Add(-take.age), take.name
	return x, nil
}

func (f *film) Reopen() { f.again = append(f.again, f.next) }

func (f *film) Close() error { return nil }

// byLevel classifies the frames of a film.
type byLevel struct {
	byPixel
	f *film
}

func (b *byLevel) Classify(dst []vitlite.Prediction, x *camera.Frame, fresh func() error) ([]vitlite.Prediction, Report, error) {
	take := b.f.takes[b.f.next-1]
	if take.mess {
		return nil, Report{}, camera.ErrCorrupt
	}
	b.f.now = b.f.now.Add(take.wait)
	if err := fresh(); err != nil {
		return nil, Report{}, err
	}
	luma := take.luma
	b.luma = camera.Luma{Mean: luma, Peak: luma}
	return b.byPixel.Classify(dst, x, nil)
}

// play runs a pipeline over the takes with limits of 2 s, 3 s and 32.
func play(t *testing.T, takes ...take) (f *film, r *recorder, logged []string) {
	var log strings.Builder
	f, r = &film{takes: takes, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}, &recorder{}
	f.p = New(Options{Name: "cam", Open: f.open, Classifier: &byLevel{f: f}, Settings: quick, Sinks: []Sink{r},
		Inspector: camera.Inspector{MaxAge: 2 * time.Second, FrozenAfter: 3 * time.Second, DarkBelow: 32, Clock: f},
		Log:       slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, f.p.Run(t.Context()))
	for _, line := range regexp.MustCompile(`level=(\w+) msg="?([^"\n]+?)"? camera=`).FindAllStringSubmatch(log.String(), -1) {
		logged = append(logged, line[1]+" "+line[2])
	}
	return f, r, logged
}

// lit are n frames of different bytes in good light.
func lit(n int) (takes []take) {
	for i := range n {
		takes = append(takes, take{level: byte(i % 200), luma: 99})
	}
	return takes
}

func times(n int, t take) (takes []take) {
	for range n {
		takes = append(takes, t)
	}
	return takes
}

func TestStaleFramesAreNotClassified(t *testing.T) {
	old := take{level: 201, luma: 99, age: 2*time.Second + 1}
	_, r, logged := play(t, append(append(lit(2), old), lit(2)...)...)
	require.Equal(t, []string{"class 0", "class 1", "class 0", "class 1"}, r.labels)
	require.Equal(t, map[string]uint64{Stale: 1}, r.dropped)
	require.Empty(t, logged, "one frame is no condition of the camera")

	f, r, logged := play(t, append(append(lit(2), times(9, old)...), lit(5)...)...)
	require.Equal(t, map[string]uint64{Stale: 9}, r.dropped)
	require.NotContains(t, r.labels, "class 201")
	require.Len(t, r.labels, 7)
	require.Equal(t, []string{"WARN camera gives frames that are too old", "INFO camera shows what it should"}, logged)
	require.Equal(t, warnings[Stale]+" (stale frame: captured 2s ago; want at most 2s)", f.seen[5])
	require.Empty(t, f.seen[len(f.seen)-1])
}

// TestFrozenCamera repeats one picture for longer than it may: it is classified
// while it may be true, then the camera counts as gone and is opened again.
func TestFrozenCamera(t *testing.T) {
	still := take{level: 201, luma: 99}
	f, r, logged := play(t, append(append(lit(2), times(10, still)...), lit(2)...)...)
	require.Equal(t, []string{"class 0", "class 1", "class 201", "class 201", "class 201", "class 0", "class 1"}, r.labels)
	require.Equal(t, map[string]uint64{Frozen: 7}, r.dropped)
	require.Equal(t, []bool{true, false, true, false}, r.up)
	require.Equal(t, []int{6, 11}, f.again)
	require.Equal(t, "WARN camera "+warnings[Frozen], logged[0])
	require.Len(t, logged, 1)
	require.Equal(t, warnings[Frozen]+" (frozen camera: the same 8 bytes for 3s)", f.seen[6], "the status says so")

	still.name = "still.png"
	_, r, _ = play(t, times(10, still)...)
	require.Len(t, r.labels, 10, "a picture may stay")
	require.Equal(t, []bool{true, false}, r.up)
}

func TestThawedCamera(t *testing.T) {
	f, _, logged := play(t, append(append(lit(2), times(5, take{level: 201, luma: 99})...), lit(5)...)...)
	require.Equal(t, []string{"WARN camera " + warnings[Frozen], "INFO camera shows what it should"}, logged)
	require.Empty(t, f.seen[len(f.seen)-1])
}

// TestDarkness: pictures without light are classified, and reported. Under a
// cap even equal bytes are no frozen camera.
func TestDarkness(t *testing.T) {
	takes := lit(3)
	for i := range 5 {
		takes = append(takes, take{level: byte(i), luma: 20})
	}
	takes = append(append(takes, times(8, take{level: 3})...), lit(3)...)
	f, r, logged := play(t, takes...)
	require.Len(t, r.labels, len(takes))
	require.Empty(t, r.dropped)
	require.Equal(t, map[camera.Light]int{camera.Lit: 6, camera.Dark: 5, camera.Black: 8}, r.lights)
	require.Equal(t, []string{"WARN camera " + warnings[dark], "WARN camera " + warnings[black], "INFO camera shows what it should"}, logged)
	require.Equal(t, []bool{true, false}, r.up)
	require.Equal(t, 1, f.opened)
}

func TestCorruptFramesAreAWarning(t *testing.T) {
	bad := times(3, take{err: fmt.Errorf("x: %w", camera.ErrCorrupt)})
	bad = append(bad, times(2, take{err: fmt.Errorf("x: %w", camera.ErrTruncated)})...)
	f, r, logged := play(t, append(append(lit(1), bad...), lit(4)[1:]...)...)
	require.Equal(t, map[string]uint64{Corrupt: 3, Truncated: 2}, r.dropped, "each is counted once")
	require.Equal(t, []string{"WARN camera gives corrupt frames", "INFO camera shows what it should"}, logged)
	require.Equal(t, warnings[Corrupt]+" (x: corrupt frame)", f.seen[5], "with the first cause")
}

// TestNothingToBelieve has a camera lose its way for minutes. It counts as gone,
// and is opened again ever more rarely.
func TestNothingToBelieve(t *testing.T) {
	for name, bad := range map[string]take{
		"broken in capture":  {err: fmt.Errorf("camera A: %w", camera.ErrCorrupt)},
		"broken for decoder": {mess: true, luma: 99},
		"stale":              {level: 201, luma: 99, age: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			all := times(25, bad)
			for i := range all {
				all[i].level += byte(i % 2) // no two frames are the same
			}
			f, r, logged := play(t, append(append(lit(2), all...), lit(5)...)...)
			require.Equal(t, []bool{true, false, true, false}, r.up)
			require.Equal(t, []int{8, 13, 23}, f.again)
			require.Len(t, r.labels, 7)
			require.NotContains(t, r.labels, "class 201")
			require.Equal(t, uint64(25), r.dropped[Corrupt]+r.dropped[Stale])
			require.Len(t, logged, 2, "a line for every change of state")
			require.Equal(t, 1, f.opened)

			// Single bad frames, however many, are no reason.
			var takes []take
			for range 5 {
				takes = append(takes, all[:4]...)
				takes = append(takes, take{level: byte(len(takes)), luma: 99})
			}
			f, r, _ = play(t, takes...)
			require.Equal(t, []bool{true, false}, r.up)
			require.Empty(t, f.again)
		})
	}
}

func TestDoubt(t *testing.T) {
	var d doubt
	var again []int // seconds
	for i := range 210 {
		if d.another(time.Unix(int64(i), 0), false) {
			again = append(again, i)
		}
	}
	require.Equal(t, []int{5, 10, 20, 40, 80, 140, 200}, again)

	d = doubt{}
	for i := range steady {
		require.Equal(t, i == steady-1, d.another(time.Unix(int64(60*i), 0), false), "an inference a minute")
	}
	d = doubt{}
	require.False(t, d.another(time.Unix(0, 0), false))
	require.True(t, d.another(time.Unix(1, 0), true), "frozen")
	require.False(t, d.another(time.Unix(2, 0), true))
}

// TestStaleAtTheModel has a frame grow old while other cameras have the model.
func TestStaleAtTheModel(t *testing.T) {
	takes := append(lit(3), lit(2)...)
	takes[1].wait = 3 * time.Second
	takes[2].wait, takes[2].name = time.Hour, "photo.jpg" // which does not grow old
	_, r, _ := play(t, takes...)
	require.Equal(t, map[string]uint64{Stale: 1}, r.dropped)
	require.Equal(t, []string{"class 0", "class 2", "class 0", "class 1"}, r.labels)
	require.Equal(t, []bool{true, false}, r.up)

	// However often, it is no fault of the camera.
	takes = lit(6)
	for i := range takes {
		takes[i].wait = 3 * time.Second
	}
	f, r, _ := play(t, takes...)
	require.Equal(t, map[string]uint64{Stale: 6}, r.dropped)
	require.Equal(t, []bool{true, false}, r.up)
	require.Empty(t, f.again)
	require.Empty(t, strings.Join(f.seen, ""))
}

// TestDownSaysWhy: the newest fault of a camera is the one that is told.
func TestDownSaysWhy(t *testing.T) {
	takes := append(append(lit(1), times(6, take{level: 7, luma: 99})...), take{err: camera.ErrGone}, take{err: camera.ErrBusy})
	f, r, _ := play(t, append(takes, lit(2)...)...)
	require.Equal(t, []string{warnings[Frozen] + " (frozen camera: the same 8 bytes for 3s)", "is down: camera is gone", "is down: camera is busy", "", ""}, f.seen[len(f.seen)-5:])
	require.Equal(t, []bool{true, false, true, false}, r.up)

	// It is back and gives nothing but frames that are of no use.
	f, _, logged := play(t, append(append(append(lit(1), take{err: camera.ErrGone}), times(6, take{err: camera.ErrCorrupt})...), lit(2)...)...)
	gone, corrupt := "is down: camera is gone", warnings[Corrupt]+" (corrupt frame)"
	require.Equal(t, []string{"", "", gone, gone, gone, corrupt, corrupt, corrupt, corrupt}, f.seen[:9])
	require.Contains(t, logged, "WARN camera "+warnings[Corrupt])
}
