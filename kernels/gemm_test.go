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

// check runs the product and compares every element of C and what
// lies around it.
func (p *product) check(t *testing.T, ldc int, add bool) {
	t.Helper()
	name := fmt.Sprintf("%d×%d×%d ldc=%d add=%v", p.m, p.n, p.k, ldc, add)
	a, w := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
	data, packed := append([]byte{}, a.data...), append([]int8{}, w.data...)
	dst := guard((p.m-1)*ldc+p.n, 3)
	before := make([]float32, len(dst.x))
	if add {
		fill(newRand(9), dst.x, 1)
	}
	copy(before, dst.x)
	new(Worker).Gemm(dst.x, ldc, a, w, add)
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
		nr, mr := active.b.rows, active.tile
		for m := 1; m <= 2*mr+1; m++ {
			randomProduct(r, m, nr+1, 40, random8).check(t, nr+1, false)
		}
		for n := 1; n <= 2*nr+1; n++ {
			randomProduct(r, mr+1, n, 24, random8).check(t, n+n%3, n%2 == 0)
		}
		for k := 1; k <= 70; k++ {
			randomProduct(r, mr+1, nr, k, random8).check(t, nr, false)
		}
		randomProduct(r, 197, 192, 64, random8).check(t, 192, true)
		randomProduct(r, 7, 64, 3072, random8).check(t, 64, false)
	})
}

// TestGemmExtremes uses the products that saturate int16 where an
// implementation is careless.
func TestGemmExtremes(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(7)
		for _, e := range []struct{ a, w int8 }{{-128, -127}, {-128, 127}, {127, 127}, {127, -127}, {0, 127}} {
			for _, k := range []int{1, 16, 33, 768, 3072} {
				p := randomProduct(r, active.tile+1, active.b.rows+1, k, func(*rand.Rand) (int8, int8) { return e.a, e.w })
				p.zero[0], p.zero[active.tile] = -128, 127
				p.check(t, p.n, false)
			}
		}
		// One element each: shows where a layout sends it.
		p := randomProduct(r, active.tile, active.b.rows, 32, func(*rand.Rand) (int8, int8) { return 0, 0 })
		for k := range p.k {
			clear(p.q)
			clear(p.w)
			p.q[k%p.m*p.k+k], p.w[k%p.n*p.k+k] = 101, -77
			p.check(t, p.n, false)
		}
	})
}

// TestSlice compares products with slices of weights with those columns of the
// product with all of them.
func TestSlice(t *testing.T) {
	forEach(t, func(t *testing.T) {
		nr := active.b.rows
		p := randomProduct(newRand(8), 2*Tile()+1, 3*nr+5, 48, random8)
		a, b := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
		worker := new(Worker)
		all := make([]float32, p.m*p.n)
		worker.Gemm(all, p.n, a, b, false)
		for _, span := range [][2]int{{0, p.n}, {0, nr}, {nr, 3 * nr}, {2 * nr, p.n}, {nr, nr + 3}} {
			want := make([]float32, len(all))
			for i := range p.m {
				copy(want[i*p.n+span[0]:i*p.n+span[1]], all[i*p.n+span[0]:])
			}
			got := make([]float32, len(all))
			worker.Gemm(got[span[0]:], p.n, a, b.Slice(span[0], span[1]), false)
			requireSame(t, want, got, fmt.Sprint(span))
		}
		require.Panics(t, func() { b.Slice(1, nr) })
		require.Panics(t, func() { b.Slice(nr, nr) })
		require.Panics(t, func() { b.Slice(nr, p.n+1) })
		require.Panics(t, func() { b.Slice(-nr, nr) })
		require.Panics(t, func() { NewWeights(nil, 2*nr, 32, 1).Slice(0, nr) })
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
			w.Gemm(dst, p.n, a, b, false)
		}))
		pool = NewPool(1)
		defer pool.Close()
		pool.Reserve(10)
		require.NotZero(t, testing.AllocsPerRun(1, func() {
			pool.workers[0] = Worker{}
			pool.workers[0].Gemm(dst, p.n, a, b, false)
		}))
	})
}

func TestFloatGemm(t *testing.T) {
	forEach(t, func(t *testing.T) {
		r := newRand(10)
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
			new(Worker).Mul(dst.x, ldc, a.x, lda, m, b, nil, add)
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
		"short dst":        func() { new(Worker).Gemm(make([]float32, 5), 3, a, w, false) },
		"narrow ldc":       func() { new(Worker).Gemm(make([]float32, 9), 2, a, w, false) },
		"other k":          func() { b := NewActivations(1, 8); b.Reset(1, 8); new(Worker).Gemm(make([]float32, 9), 3, b, w, false) },
		"LayerNorm sizes":  func() { LayerNorm(make([]float32, 3), make([]float32, 4), make([]float32, 4), make([]float32, 4), 1) },
		"empty softmax":    func() { SoftmaxExp(nil) },
		"negative threads": func() { NewPool(-1) },
		"short float dst":  func() { new(Worker).Mul(make([]float32, 3), 4, make([]float32, 4), 4, 1, NewPanels(4, 4), nil, false) },
		"short float a":    func() { new(Worker).Mul(make([]float32, 4), 4, make([]float32, 3), 4, 1, NewPanels(4, 4), nil, false) },
	} {
		require.Panics(t, f, name)
	}
}

func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(17), uint16(33), true)
	f.Add(uint64(2), uint8(0), uint8(0), uint16(0), false)
	f.Fuzz(func(t *testing.T, seed uint64, m, n uint8, k uint16, add bool) {
		forEach(t, func(t *testing.T) {
			p := randomProduct(newRand(seed), int(m)%40+1, int(n)%100+1, int(k)%300+1, random8)
			p.check(t, p.n+int(seed%5), add)
		})
	})
}
