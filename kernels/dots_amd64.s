//go:build !purego

#include "textflag.h"

// 16 elements of the row at x, in two accumulators.
#define MULTIPLY(x, a, b) \
	VFMADD231PS (x)(R11*1), Y0, a   \
	VFMADD231PS 32(x)(R11*1), Y1, b

// func dotsAVX2(dst, q, x []float32, ld int)
//
// Lanes 0 to 7 and 8 to 15 of the rows 0 to 3 are in Y2 and Y3, Y4 and Y5, Y6 and Y7,
// Y8 and Y9.
TEXT ·dotsAVX2(SB), NOSPLIT, $0-80
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ q_base+24(FP), SI
	MOVQ q_len+32(FP), DX
	MOVQ x_base+48(FP), R8
	MOVQ ld+72(FP), BX
	SHLQ $2, BX
	SHLQ $2, DX
	LEAQ (BX)(BX*2), R9

rows:
	LEAQ   (R8)(BX*1), R10
	LEAQ   (R8)(BX*2), R12
	LEAQ   (R8)(R9*1), R13
	XORL   R11, R11
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9

loop:
	VMOVUPS (SI)(R11*1), Y0
	VMOVUPS 32(SI)(R11*1), Y1
	MULTIPLY(R8, Y2, Y3)
	MULTIPLY(R10, Y4, Y5)
	MULTIPLY(R12, Y6, Y7)
	MULTIPLY(R13, Y8, Y9)
	ADDQ    $64, R11
	CMPQ    R11, DX
	JNE     loop

	// Lanes 8 apart.
	VADDPS Y3, Y2, Y2
	VADDPS Y5, Y4, Y4
	VADDPS Y7, Y6, Y6
	VADDPS Y9, Y8, Y8

	// 4 apart: rows 0 and 1 in Y2, 2 and 3 in Y6.
	VPERM2F128 $0x20, Y4, Y2, Y0
	VPERM2F128 $0x31, Y4, Y2, Y1
	VADDPS     Y1, Y0, Y2
	VPERM2F128 $0x20, Y8, Y6, Y0
	VPERM2F128 $0x31, Y8, Y6, Y1
	VADDPS     Y1, Y0, Y6

	// 2 apart: rows 0, 2, 1, 3, then 1 apart.
	VUNPCKLPD    Y6, Y2, Y0
	VUNPCKHPD    Y6, Y2, Y1
	VADDPS       Y1, Y0, Y0
	VHADDPS      Y0, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VUNPCKLPS    X1, X0, X0
	VMOVUPS      X0, (DI)
	ADDQ         $16, DI
	LEAQ         (R8)(BX*4), R8
	SUBQ         $4, CX
	JNZ          rows
	VZEROUPPER
	RET
