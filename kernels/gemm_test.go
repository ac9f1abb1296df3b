package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// product is a GEMM in plain form, for comparison with the packed one.
type product struct {
	m, n, k     int
	q           []int8 // m×k
	w           []int8 // n×k
	aScale      []float32
	zero        []int32
	scale, bias []float32
}

func randomProduct(r *rand.Rand, m, n, k int, value func(*rand.Rand) (a, w int8)) *product {
	p := &product{
		m: m, n: n, k: k, q: make([]int8, m*k), w: make([]int8, n*k),
		aScale: make([]float32, m), zero: make([]int32, m), scale: make([]float32, n), bias: make([]float32, n),
	}
	for i := range p.q {
		p.q[i], _ = value(r)
	}
	for i := range p.w {
		_, p.w[i] = value(r)
	}
	for i := range m {
		p.aScale[i] = r.Float32() / 16
		p.zero[i] = int32(r.IntN(256) - 128)
	}
	for j := range n {
		p.scale[j] = r.Float32() / 64
		p.bias[j] = float32(r.NormFloat64())
	}
	return p
}

func random8(r *rand.Rand) (int8, int8) { return int8(r.IntN(256) - 128), int8(r.IntN(255) - 127) }

// activations packs p.q as it is.
func (p *product) activations() *Activations {
	a := NewActivations(p.m, p.k)
	a.Reset(p.m, p.k)
	for i := range p.m {
		a.scale[i], a.zero[i] = p.aScale[i], p.zero[i]+a.impl.aType.bias()
		for k := range p.k {
			a.impl.aType.store(a.data, a.impl.a.index(i, k, a.kp), p.q[i*p.k+k])
		}
	}
	return a
}

// want is the result by the definition, for one element of C.
func (p *product) want(i, j int) float32 {
	var acc, sum int32
	for k := range p.k {
		acc += int32(p.q[i*p.k+k]) * int32(p.w[j*p.k+k])
		sum += int32(p.w[j*p.k+k])
	}
	return dequantize(acc-p.zero[i]*sum, p.scale[j], p.aScale[i], p.bias[j])
}

// check runs the product on a pool and compares every element of C and what
// lies around it.
func (p *product) check(t *testing.T, pool *Pool, ldc int, add bool) {
	t.Helper()
	name := fmt.Sprintf("%d×%d×%d ldc=%d add=%v threads=%d", p.m, p.n, p.k, ldc, add, pool.Threads())
	a, w := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
	data, packed := append([]byte{}, a.data...), append([]int8{}, w.data...)
	dst := guard((p.m-1)*ldc+p.n, 3)
	before := make([]float32, len(dst.x))
	if add {
		fill(newRand(9), dst.x, 1)
	}
	copy(before, dst.x)
	pool.Gemm(dst.x, ldc, a, w, add)
	for i, got := range dst.x {
		want := before[i]
		if j := i % ldc; j < p.n {
			if want = p.want(i/ldc, j); add {
				want += before[i]
			}
		}
		if math.Float32bits(want) != math.Float32bits(got) {
			require.Failf(t, name, "C[%d][%d]: want %v, got %v", i/ldc, i%ldc, want, got)
		}
	}
	dst.check(t, name)
	require.Equal(t, data, a.data, "%s: A changed", name)
	require.Equal(t, packed, w.data, "%s: B changed", name)
}

// TestGemm covers every number of rows in a tile, every number of columns in a
// panel and every remainder of k.
func TestGemm(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(6)
		pool := NewPool(1)
		defer pool.Close()
		nr, mr := active.b.rows, active.tile
		for m := 1; m <= 2*mr+1; m++ {
			randomProduct(r, m, nr+1, 40, random8).check(t, pool, nr+1, false)
		}
		for n := 1; n <= 2*nr+1; n++ {
			randomProduct(r, mr+1, n, 24, random8).check(t, pool, n+n%3, n%2 == 0)
		}
		for k := 1; k <= 70; k++ {
			randomProduct(r, mr+1, nr, k, random8).check(t, pool, nr, false)
		}
		randomProduct(r, 197, 192, 64, random8).check(t, pool, 192, true)
		randomProduct(r, 7, 64, 3072, random8).check(t, pool, 64, false)
	})
}

// TestGemmExtremes uses the products that saturate int16 where an
// implementation is careless.
func TestGemmExtremes(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(7)
		pool := NewPool(1)
		defer pool.Close()
		for _, e := range []struct{ a, w int8 }{{-128, -127}, {-128, 127}, {127, 127}, {127, -127}, {0, 127}} {
			for _, k := range []int{1, 16, 33, 768, 3072} {
				p := randomProduct(r, active.tile+1, active.b.rows+1, k, func(*rand.Rand) (int8, int8) { return e.a, e.w })
				p.zero[0], p.zero[active.tile] = -128, 127
				p.check(t, pool, p.n, false)
			}
		}
		// One element each: shows where a layout sends it.
		p := randomProduct(r, active.tile, active.b.rows, 32, func(*rand.Rand) (int8, int8) { return 0, 0 })
		for k := range p.k {
			clear(p.q)
			clear(p.w)
			p.q[k%p.m*p.k+k], p.w[k%p.n*p.k+k] = 101, -77
			p.check(t, pool, p.n, false)
		}
	})
}

// TestWorkerGemm divides the rows at multiples of the tile. Each part writes its
// rows alone, and together they are the whole product.
func TestWorkerGemm(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(13)
		tile := Tile()
		require.Zero(t, tile%active.tile)
		require.Zero(t, tile%active.floatRows)
		pool := NewPool(1)
		defer pool.Close()
		for _, n := range []int{active.b.rows, 2*active.b.rows + 3} {
			m, ldc := 4*tile+5, n+2
			p := randomProduct(r, m, n, 40, random8)
			a, b := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
			whole := make([]float32, (m-1)*ldc+n)
			fill(r, whole, 1)
			before := clone(whole)
			pool.Gemm(whole, ldc, a, b, true)
			for _, rows := range [][2]int{{0, tile}, {tile, 3 * tile}, {3 * tile, m}, {4 * tile, m}, {0, m}} {
				want, dst := clone(before), guard(len(before), 1)
				copy(want[rows[0]*ldc:min(rows[1]*ldc, len(want))], whole[rows[0]*ldc:])
				copy(dst.x, before)
				new(Worker).Gemm(dst.x, ldc, a, rows[0], rows[1], b, true)
				requireSame(t, want, dst.x, fmt.Sprint("rows ", rows))
				dst.check(t, fmt.Sprint("rows ", rows))
			}
			if active.tile > 1 {
				require.Panics(t, func() { new(Worker).Gemm(whole, ldc, a, 1, m, b, false) })
				require.Panics(t, func() { new(Worker).Gemm(whole, ldc, a, 0, 1, b, false) })
			}
		}
	})
}

// TestReserve: a worker that has its memory allocates no more, at any number of rows.
func TestReserve(t *testing.T) {
	forEach(t, func(t *testing.T) {
		p := randomProduct(newRand(14), 2*maxRows, active.b.rows+1, 20, random8)
		a, b := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
		pool := NewPool(1)
		defer pool.Close()
		pool.Reserve(10, b)
		dst := make([]float32, p.m*p.n)
		w := &pool.workers[0]
		require.Zero(t, testing.AllocsPerRun(1, func() {
			w.Scratch(10)
			w.Gemm(dst, p.n, a, 0, p.m, b, false)
		}))
		pool = NewPool(1)
		defer pool.Close()
		pool.Reserve(10)
		require.NotZero(t, testing.AllocsPerRun(1, func() {
			pool.workers[0] = Worker{}
			pool.workers[0].Gemm(dst, p.n, a, 0, p.m, b, false)
		}))
	})
}

func TestGemmThreads(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(8)
		for _, threads := range []int{2, 3, 5} {
			pool := NewPool(threads)
			for _, s := range [][3]int{{1, 1, 1}, {197, 48, 64}, {50, 200, 64}, {3, 1000, 16}} {
				for range 5 {
					randomProduct(r, s[0], s[1], s[2], random8).check(t, pool, s[1], false)
				}
			}
			pool.Close()
		}
	})
}

func TestFloatGemm(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(10)
		pool := NewPool(2)
		defer pool.Close()
		check := func(m, n, k, ldc int, add bool) {
			name := fmt.Sprintf("%d×%d×%d ldc=%d add=%v", m, n, k, ldc, add)
			lda := k + r.IntN(3)
			a, w, bias := guard((m-1)*lda+k, r.IntN(4)), make([]float32, n*k), make([]float32, n)
			fill(r, a.x, 1)
			fill(r, w, 1)
			fill(r, bias, 1)
			a.freeze()
			b := PackFloatWeights(w, bias, n, k)
			dst := guard((m-1)*ldc+max(n, ldc), 1)
			if add {
				fill(r, dst.x, 1)
			}
			before := clone(dst.x)
			pool.FloatGemm(dst.x, ldc, a.x, lda, m, b, add)
			for i := range m {
				for j := range n {
					var acc float32
					for x := range k {
						acc = fma(a.x[i*lda+x], w[j*k+x], acc)
					}
					want := fma(acc, 1, bias[j])
					if add {
						want += before[i*ldc+j]
					}
					requireSame(t, []float32{want}, dst.x[i*ldc+j:i*ldc+j+1], fmt.Sprintf("%s [%d][%d]", name, i, j))
				}
			}
			a.check(t, name)
			dst.check(t, name)
		}
		for m := 1; m <= 2*active.floatRows+1; m++ {
			check(m, 17, 9, 17, m%2 == 0)
		}
		for n := 1; n <= 33; n++ {
			check(5, n, 7, n, n%2 == 0)
			check(5, n, 7, roundUp(n, 16), n%2 == 0)
		}
		for k := 1; k <= 40; k++ {
			check(active.floatRows+1, 16, k, 16, false)
		}
		for m := 1; m <= 2*active.floatRows+1; m++ { // panels in pairs
			check(m, 48, 5, 51, m%2 == 0)
		}
		check(197, 64, 48, 64, true)
	})
}

// TestMulInPlace multiplies by a matrix whose rows are contiguous, without
// packing, and scales the rows.
func TestMulInPlace(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(11)
		const m, n, k, ld = 37, 32, 48, 100
		a, v, scale := make([]float32, m*k), make([]float32, k*ld), make([]float32, m)
		fill(r, a, 1)
		fill(r, v, 1)
		fill(r, scale, 1)
		dst := guard(m*n, 0)
		b := &Panels{Data: v, LD: ld, Panel: 16, N: n, K: k, Bias: make([]float32, n)}
		new(Worker).Mul(dst.x, n, a, k, m, b, scale, false)
		for i := range m {
			for j := range n {
				var acc float32
				for x := range k {
					acc = fma(a[i*k+x], v[x*ld+j], acc)
				}
				requireSame(t, []float32{fma(acc, scale[i], 0)}, dst.x[i*n+j:i*n+j+1], fmt.Sprint(i, j))
			}
		}
		dst.check(t, "Mul")
	})
}

func TestBlocking(t *testing.T) {
	require.Equal(t, 5*48+7, blocking{1, 16}.index(5, 7, 48))
	require.Equal(t, 4*48+1*64+1*16+3, blocking{4, 16}.index(5, 19, 48))
	for _, b := range []blocking{{1, 16}, {4, 16}, {16, 2}, {8, 8}, {64, 4}, {4, 1}} {
		seen := make([]bool, 64*48)
		for i := range 64 {
			for k := range 48 {
				at := b.index(i, k, 48)
				if k == 0 {
					require.Equal(t, at, b.start(i, 48))
				}
				require.False(t, seen[at], "%v holds two elements at %d", b, at)
				seen[at] = true
			}
		}
	}
}

func TestCallerBugsPanic(t *testing.T) {
	pool := NewPool(1)
	defer pool.Close()
	a := NewActivations(2, 16)
	a.Reset(2, 16)
	w := PackWeights(make([]int8, 16*3), make([]float32, 3), nil, 3, 16)
	for name, f := range map[string]func(){
		"weight -128":      func() { PackWeights([]int8{0, -128}, []float32{1}, nil, 1, 2) },
		"no weights":       func() { PackWeights(nil, nil, nil, 0, 4) },
		"k beyond int32":   func() { PackWeights(make([]int8, MaxK+1), []float32{1}, nil, 1, MaxK+1) },
		"short scale":      func() { PackWeights(make([]int8, 4), []float32{1}, nil, 2, 2) },
		"short bias":       func() { PackWeights(make([]int8, 4), []float32{1, 1}, []float32{1}, 2, 2) },
		"too many rows":    func() { a.Reset(3, 16) },
		"row outside":      func() { a.QuantizeRow(2, make([]float32, 16)) },
		"short row":        func() { a.QuantizeRow(0, make([]float32, 15)) },
		"gelu rows":        func() { a.GELURows(1, make([]float32, 32)) },
		"quantize rows":    func() { a.QuantizeRows(-1, make([]float32, 32)) },
		"norm rows":        func() { x := make([]float32, 32); a.LayerNormRows(1, x, x, x[:16], x[:16], 1) },
		"norm sizes":       func() { x := make([]float32, 32); a.LayerNormRows(0, x, x, x[:15], x[:16], 1) },
		"norm no rows":     func() { x := make([]float32, 16); a.LayerNormRows(0, x[:0], x[:0], x, x, 1) },
		"norm part of row": func() { x := make([]float32, 31); a.LayerNormRows(0, x, x, x[:16], x[:16], 1) },
		"short rest":       func() { a.RefineRow(1, 0, make([]float32, 16), make([]float32, 15)) },
		"short dst":        func() { pool.Gemm(make([]float32, 5), 3, a, w, false) },
		"narrow ldc":       func() { pool.Gemm(make([]float32, 9), 2, a, w, false) },
		"rows outside":     func() { new(Worker).Gemm(make([]float32, 9), 3, a, 0, 3, w, false) },
		"no rows":          func() { new(Worker).Gemm(make([]float32, 9), 3, a, 1, 1, w, false) },
		"rows of dst":      func() { new(Worker).Gemm(make([]float32, 5), 3, a, 0, 2, w, false) },
		"other k":          func() { b := NewActivations(1, 8); b.Reset(1, 8); pool.Gemm(make([]float32, 9), 3, b, w, false) },
		"LayerNorm sizes":  func() { LayerNorm(make([]float32, 3), make([]float32, 4), make([]float32, 4), make([]float32, 4), 1) },
		"empty softmax":    func() { SoftmaxExp(nil) },
		"negative threads": func() { NewPool(-1) },
		"short float dst":  func() { pool.FloatGemm(make([]float32, 3), 4, make([]float32, 4), 4, 1, NewPanels(4, 4), false) },
		"short float a":    func() { pool.FloatGemm(make([]float32, 4), 4, make([]float32, 3), 4, 1, NewPanels(4, 4), false) },
	} {
		require.Panics(t, f, name)
	}
}

func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(17), uint16(33), true)
	f.Add(uint64(2), uint8(0), uint8(0), uint16(0), false)
	f.Fuzz(func(t *testing.T, seed uint64, m, n uint8, k uint16, add bool) {
		pool := NewPool(1 + int(seed%2))
		defer pool.Close()
		forEach(t, func(t *testing.T) {
			p := randomProduct(newRand(seed), int(m)%40+1, int(n)%100+1, int(k)%300+1, random8)
			p.check(t, pool, p.n+int(seed%5), add)
		})
	})
}
