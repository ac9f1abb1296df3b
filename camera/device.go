package camera

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Device is a V4L2 camera as [List] finds it.
type Device struct {
	Path     string    `json:"path"`          // "/dev/video0"; another after a replug
	Name     string    `json:"name"`          // by-id or by-path link, which stays; empty without udev
	Card     string    `json:"card"`          // product name, as the driver gives it
	Driver   string    `json:"driver"`        // "uvcvideo"
	Bus      string    `json:"bus"`           // "usb-0000:01:00.0-1.3"
	Serial   string    `json:"serial"`        // USB vendor, product and serial number, "046d:0825:9A8B"; empty off USB
	Modes    []Mode    `json:"modes"`         // in the driver's order
	Controls []Control `json:"controls"`      // by name
	Err      string    `json:"err,omitempty"` // why the rest is empty, such as a missing permission
}

// A Mode is a pixel format and size that a camera offers.
type Mode struct {
	Format FourCC `json:"format"`
	Width  int    `json:"width"` // pixels; the smallest one if there are steps
	Height int    `json:"height"`

	// MaxWidth and MaxHeight are 0 for a single size, else every size up to
	// them in these steps is offered.
	MaxWidth   int `json:"max_width,omitempty"`
	MaxHeight  int `json:"max_height,omitempty"`
	StepWidth  int `json:"step_width,omitempty"`
	StepHeight int `json:"step_height,omitempty"`

	FPS []float64 `json:"fps,omitempty"` // frame rates, fastest first
}

// A Control is a setting of a camera.
type Control struct {
	Name  string `json:"name"` // "power_line_frequency"
	Min   int    `json:"min"`
	Max   int    `json:"max"`
	Step  int    `json:"step"`
	Value int    `json:"value"`

	id   uint32
	kind int32 // 0 integer, 1 boolean, 2 menu, as the webcam library counts
}

// String is the mode as "YUYV 640x480".
func (m Mode) String() string {
	if m.MaxWidth == 0 {
		return fmt.Sprintf("%v %dx%d", m.Format, m.Width, m.Height)
	}
	return fmt.Sprintf("%v %dx%d to %dx%d", m.Format, m.Width, m.Height, m.MaxWidth, m.MaxHeight)
}

// controlName makes "Exposure, Auto" into exposure_auto, as v4l2-ctl does.
func controlName(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		} else {
			gap = true
		}
	}
	return b.String()
}

// wholeSizes are the usual sizes that a stepwise mode is tried with.
var wholeSizes = [][2]int{{160, 120}, {320, 240}, {640, 480}, {800, 600}, {1280, 720}, {1920, 1080}, {3840, 2160}}

// sizes turns stepwise modes into single ones: its ends and the usual sizes
// that lie on its steps.
func sizes(modes []Mode) []Mode {
	var out []Mode
	for _, m := range modes {
		if m.MaxWidth == 0 {
			out = append(out, m)
			continue
		}
		for _, s := range append([][2]int{{m.Width, m.Height}, {m.MaxWidth, m.MaxHeight}}, wholeSizes...) {
			if m.holds(s[0], s[1]) {
				out = append(out, Mode{Format: m.Format, Width: s[0], Height: s[1], FPS: m.FPS})
			}
		}
	}
	return out
}

// holds reports whether the mode has the size.
func (m Mode) holds(width, height int) bool {
	if m.MaxWidth == 0 {
		return m.Width == width && m.Height == height
	}
	return width >= m.Width && width <= m.MaxWidth && (width-m.Width)%max(m.StepWidth, 1) == 0 &&
		height >= m.Height && height <= m.MaxHeight && (height-m.Height)%max(m.StepHeight, 1) == 0
}

// chooseMode picks what to ask the camera for:
//
//   - YUYV costs no decoding, but at 30 frames a second USB 2 carries it only
//     up to 640x480. So raw formats up to that size come first, YUYV before
//     the others, then MJPEG, then raw formats of any size.
//   - Among the sizes of the format, the smallest whose cropped sides are at
//     least c.Cover; if no mode has one, the largest size of all.
//   - A mode as fast as c.FPS goes before the slower ones.
//
// What c fixes is not chosen.
func chooseMode(modes []Mode, c Config) (Mode, error) {
	var fit []Mode
	for _, m := range sizes(modes) {
		if m.Format != MJPG && m.Format != JPEG && m.Format.minStride(1) == 0 {
			continue // nothing that Decode understands
		}
		if (c.Format == 0 || m.Format == c.Format) && (c.Width == 0 || m.Width == c.Width && m.Height == c.Height) {
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 && c.Width != 0 {
		for _, m := range modes { // stepwise modes have sizes that the list of usual ones misses
			if m.holds(c.Width, c.Height) && (c.Format == 0 && m.Format.rank(c.Width, c.Height) < unusable || m.Format == c.Format) {
				fit = append(fit, Mode{Format: m.Format, Width: c.Width, Height: c.Height, FPS: m.FPS})
			}
		}
	}
	if len(fit) == 0 {
		return Mode{}, noMode(modes, c)
	}
	covers := func(m Mode) bool {
		_, _, w, h := c.View.Crop.pixels(m.Width, m.Height)
		return min(w, h) >= c.Cover
	}
	best := slices.MinFunc(fit, func(a, b Mode) int {
		ca, cb := covers(a), covers(b)
		area := cmp.Compare(a.Width*a.Height, b.Width*b.Height)
		if !ca && !cb { // the largest of those that are all too small
			return cmp.Or(-area, cmp.Compare(a.Format.rank(a.Width, a.Height), b.Format.rank(b.Width, b.Height)))
		}
		return cmp.Or(
			trueFirst(ca, cb),
			trueFirst(a.reaches(c.FPS), b.reaches(c.FPS)),
			cmp.Compare(a.Format.rank(a.Width, a.Height), b.Format.rank(b.Width, b.Height)),
			area,
		)
	})
	return best, nil
}

// trueFirst orders true before false.
func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// reaches reports whether the mode may be as fast as fps. A driver that names
// no rates may.
func (m Mode) reaches(fps float64) bool {
	return fps == 0 || len(m.FPS) == 0 || m.FPS[0] > 0.95*fps
}

// unusable is the rank of formats that Decode does not understand.
const unusable = 100

// rank orders the formats by what they cost at a size, cheapest first.
func (f FourCC) rank(width, height int) int {
	raw := slices.Index([]FourCC{YUYV, NV12, RGB24, BGR24, Grey}, f)
	switch {
	case f == MJPG:
		return 10
	case f == JPEG:
		return 11
	case raw < 0:
		return unusable
	case f == Grey:
		return 30 // colorless: only where there is nothing else
	case width*height <= 640*480:
		return raw
	}
	return 20 + raw
}

// noMode says what was asked for and what there is.
func noMode(modes []Mode, c Config) error {
	var have []string
	for _, m := range modes {
		have = append(have, m.String())
	}
	offer := strings.Join(have, ", ")
	if len(have) > 24 {
		offer = strings.Join(have[:24], ", ") + ", …"
	}
	switch {
	case len(modes) == 0:
		return fmt.Errorf("the camera offers no pixel format at all; it may be a metadata node")
	case c.Format != 0 && c.Width != 0:
		return fmt.Errorf("the camera does not offer %v %dx%d; it has %s", c.Format, c.Width, c.Height, offer)
	case c.Format != 0:
		return fmt.Errorf("the camera does not offer pixel format %v; it has %s", c.Format, offer)
	case c.Width != 0:
		return fmt.Errorf("the camera does not offer %dx%d in a supported pixel format; it has %s", c.Width, c.Height, offer)
	}
	return fmt.Errorf("the camera offers no supported pixel format (yuyv, nv12, grey, rgb24, bgr24, mjpeg); it has %s", offer)
}
