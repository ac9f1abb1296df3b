package kernels

import (
	"fmt"
	"testing"
)

// BenchmarkGemm times the linear layers of ViT-Ti, S and B on one thread, for
// every implementation.
func BenchmarkGemm(b *testing.B) {
	was := active
	defer func() { active = was }()
	for _, impl := range implementations() {
		active = impl
		for _, s := range [][2]int{{192, 192}, {192, 768}, {768, 192}, {768, 768}, {768, 3072}, {3072, 768}} {
			b.Run(fmt.Sprintf("kernel=%s/197x%dx%d", impl.name, s[1], s[0]), func(b *testing.B) {
				p := randomProduct(newRand(1), 197, s[1], s[0], random8)
				a, w := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k)
				pool := NewPool(1)
				defer pool.Close()
				dst := make([]float32, p.m*p.n)
				b.ReportAllocs()
				for b.Loop() {
					pool.Gemm(dst, p.n, a, w, false)
				}
				b.ReportMetric(float64(p.m*p.n*p.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

// BenchmarkFloatGemm is BenchmarkGemm for the float32 GEMM.
func BenchmarkFloatGemm(b *testing.B) {
	was := active
	defer func() { active = was }()
	for _, impl := range implementations() {
		active = impl
		for _, s := range [][2]int{{768, 192}, {64, 208}, {768, 768}} {
			b.Run(fmt.Sprintf("kernel=%s/197x%dx%d", impl.name, s[1], s[0]), func(b *testing.B) {
				r := newRand(1)
				a, w, dst := make([]float32, 197*s[0]), make([]float32, s[0]*s[1]), make([]float32, 197*s[1])
				fill(r, a, 1)
				fill(r, w, 1)
				panels := PackFloatWeights(w, nil, s[1], s[0])
				pool := NewPool(1)
				defer pool.Close()
				b.ReportAllocs()
				for b.Loop() {
					pool.FloatGemm(dst, s[1], a, s[0], 197, panels, false)
				}
				b.ReportMetric(float64(197*s[0]*s[1])*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			})
		}
	}
}

// BenchmarkRows times the row operations on the rows that ViT-Ti has.
func BenchmarkRows(b *testing.B) {
	was := active
	defer func() { active = was }()
	for _, impl := range implementations() {
		active = impl
		const rows, k, hidden, head, tokens = 197, 192, 768, 64, 208
		src, x, one := make([]float32, rows*hidden), make([]float32, rows*hidden), make([]float32, hidden)
		fill(newRand(1), src, 1)
		a := NewActivations(rows, hidden)
		keys, pixels := NewPanels(rows, head), make([]byte, 3*224*224)
		for _, op := range []struct {
			name string
			n    int
			row  func(i int)
		}{
			{"gelu", hidden, func(i int) { copy(x[:hidden], src); a.GELURow(i, x[:hidden]) }},
			{"softmax", tokens, func(i int) { copy(x[:tokens], src); SoftmaxExp(x[:tokens]) }},
			{"quantize", k, func(i int) { a.QuantizeRow(i, src[i*k:(i+1)*k]) }},
			{"layernorm", k, func(i int) {
				if i == 0 {
					a.LayerNormRows(0, x[:rows*k], src[:rows*k], one[:k], one[:k], 1e-6)
				}
			}},
			{"transpose", head, func(i int) {
				if i == 0 {
					keys.TransposeRows(src, 3*k, 0, rows)
				}
			}},
			{"tofloats", 3 * 16 * 16, func(i int) { ToFloats(x, 48, pixels[i*48:], 3*224, 16, 48) }},
		} {
			b.Run(fmt.Sprintf("kernel=%s/op=%s/%dx%d", impl.name, op.name, rows, op.n), func(b *testing.B) {
				a.Reset(rows, op.n)
				b.ReportAllocs()
				for b.Loop() {
					for i := range rows {
						op.row(i)
					}
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(rows*op.n), "ns/elem")
			})
		}
	}
}
