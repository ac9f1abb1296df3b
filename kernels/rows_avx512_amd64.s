//go:build !purego

#include "textflag.h"

// The row operations with all 16 lanes in one register, and a second register of
// elements in flight where the latency of a chain would show. Every length is a
// multiple of 16, or 0.

// func minMaxAVX512(x []float32, lo, hi float32) (least, greatest float32)
TEXT ·minMaxAVX512(SB), NOSPLIT, $0-40
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS lo+24(FP), Z0
	VBROADCASTSS hi+28(FP), Z1
	TESTQ        CX, CX
	JEQ          fold

loop:
	VMOVUPS (SI), Z2
	VMINPS  Z2, Z0, Z0
	VMAXPS  Z2, Z1, Z1
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop

fold:
	VEXTRACTF64X4 $1, Z0, Y2
	VEXTRACTF64X4 $1, Z1, Y3
	VMINPS        Y2, Y0, Y0
	VMAXPS        Y3, Y1, Y1
	VEXTRACTF128  $1, Y0, X2
	VEXTRACTF128  $1, Y1, X3
	VMINPS        X2, X0, X0
	VMAXPS        X3, X1, X1
	VPSHUFD       $0x4e, X0, X2
	VPSHUFD       $0x4e, X1, X3
	VMINPS        X2, X0, X0
	VMAXPS        X3, X1, X1
	VPSHUFD       $0xb1, X0, X2
	VPSHUFD       $0xb1, X1, X3
	VMINPS        X2, X0, X0
	VMAXPS        X3, X1, X1
	VMOVSS        X0, least+32(FP)
	VMOVSS        X1, greatest+36(FP)
	VZEROUPPER
	RET

// func maximumAVX512(x []float32, m float32) (greatest float32)
TEXT ·maximumAVX512(SB), NOSPLIT, $0-36
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS m+24(FP), Z0
	TESTQ        CX, CX
	JEQ          fold

loop:
	VMAXPS (SI), Z0, Z0
	ADDQ   $64, SI
	SUBQ   $16, CX
	JNZ    loop

fold:
	VEXTRACTF64X4 $1, Z0, Y1
	VMAXPS        Y1, Y0, Y0
	VEXTRACTF128  $1, Y0, X1
	VMAXPS        X1, X0, X0
	VPSHUFD       $0x4e, X0, X1
	VMAXPS        X1, X0, X0
	VPSHUFD       $0xb1, X0, X1
	VMAXPS        X1, X0, X0
	VMOVSS        X0, greatest+32(FP)
	VZEROUPPER
	RET

// func quantizeUint8AVX512(dst unsafe.Pointer, x []float32, inv, zero float32)
TEXT ·quantizeUint8AVX512(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         x_base+8(FP), SI
	MOVQ         x_len+16(FP), CX
	VBROADCASTSS inv+32(FP), Z2
	VBROADCASTSS zero+36(FP), Z3
	VPCMPEQW     Y5, Y5, Y5
	VPSLLW       $7, Y5, Y5
	VPACKSSWB    Y5, Y5, Y5 // -128 in every byte: the sign bit

loop:
	VMOVUPS     (SI), Z0
	VFMADD213PS Z3, Z2, Z0
	VCVTPS2DQ   Z0, Z0
	VPMOVSDB    Z0, X0
	VPXOR       X5, X0, X0 // + 128
	VMOVDQU     X0, (DI)
	ADDQ        $64, SI
	ADDQ        $16, DI
	SUBQ        $16, CX
	JNZ         loop
	VZEROUPPER
	RET

// func sumAVX512(x []float32) (l laneSums)
TEXT ·sumAVX512(SB), NOSPLIT, $0-88
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), CX
	LEAQ   l+24(FP), DI
	VPXORD Z0, Z0, Z0
	TESTQ  CX, CX
	JEQ    done

loop:
	VADDPS (SI), Z0, Z0
	ADDQ   $64, SI
	SUBQ   $16, CX
	JNZ    loop

done:
	VMOVUPS Z0, (DI)
	VZEROUPPER
	RET

// func squaresAVX512(x []float32, mean float32) (l laneSums)
TEXT ·squaresAVX512(SB), NOSPLIT, $0-96
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS mean+24(FP), Z2
	LEAQ         l+32(FP), DI
	VPXORD       Z0, Z0, Z0
	TESTQ        CX, CX
	JEQ          done

loop:
	VMOVUPS     (SI), Z3
	VSUBPS      Z2, Z3, Z3
	VFMADD231PS Z3, Z3, Z0
	ADDQ        $64, SI
	SUBQ        $16, CX
	JNZ         loop

done:
	VMOVUPS Z0, (DI)
	VZEROUPPER
	RET

// func normalizeAVX512(dst, x, gamma, beta []float32, mean, rstd float32)
TEXT ·normalizeAVX512(SB), NOSPLIT, $0-104
	MOVQ         dst_base+0(FP), DI
	MOVQ         x_base+24(FP), SI
	MOVQ         x_len+32(FP), CX
	MOVQ         gamma_base+48(FP), R8
	MOVQ         beta_base+72(FP), R9
	VBROADCASTSS mean+96(FP), Z2
	VBROADCASTSS rstd+100(FP), Z3
	XORQ         DX, DX
	TESTQ        CX, CX
	JEQ          done

loop:
	VMOVUPS     (SI)(DX*4), Z0
	VSUBPS      Z2, Z0, Z0
	VMULPS      Z3, Z0, Z0
	VMOVUPS     (R8)(DX*4), Z4
	VFMADD213PS (R9)(DX*4), Z4, Z0
	VMOVUPS     Z0, (DI)(DX*4)
	ADDQ        $16, DX
	CMPQ        DX, CX
	JLT         loop

done:
	VZEROUPPER
	RET

// x = exp(x - m), by exp in softmax.go; n and p are scratch. The constants stand in
// the order of expTable in Z16 to Z24.
#define EXP(x, n, p) \
	VSUBPS      Z15, x, x  \ // m
	VMAXPS      Z16, x, x  \ // expMin
	VMULPS      Z17, x, n  \ // log2E
	VCVTPS2DQ   n, n       \
	VCVTDQ2PS   n, p       \
	VFMADD231PS Z18, p, x  \ // -ln2Hi
	VFMADD231PS Z19, p, x  \ // -ln2Lo
	VMOVAPS     Z20, p     \ // exp5
	VFMADD213PS Z21, x, p  \ // exp4
	VFMADD213PS Z22, x, p  \ // exp3
	VFMADD213PS Z23, x, p  \ // exp2
	VFMADD213PS Z24, x, p  \ // 1
	VFMADD213PS Z24, x, p  \
	VPSLLD      $23, n, n  \
	VPADDD      n, p, x

// func expAVX512(x []float32, m float32) (l laneSums)
TEXT ·expAVX512(SB), NOSPLIT, $0-96
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	LEAQ         l+32(FP), DI
	VPXORD       Z6, Z6, Z6
	VBROADCASTSS m+24(FP), Z15
	VBROADCASTSS ·expTable+0(SB), Z16
	VBROADCASTSS ·expTable+32(SB), Z17
	VBROADCASTSS ·expTable+64(SB), Z18
	VBROADCASTSS ·expTable+96(SB), Z19
	VBROADCASTSS ·expTable+128(SB), Z20
	VBROADCASTSS ·expTable+160(SB), Z21
	VBROADCASTSS ·expTable+192(SB), Z22
	VBROADCASTSS ·expTable+224(SB), Z23
	VBROADCASTSS ·expTable+256(SB), Z24
	SUBQ         $32, CX
	JLT          last

pair:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	EXP(Z0, Z2, Z3)
	EXP(Z1, Z4, Z5)
	VMOVUPS Z0, (SI)
	VMOVUPS Z1, 64(SI)
	VADDPS  Z0, Z6, Z6
	VADDPS  Z1, Z6, Z6
	ADDQ    $128, SI
	SUBQ    $32, CX
	JGE     pair

last:
	ADDQ    $32, CX
	JEQ     done
	VMOVUPS (SI), Z0
	EXP(Z0, Z2, Z3)
	VMOVUPS Z0, (SI)
	VADDPS  Z0, Z6, Z6

done:
	VMOVUPS Z6, (DI)
	VZEROUPPER
	RET

// x = gelu(x), by gelu in gelu.go; y, p and u are scratch. The constants stand in the
// order of geluTable in Z16 to Z31.
#define GELU(x, y, p, u) \
	VMINPS      Z27, x, u    \ // geluClamp
	VMAXPS      Z28, u, u    \ // -geluClamp
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
	VMINPS      Z15, p, p    \ // 1
	VMAXPS      Z31, p, p    \ // -1
	VFMADD213PS x, x, p      // fma(h, e, h)

// func geluAVX512(x []float32)
TEXT ·geluAVX512(SB), NOSPLIT, $0-24
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS ·expTable+256(SB), Z15
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
	VBROADCASTSS ·geluTable+384(SB), Z28
	VBROADCASTSS ·geluTable+416(SB), Z29
	VBROADCASTSS ·geluTable+448(SB), Z30
	VBROADCASTSS ·geluTable+480(SB), Z31
	SUBQ         $32, CX
	JLT          last

pair:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	GELU(Z0, Z2, Z3, Z4)
	GELU(Z1, Z5, Z6, Z7)
	VMOVUPS Z3, (SI)
	VMOVUPS Z6, 64(SI)
	ADDQ    $128, SI
	SUBQ    $32, CX
	JGE     pair

last:
	ADDQ    $32, CX
	JEQ     done
	VMOVUPS (SI), Z0
	GELU(Z0, Z2, Z3, Z4)
	VMOVUPS Z3, (SI)

done:
	VZEROUPPER
	RET
