package camera

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Camera is a source of frames. It belongs to one goroutine: cancel the
// context to get Next back before Close is called from there. Next after Close
// returns [ErrClosed].
type Camera interface {
	// Next returns the newest frame, and blocks until there is one or ctx is
	// done. The frame and all pictures decoded from it are valid until the
	// next call of Next or Close.
	Next(ctx context.Context) (*Frame, error)
	// Close gives back everything the camera holds. It may be called twice.
	Close() error
}

// A Reopener is a camera that can be opened again without losing its place: a
// device or a server, whose frames are live. Cameras that hang or have lost
// their way in the middle of a stream often need no more.
type Reopener interface {
	// Reopen closes what the camera holds; the next call of Next opens it
	// again. It is called by the goroutine that calls Next.
	Reopen()
}

// A Frame is a picture in the camera's own pixel format.
type Frame struct {
	Width, Height int    // pixels
	Stride        int    // bytes from one row to the next of the first plane; 0 for compressed formats
	Format        FourCC // pixel format of Data
	Color         Color  // how YCbCr formats are meant
	Data          []byte // belongs to the camera

	// Sequence counts the frames of the source from 0. A gap is a frame that
	// was dropped, by the driver or because the owner was slow.
	Sequence uint64
	// Time is when the frame was captured: by the driver's clock for V4L2, on
	// arrival for other sources.
	Time time.Time
	// Name is the file that the frame is from, empty for other sources.
	Name string
	// View is the part of the frame to look at and its orientation. Decode
	// hands it on to the picture.
	View View
}

// Errors that an owner must tell apart. They are wrapped in errors that name
// the device or the file.
var (
	// ErrCorrupt says that one frame is bad: broken, of the wrong length, or
	// of another size than negotiated. The next one may be good.
	ErrCorrupt = errors.New("corrupt frame")
	// ErrTruncated is the ErrCorrupt of a frame that ends early.
	ErrTruncated = fmt.Errorf("%w: truncated", ErrCorrupt)
	// ErrGone says that the camera is unplugged or was never there.
	ErrGone = errors.New("camera is gone")
	// ErrBusy says that another program holds the camera.
	ErrBusy = errors.New("camera is busy")
	// ErrTimeout says that the camera is there and sends nothing.
	ErrTimeout = errors.New("camera is silent")
	// ErrClosed is what Next returns after Close.
	ErrClosed = errors.New("camera is closed")
)
