//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/klauspost/cpuid/v2"
)

// implementations lists what this CPU can run, fastest first. Every CPU that Go
// supports on arm64 has the vector instructions of ARMv8.0.
func implementations() []*implementation {
	var all []*implementation
	if cpuid.CPU.Supports(cpuid.I8MM) {
		all = append(all, &i8mm)
	}
	if cpuid.CPU.Supports(cpuid.ASIMDDP) {
		all = append(all, &dotprod)
	}
	return append(all, &neon, &generic)
}

// neon is for ARMv8.0, the Cortex-A53 and A72 of the Raspberry Pi 3 and 4. SMULL
// and SMLAL2 sum two products in an int16, SADALP adds pairs of those to an
// int32.
//
// budget is for a Cortex-A53 at 1 GHz, with 3 multiply-accumulates a cycle.
var neon = implementation{
	name:        "neon",
	tile:        4,
	a:           blocking{4, 16},
	b:           blocking{4, 16},
	aType:       signed8,
	quantize:    quantizeNEON,
	round:       roundNEON,
	panel:       gemm4x4NEON,
	panelStep:   16,
	budget:      1 << 18,
	floatRows:   4,
	floatPanel:  floatGemm4x16NEON,
	floatBudget: 1 << 17,
	toFloats:    toFloatsNEON,
	transpose:   transposeNEON,
	minMax:      minMaxNEON,
	moments:     momentsNEON,
	normalize:   normalizeNEON,
	gelu:        geluNEON,
	softmax:     softmaxNEON,
	dots:        dotsNEON,
	resample:    resampleNEON,
	blend:       blendNEON,
}

// dotprod has SDOT, which sums four products in an int32: the Cortex-A76 of the
// Raspberry Pi 5, and the A55.
//
// budget is for a Cortex-A55 at 2 GHz, with 10 multiply-accumulates a cycle.
var dotprod = func() implementation {
	i := neon
	i.name = "dotprod"
	i.b = blocking{16, 4}
	i.panel = gemm4x16DotProd
	i.budget = 2 << 20
	return i
}()

// i8mm has SMMLA, which multiplies 2×8 by 8×2: cores from about 2020 on.
var i8mm = func() implementation {
	i := neon
	i.name = "i8mm"
	i.tile = 8
	i.a = blocking{8, 8}
	i.b = blocking{8, 8}
	i.quantize = quantizeI8MM
	i.panel = gemm8x8I8MM
	i.budget = 4 << 20
	return i
}()

// The functions below are in the .s files; their meaning is that of the
// functions in the comments.

//go:noescape
func gemm4x4NEON(args *gemmArgs) // genericPanel; B is [k/16][4][16]

//go:noescape
func gemm4x16DotProd(args *gemmArgs) // genericPanel; B is [k/4][16][4]

//go:noescape
func gemm8x8I8MM(args *gemmArgs) // genericPanel; B is [k/8][8][8]

//go:noescape
func floatGemm4x16NEON(args *floatArgs) // genericFloatPanel

//go:noescape
func toFloatsNEON(dst []float32, ldd int, src []byte, lds, m, n int) // genericToFloats

//go:noescape
func transposeNEON(dst []float32, ldd int, src []float32, lds, k int) // genericTranspose

//go:noescape
func quantizeNEON(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) // genericQuantize, to layout {4, 16}

//go:noescape
func quantizeI8MM(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) // genericQuantize, to layout {8, 8}

//go:noescape
func minMaxNEON(x []float32, lo, hi float32) (least, greatest float32) // genericMinMax

//go:noescape
func momentsNEON(x []float32, eps float32) (mean, rstd float32) // genericMoments

//go:noescape
func normalizeNEON(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32) // genericNormalize

//go:noescape
func geluNEON(x []float32) (least, greatest float32) // genericGELU

//go:noescape
func softmaxNEON(x []float32) (sum float32) // genericSoftmax

//go:noescape
func dotsNEON(dst, q, x []float32, ld int) // genericDots

//go:noescape
func roundNEON(dst unsafe.Pointer, x []float32, inv float32) (sum int32) // genericRound

//go:noescape
func resampleNEON(dst, src []byte, first, coeffs []int32, taps int) // genericResample

//go:noescape
func blendNEON(dst, rows []byte, stride int, coeffs []int32) // genericBlend

// pause waits a moment in a spinning loop, some 50 ns.
func pause()
