//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The tile is 6 rows of A by 16 columns of B:
//   Y0..Y11   accumulators, row r in Y2r and Y2r+1
//   Y12, Y13  16 columns of B, a pair of int16 each
//   Y14, Y15  a pair of A in every element; products
//   R8, R10   rows 0 and 3 of A; R9 the bytes of a row
#define ROW0 (R8)
#define ROW1 (R8)(R9*1)
#define ROW2 (R8)(R9*2)
#define ROW3 (R10)
#define ROW4 (R10)(R9*1)
#define ROW5 (R10)(R9*2)

// c += pair(a) · B for the 16 columns. Both products come before both sums: 25.8
// multiply-accumulates a cycle of the loop alone on Zen 3, and 24.7 in turn.
#define MULADD(a, c0, c1) \
	VPBROADCASTD a, Y14        \
	VPMADDWD     Y12, Y14, Y15 \
	VPMADDWD     Y13, Y14, Y14 \
	VPADDD       Y15, c0, c0   \
	VPADDD       Y14, c1, c1

// Two k for all rows, from the given bytes of A and B.
#define STEP(a, b) \
	VMOVDQU (b+0)(SI), Y12  \
	VMOVDQU (b+32)(SI), Y13 \
	MULADD(a ROW0, Y0, Y1)  \
	MULADD(a ROW1, Y2, Y3)  \
	MULADD(a ROW2, Y4, Y5)  \
	MULADD(a ROW3, Y6, Y7)  \
	MULADD(a ROW4, Y8, Y9)  \
	MULADD(a ROW5, Y10, Y11)

#include "epilogue_amd64.h"

// func gemm6x16AVX2(args *gemmArgs)
TEXT ·gemm6x16AVX2(SB), NOSPLIT, $0-8
	EPILOGUE_ARGS
	MOVQ gemmArgs_lda(AX), R9

tile:
	MOVQ BX, R8
	LEAQ (R9)(R9*2), R10
	ADDQ R8, R10
	MOVQ gemmArgs_b(AX), SI
	MOVQ gemmArgs_steps(AX), CX
	ZERO_TILE

	PCALIGN $32

loop:
	STEP(0, 0)
	STEP(4, 64)
	ADDQ $8, R8
	ADDQ $8, R10
	ADDQ $128, SI
	DECQ CX
	JNZ  loop

	EPILOGUE_COLUMNS
	EPILOGUE_ROW(Y0, Y1, store0)
	NEXT_ROW(done)
	EPILOGUE_ROW(Y2, Y3, store1)
	NEXT_ROW(done)
	EPILOGUE_ROW(Y4, Y5, store2)
	NEXT_ROW(done)
	EPILOGUE_ROW(Y6, Y7, store3)
	NEXT_ROW(done)
	EPILOGUE_ROW(Y8, Y9, store4)
	NEXT_ROW(done)
	EPILOGUE_ROW(Y10, Y11, store5)
	NEXT_ROW(done)
	ADDQ gemmArgs_tile(AX), BX
	MOVQ gemmArgs_lda(AX), R9
	JMP  tile

done:
	VZEROUPPER
	RET

// func expandAVX2(dst, src unsafe.Pointer, n int)
TEXT ·expandAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VPMOVSXBW (SI), Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $16, CX
	JNZ       loop
	VZEROUPPER
	RET
