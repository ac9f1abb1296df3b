package bench

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"
)

// cpuName is what the processor or, where it has no name, the board calls itself.
func cpuName() string {
	if cpuid.CPU.BrandName != "" {
		return cpuid.CPU.BrandName
	}
	if b, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		return string(bytes.TrimRight(b, "\x00\n"))
	}
	return runtime.GOARCH
}

// clockGHz measures the clock: each turn of chain takes 16 cycles, because its
// additions and exclusive ors wait for one another and take a cycle each on every
// processor that there is an implementation for. An interruption makes the result
// too low, so the best of some short runs counts.
func clockGHz() float64 {
	const turns = 4000
	best := 0.0
	for range 5 {
		began := time.Now()
		sink = chain(turns, sink, sink|1)
		best = max(best, 16*turns/float64(time.Since(began).Nanoseconds()))
	}
	return best
}

var sink uint

//go:noinline
func chain(turns int, x, y uint) uint {
	a := x
	for range turns {
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
		x += y
		x ^= a
	}
	return x
}

// resetPeak makes peak forget what was before (proc_pid_clear_refs(5)), after the
// memory that is free has gone back to the system.
func resetPeak() error {
	debug.FreeOSMemory()
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peak returns the most resident memory in bytes, VmHWM of proc_pid_status(5).
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
