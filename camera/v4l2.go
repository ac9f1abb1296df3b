package camera

import (
	"errors"
	"fmt"
)

func openV4L2(c Config) (Camera, error) {
	return nil, fmt.Errorf("camera %q: V4L2 is only on Linux: %w", c.Source, errors.ErrUnsupported)
}
