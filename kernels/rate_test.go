package kernels

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRate(t *testing.T) {
	was := active
	for _, measure := range []func(string, int, int, int, time.Duration) (float64, error){GemmRate, FloatGemmRate} {
		for _, name := range Names() {
			r, err := measure(name, 7, 20, 33, time.Millisecond)
			require.NoError(t, err)
			require.Positive(t, r, name)
			require.Less(t, r, 2e12, name) // twice the rate of the fastest core
			require.Same(t, was, active)
		}
		_, err := measure("sse9", 7, 20, 33, time.Millisecond)
		require.ErrorContains(t, err, `"sse9"`)
		_, err = measure("", 7, 20, 33, time.Millisecond)
		require.Error(t, err)
		require.Panics(t, func() { measure("generic", 0, 1, 1, 0) })
		require.Same(t, was, active)
	}
}

// TestRateOf: what is timed runs with the implementation named, and at least once.
func TestRateOf(t *testing.T) {
	for _, name := range Names() {
		calls := 0
		r, err := rate(name, 3, 4, 5, 0, func() func(*Worker) {
			require.Equal(t, name, Name())
			return func(*Worker) {
				calls++
				require.Equal(t, name, Name())
				time.Sleep(time.Millisecond)
			}
		})
		require.NoError(t, err)
		require.Equal(t, 1, calls)
		require.LessOrEqual(t, r, 60/0.001)
	}
}
