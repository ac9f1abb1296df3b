package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkStreamCost measures what a viewer at 10 frames a second costs the
// daemon, in percent of one core, beside capture and inference as the demo does
// them. It looks and looks away by turns and reports the median of the
// differences in the CPU time of the process.
//
//	go test ./cmd/vitedge/internal/web -run '^$' -bench StreamCost -benchtime 5x
func BenchmarkStreamCost(b *testing.B) {
	d := startDemo(b, "127.0.0.1:0")
	const window = 4 * time.Second
	var idle, extra []float64
	pictures, seconds := 0, 0.0
	used := func(during func()) float64 {
		cpu, began := cpuTime(b, d.cmd.Process.Pid), time.Now()
		during()
		return 100 * (cpuTime(b, d.cmd.Process.Pid) - cpu).Seconds() / time.Since(began).Seconds()
	}
	for b.Loop() {
		without := used(func() { time.Sleep(window) })
		with := used(func() {
			began := time.Now()
			pictures += watch(b, d.url("/stream.mjpg"), window)
			seconds += time.Since(began).Seconds()
		})
		idle, extra = append(idle, without), append(extra, with-without)
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(idle), "%core-without")
	b.ReportMetric(median(extra), "%core-for-stream")
	b.ReportMetric(float64(pictures)/seconds, "pictures/s")
}

// watch reads a stream for some time and counts its pictures.
func watch(tb testing.TB, url string, window time.Duration) int {
	response, err := http.Get(url)
	require.NoError(tb, err)
	stop := time.AfterFunc(window, func() { response.Body.Close() })
	defer stop.Stop()
	data, _ := io.ReadAll(response.Body) // ends with the window
	return bytes.Count(data, []byte("Content-Type: image/jpeg"))
}

// cpuTime is what a process has used, in user and system mode (proc(5), fields
// 14 and 15 of stat).
func cpuTime(tb testing.TB, pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(tb, err)
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // from field 3 on
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(tb, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}
