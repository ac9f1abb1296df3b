// Package kernels computes what a quantized Vision Transformer spends its time
// on: int8 matrix multiplication (GEMM), the float32 row operations around it,
// and the resampling of pictures. It knows slices and sizes, neither models nor files.
//
// # The contract of the int8 GEMM
//
//	C[m×n] = dequantize(A[m×k] · B[n×k]ᵀ) + bias (+ C)
//
// B holds the weights, int8, symmetric, one scale a row (output channel, or token
// where they are the keys of attention), values in [-127, 127]. A holds the
// activations, int8, asymmetric, one scale and zero point a row (token), values in
// [-128, 127]; they are found at run time from the row's minimum and maximum. The
// accumulator is int32 and exact: no implementation uses an instruction that saturates
// or wraps on the way.
// Two of the limits follow from that. SMULL followed by SMLAL2 sums two
// products in an int16, which holds 2·128·127 = 32512 but not 2·128·128; hence no
// -128 in B. An int32 holds k products of 128·127 for k up to [MaxK].
//
// # Same bits on every CPU
//
// Each operation has one specification, in plain Go, in the file named after it
// (gemm.go, floatgemm.go, quantize.go, packrows.go, layernorm.go, softmax.go, gelu.go,
// dots.go, tofloats.go, transpose.go, resample.go), and every assembly implementation
// returns the same bits. For float32 this takes four rules:
//
//   - Products that are added use a fused multiply-add with one rounding,
//     written [math.FMA]-like as fma(x, y, z). The Go version computes it
//     exactly (fma.go); other products are written float32(x*y), because the
//     Go compiler may fuse a bare x*y + z on some architectures.
//   - A sum over a row runs in 16 lanes, lane j taking elements j, 16+j, 32+j, …
//     in order, and the lanes fold as a tree: 8, 4, 2, 1 apart. 16 lanes are
//     four NEON, two AVX or one AVX-512 register.
//   - A dot product of the float32 GEMM is one chain of fma in the order of k.
//   - Rounding to integers is to nearest, ties to even.
//
// Inputs are finite; a NaN or an infinity gives an unspecified result, which
// may differ between implementations, but no fault.
//
// # Implementations
//
// An architecture lists its implementations, fastest first; the first that this
// CPU can run is used. VITEDGE_KERNEL forces one by name. [Name] tells which.
//
//	amd64  avx512vnni  VPDPBUSD on zmm registers
//	amd64  avxvnni     VPDPBUSD on ymm registers, VEX encoding
//	amd64  avx2        VPMADDWD on operands widened to int16, FMA3
//	arm64  i8mm        SMMLA
//	arm64  dotprod     SDOT by element
//	arm64  neon        SMULL, SMLAL2, SADALP: all of ARMv8.0
//	all    generic     pure Go; the only one with the build tag purego
//
// The layouts of packed A and B belong to the implementation (see blocking), so
// [Weights] and [Activations] made by one process run only in it.
//
// # Registers
//
// Assembly here is ABI0. On amd64 it leaves R14 (g), BP and SP alone and ends with
// VZEROUPPER. On arm64 it leaves R18, R26 to R30 alone.
// Go cannot preempt assembly, so one call is kept to some 100 µs: see
// implementation.budget.
package kernels
