//go:build !purego

package camera

import "github.com/klauspost/cpuid/v2"

// vectors reports whether the CPU has what the functions below need.
var vectors = cpuid.CPU.Supports(cpuid.AVX2)

func yuyvVector(dst, src *byte, blocks int, f *colorFactors)      { yuyvAVX2(dst, src, blocks, f) }
func yccVector(dst, y, cb, cr *byte, blocks int, f *colorFactors) { yccAVX2(dst, y, cb, cr, blocks, f) }
func triangleRowVector(dst, src *byte, blocks int)                { triangleRowAVX2(dst, src, blocks) }
func triangleRowsVector(dst, own, other *byte, blocks int)        { triangleRowsAVX2(dst, own, other, blocks) }
func idct8Vector(dst *byte, stride int, b *[64]int16)             { idct8AVX2(dst, stride, b) }

//go:noescape
func yuyvAVX2(dst, src *byte, blocks int, f *colorFactors)

//go:noescape
func yccAVX2(dst, y, cb, cr *byte, blocks int, f *colorFactors)

// triangleRowAVX2 reads the sample before src and the one after the blocks.
//
//go:noescape
func triangleRowAVX2(dst, src *byte, blocks int)

// triangleRowsAVX2 reads the samples before own and other and after the blocks.
//
//go:noescape
func triangleRowsAVX2(dst, own, other *byte, blocks int)

//go:noescape
func idct8AVX2(dst *byte, stride int, b *[64]int16)
