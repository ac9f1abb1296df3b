//go:build !linux

package camera

import (
	"errors"
	"fmt"
)

// openV4L2 and List exist on Linux alone.
func openV4L2(c Config) (Camera, error) {
	return nil, fmt.Errorf("camera %q: V4L2 is only on Linux: %w", c.Source, errors.ErrUnsupported)
}

// List finds no cameras where there is no V4L2.
func List() ([]Device, error) { return nil, errors.ErrUnsupported }
