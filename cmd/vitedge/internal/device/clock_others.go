//go:build !linux

package device

import "errors"

func kernelClockSynced() (bool, error) { return false, errNoClock }

// errNoClock says that nothing tells whether the clock is synchronized.
var errNoClock = errors.New("nothing tells whether the clock is right")
