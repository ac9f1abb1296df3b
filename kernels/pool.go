package kernels

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Pool runs the chunks of a job on several threads. Its methods are for one
// goroutine at a time, the caller, which works too.
//
// An inference has a job a block of 200 µs to some ms, so handing one over has to
// cost no more than a few microseconds: workers spin for a while before they park. On a machine that is busy with other things a worker may not run at
// all; so the caller claims chunks like a worker does and waits only for chunks
// that a worker has claimed.
type Pool struct {
	threads int
	workers []Worker // workers[0] is the caller's

	// state is one word, so that a chunk is claimed and its job known to be
	// the current one in a single compare-and-swap: the job's number in the
	// upper 32 bits, its chunks and the next chunk in 16 bits each.
	state atomic.Uint64
	_     [cacheLine]byte
	done  atomic.Int32 // chunks finished
	_     [cacheLine]byte
	// fn is the job. Only who has claimed one of its chunks may read it: the
	// caller writes the next one after all chunks are done.
	fn func(w *Worker, chunk int)

	mu     sync.Mutex
	wake   *sync.Cond
	parked atomic.Int32
	closed atomic.Bool
	exited sync.WaitGroup
}

// maxChunks is the most chunks of one job.
const maxChunks = math.MaxUint16

// spins is how often an idle worker looks for a job before it parks, with a
// pause of about 50 ns in between: longer than the caller needs between two
// jobs of one inference, much shorter than the time between two frames.
const spins = 2000

// NewPool returns a pool of so many threads, the caller's among them. 0 means
// one for each CPU that Go may use.
func NewPool(threads int) *Pool {
	if threads < 0 {
		panic(fmt.Sprintf("kernels: NewPool of %d threads", threads))
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, workers: make([]Worker, threads)}
	p.wake = sync.NewCond(&p.mu)
	p.exited.Add(threads - 1)
	for i := 1; i < threads; i++ {
		go p.serve(&p.workers[i])
	}
	return p
}

// Caller returns the caller's worker, for what is not worth dividing. It is free
// while no job runs.
func (p *Pool) Caller() *Worker { return &p.workers[0] }

// Threads returns the number of threads, the caller's among them.
func (p *Pool) Threads() int { return p.threads }

// Close ends the workers. The pool cannot be used afterwards.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed.Store(true)
	p.wake.Broadcast()
	p.mu.Unlock()
	p.exited.Wait()
}

// Run calls fn for the chunks 0 to n-1, on all threads, and returns when all
// are done. fn is stored by the caller beforehand where Run must not allocate.
func (p *Pool) Run(n int, fn func(w *Worker, chunk int)) {
	if n > maxChunks {
		panic(fmt.Sprintf("kernels: Pool.Run of %d chunks; want %d at most", n, maxChunks))
	}
	if p.threads == 1 || n <= 1 {
		for i := range n {
			fn(&p.workers[0], i)
		}
		return
	}
	p.fn = fn
	p.done.Store(0)
	p.state.Store((p.state.Load()>>32+1)<<32 | uint64(n)<<16)
	if p.parked.Load() > 0 {
		p.mu.Lock()
		p.wake.Broadcast()
		p.mu.Unlock()
	}
	p.work(&p.workers[0])
	for i := 0; p.done.Load() != int32(n); i++ {
		if pause(); i > spins { // a worker is held up in its chunk
			runtime.Gosched()
		}
	}
}

// work claims and runs chunks of the current job until none is left.
func (p *Pool) work(w *Worker) {
	for {
		s := p.state.Load()
		next, n := s&maxChunks, s>>16&maxChunks
		if next == n {
			return
		}
		if p.state.CompareAndSwap(s, s+1) {
			p.fn(w, int(next))
			p.done.Add(1)
		}
	}
}

// serve is the life of a worker.
func (p *Pool) serve(w *Worker) {
	defer p.exited.Done()
	for {
		for i := 0; !p.pending() && i < spins; i++ {
			pause()
		}
		if !p.pending() {
			p.mu.Lock()
			p.parked.Add(1)
			for !p.pending() && !p.closed.Load() {
				p.wake.Wait()
			}
			p.parked.Add(-1)
			p.mu.Unlock()
		}
		if p.closed.Load() {
			return
		}
		p.work(w)
	}
}

// pending reports whether the current job has unclaimed chunks.
func (p *Pool) pending() bool {
	s := p.state.Load()
	return s&maxChunks != s>>16&maxChunks
}

// Worker is one thread of a Pool with its scratch memory.
type Worker struct {
	gemm   gemmArgs
	float  floatArgs
	wide   []byte
	edges  []float32
	ints   []int8
	floats []float32
	_      [cacheLine]byte
}

// expanded returns n bytes of scratch memory for a widened panel.
func (w *Worker) expanded(n int) unsafe.Pointer {
	if len(w.wide) < n {
		w.wide = aligned(n)
	}
	return unsafe.Pointer(unsafe.SliceData(w.wide))
}

// Reserve gives every worker n floats of scratch memory, and what Mul and, with
// these weights, PackRows and Gemm need, so that no chunk has to allocate.
func (p *Pool) Reserve(n int, weights ...*Weights) {
	for i := range p.workers {
		w := &p.workers[i]
		w.Scratch(n)
		w.tile(maxRows * floatCols)
		for _, b := range weights {
			b.reserve(w)
		}
	}
}

// quantized returns n bytes of scratch memory for rows of weights.
func (w *Worker) quantized(n int) []int8 {
	if len(w.ints) < n {
		b := aligned(n)
		w.ints = unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), n)
	}
	return w.ints[:n]
}

// Scratch returns n floats of scratch memory for the caller's chunk. It has what
// the worker's last chunk left in it.
func (w *Worker) Scratch(n int) []float32 {
	if len(w.floats) < n {
		w.floats = alignedFloats(n)
	}
	return w.floats[:n]
}

// tile returns n floats of scratch memory for a tile at the edge of C.
func (w *Worker) tile(n int) []float32 {
	if len(w.edges) < n {
		w.edges = alignedFloats(n)
	}
	return w.edges[:n]
}
