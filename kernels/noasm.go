//go:build purego || !(amd64 || arm64)

package kernels

func implementations() []*implementation { return []*implementation{&generic} }

// pause waits a moment in a spinning loop.
func pause() {}
