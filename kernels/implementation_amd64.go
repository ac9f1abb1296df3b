//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// implementations lists what this CPU can run, fastest first.
func implementations() []*implementation {
	var all []*implementation
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI) {
			all = append(all, &avx512vnni)
		}
		if cpuid.CPU.Supports(cpuid.AVXVNNI) {
			all = append(all, &avxvnni)
		}
		all = append(all, &avx2)
	}
	return append(all, &generic)
}

// avx2 multiplies int16 by int16: VPMADDWD sums two products in an int32, so
// nothing can overflow, at 3/4 of the speed of VPMADDUBSW, which saturates. The
// row quantizer stores int16; a panel of weights is widened once for all rows.
var avx2 = implementation{
	name:        "avx2",
	tile:        6,
	a:           blocking{1, kAlign},
	b:           blocking{16, 2},
	aType:       signed16,
	quantize:    quantizeInt16AVX2,
	round:       roundAVX2,
	expand:      expandAVX2,
	panel:       gemm6x16AVX2,
	panelStep:   4,
	budget:      4 << 20,
	floatRows:   6,
	floatPanel:  floatGemm6x16AVX2,
	floatBudget: 2 << 20,
	toFloats:    toFloatsAVX2,
	transpose:   transposeAVX2,
	minMax:      minMaxAVX2,
	moments:     momentsAVX2,
	normalize:   normalizeAVX2,
	gelu:        geluAVX2,
	softmax:     softmaxAVX2,
	dots:        dotsAVX2,
	resample:    resampleAVX2,
	blend:       blendAVX2,
}

// avxvnni has VPDPBUSD, which sums four products of uint8 and int8 in an int32.
// Activations are stored as q + 128; the zero point takes care of that.
var avxvnni = withVNNI(avx2, implementation{
	name:      "avxvnni",
	tile:      6,
	b:         blocking{16, 4},
	panel:     gemm6x16AVXVNNI,
	panelStep: 8,
	budget:    8 << 20,
})

// avx512vnni is avxvnni on registers of twice the width and number.
var avx512vnni = func() implementation {
	i := withVNNI(avx2, implementation{
		name:      "avx512vnni",
		tile:      6,
		b:         blocking{64, 4},
		panel:     gemm6x64AVX512VNNI,
		panelStep: 8,
		budget:    16 << 20,
	})
	i.floatRows, i.floatPanel, i.floatBudget = 12, floatGemmAVX512, 4<<20
	i.floatPair, i.toFloats, i.transpose = floatPairAVX512, toFloatsAVX512, transposeAVX512
	i.quantize, i.minMax = quantizeUint8AVX512, minMaxAVX512
	i.moments, i.normalize = momentsAVX512, normalizeAVX512
	i.gelu, i.softmax = geluAVX512, softmaxAVX512
	return i
}()

// withVNNI returns base with the int8 GEMM of v, for activations stored as uint8.
func withVNNI(base, v implementation) implementation {
	base.name, base.tile, base.b = v.name, v.tile, v.b
	base.aType, base.quantize, base.expand = biased8, quantizeUint8AVX2, nil
	base.panel, base.panelStep, base.budget = v.panel, v.panelStep, v.budget
	return base
}

// floatGemmAVX512 takes the rows in tiles of 12 and what is left in tiles of 6.
func floatGemmAVX512(g *floatArgs) {
	rest, left := g.split(12)
	if g.rows > 0 {
		floatGemm12x16AVX512(g)
	}
	if left {
		*g = rest
		floatGemm6x16AVX2(g)
	}
}

// floatPairAVX512 is floatGemmAVX512 for two panels.
func floatPairAVX512(g *floatArgs) {
	rest, left := g.split(12)
	if g.rows > 0 {
		floatGemm12x32AVX512(g)
	}
	if left {
		second := rest
		second.b = (*float32)(unsafe.Add(unsafe.Pointer(rest.b), rest.panel))
		second.c = (*float32)(unsafe.Add(unsafe.Pointer(rest.c), 4*floatCols))
		second.bias = (*float32)(unsafe.Add(unsafe.Pointer(rest.bias), 4*floatCols))
		*g = rest
		floatGemm6x16AVX2(g)
		*g = second
		floatGemm6x16AVX2(g)
	}
}

// split cuts g to a multiple of n rows, and returns the rows that are left, if any.
func (g *floatArgs) split(n int) (rest floatArgs, left bool) {
	rows := g.rows
	g.rows = rows / n * n
	if g.rows == rows {
		return rest, false
	}
	rest = *g
	rest.a = (*float32)(unsafe.Add(unsafe.Pointer(g.a), uintptr(g.rows)*g.lda))
	rest.c = (*float32)(unsafe.Add(unsafe.Pointer(g.c), uintptr(g.rows)*g.ldc))
	rest.rowScale = (*float32)(unsafe.Add(unsafe.Pointer(g.rowScale), 4*g.rows))
	rest.rows = rows - g.rows
	return rest, true
}

// The functions below are in the .s files; their meaning is that of the
// functions in the comments.

//go:noescape
func gemm6x16AVX2(args *gemmArgs) // genericPanel; B is [k/2][16][2] int16

//go:noescape
func gemm6x16AVXVNNI(args *gemmArgs) // genericPanel; B is [k/4][16][4] int8

//go:noescape
func gemm6x64AVX512VNNI(args *gemmArgs) // genericPanel; B is [k/4][64][4] int8

//go:noescape
func floatGemm6x16AVX2(args *floatArgs) // genericFloatPanel

//go:noescape
func floatGemm12x16AVX512(args *floatArgs) // genericFloatPanel, for rows a multiple of 12

//go:noescape
func floatGemm12x32AVX512(args *floatArgs) // two panels at once

//go:noescape
func toFloatsAVX2(dst []float32, ldd int, src []byte, lds, m, n int) // genericToFloats

//go:noescape
func toFloatsAVX512(dst []float32, ldd int, src []byte, lds, m, n int) // genericToFloats

//go:noescape
func transposeAVX2(dst []float32, ldd int, src []float32, lds, k int) // genericTranspose

//go:noescape
func transposeAVX512(dst []float32, ldd int, src []float32, lds, k int) // genericTranspose

//go:noescape
func expandAVX2(dst, src unsafe.Pointer, n int) // dst[i] = int16(src[i]); n is a multiple of 16

//go:noescape
func quantizeInt16AVX2(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) // genericQuantize, int16

//go:noescape
func quantizeUint8AVX2(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) // genericQuantize, plus 128

//go:noescape
func minMaxAVX2(x []float32, lo, hi float32) (least, greatest float32) // genericMinMax

//go:noescape
func momentsAVX2(x []float32, eps float32) (mean, rstd float32) // genericMoments

//go:noescape
func normalizeAVX2(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32) // genericNormalize

//go:noescape
func geluAVX2(x []float32) (least, greatest float32) // genericGELU

//go:noescape
func softmaxAVX2(x []float32) (sum float32) // genericSoftmax

//go:noescape
func dotsAVX2(dst, q, x []float32, ld int) // genericDots

//go:noescape
func roundAVX2(dst unsafe.Pointer, x []float32, inv float32) (sum int32) // genericRound

//go:noescape
func resampleAVX2(dst, src []byte, first, coeffs []int32, taps int) // genericResample

//go:noescape
func blendAVX2(dst, rows []byte, stride int, coeffs []int32) // genericBlend
//go:noescape
func quantizeUint8AVX512(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) // genericQuantize, plus 128

//go:noescape
func minMaxAVX512(x []float32, lo, hi float32) (least, greatest float32) // genericMinMax

//go:noescape
func momentsAVX512(x []float32, eps float32) (mean, rstd float32) // genericMoments

//go:noescape
func normalizeAVX512(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32) // genericNormalize

//go:noescape
func geluAVX512(x []float32) (least, greatest float32) // genericGELU

//go:noescape
func softmaxAVX512(x []float32) (sum float32) // genericSoftmax

// pause waits a moment in a spinning loop, some 50 to 150 ns.
func pause()
