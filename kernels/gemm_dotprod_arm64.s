//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "encode_arm64.h"

// The tile is 4 rows of A by 16 columns of B, 16 k at a time:
//   V0..V15   accumulators: V(4r+c) has row r, columns 4c to 4c+3
//   V16..V19  16 k of the rows of A
//   V20..V31  4 k of the 16 columns of B, three times
//   R1, R2    A, B;  R3, R4  row of C, bytes to the next;  R5  rows left

// The 4 k that lane i of A has, with B in b to b+3.
#define MULTIPLY(i, b) \
	SDOT_4S_LANE(i, 16, b+0, 0)  \
	SDOT_4S_LANE(i, 17, b+0, 4)  \
	SDOT_4S_LANE(i, 18, b+0, 8)  \
	SDOT_4S_LANE(i, 19, b+0, 12) \
	SDOT_4S_LANE(i, 16, b+1, 1)  \
	SDOT_4S_LANE(i, 17, b+1, 5)  \
	SDOT_4S_LANE(i, 18, b+1, 9)  \
	SDOT_4S_LANE(i, 19, b+1, 13) \
	SDOT_4S_LANE(i, 16, b+2, 2)  \
	SDOT_4S_LANE(i, 17, b+2, 6)  \
	SDOT_4S_LANE(i, 18, b+2, 10) \
	SDOT_4S_LANE(i, 19, b+2, 14) \
	SDOT_4S_LANE(i, 16, b+3, 3)  \
	SDOT_4S_LANE(i, 17, b+3, 7)  \
	SDOT_4S_LANE(i, 18, b+3, 11) \
	SDOT_4S_LANE(i, 19, b+3, 15)

// The accumulators of row r start with -rowZero·colSum: V16, V20 to V23.
#define START_ROW(r, acc) \
	MUL_4S_LANE(r, 16, 20, acc+0) \
	MUL_4S_LANE(r, 16, 21, acc+1) \
	MUL_4S_LANE(r, 16, 22, acc+2) \
	MUL_4S_LANE(r, 16, 23, acc+3)

// v = fma(float32(acc)·colScale, rowScale, bias) for row r, stored, plus C where
// the caller asks for it: V16, V20 to V23.
#define FINISH_ROW(r, acc, v, V, store) \
	VLD1          (R10), V             \
	SCVTF_4S(acc+0, acc+0)             \
	SCVTF_4S(acc+1, acc+1)             \
	SCVTF_4S(acc+2, acc+2)             \
	SCVTF_4S(acc+3, acc+3)             \
	FMUL_4S(20, acc+0, acc+0)          \
	FMUL_4S(21, acc+1, acc+1)          \
	FMUL_4S(22, acc+2, acc+2)          \
	FMUL_4S(23, acc+3, acc+3)          \
	FMLA_4S_LANE(r, 16, acc+0, v+0)    \
	FMLA_4S_LANE(r, 16, acc+1, v+1)    \
	FMLA_4S_LANE(r, 16, acc+2, v+2)    \
	FMLA_4S_LANE(r, 16, acc+3, v+3)    \
	CBZ           R11, store           \
	VLD1          (R3), [V0.S4, V1.S4, V2.S4, V3.S4] \
	FADD_4S(0, v+0, v+0)               \
	FADD_4S(1, v+1, v+1)               \
	FADD_4S(2, v+2, v+2)               \
	FADD_4S(3, v+3, v+3)               \
store:                              \
	VST1.P        V, (R3)(R4)          \
	SUBS          $1, R5               \
	BEQ           done

#define V24_27 [V24.S4, V25.S4, V26.S4, V27.S4]
#define V28_31 [V28.S4, V29.S4, V30.S4, V31.S4]

// func gemm4x16DotProd(args *gemmArgs)
TEXT ·gemm4x16DotProd(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD gemmArgs_a(R0), R1
	MOVD gemmArgs_c(R0), R3
	MOVD gemmArgs_ldc(R0), R4
	MOVD gemmArgs_rows(R0), R5
	MOVD gemmArgs_rowScale(R0), R6
	MOVD gemmArgs_rowZero(R0), R7
	MOVD gemmArgs_colScale(R0), R8
	MOVD gemmArgs_colSum(R0), R9
	MOVD gemmArgs_bias(R0), R10
	MOVD gemmArgs_add(R0), R11

tile:
	MOVD    gemmArgs_b(R0), R2
	MOVD    gemmArgs_steps(R0), R12
	FMOVQ.P 16(R7), F16
	VLD1    (R9), [V20.S4, V21.S4, V22.S4, V23.S4]
	NEG_4S(16, 16)
	START_ROW(0, 0)
	START_ROW(1, 4)
	START_ROW(2, 8)
	START_ROW(3, 12)

	PCALIGN $16
loop:
	VLD1.P 64(R1), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1.P 64(R2), [V24.B16, V25.B16, V26.B16, V27.B16]
	SUBS   $1, R12
	MULTIPLY(0, 20)
	VLD1.P 64(R2), [V28.B16, V29.B16, V30.B16, V31.B16]
	MULTIPLY(1, 24)
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	MULTIPLY(2, 28)
	MULTIPLY(3, 20)
	BNE    loop

	FMOVQ.P 16(R6), F16
	VLD1    (R8), [V20.S4, V21.S4, V22.S4, V23.S4]
	FINISH_ROW(0, 0, 24, V24_27, store0)
	FINISH_ROW(1, 4, 28, V28_31, store1)
	FINISH_ROW(2, 8, 24, V24_27, store2)
	FINISH_ROW(3, 12, 28, V28_31, store3)
	MOVD gemmArgs_skip(R0), R12
	ADD  R12, R1, R1
	B    tile

done:
	RET
