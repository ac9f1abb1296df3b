//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "epilogue_amd64.h"

// VPDPBUSD ymm in its VEX encoding, VEX.256.66.0F38.W0 50 /r (Intel SDM volume 2),
// for CPUs with AVX-VNNI and without AVX-512: the assembler knows the EVEX encoding
// only. The operands are register numbers: Yacc += Σ₄ uint8(Ya)·int8(Yb).
#define DOT(b, a, acc) \
	BYTE $0xc4                                              \
	BYTE $((((acc>>3)&1)^1)<<7 | 1<<6 | (((b>>3)&1)^1)<<5 | 2) \
	BYTE $(((a&15)^15)<<3 | 1<<2 | 1)                       \
	BYTE $0x50                                              \
	BYTE $(3<<6 | (acc&7)<<3 | (b&7))

// The tile is 6 rows of A by 16 columns of B:
//   Y0..Y11   accumulators, row r in Y2r and Y2r+1
//   Y12, Y13  16 columns of B, four int8 each
//   Y14, Y15  four uint8 of A in every element
//   R8, R10   rows 0 and 3 of A; R9 the bytes of a row

// Four k for all rows, from the given bytes of A and B.
#define STEP(a, b) \
	VMOVDQU      (b+0)(SI), Y12       \
	VMOVDQU      (b+32)(SI), Y13      \
	VPBROADCASTD a(R8), Y14           \
	VPBROADCASTD a(R8)(R9*1), Y15     \
	DOT(12, 14, 0)                    \
	DOT(13, 14, 1)                    \
	DOT(12, 15, 2)                    \
	DOT(13, 15, 3)                    \
	VPBROADCASTD a(R8)(R9*2), Y14     \
	VPBROADCASTD a(R10), Y15          \
	DOT(12, 14, 4)                    \
	DOT(13, 14, 5)                    \
	DOT(12, 15, 6)                    \
	DOT(13, 15, 7)                    \
	VPBROADCASTD a(R10)(R9*1), Y14    \
	VPBROADCASTD a(R10)(R9*2), Y15    \
	DOT(12, 14, 8)                    \
	DOT(13, 14, 9)                    \
	DOT(12, 15, 10)                   \
	DOT(13, 15, 11)

// func gemm6x16AVXVNNI(args *gemmArgs)
TEXT ·gemm6x16AVXVNNI(SB), NOSPLIT, $0-8
	EPILOGUE_ARGS
	MOVQ gemmArgs_lda(AX), R9
	MOVQ gemmArgs_next(AX), R15 // prefetched on the way

tile:
	MOVQ BX, R8
	LEAQ (R9)(R9*2), R10
	ADDQ R8, R10
	MOVQ gemmArgs_b(AX), SI
	MOVQ gemmArgs_steps(AX), CX
	ZERO_TILE

	PCALIGN $32

loop:
	PREFETCHT1 (R15)
	STEP(0, 0)
	STEP(4, 64)
	ADDQ $8, R8
	ADDQ $8, R10
	ADDQ $128, SI
	ADDQ $64, R15
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
