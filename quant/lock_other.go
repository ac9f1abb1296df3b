//go:build !unix

package quant

import "io"

// lockFile guards nothing where the system has no flock.
func lockFile(string) (io.Closer, error) { return unguarded, nil }
