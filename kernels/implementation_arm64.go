//go:build !purego

package kernels

import "unsafe"

// implementations lists what this CPU can run, fastest first. Every CPU that Go
// supports on arm64 has the vector instructions of ARMv8.0.
func implementations() []*implementation {
	return []*implementation{&neon, &generic}
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
	panel:       gemm4x4NEON,
	panelStep:   16,
	budget:      1 << 18,
	floatRows:   1,
	floatPanel:  genericFloatPanel,
	floatBudget: 1 << 17,
	minMax:      genericMinMax,
	sum:         genericSum,
	squares:     genericSquares,
	normalize:   genericNormalize,
	maximum:     genericMaximum,
	exp:         genericExp,
	gelu:        genericGELU,
}

// The functions below are in the .s files; their meaning is that of the
// functions in the comments.

//go:noescape
func gemm4x4NEON(args *gemmArgs) // genericPanel; B is [k/16][4][16]

//go:noescape
func quantizeNEON(dst unsafe.Pointer, x []float32, inv, zero float32) // quantize, to layout {4, 16}

//go:noescape
func quantizeI8MM(dst unsafe.Pointer, x []float32, inv, zero float32) // quantize, to layout {8, 8}

// pause waits a moment in a spinning loop, some 50 ns.
func pause()
