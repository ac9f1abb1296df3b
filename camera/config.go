package camera

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A Config says which camera to open and what to ask of it. Only Source must
// be set.
type Config struct {
	// Source names the camera:
	//
	//	auto                         the first V4L2 camera
	//	/dev/video0                  a V4L2 node
	//	/dev/v4l/by-id/…             a V4L2 camera by a name that stays
	//	HD Pro Webcam C920           a V4L2 camera by its product name
	//	file:PATH                    a JPEG or PNG file, or a folder of them
	//	http://HOST/stream.mjpg      MJPEG over HTTP (also https)
	//	test:, test:black, …         a test pattern
	Source string

	// Width, Height and Format fix what is asked of the camera. Where they are
	// 0 the camera chooses: see Cover.
	Width, Height int
	Format        FourCC
	// Cover is the side in pixels of the square that the model sees. The
	// camera chooses the smallest size whose shorter side is at least that;
	// 0 means 224.
	Cover int
	// FPS is the frame rate: asked of the driver, or kept by a clock for files
	// and patterns, where 0 is as fast as frames are asked for.
	FPS float64
	// Loop starts a file or folder again after its end.
	Loop bool
	// Controls are V4L2 controls by name, such as "brightness" or
	// "power_line_frequency".
	Controls map[string]int
	// View is the part of the picture to look at and its orientation.
	View View

	// Timeout is how long the camera may be silent before it is taken for
	// hung and opened again; 0 means 2 s.
	// A server of single pictures has four seconds for one at least.
	Timeout time.Duration
	// Log gets one line for every change of state; nil logs nothing.
	Log *slog.Logger
	// Clock paces files and patterns and times recovery; nil is the machine's.
	Clock Clock
}

// maxSide bounds the sizes that are asked for.
const maxSide = 16384

// normalize fills in the defaults and refuses what no camera can do.
func (c *Config) normalize() error {
	if (c.Width == 0) != (c.Height == 0) || c.Width < 0 || c.Height < 0 || c.Width > maxSide || c.Height > maxSide {
		return fmt.Errorf("camera size is %dx%d; set both sides, from 1 to %d, or neither", c.Width, c.Height, maxSide)
	}
	if c.Cover < 0 || c.Cover > maxSide {
		return fmt.Errorf("camera cover is %d pixels; want 0 to %d", c.Cover, maxSide)
	}
	if !(c.FPS >= 0 && c.FPS <= 1000) {
		return fmt.Errorf("camera frame rate is %g; want 0 to 1000 frames a second", c.FPS)
	}
	if c.Timeout < 0 {
		return fmt.Errorf("camera timeout is %v; want more than 0", c.Timeout)
	}
	if c.Format != 0 && c.Format.minStride(1) == 0 && c.Format != MJPG && c.Format != JPEG {
		return fmt.Errorf("pixel format %q is not supported", c.Format)
	}
	if err := c.View.Validate(); err != nil {
		return fmt.Errorf("camera view: %w", err)
	}
	c.Cover = cmp.Or(c.Cover, 224)
	c.Timeout = cmp.Or(c.Timeout, 2*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	return nil
}

// Open makes a camera of c.Source. Its errors are mistakes in the
// configuration, a missing file or folder among them. A camera that is a
// device or a server is not touched before the first Next, so a daemon starts
// with its camera unplugged.
func Open(ctx context.Context, c Config) (Camera, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.normalize(); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(c.Source, ":")
	switch {
	case c.Source == "":
		return nil, fmt.Errorf("camera source is empty; want auto, /dev/videoN, the name of a camera, file:PATH, http://… or test:")
	case scheme == "file":
		return openFiles(strings.TrimPrefix(rest, "//"), c)
	case scheme == "test":
		return openPattern(rest, c)
	case scheme == "http", scheme == "https":
		return openHTTP(c)
	case strings.HasPrefix(rest, "//"): // not shown, for it may hold a password
		return nil, fmt.Errorf("camera source is a URL of %s; want http://… or https://… of MJPEG or JPEG", scheme)
	}
	return openV4L2(c)
}
