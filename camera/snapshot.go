package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxBadSnapshots is how many bad frames in a row Snapshot puts up with.
const maxBadSnapshots = 10

// Snapshot takes one picture. A live camera first shows settle frames that are
// thrown away, while it adjusts exposure and white balance. The frame is the
// caller's.
func Snapshot(ctx context.Context, cam Camera, settle int) (*Frame, error) {
	var last error // of a bad frame
	for good, bad := 0, 0; ; {
		f, err := cam.Next(ctx)
		switch {
		case errors.Is(err, ErrCorrupt) && bad < maxBadSnapshots:
			bad++
			last = err
		case err == io.EOF && last != nil: // of a file that is no picture
			return nil, fmt.Errorf("taking a picture: %w", last)
		case err != nil:
			return nil, fmt.Errorf("taking a picture: %w", err)
		case good < settle && f.Name == "": // a file needs no time
			good++
		default:
			own := *f
			own.Data = bytes.Clone(f.Data)
			return &own, nil
		}
	}
}
