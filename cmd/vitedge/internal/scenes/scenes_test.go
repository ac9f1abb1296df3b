package scenes

import (
	"context"
	"image"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/testdata/demo"
	"vitedge/vitlite"
)

const demoFolder = "../../../../testdata/demo/"

func sheet(t testing.TB) image.Image {
	m, err := demo.Sprites()
	require.NoError(t, err)
	return m
}

// clock is a time that passes when somebody waits.
type clock struct{ time time.Time }

func (c *clock) Now() time.Time { return c.time }

func (c *clock) WaitUntil(ctx context.Context, t time.Time) error {
	if t.After(c.time) {
		c.time = t
	}
	return ctx.Err()
}

// show is a camera with a clock of its own.
type show struct {
	*Camera
	clock *clock
	t     testing.TB
}

func open(t testing.TB, c camera.Config, seed uint64) show {
	s := show{clock: &clock{time.Unix(0, 0)}, t: t}
	c.Clock = s.clock
	var err error
	s.Camera, err = Open(c, sheet(t), seed)
	require.NoError(t, err)
	return s
}

// skip lets time pass until frame n is due, and takes it.
func (s show) skip(n uint64) *camera.Frame {
	if s.start.IsZero() {
		s.Camera.start = s.clock.time
	}
	s.clock.time = s.start.Add(time.Duration(n) * s.period)
	f, err := s.Next(s.t.Context())
	require.NoError(s.t, err)
	require.Equal(s.t, n, f.Sequence)
	return f
}

// TestModelNamesTheCards shows every card of a round to the model that ships,
// and what is between the cards.
func TestModelNamesTheCards(t *testing.T) {
	e, err := engine.Load(demoFolder+"emoji.safetensors", 0)
	require.NoError(t, err)
	defer e.Close()
	labels := e.Info().Labels
	nothing := slices.Index(labels, "nothing")
	require.Equal(t, len(labels)-1, nothing)
	s := open(t, camera.Config{}, 1)
	require.Len(t, s.stage.glyphs, nothing, "sprites and labels belong together")

	// answers of the model, by act: whether it was right.
	type verdict struct{ right, wrong int }
	held, bare := map[uint64]*verdict{}, map[uint64]*verdict{}
	eye := e.Eye()
	top := make([]vitlite.Prediction, 1)
	for n := uint64(0); ; n++ {
		scene := s.Scene(n)
		if scene.Act > uint64(nothing) { // a card for each class, and the empty one
			break
		}
		var of map[uint64]*verdict
		want := nothing
		switch {
		case scene.Held && n%6 == 0:
			of = held
			if scene.Glyph != Empty {
				want = scene.Glyph
			}
		case scene.Bare && n%3 == 0:
			of = bare
		default:
			continue
		}
		answer, _, err := eye.Classify(top, s.skip(n), nil)
		require.NoError(t, err)
		if of[scene.Act] == nil {
			of[scene.Act] = new(verdict)
		}
		if answer[0].Index == want && answer[0].Score >= 0.5 {
			of[scene.Act].right++
			continue
		}
		of[scene.Act].wrong++
		t.Logf("frame %d: %s %.2f; want %s", n, answer[0].Label, answer[0].Score, labels[want])
	}
	require.Len(t, held, nothing+1)
	require.Len(t, bare, nothing+1)
	named, empty := 0, 0
	for act := range held {
		if held[act].right > held[act].wrong {
			named++
		}
		if bare[act].right > bare[act].wrong {
			empty++
		}
	}
	require.GreaterOrEqual(t, 100*named, 95*len(held), "cards that were named rightly, of %d", len(held))
	require.GreaterOrEqual(t, 100*empty, 95*len(bare), "times that nothing was seen between cards, of %d", len(bare))
	t.Logf("named %d of %d cards, saw nothing between %d of %d", named, len(held), empty, len(bare))
}

// TestDeterministic guards that a frame depends on the seed and its number, and
// not on what was drawn before.
func TestDeterministic(t *testing.T) {
	a, b := open(t, camera.Config{Width: 320, Height: 240}, 7), open(t, camera.Config{Width: 320, Height: 240}, 7)
	other := open(t, camera.Config{Width: 320, Height: 240}, 8)
	for n := range uint64(90) {
		frame := a.skip(n)
		if n%17 == 0 {
			require.Equal(t, frame.Data, b.skip(n).Data, "frame %d", n)
			require.NotEqual(t, frame.Data, other.skip(n).Data, "frame %d", n)
		}
	}
}

// TestEveryGlyphOnce: a round shows each sprite once and ends with an empty
// card, and the next round has another order.
func TestEveryGlyphOnce(t *testing.T) {
	p := newPlot(20, 3)
	var rounds [2][]int
	for act := range uint64(42) {
		rounds[act/21] = append(rounds[act/21], p.glyph(act))
	}
	require.NotEqual(t, rounds[0], rounds[1])
	for _, round := range rounds {
		require.Equal(t, Empty, round[20])
		slices.Sort(round)
		for i, glyph := range round {
			require.Equal(t, i-1, glyph)
		}
	}
}

// TestGlyphStaysInTheSquare guards what a held card promises for every act.
func TestGlyphStaysInTheSquare(t *testing.T) {
	p := newPlot(12, 5)
	for act := range uint64(500) {
		prop, _ := p.at(float64(act) * actTime)
		for since := enterTime; since <= enterTime+holdTime; since += 0.1 {
			view := project(prop.pose(prop.enter + since))
			for _, corner := range [][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}} {
				x, y := view.forward(corner[0], corner[1])
				require.LessOrEqual(t, max(x, -x, y, -y), 1.0, "act %d after %.1f s", act, since)
			}
		}
		require.False(t, prop.pose(0).visible)
		require.False(t, prop.pose(actTime-0.8).visible, "act %d: the end of an act is empty", act)
	}
}

// TestCardIsWhereTheSceneSays compares frames with and without a card.
func TestCardIsWhereTheSceneSays(t *testing.T) {
	s := open(t, camera.Config{}, 1)
	for n := range uint64(130) {
		scene := s.Scene(n)
		if !scene.Bare && !scene.Held {
			continue
		}
		f := s.skip(n)
		bright := 0 // pixels brighter than any wall
		for i := 0; i < len(f.Data); i += 2 {
			if f.Data[i] > 200 {
				bright++
			}
		}
		share := float64(bright) / float64(len(f.Data)/2)
		if scene.Bare {
			require.Less(t, share, 0.02, "frame %d", n)
		} else {
			require.Greater(t, share, 0.1, "frame %d", n)
		}
	}
}

func TestProjectionIsInverted(t *testing.T) {
	view := project(pose{x: 0.2, y: -0.1, size: 0.55, angle: 0.3, tiltU: 0.08, tiltV: -0.05})
	for _, uv := range [][2]float64{{0, 0}, {1, 1}, {-1.3, 1.7}} {
		u, v := view.inverse(view.forward(uv[0], uv[1]))
		require.InDelta(t, uv[0], u, 1e-12)
		require.InDelta(t, uv[1], v, 1e-12)
	}
}

// TestLanes compares arithmetic on four lanes at once with that on one.
func TestLanes(t *testing.T) {
	random := splitmix(1)
	for range 10_000 {
		a, b, w := lanes(random.next())&laneMask, lanes(random.next())&laneMask, random.next()%257
		got := mix(a, b, w)
		for lane := 0; lane < 64; lane += 16 {
			x, y := uint64(a)>>lane&0xffff, uint64(b)>>lane&0xffff
			require.Equal(t, (x*(256-w)+y*w)>>8, uint64(got)>>lane&0xffff)
		}
	}
	white := rgb{1, 1, 1}
	require.Equal(t, lanes(235|128<<16|128<<32|255<<48), white.opaque())
	require.Equal(t, black, rgb{}.opaque())
	require.Equal(t, white.opaque(), over(white.opaque(), black)|255<<48)
	require.Equal(t, black&^(255<<48), over(0, black))
	half := over(white.covering(0.5), black)
	require.InDelta(t, (16+235)/2, int(half&0xff), 2)
	require.InDelta(t, 128, int(half>>16&0xff), 2)
}

func TestNoAllocationAFrame(t *testing.T) {
	s := open(t, camera.Config{}, 1)
	n := uint64(0)
	require.Zero(t, testing.AllocsPerRun(130, func() { // two acts
		s.stage.draw(s.frame.Data, n, s.period)
		n++
	}))
}

// TestLateOwner gets the newest frame, and sees how many it has missed.
func TestLateOwner(t *testing.T) {
	s := open(t, camera.Config{Width: 64, Height: 64, FPS: 10}, 1)
	for want := range uint64(3) {
		f, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, f.Sequence)
	}
	require.Equal(t, 200*time.Millisecond, s.clock.time.Sub(s.start))
	s.clock.time = s.clock.time.Add(time.Second)
	f, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(12), f.Sequence)
	require.Equal(t, s.clock.time, f.Time)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Close())
	_, err = s.Next(t.Context())
	require.ErrorIs(t, err, camera.ErrClosed)
}

// TestRealClock waits for a frame, and stops waiting when told to.
func TestRealClock(t *testing.T) {
	cam, err := Open(camera.Config{Width: 64, Height: 64, FPS: 50}, sheet(t), 1)
	require.NoError(t, err)
	began := time.Now()
	for range 3 {
		_, err := cam.Next(t.Context())
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)

	cam, err = Open(camera.Config{Width: 64, Height: 64, FPS: 0.001}, sheet(t), 1)
	require.NoError(t, err)
	_, err = cam.Next(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = cam.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestSizes(t *testing.T) {
	for _, size := range [][2]int{{64, 64}, {100, 64}, {640, 480}, {1280, 720}, {480, 640}, {66, 1002}} {
		s := open(t, camera.Config{Width: size[0], Height: size[1], View: camera.View{FlipX: true}}, 2)
		for n := uint64(0); n < 66; n += 3 { // at the edges, too
			f := s.skip(n)
			require.Len(t, f.Data, 2*size[0]*size[1])
			require.True(t, f.View.FlipX)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		config camera.Config
		sheet  image.Image
		want   string
	}{
		{config: camera.Config{Format: camera.MJPG}, want: `pixel format "MJPG"`},
		{config: camera.Config{Width: 640}, want: "640x0; set both"},
		{config: camera.Config{Width: 641, Height: 480}, want: "641x480"},
		{config: camera.Config{Width: 32, Height: 480}, want: "32x480"},
		{config: camera.Config{FPS: -1}, want: "-1"},
		{config: camera.Config{View: camera.View{Turn: 1}}, want: "rotation is 1"},
		{sheet: image.NewRGBA(image.Rect(0, 0, 100, 96)), want: "100x96"},
		{sheet: image.NewRGBA(image.Rect(0, 0, Columns*Sprite, Sprite)), want: "is empty"},
	} {
		if c.sheet == nil {
			c.sheet = sheet(t)
		}
		_, err := Open(c.config, c.sheet, 1)
		require.ErrorContains(t, err, c.want)
	}
}

func BenchmarkDraw(b *testing.B) {
	s := open(b, camera.Config{}, 1)
	least, n := time.Hour, uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		s.stage.draw(s.frame.Data, n, s.period)
		least = min(least, time.Since(began))
		n++
	}
	b.ReportMetric(float64(least.Microseconds()), "least-µs")
}
