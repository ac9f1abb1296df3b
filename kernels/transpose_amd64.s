//go:build !purego

#include "textflag.h"

// Both functions take four elements of 16 rows at a time. Element i of the rows 0, 1,
// 2, 3 goes to the first 128 bits of the result i, that of the rows 4 to 7 to the
// second, and so on. So what is loaded together is a row from each four rows, and a
// 4×4 transpose in each 128 bits does the rest.
//   DI, DX  dst, bytes from one result to the next;  R13  3·DX
//   CX      elements left
//   SI      row 0;  R8  bytes from a row to the next;  R12  3·R8
//   R9..R11 rows 4, 8, 12
#define TRANSPOSE_ARGS \
	MOVQ dst_base+0(FP), DI  \
	MOVQ ldd+24(FP), DX      \
	MOVQ src_base+32(FP), SI \
	MOVQ lds+56(FP), R8      \
	MOVQ k+64(FP), CX        \
	SHLQ $2, DX              \
	SHLQ $2, R8              \
	LEAQ (SI)(R8*4), R9      \
	LEAQ (R9)(R8*4), R10     \
	LEAQ (R10)(R8*4), R11    \
	LEAQ (R8)(R8*2), R12     \
	LEAQ (DX)(DX*2), R13

#define NEXT_ELEMENTS \
	ADDQ $16, SI          \
	ADDQ $16, R9          \
	ADDQ $16, R10         \
	ADDQ $16, R11         \
	LEAQ (DI)(DX*4), DI   \
	SUBQ $4, CX

#define TRANSPOSE4(a, b, c, d, t0, t1, t2, t3) \
	VUNPCKLPS b, a, t0   \ // a0 b0 a1 b1
	VUNPCKHPS b, a, t1   \ // a2 b2 a3 b3
	VUNPCKLPS d, c, t2   \
	VUNPCKHPS d, c, t3   \
	VUNPCKLPD t2, t0, a  \ // a0 b0 c0 d0
	VUNPCKHPD t2, t0, b  \
	VUNPCKLPD t3, t1, c  \
	VUNPCKHPD t3, t1, d

// A zmm register of four rows.
#define LOAD512(row0, row4, row8, row12, X, Y, Z) \
	VMOVUPS      row0, X         \
	VINSERTF128  $1, row4, Y, Y  \
	VINSERTF32X4 $2, row8, Z, Z  \
	VINSERTF32X4 $3, row12, Z, Z

// func transposeAVX512(dst []float32, ldd int, src []float32, lds, k int)
TEXT ·transposeAVX512(SB), NOSPLIT, $0-72
	TRANSPOSE_ARGS

loop:
	LOAD512((SI), (R9), (R10), (R11), X0, Y0, Z0)
	LOAD512((SI)(R8*1), (R9)(R8*1), (R10)(R8*1), (R11)(R8*1), X1, Y1, Z1)
	LOAD512((SI)(R8*2), (R9)(R8*2), (R10)(R8*2), (R11)(R8*2), X2, Y2, Z2)
	LOAD512((SI)(R12*1), (R9)(R12*1), (R10)(R12*1), (R11)(R12*1), X3, Y3, Z3)
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, (DI)(DX*1)
	VMOVUPS Z2, (DI)(DX*2)
	VMOVUPS Z3, (DI)(R13*1)
	NEXT_ELEMENTS
	JNZ     loop
	VZEROUPPER
	RET

// A ymm register of two rows.
#define LOAD256(row0, row4, X, Y) \
	VMOVUPS     row0, X       \
	VINSERTF128 $1, row4, Y, Y

// func transposeAVX2(dst []float32, ldd int, src []float32, lds, k int)
TEXT ·transposeAVX2(SB), NOSPLIT, $0-72
	TRANSPOSE_ARGS

loop:
	LOAD256((SI), (R9), X0, Y0)
	LOAD256((SI)(R8*1), (R9)(R8*1), X1, Y1)
	LOAD256((SI)(R8*2), (R9)(R8*2), X2, Y2)
	LOAD256((SI)(R12*1), (R9)(R12*1), X3, Y3)
	LOAD256((R10), (R11), X8, Y8)
	LOAD256((R10)(R8*1), (R11)(R8*1), X9, Y9)
	LOAD256((R10)(R8*2), (R11)(R8*2), X10, Y10)
	LOAD256((R10)(R12*1), (R11)(R12*1), X11, Y11)
	TRANSPOSE4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	TRANSPOSE4(Y8, Y9, Y10, Y11, Y4, Y5, Y6, Y7)
	VMOVUPS Y0, (DI)
	VMOVUPS Y8, 32(DI)
	VMOVUPS Y1, (DI)(DX*1)
	VMOVUPS Y9, 32(DI)(DX*1)
	VMOVUPS Y2, (DI)(DX*2)
	VMOVUPS Y10, 32(DI)(DX*2)
	VMOVUPS Y3, (DI)(R13*1)
	VMOVUPS Y11, 32(DI)(R13*1)
	NEXT_ELEMENTS
	JNZ     loop
	VZEROUPPER
	RET
