package kernels

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPoolRunsEachChunkOnce, by one worker at a time, and returns after the last.
func TestPoolRunsEachChunkOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 7} {
		pool := NewPool(threads)
		require.Equal(t, threads, pool.Threads())
		busy := map[*Worker]*atomic.Int32{}
		for i := range pool.workers {
			busy[&pool.workers[i]] = new(atomic.Int32)
		}
		for job := range 300 {
			counts := make([]atomic.Int32, job%23)
			var shared atomic.Bool
			pool.Run(len(counts), func(w *Worker, chunk int) {
				if busy[w].Add(1) != 1 {
					shared.Store(true)
				}
				counts[chunk].Add(1)
				busy[w].Add(-1)
			})
			require.False(t, shared.Load(), "two chunks at a time on one worker")
			for i := range counts {
				require.EqualValues(t, 1, counts[i].Load(), "chunk %d of %d", i, len(counts))
			}
		}
		pool.Close()
	}
	pool := NewPool(1)
	defer pool.Close()
	require.Panics(t, func() { pool.Run(maxChunks+1, func(*Worker, int) {}) })
}
