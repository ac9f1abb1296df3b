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
				worker := new(Worker)
				dst := make([]float32, p.m*p.n)
				b.ReportAllocs()
				for b.Loop() {
					worker.Gemm(dst, p.n, a, w, false)
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
				worker := new(Worker)
				b.ReportAllocs()
				for b.Loop() {
					worker.Mul(dst, s[1], a, s[0], 197, panels, nil, false)
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
		src, x, one := make([]float32, rows*hidden), make([]float32, rows*hidden), make([]float32, k)
		fill(newRand(1), src, 1)
		a := NewActivations(rows, hidden)
		keys, pixels := NewPanels(rows, head), make([]byte, 3*224*224)
		for _, op := range []struct {
			name string
			m, n int
			run  func()
		}{
			{"gelu", 4, hidden, func() { copy(x, src[:4*hidden]); a.GELURows(0, x[:4*hidden]) }},
			{"softmax", 1, tokens, func() { copy(x, src[:tokens]); SoftmaxExp(x[:tokens]) }},
			{"quantize", rows, k, func() { a.QuantizeRows(0, src[:rows*k]) }},
			{"layernorm", rows, k, func() { a.LayerNormRows(0, x[:rows*k], src[:rows*k], one, one, 1e-6) }},
			{"dots", rows, head, func() { Dots(x[:rows], one[:head], src, 3*k) }},
			{"transpose", rows, head, func() { keys.TransposeRows(src, 3*k, 0, rows) }},
			{"tofloats", 16, 48, func() { ToFloats(x, 48, pixels, 3*224, 16, 48) }},
		} {
			b.Run(fmt.Sprintf("kernel=%s/op=%s/%dx%d", impl.name, op.name, op.m, op.n), func(b *testing.B) {
				a.Reset(rows, op.n)
				b.ReportAllocs()
				for b.Loop() {
					op.run()
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(op.m*op.n), "ns/elem")
			})
		}
	}
}
