package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeCamera is a Camera of functions.
type fakeCamera struct {
	NextFunc  func(context.Context) (*Frame, error)
	CloseFunc func() error
}

func (c *fakeCamera) Next(ctx context.Context) (*Frame, error) { return c.NextFunc(ctx) }

func (c *fakeCamera) Close() error {
	if c.CloseFunc != nil {
		return c.CloseFunc()
	}
	return nil
}

// recording is a recovering camera whose log can be read.
func recording(open func(context.Context) (Camera, error)) (*recovering, *fakeClock, *bytes.Buffer) {
	var log bytes.Buffer
	clock := newFakeClock()
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: drop}))
	return newRecovering(open, Config{Log: logger, Clock: clock}), clock, &log
}

// TestRecovery plays an outage: unplugged, gone, back but busy, silent, back.
func TestRecovery(t *testing.T) {
	busy := fmt.Errorf("camera A: %w", ErrBusy)
	gone := fmt.Errorf("camera A: %w", ErrGone)
	silent := fmt.Errorf("camera A: %w", ErrTimeout)
	frame := &Frame{Width: 4, Height: 2, Format: YUYV}
	openNow := 0 // cameras that are open; never two
	script := []any{
		frame, frame, ErrCorrupt, frame, // delivers
		gone,                           // unplugged: told
		"gone", "gone", "gone", "gone", // not there yet: the owner waits
		"busy",         // another reason: told
		"busy", "gone", // reasons that the owner knows
		silent, silent, // opens, but nothing comes: told once
		errors.New("io"), // told
		frame, frame,     // back
		gone, // a new outage is told again
		frame,
	}
	next := func(kind string) (any, bool) {
		require.NotEmpty(t, script)
		s, isOpen := script[0].(string)
		if (kind == "open") == isOpen {
			script = script[1:]
			return s, true
		}
		return nil, false
	}
	r, clock, log := recording(nil)
	start := clock.now
	r.open = func(context.Context) (Camera, error) {
		require.Zero(t, openNow, "the old camera is closed before it is opened again")
		if s, ok := next("open"); ok {
			return nil, map[any]error{"gone": gone, "busy": busy}[s]
		}
		openNow++
		sequence := uint64(0)
		return &fakeCamera{
			NextFunc: func(context.Context) (*Frame, error) {
				step := script[0]
				script = script[1:]
				if err, ok := step.(error); ok {
					return nil, err
				}
				copied := *frame
				copied.Sequence = sequence
				sequence++
				return &copied, nil
			},
			CloseFunc: func() error { openNow--; return nil },
		}, nil
	}
	var got []string
	for len(script) > 0 {
		f, err := r.Next(t.Context())
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, fmt.Sprint("frame ", f.Sequence))
		}
	}
	require.Equal(t, []string{
		"frame 0", "frame 1", "corrupt frame", "frame 2",
		"camera A: camera is gone", "camera A: camera is busy", "camera A: camera is silent", "io",
		"frame 3", "frame 4",
		"camera A: camera is gone",
		"frame 5",
	}, got)
	require.Equal(t, []string{
		`level=INFO msg="camera delivers frames" format=YUYV width=4 height=2`,
		`level=WARN msg="camera is down" err="camera A: camera is gone"`,
		`level=WARN msg="camera is down" err="camera A: camera is busy"`,
		`level=WARN msg="camera is down" err="camera A: camera is silent"`,
		`level=WARN msg="camera is down" err=io`,
		`level=INFO msg="camera delivers frames" format=YUYV width=4 height=2`,
		`level=WARN msg="camera is down" err="camera A: camera is gone"`,
		`level=INFO msg="camera delivers frames" format=YUYV width=4 height=2`,
	}, strings.Split(strings.TrimSpace(log.String()), "\n"))
	require.Less(t, clock.now.Sub(start), 25*time.Second)
	require.Equal(t, 1, openNow)
	require.NoError(t, r.Close())
	require.Zero(t, openNow)
	require.NoError(t, r.Close())
	_, err := r.Next(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

// TestReopen has an owner that does not believe the frames. The place is kept,
// and only a camera that does not come back is logged.
func TestReopen(t *testing.T) {
	opened, closed := 0, 0
	r, clock, log := recording(func(context.Context) (Camera, error) {
		if opened++; opened == 3 {
			return nil, ErrGone
		}
		n := uint64(0)
		return &fakeCamera{
			NextFunc:  func(context.Context) (*Frame, error) { n++; return &Frame{Sequence: n - 1}, nil },
			CloseFunc: func() error { closed++; return nil },
		}, nil
	})
	var camera Camera = r
	for i := range 6 {
		f, err := r.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(i), f.Sequence)
		if i == 2 {
			start := clock.now
			camera.(Reopener).Reopen()
			require.Equal(t, 1, closed)
			defer func() { require.Less(t, clock.now.Sub(start), time.Second) }()
		}
	}
	require.Equal(t, 2, opened)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	r.Reopen()
	r.Reopen()
	require.Equal(t, 2, closed)
	_, err := r.Next(t.Context())
	require.ErrorIs(t, err, ErrGone)
	f, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(6), f.Sequence)
	require.Equal(t, 3, strings.Count(log.String(), "\n"), log)
	require.NoError(t, r.Close())
	r.Reopen()
	_, err = r.Next(t.Context())
	require.ErrorIs(t, err, ErrClosed)
}

// TestBackoff holds the times between attempts: short at first, then at most
// what brings a camera back within five seconds, and never the same.
func TestBackoff(t *testing.T) {
	var attempts []time.Time
	r, clock, _ := recording(nil)
	ctx, cancel := context.WithCancel(t.Context())
	r.open = func(context.Context) (Camera, error) {
		attempts = append(attempts, clock.now)
		if len(attempts) == 1000 {
			cancel()
		}
		return nil, ErrGone
	}
	_, err := r.Next(ctx)
	require.ErrorIs(t, err, ErrGone)
	_, err = r.Next(ctx)
	require.Equal(t, context.Canceled, err)
	distinct := map[time.Duration]bool{}
	for i := 1; i < len(attempts); i++ {
		gap := attempts[i].Sub(attempts[i-1])
		want := min(firstRetry<<min(i-1, 10), lastRetry)
		require.GreaterOrEqual(t, gap, want*3/4)
		require.LessOrEqual(t, gap, want*5/4)
		distinct[gap] = true
	}
	require.Greater(t, len(distinct), 900, "jitter")
	require.Less(t, lastRetry*5/4, 5*time.Second)
}

// TestThousandOutages leaves no descriptor behind.
func TestThousandOutages(t *testing.T) {
	descriptors := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd: ", err)
		}
		return len(d)
	}
	r, _, log := recording(func(context.Context) (Camera, error) {
		file, err := os.Open(os.DevNull) // stands for the device
		require.NoError(t, err)
		frames := 0
		return &fakeCamera{
			NextFunc: func(context.Context) (*Frame, error) {
				if frames++; frames > 2 {
					return nil, ErrGone
				}
				return &Frame{Width: 1, Height: 1}, nil
			},
			CloseFunc: file.Close,
		}, nil
	})
	_, err := r.Next(t.Context())
	require.NoError(t, err)
	before := descriptors()
	for range 1000 {
		for _, err = r.Next(t.Context()); err == nil; _, err = r.Next(t.Context()) {
		}
		require.ErrorIs(t, err, ErrGone)
	}
	require.NoError(t, r.Close())
	require.LessOrEqual(t, descriptors(), before)
	require.Equal(t, 2000, strings.Count(log.String(), "\n"), "a line for every change of state")
}

// TestReasonsAreBounded has a camera whose every error is another text.
func TestReasonsAreBounded(t *testing.T) {
	n := 0
	r, _, log := recording(func(context.Context) (Camera, error) {
		if n++; n > 100 {
			return &fakeCamera{NextFunc: func(context.Context) (*Frame, error) { return &Frame{}, nil }}, nil
		}
		return nil, fmt.Errorf("error %d", n)
	})
	told := 0
	for _, err := r.Next(t.Context()); err != nil; _, err = r.Next(t.Context()) {
		told++
	}
	require.Equal(t, maxReasons, told)
	require.Equal(t, maxReasons+1, strings.Count(log.String(), "\n"))
}
