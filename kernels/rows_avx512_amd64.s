//go:build !purego

#include "textflag.h"
#include "scale_amd64.h"

// The row operations with all 16 lanes in one register. Every length is a multiple
// of 16, at least 16.

// FOLD combines the lanes of Z, whose halves are named Y and X, as a tree. T is
// scratch.
#define FOLD(OP, Z, Y, X, TY, TX) \
	VEXTRACTF64X4 $1, Z, TY    \
	OP            TY, Y, Y     \
	VEXTRACTF128  $1, Y, TX    \
	OP            TX, X, X     \
	VPSHUFD       $0x4e, X, TX \
	OP            TX, X, X     \
	VPSHUFD       $0xb1, X, TX \
	OP            TX, X, X

// FOLD_RANGE leaves the least and the greatest lane of Z8 and Z9 in the lowest one.
#define FOLD_RANGE \
	FOLD(VMINPS, Z8, Y8, X8, Y2, X2) \
	FOLD(VMAXPS, Z9, Y9, X9, Y3, X3)

// func minMaxAVX512(x []float32, lo, hi float32) (least, greatest float32)
TEXT ·minMaxAVX512(SB), NOSPLIT, $0-40
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS lo+24(FP), Z8
	VBROADCASTSS hi+28(FP), Z9
	VMOVAPS      Z8, Z6
	VMOVAPS      Z9, Z7
	SUBQ         $32, CX
	JLT          rest

pair:
	VMOVUPS (SI), Z2
	VMOVUPS 64(SI), Z3
	VMINPS  Z2, Z8, Z8
	VMAXPS  Z2, Z9, Z9
	VMINPS  Z3, Z6, Z6
	VMAXPS  Z3, Z7, Z7
	ADDQ    $128, SI
	SUBQ    $32, CX
	JGE     pair

rest:
	ADDQ   $32, CX
	JEQ    fold
	VMINPS (SI), Z8, Z8
	VMAXPS (SI), Z9, Z9

fold:
	VMINPS Z6, Z8, Z8
	VMAXPS Z7, Z9, Z9
	FOLD_RANGE
	VMOVSS X8, least+32(FP)
	VMOVSS X9, greatest+36(FP)
	VZEROUPPER
	RET

// Z = round(fma(x, inv, zero)) of 16 elements, as int32.
#define QUANTIZE(x, Z) \
	VMOVUPS     x, Z      \
	VFMADD213PS Z3, Z2, Z \
	VCVTPS2DQ   Z, Z

// func quantizeUint8AVX512(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)
TEXT ·quantizeUint8AVX512(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), DI
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	VMOVSS       lo+32(FP), X8
	VMOVSS       hi+36(FP), X9
	ROW_SCALE(scaled)
	VMOVSS       X4, scale+40(FP)
	MOVL         R8, zero+44(FP)
	VBROADCASTSS X2, Z2
	VBROADCASTSS X3, Z3
	VPTERNLOGD   $0xff, Z5, Z5, Z5
	VPSLLW       $7, Z5, Z5
	VPACKSSWB    Z5, Z5, Z5 // -128 in every byte: the sign bit
	SUBQ         $64, CX
	JLT          rest

	// The packs leave four elements of each register in every 128 bits.
	VMOVDQU32 ·byElements(SB), Z4

loop:
	QUANTIZE((SI), Z0)
	QUANTIZE(64(SI), Z1)
	QUANTIZE(128(SI), Z6)
	QUANTIZE(192(SI), Z7)
	VPACKSSDW Z1, Z0, Z0
	VPACKSSDW Z7, Z6, Z6
	VPACKSSWB Z6, Z0, Z0
	VPERMD    Z0, Z4, Z0
	VPXORD    Z5, Z0, Z0 // + 128
	VMOVDQU32 Z0, (DI)
	ADDQ      $256, SI
	ADDQ      $64, DI
	SUBQ      $64, CX
	JGE       loop

rest:
	ADDQ $64, CX
	JEQ  done

one:
	QUANTIZE((SI), Z0)
	VPMOVSDB Z0, X0
	VPXOR    X5, X0, X0
	VMOVDQU  X0, (DI)
	ADDQ     $64, SI
	ADDQ     $16, DI
	SUBQ     $16, CX
	JNZ      one

done:
	VZEROUPPER
	RET

// func momentsAVX512(x []float32, eps float32) (mean, rstd float32)
TEXT ·momentsAVX512(SB), NOSPLIT, $0-40
	MOVQ       x_base+0(FP), SI
	MOVQ       x_len+8(FP), CX
	VCVTSI2SSQ CX, X4, X4
	LEAQ       (SI)(CX*4), SI
	NEGQ       CX
	MOVQ       CX, DX
	VPXORD     Z0, Z0, Z0
	VPXORD     Z1, Z1, Z1

sum:
	VADDPS (SI)(DX*4), Z0, Z0
	ADDQ   $16, DX
	JNZ    sum
	FOLD(VADDPS, Z0, Y0, X0, Y2, X2)
	VDIVSS       X4, X0, X0
	VMOVSS       X0, mean+32(FP)
	VBROADCASTSS X0, Z2

squares: // of mean - x
	VSUBPS      (SI)(CX*4), Z2, Z3
	VFMADD231PS Z3, Z3, Z1
	ADDQ        $16, CX
	JNZ         squares
	FOLD(VADDPS, Z1, Y1, X1, Y2, X2)
	VDIVSS  X4, X1, X1
	VADDSS  eps+24(FP), X1, X1
	VSQRTSS X1, X1, X1
	VMOVSS  ·expTable+256(SB), X0 // 1
	VDIVSS  X1, X0, X0
	VMOVSS  X0, rstd+36(FP)
	VZEROUPPER
	RET

// func normalizeAVX512(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32)
TEXT ·normalizeAVX512(SB), NOSPLIT, $0-112
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         gamma_base+48(FP), R8
	MOVQ         beta_base+72(FP), R9
	VBROADCASTSS mean+96(FP), Z2
	VBROADCASTSS rstd+100(FP), Z3
	VPXORD       Z8, Z8, Z8
	VPXORD       Z9, Z9, Z9
	XORQ         DX, DX

loop:
	VMOVUPS     (SI)(DX*4), Z0
	VSUBPS      Z2, Z0, Z0
	VMULPS      Z3, Z0, Z0
	VMOVUPS     (R8)(DX*4), Z4
	VFMADD213PS (R9)(DX*4), Z4, Z0
	VMOVUPS     Z0, (DI)(DX*4)
	VMINPS      Z0, Z8, Z8
	VMAXPS      Z0, Z9, Z9
	ADDQ        $16, DX
	CMPQ        DX, CX
	JLT         loop
	FOLD_RANGE
	VMOVSS X8, least+104(FP)
	VMOVSS X9, greatest+108(FP)
	VZEROUPPER
	RET

// x = exp(x - m), by exp in softmax.go; n and p are scratch. The constants stand in
// the order of expTable in Z16 to Z24.
#define EXP(x, n, p) \
	VSUBPS      Z15, x, x  \ // m
	VMAXPS      Z16, x, x  \ // expMin
	VMULPS      Z17, x, n  \ // log2E
	VRNDSCALEPS $8, n, n   \ // to nearest even
	VFMADD231PS Z18, n, x  \ // -ln2Hi
	VFMADD231PS Z19, n, x  \ // -ln2Lo
	VMOVAPS     Z20, p     \ // exp5
	VFMADD213PS Z21, x, p  \ // exp4
	VFMADD213PS Z22, x, p  \ // exp3
	VFMADD213PS Z23, x, p  \ // exp2
	VFMADD213PS Z24, x, p  \ // 1
	VFMADD213PS Z24, x, p  \
	VSCALEFPS   n, p, x    // p·2ⁿ

// func softmaxAVX512(x []float32) (sum float32)
TEXT ·softmaxAVX512(SB), NOSPLIT, $0-28
	MOVQ    x_base+0(FP), SI
	MOVQ    x_len+8(FP), CX
	LEAQ    (SI)(CX*4), R8
	NEGQ    CX
	MOVQ    CX, DX
	VMOVUPS (SI), Z1 // four maxima hide the latency of one
	VMOVAPS Z1, Z2
	VMOVAPS Z1, Z3
	VMOVAPS Z1, Z4
	ADDQ    $64, DX
	JG      maxima

maximum4:
	VMAXPS -256(R8)(DX*4), Z1, Z1
	VMAXPS -192(R8)(DX*4), Z2, Z2
	VMAXPS -128(R8)(DX*4), Z3, Z3
	VMAXPS -64(R8)(DX*4), Z4, Z4
	ADDQ   $64, DX
	JLE    maximum4

maxima:
	SUBQ $64, DX
	JEQ  fold

maximum:
	VMAXPS (R8)(DX*4), Z1, Z1
	ADDQ   $16, DX
	JNZ    maximum

fold:
	VMAXPS Z2, Z1, Z1
	VMAXPS Z4, Z3, Z3
	VMAXPS Z3, Z1, Z1
	FOLD(VMAXPS, Z1, Y1, X1, Y2, X2)
	VBROADCASTSS X1, Z15
	VBROADCASTSS ·expTable+0(SB), Z16
	VBROADCASTSS ·expTable+32(SB), Z17
	VBROADCASTSS ·expTable+64(SB), Z18
	VBROADCASTSS ·expTable+96(SB), Z19
	VBROADCASTSS ·expTable+128(SB), Z20
	VBROADCASTSS ·expTable+160(SB), Z21
	VBROADCASTSS ·expTable+192(SB), Z22
	VBROADCASTSS ·expTable+224(SB), Z23
	VBROADCASTSS ·expTable+256(SB), Z24
	VPXORD       Z6, Z6, Z6

loop:
	VMOVUPS (R8)(CX*4), Z0
	EXP(Z0, Z2, Z3)
	VMOVUPS Z0, (R8)(CX*4)
	VADDPS  Z0, Z6, Z6
	ADDQ    $16, CX
	JNZ     loop
	FOLD(VADDPS, Z6, Y6, X6, Y2, X2)
	VMOVSS X6, sum+24(FP)
	VZEROUPPER
	RET

// x = gelu(x), by gelu in gelu.go, in p; y and u are scratch. The constants stand in
// the order of geluTable in Z16 to Z31. VRANGEPS takes the operand of the smaller
// magnitude with the sign of the last but one, which clamps in one instruction.
#define GELU(x, y, p, u) \
	VRANGEPS    $2, Z27, x, u \ // ±geluClamp
	VMULPS      Z29, x, x    \ // h = x/2
	VMULPS      u, u, y      \
	VFMADD213PS Z31, Z30, y  \ // y = fma(u², 2/geluClamp², -1)
	VMOVAPS     Z16, p       \ // erfPoly[10]
	VFMADD213PS Z26, y, p    \ // erfPoly[9]
	VFMADD213PS Z25, y, p    \
	VFMADD213PS Z24, y, p    \
	VFMADD213PS Z23, y, p    \
	VFMADD213PS Z22, y, p    \
	VFMADD213PS Z21, y, p    \
	VFMADD213PS Z20, y, p    \
	VFMADD213PS Z19, y, p    \
	VFMADD213PS Z18, y, p    \
	VFMADD213PS Z17, y, p    \ // erfPoly[0]
	VMULPS      u, p, p      \
	VRANGEPS    $2, Z31, p, p \ // ±1
	VFMADD213PS x, x, p      // fma(h, e, h)

// func geluAVX512(x []float32) (least, greatest float32)
TEXT ·geluAVX512(SB), NOSPLIT, $0-32
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS ·geluTable+0(SB), Z16
	VBROADCASTSS ·geluTable+32(SB), Z17
	VBROADCASTSS ·geluTable+64(SB), Z18
	VBROADCASTSS ·geluTable+96(SB), Z19
	VBROADCASTSS ·geluTable+128(SB), Z20
	VBROADCASTSS ·geluTable+160(SB), Z21
	VBROADCASTSS ·geluTable+192(SB), Z22
	VBROADCASTSS ·geluTable+224(SB), Z23
	VBROADCASTSS ·geluTable+256(SB), Z24
	VBROADCASTSS ·geluTable+288(SB), Z25
	VBROADCASTSS ·geluTable+320(SB), Z26
	VBROADCASTSS ·geluTable+352(SB), Z27
	VBROADCASTSS ·geluTable+416(SB), Z29
	VBROADCASTSS ·geluTable+448(SB), Z30
	VBROADCASTSS ·geluTable+480(SB), Z31
	VPXORD       Z8, Z8, Z8
	VPXORD       Z9, Z9, Z9

loop:
	VMOVUPS (SI), Z0
	GELU(Z0, Z1, Z2, Z3)
	VMOVUPS Z2, (SI)
	VMINPS  Z2, Z8, Z8
	VMAXPS  Z2, Z9, Z9
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop
	FOLD_RANGE
	VMOVSS X8, least+24(FP)
	VMOVSS X9, greatest+28(FP)
	VZEROUPPER
	RET
