//go:build !purego

#include "textflag.h"
#include "scale_amd64.h"

// The row operations, 16 elements at a time: lanes 0 to 7 in the even and 8 to 15
// in the odd register of a pair. Every length is a multiple of 16, at least 16.

// FOLD combines the lanes of Y, whose lower half is X, as a tree. T is scratch.
#define FOLD(OP, Y, X, T) \
	VEXTRACTF128 $1, Y, T    \
	OP           T, X, X     \
	VPSHUFD      $0x4e, X, T \
	OP           T, X, X     \
	VPSHUFD      $0xb1, X, T \
	OP           T, X, X

// The arguments of a quantizer; then inv and zero are in Y2 and Y3.
#define QUANTIZE_ARGS(scaled) \
	MOVQ         dst+0(FP), DI    \
	MOVQ         x_base+8(FP), SI \
	MOVQ         x_len+16(FP), CX \
	VMOVSS       lo+32(FP), X8    \
	VMOVSS       hi+36(FP), X9    \
	ROW_SCALE(scaled)             \
	VMOVSS       X4, scale+40(FP) \
	MOVL         R8, zero+44(FP)  \
	VBROADCASTSS X2, Y2           \
	VBROADCASTSS X3, Y3

// The constants of exp and gelu are Go variables (tables_amd64.go), eight times
// each.
#define EXP_MIN ·expTable+0(SB)
#define LOG2E ·expTable+32(SB)
#define MINUS_LN2HI ·expTable+64(SB)
#define MINUS_LN2LO ·expTable+96(SB)
#define EXP5 ·expTable+128(SB)
#define EXP4 ·expTable+160(SB)
#define EXP3 ·expTable+192(SB)
#define EXP2 ·expTable+224(SB)
#define ONE ·expTable+256(SB)

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

// func minMaxAVX2(x []float32, lo, hi float32) (least, greatest float32)
TEXT ·minMaxAVX2(SB), NOSPLIT, $0-40
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS lo+24(FP), Y0
	VBROADCASTSS hi+28(FP), Y2
	VMOVAPS      Y0, Y1
	VMOVAPS      Y2, Y3
	TESTQ        CX, CX
	JEQ          fold

loop:
	VMOVUPS (SI), Y4
	VMOVUPS 32(SI), Y5
	VMINPS  Y4, Y0, Y0
	VMINPS  Y5, Y1, Y1
	VMAXPS  Y4, Y2, Y2
	VMAXPS  Y5, Y3, Y3
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop

fold:
	VMINPS Y1, Y0, Y0
	VMAXPS Y3, Y2, Y2
	FOLD(VMINPS, Y0, X0, X1)
	FOLD(VMAXPS, Y2, X2, X3)
	VMOVSS X0, least+32(FP)
	VMOVSS X2, greatest+36(FP)
	VZEROUPPER
	RET

// QUANTIZE leaves 16 elements as int16 in Y0: round(fma(x, inv, zero)), clamped
// to int16.
#define QUANTIZE \
	VMOVUPS     (SI), Y0    \
	VMOVUPS     32(SI), Y1  \
	VFMADD213PS Y3, Y2, Y0  \
	VFMADD213PS Y3, Y2, Y1  \
	VCVTPS2DQ   Y0, Y0      \
	VCVTPS2DQ   Y1, Y1      \
	VPACKSSDW   Y1, Y0, Y0  \
	VPERMQ      $0xd8, Y0, Y0

// func quantizeInt16AVX2(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)
TEXT ·quantizeInt16AVX2(SB), NOSPLIT, $0-48
	QUANTIZE_ARGS(scaled)
	VPCMPEQW     Y4, Y4, Y4
	VPSRLW       $9, Y4, Y5 // 127
	VPXOR        Y4, Y5, Y4 // ^127 = -128

loop:
	QUANTIZE
	VPMINSW Y5, Y0, Y0
	VPMAXSW Y4, Y0, Y0
	VMOVDQU Y0, (DI)
	ADDQ    $64, SI
	ADDQ    $32, DI
	SUBQ    $16, CX
	JNZ     loop
	VZEROUPPER
	RET

// func quantizeUint8AVX2(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)
TEXT ·quantizeUint8AVX2(SB), NOSPLIT, $0-48
	QUANTIZE_ARGS(scaled)
	VPCMPEQW     Y5, Y5, Y5
	VPSLLW       $7, Y5, Y5
	VPACKSSWB    Y5, Y5, Y5 // -128 in every byte: the sign bit

loop:
	QUANTIZE
	VEXTRACTI128 $1, Y0, X1
	VPACKSSWB    X1, X0, X0
	VPXOR        X5, X0, X0 // + 128
	VMOVDQU      X0, (DI)
	ADDQ         $64, SI
	ADDQ         $16, DI
	SUBQ         $16, CX
	JNZ          loop
	VZEROUPPER
	RET

// func roundAVX2(dst unsafe.Pointer, x []float32, inv float32) (sum int32)
TEXT ·roundAVX2(SB), NOSPLIT, $0-44
	MOVQ         dst+0(FP), DI
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	VBROADCASTSS inv+32(FP), Y2
	VPXOR        Y4, Y4, Y4

loop:
	VMULPS       (SI), Y2, Y0
	VMULPS       32(SI), Y2, Y1
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VPADDD       Y0, Y4, Y4
	VPADDD       Y1, Y4, Y4
	VPACKSSDW    Y1, Y0, Y0
	VPERMQ       $0xd8, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKSSWB    X1, X0, X0
	VMOVDQU      X0, (DI)
	ADDQ         $64, SI
	ADDQ         $16, DI
	SUBQ         $16, CX
	JNZ          loop
	FOLD(VPADDD, Y4, X4, X5)
	VMOVSS       X4, sum+40(FP)
	VZEROUPPER
	RET

// func momentsAVX2(x []float32, eps float32) (mean, rstd float32)
TEXT ·momentsAVX2(SB), NOSPLIT, $0-40
	MOVQ       x_base+0(FP), SI
	MOVQ       x_len+8(FP), CX
	VXORPS     X8, X8, X8
	VCVTSI2SSQ CX, X8, X8
	LEAQ       (SI)(CX*4), SI
	NEGQ       CX
	MOVQ       CX, DX
	VXORPS     Y0, Y0, Y0
	VXORPS     Y1, Y1, Y1
	VXORPS     Y2, Y2, Y2
	VXORPS     Y3, Y3, Y3

sum:
	VADDPS (SI)(DX*4), Y0, Y0
	VADDPS 32(SI)(DX*4), Y1, Y1
	ADDQ   $16, DX
	JNZ    sum
	VADDPS Y1, Y0, Y0
	FOLD(VADDPS, Y0, X0, X1)
	VDIVSS       X8, X0, X0
	VMOVSS       X0, mean+32(FP)
	VBROADCASTSS X0, Y4

squares: // of mean - x
	VSUBPS      (SI)(CX*4), Y4, Y5
	VSUBPS      32(SI)(CX*4), Y4, Y6
	VFMADD231PS Y5, Y5, Y2
	VFMADD231PS Y6, Y6, Y3
	ADDQ        $16, CX
	JNZ         squares
	VADDPS  Y3, Y2, Y2
	FOLD(VADDPS, Y2, X2, X3)
	VDIVSS  X8, X2, X2
	VADDSS  eps+24(FP), X2, X2
	VSQRTSS X2, X2, X2
	VMOVSS  ONE, X0
	VDIVSS  X2, X0, X0
	VMOVSS  X0, rstd+36(FP)
	VZEROUPPER
	RET

// func normalizeAVX2(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-112
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         gamma_base+48(FP), R8
	MOVQ         beta_base+72(FP), R9
	VBROADCASTSS mean+96(FP), Y2
	VBROADCASTSS rstd+100(FP), Y3
	VXORPS       Y6, Y6, Y6
	VXORPS       Y7, Y7, Y7
	VXORPS       Y8, Y8, Y8
	VXORPS       Y9, Y9, Y9
	XORQ         DX, DX

loop:
	VMOVUPS     (SI)(DX*4), Y0
	VMOVUPS     32(SI)(DX*4), Y1
	VSUBPS      Y2, Y0, Y0
	VSUBPS      Y2, Y1, Y1
	VMULPS      Y3, Y0, Y0
	VMULPS      Y3, Y1, Y1
	VMOVUPS     (R8)(DX*4), Y4
	VMOVUPS     32(R8)(DX*4), Y5
	VFMADD213PS (R9)(DX*4), Y4, Y0
	VFMADD213PS 32(R9)(DX*4), Y5, Y1
	VMOVUPS     Y0, (DI)(DX*4)
	VMOVUPS     Y1, 32(DI)(DX*4)
	VMINPS      Y0, Y6, Y6
	VMINPS      Y1, Y7, Y7
	VMAXPS      Y0, Y8, Y8
	VMAXPS      Y1, Y9, Y9
	ADDQ        $16, DX
	CMPQ        DX, CX
	JLT         loop
	VMINPS Y7, Y6, Y6
	VMAXPS Y9, Y8, Y8
	FOLD(VMINPS, Y6, X6, X7)
	FOLD(VMAXPS, Y8, X8, X9)
	VMOVSS X6, least+104(FP)
	VMOVSS X8, greatest+108(FP)
	VZEROUPPER
	RET

// x = exp(x - m), by exp in softmax.go; n is scratch.
#define EXP(x, n, p) \
	VSUBPS      Y15, x, x  \ // m
	VMAXPS      Y14, x, x  \ // expMin
	VMULPS      Y13, x, n  \ // log2E
	VCVTPS2DQ   n, n       \
	VCVTDQ2PS   n, p       \
	VFMADD231PS Y12, p, x  \ // -ln2Hi
	VFMADD231PS Y11, p, x  \ // -ln2Lo
	VMOVAPS     Y10, p     \ // exp5
	VFMADD213PS Y9, x, p   \ // exp4
	VFMADD213PS Y8, x, p   \ // exp3
	VFMADD213PS EXP2, x, p \
	VFMADD213PS Y7, x, p   \ // 1
	VFMADD213PS Y7, x, p   \
	VPSLLD      $23, n, n  \
	VPADDD      n, p, x

// func softmaxAVX2(x []float32) (sum float32)
TEXT ·softmaxAVX2(SB), NOSPLIT, $0-28
	MOVQ    x_base+0(FP), SI
	MOVQ    x_len+8(FP), CX
	LEAQ    (SI)(CX*4), SI
	NEGQ    CX
	MOVQ    CX, DX
	VMOVUPS (SI)(CX*4), Y0
	VMOVAPS Y0, Y1

maximum:
	VMAXPS (SI)(DX*4), Y0, Y0
	VMAXPS 32(SI)(DX*4), Y1, Y1
	ADDQ   $16, DX
	JNZ    maximum
	VMAXPS Y1, Y0, Y0
	FOLD(VMAXPS, Y0, X0, X1)
	VBROADCASTSS X0, Y15
	VMOVUPS      EXP_MIN, Y14
	VMOVUPS      LOG2E, Y13
	VMOVUPS      MINUS_LN2HI, Y12
	VMOVUPS      MINUS_LN2LO, Y11
	VMOVUPS      EXP5, Y10
	VMOVUPS      EXP4, Y9
	VMOVUPS      EXP3, Y8
	VMOVUPS      ONE, Y7
	VXORPS       Y5, Y5, Y5
	VXORPS       Y6, Y6, Y6

loop:
	VMOVUPS (SI)(CX*4), Y0
	VMOVUPS 32(SI)(CX*4), Y1
	EXP(Y0, Y2, Y3)
	EXP(Y1, Y2, Y4)
	VMOVUPS Y0, (SI)(CX*4)
	VMOVUPS Y1, 32(SI)(CX*4)
	VADDPS  Y0, Y5, Y5
	VADDPS  Y1, Y6, Y6
	ADDQ    $16, CX
	JNZ     loop
	VADDPS Y6, Y5, Y5
	FOLD(VADDPS, Y5, X5, X6)
	VMOVSS X5, sum+24(FP)
	VZEROUPPER
	RET

// x = gelu(x), by gelu in gelu.go; u, y and p are scratch.
#define GELU(x, u, y, p) \
	VMINPS      Y15, x, u   \ // geluClamp
	VMAXPS      Y14, u, u   \ // -geluClamp
	VMULPS      Y13, x, x   \ // h = x/2
	VMULPS      u, u, y     \
	VFMADD213PS Y11, Y12, y \ // y = fma(u², 2/geluClamp², -1)
	VMOVUPS     ·geluTable+0(SB), p      \ // erfPoly[10]
	VFMADD213PS ·geluTable+320(SB), y, p \ // erfPoly[9]
	VFMADD213PS ·geluTable+288(SB), y, p \
	VFMADD213PS ·geluTable+256(SB), y, p \
	VFMADD213PS ·geluTable+224(SB), y, p \
	VFMADD213PS ·geluTable+192(SB), y, p \
	VFMADD213PS ·geluTable+160(SB), y, p \
	VFMADD213PS ·geluTable+128(SB), y, p \
	VFMADD213PS ·geluTable+96(SB), y, p  \
	VFMADD213PS ·geluTable+64(SB), y, p  \
	VFMADD213PS ·geluTable+32(SB), y, p  \ // erfPoly[0]
	VMULPS      u, p, p     \
	VMINPS      Y10, p, p   \ // 1
	VMAXPS      Y11, p, p   \ // -1
	VFMADD231PS x, p, x     // fma(h, e, h)

// func geluAVX2(x []float32) (least, greatest float32)
TEXT ·geluAVX2(SB), NOSPLIT, $0-32
	MOVQ    x_base+0(FP), SI
	MOVQ    x_len+8(FP), CX
	VMOVUPS ·geluTable+352(SB), Y15
	VMOVUPS ·geluTable+384(SB), Y14
	VMOVUPS ·geluTable+416(SB), Y13
	VMOVUPS ·geluTable+448(SB), Y12
	VMOVUPS ·geluTable+480(SB), Y11
	VMOVUPS ONE, Y10
	VXORPS  Y6, Y6, Y6
	VXORPS  Y7, Y7, Y7
	VXORPS  Y8, Y8, Y8
	VXORPS  Y9, Y9, Y9

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	GELU(Y0, Y2, Y3, Y4)
	GELU(Y1, Y2, Y3, Y5)
	VMOVUPS Y0, (SI)
	VMOVUPS Y1, 32(SI)
	VMINPS  Y0, Y6, Y6
	VMINPS  Y1, Y7, Y7
	VMAXPS  Y0, Y8, Y8
	VMAXPS  Y1, Y9, Y9
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop
	VMINPS Y7, Y6, Y6
	VMAXPS Y9, Y8, Y8
	FOLD(VMINPS, Y6, X6, X7)
	FOLD(VMAXPS, Y8, X8, X9)
	VMOVSS X6, least+24(FP)
	VMOVSS X8, greatest+28(FP)
	VZEROUPPER
	RET
