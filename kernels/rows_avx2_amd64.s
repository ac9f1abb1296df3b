//go:build !purego

#include "textflag.h"

// The row operations, 16 elements at a time: lanes 0 to 7 in the even and 8 to 15
// in the odd register of a pair. Every length is a multiple of 16, or 0.

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
	VMINPS       Y1, Y0, Y0
	VMAXPS       Y3, Y2, Y2
	VEXTRACTF128 $1, Y0, X1
	VEXTRACTF128 $1, Y2, X3
	VMINPS       X1, X0, X0
	VMAXPS       X3, X2, X2
	VPSHUFD      $0x4e, X0, X1
	VPSHUFD      $0x4e, X2, X3
	VMINPS       X1, X0, X0
	VMAXPS       X3, X2, X2
	VPSHUFD      $0xb1, X0, X1
	VPSHUFD      $0xb1, X2, X3
	VMINPS       X1, X0, X0
	VMAXPS       X3, X2, X2
	VMOVSS       X0, least+32(FP)
	VMOVSS       X2, greatest+36(FP)
	VZEROUPPER
	RET

// func maximumAVX2(x []float32, m float32) (greatest float32)
TEXT ·maximumAVX2(SB), NOSPLIT, $0-36
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS m+24(FP), Y0
	VMOVAPS      Y0, Y1
	TESTQ        CX, CX
	JEQ          fold

loop:
	VMAXPS (SI), Y0, Y0
	VMAXPS 32(SI), Y1, Y1
	ADDQ   $64, SI
	SUBQ   $16, CX
	JNZ    loop

fold:
	VMAXPS       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VMAXPS       X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSS       X0, greatest+32(FP)
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

// func quantizeInt16AVX2(dst unsafe.Pointer, x []float32, inv, zero float32)
TEXT ·quantizeInt16AVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	VBROADCASTSS inv+32(FP), Y2
	VBROADCASTSS zero+36(FP), Y3
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

// func quantizeUint8AVX2(dst unsafe.Pointer, x []float32, inv, zero float32)
TEXT ·quantizeUint8AVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	VBROADCASTSS inv+32(FP), Y2
	VBROADCASTSS zero+36(FP), Y3
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

// func sumAVX2(x []float32) (l laneSums)
TEXT ·sumAVX2(SB), NOSPLIT, $0-88
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	LEAQ   l+24(FP), DI
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	TESTQ  CX, CX
	JEQ     done

loop:
	VADDPS (SI), Y0, Y0
	VADDPS 32(SI), Y1, Y1
	ADDQ   $64, SI
	SUBQ   $16, CX
	JNZ    loop

done:
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VZEROUPPER
	RET

// func squaresAVX2(x []float32, mean float32) (l laneSums)
TEXT ·squaresAVX2(SB), NOSPLIT, $0-96
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS mean+24(FP), Y2
	LEAQ         l+32(FP), DI
	VXORPS       Y0, Y0, Y0
	VXORPS       Y1, Y1, Y1
	TESTQ        CX, CX
	JEQ          done

loop:
	VMOVUPS     (SI), Y3
	VMOVUPS     32(SI), Y4
	VSUBPS      Y2, Y3, Y3
	VSUBPS      Y2, Y4, Y4
	VFMADD231PS Y3, Y3, Y0
	VFMADD231PS Y4, Y4, Y1
	ADDQ        $64, SI
	SUBQ        $16, CX
	JNZ         loop

done:
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	VZEROUPPER
	RET

// func normalizeAVX2(dst, x, gamma, beta []float32, mean, rstd float32)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-104
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         gamma_base+48(FP), R8
	MOVQ         beta_base+72(FP), R9
	VBROADCASTSS mean+96(FP), Y2
	VBROADCASTSS rstd+100(FP), Y3
	XORQ         DX, DX
	TESTQ        CX, CX
	JEQ          done

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
	ADDQ        $16, DX
	CMPQ        DX, CX
	JLT         loop

done:
	VZEROUPPER
	RET

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

// func expAVX2(x []float32, m float32) (l laneSums)
TEXT ·expAVX2(SB), NOSPLIT, $0-96
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	LEAQ         l+32(FP), DI
	VXORPS       Y5, Y5, Y5
	VXORPS       Y6, Y6, Y6
	TESTQ        CX, CX
	JEQ          done
	VBROADCASTSS m+24(FP), Y15
	VMOVUPS      EXP_MIN, Y14
	VMOVUPS      LOG2E, Y13
	VMOVUPS      MINUS_LN2HI, Y12
	VMOVUPS      MINUS_LN2LO, Y11
	VMOVUPS      EXP5, Y10
	VMOVUPS      EXP4, Y9
	VMOVUPS      EXP3, Y8
	VMOVUPS      ONE, Y7

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	EXP(Y0, Y2, Y3)
	EXP(Y1, Y2, Y4)
	VMOVUPS Y0, (SI)
	VMOVUPS Y1, 32(SI)
	VADDPS  Y0, Y5, Y5
	VADDPS  Y1, Y6, Y6
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop

done:
	VMOVUPS Y5, (DI)
	VMOVUPS Y6, 32(DI)
	VZEROUPPER
	RET

// x = gelu(x), by gelu in gelu.go; y, p are scratch.
#define GELU(x, y, p) \
	VMINPS      Y15, x, y \ // geluClamp
	VMAXPS      Y14, y, y \ // -geluClamp
	VMULPS      Y13, x, x \ // h = x/2
	VMOVAPS     y, Y6     \ // u
	VMULPS      y, y, y   \
	VFMADD213PS Y11, Y12, y \ // y = fma(u², 2/geluClamp², -1)
	VMOVAPS     Y10, p    \
	VFMADD213PS Y9, y, p  \
	VFMADD213PS Y8, y, p  \
	VFMADD213PS Y7, y, p  \
	VFMADD213PS ·geluTable+224(SB), y, p \
	VFMADD213PS ·geluTable+192(SB), y, p \
	VFMADD213PS ·geluTable+160(SB), y, p \
	VFMADD213PS ·geluTable+128(SB), y, p \
	VFMADD213PS ·geluTable+96(SB), y, p  \
	VFMADD213PS ·geluTable+64(SB), y, p  \
	VFMADD213PS ·geluTable+32(SB), y, p  \
	VMULPS      Y6, p, p  \
	VMINPS      ONE, p, p \
	VMAXPS      Y11, p, p \ // -1
	VFMADD213PS x, x, p   \ // fma(h, e, h)
	VMOVAPS     p, x

// func geluAVX2(x []float32)
TEXT ·geluAVX2(SB), NOSPLIT, $0-24
	MOVQ    x_base+0(FP), SI
	MOVQ    x_len+8(FP), CX
	TESTQ   CX, CX
	JEQ     done
	VMOVUPS ·geluTable+0(SB), Y10  // erfPoly[10]
	VMOVUPS ·geluTable+320(SB), Y9 // erfPoly[9]
	VMOVUPS ·geluTable+288(SB), Y8
	VMOVUPS ·geluTable+256(SB), Y7
	VMOVUPS ·geluTable+352(SB), Y15
	VMOVUPS ·geluTable+384(SB), Y14
	VMOVUPS ·geluTable+416(SB), Y13
	VMOVUPS ·geluTable+448(SB), Y12
	VMOVUPS ·geluTable+480(SB), Y11

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	GELU(Y0, Y2, Y3)
	GELU(Y1, Y4, Y5)
	VMOVUPS Y0, (SI)
	VMOVUPS Y1, 32(SI)
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop

done:
	VZEROUPPER
	RET
