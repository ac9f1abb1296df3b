//go:build !purego

#include "textflag.h"

// CX counts the columns of a row, AX the rows.
#define TO_FLOATS_ARGS \
	MOVQ dst_base+0(FP), DI  \
	MOVQ ldd+24(FP), DX      \
	MOVQ src_base+32(FP), SI \
	MOVQ lds+56(FP), R8      \
	MOVQ m+64(FP), AX        \
	MOVQ n+72(FP), R9

// func toFloatsAVX512(dst []float32, ldd int, src []byte, lds, m, n int)
TEXT ·toFloatsAVX512(SB), NOSPLIT, $0-80
	TO_FLOATS_ARGS

row:
	XORQ CX, CX

loop:
	VPMOVZXBD (SI)(CX*1), Z0
	VCVTDQ2PS Z0, Z0
	VMOVUPS   Z0, (DI)(CX*4)
	ADDQ      $16, CX
	CMPQ      CX, R9
	JLT       loop
	ADDQ      R8, SI
	LEAQ      (DI)(DX*4), DI
	DECQ      AX
	JNZ       row
	VZEROUPPER
	RET

// func toFloatsAVX2(dst []float32, ldd int, src []byte, lds, m, n int)
TEXT ·toFloatsAVX2(SB), NOSPLIT, $0-80
	TO_FLOATS_ARGS

row:
	XORQ CX, CX

loop:
	VPMOVZXBD (SI)(CX*1), Y0
	VPMOVZXBD 8(SI)(CX*1), Y1
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VMOVUPS   Y0, (DI)(CX*4)
	VMOVUPS   Y1, 32(DI)(CX*4)
	ADDQ      $16, CX
	CMPQ      CX, R9
	JLT       loop
	ADDQ      R8, SI
	LEAQ      (DI)(DX*4), DI
	DECQ      AX
	JNZ       row
	VZEROUPPER
	RET
