//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "encode_arm64.h"

// The tile is 8 rows of A by 8 columns of B, 16 k at a time. SMMLA multiplies two
// rows by two columns, 8 k each:
//   V0..V15            accumulators: V(4i+c) has rows 2i and 2i+1 of columns 2c
//                      and 2c+1, row by row
//   V16..V19, V24..27  8 k of the rows of A, two rows a register, twice
//   V20..V23, V28..31  the same of the columns of B
//   R1, R2  A, B;  R3, R4  row of C, bytes to the next;  R5  rows left

// 8 k, with A in a to a+3 and B in b to b+3.
#define MULTIPLY(a, b) \
	SMMLA_4S(b+0, a+0, 0)  \
	SMMLA_4S(b+0, a+1, 4)  \
	SMMLA_4S(b+0, a+2, 8)  \
	SMMLA_4S(b+0, a+3, 12) \
	SMMLA_4S(b+1, a+0, 1)  \
	SMMLA_4S(b+1, a+1, 5)  \
	SMMLA_4S(b+1, a+2, 9)  \
	SMMLA_4S(b+1, a+3, 13) \
	SMMLA_4S(b+2, a+0, 2)  \
	SMMLA_4S(b+2, a+1, 6)  \
	SMMLA_4S(b+2, a+2, 10) \
	SMMLA_4S(b+2, a+3, 14) \
	SMMLA_4S(b+3, a+0, 3)  \
	SMMLA_4S(b+3, a+1, 7)  \
	SMMLA_4S(b+3, a+2, 11) \
	SMMLA_4S(b+3, a+3, 15)

// The accumulators of a pair of rows start with -rowZero·colSum: zeros has the
// zero point of each row twice, V20 to V23 have the sums of two columns twice.
#define START_ROWS(zeros, acc) \
	MUL_4S(20, zeros, acc+0) \
	MUL_4S(21, zeros, acc+1) \
	MUL_4S(22, zeros, acc+2) \
	MUL_4S(23, zeros, acc+3)

// v = fma(float32(acc)·colScale, rowScale, bias) for the pair of rows whose scales
// are in lanes i and j of a register. V18 and V19 have colScale.
#define FINISH_ROWS(c0, c1, c2, c3, scale, i, j, store, store2) \
	FLDPQ (R10), (F28, F29)    \
	FLDPQ (R10), (F30, F31)    \
	VUZP1 c1.D2, c0.D2, V24.D2 \
	VUZP1 c3.D2, c2.D2, V25.D2 \
	VUZP2 c1.D2, c0.D2, V26.D2 \
	VUZP2 c3.D2, c2.D2, V27.D2 \
	SCVTF_4S(24, 24)           \
	SCVTF_4S(25, 25)           \
	SCVTF_4S(26, 26)           \
	SCVTF_4S(27, 27)           \
	FMUL_4S(18, 24, 24)        \
	FMUL_4S(19, 25, 25)        \
	FMUL_4S(18, 26, 26)        \
	FMUL_4S(19, 27, 27)        \
	FMLA_4S_LANE(i, scale, 24, 28) \
	FMLA_4S_LANE(i, scale, 25, 29) \
	FMLA_4S_LANE(j, scale, 26, 30) \
	FMLA_4S_LANE(j, scale, 27, 31) \
	STORE_ROW(28, F28, F29, store) \
	STORE_ROW(30, F30, F31, store2)

// Stores a row, plus C where the caller asks for it.
#define STORE_ROW(v, f, g, store) \
	CBZ   R11, store         \
	FLDPQ (R3), (F24, F25)   \
	FADD_4S(24, v+0, v+0)    \
	FADD_4S(25, v+1, v+1)    \
store:                    \
	FSTPQ (f, g), (R3)       \
	ADD   R4, R3             \
	SUBS  $1, R5             \
	BEQ   done

// func gemm8x8I8MM(args *gemmArgs)
TEXT ·gemm8x8I8MM(SB), NOSPLIT, $0-8
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
	FLDPQ.P 32(R7), (F24, F25)
	FLDPQ   (R9), (F26, F27)
	NEG_4S(24, 24)
	NEG_4S(25, 25)
	VZIP1   V24.S4, V24.S4, V16.S4
	VZIP2   V24.S4, V24.S4, V17.S4
	VZIP1   V25.S4, V25.S4, V18.S4
	VZIP2   V25.S4, V25.S4, V19.S4
	VZIP1   V26.D2, V26.D2, V20.D2
	VZIP2   V26.D2, V26.D2, V21.D2
	VZIP1   V27.D2, V27.D2, V22.D2
	VZIP2   V27.D2, V27.D2, V23.D2
	START_ROWS(16, 0)
	START_ROWS(17, 4)
	START_ROWS(18, 8)
	START_ROWS(19, 12)

	PCALIGN $16
loop:
	FLDPQ 0(R1), (F16, F17)
	FLDPQ 32(R1), (F18, F19)
	FLDPQ 0(R2), (F20, F21)
	FLDPQ 32(R2), (F22, F23)
	FLDPQ 64(R1), (F24, F25)
	FLDPQ 96(R1), (F26, F27)
	FLDPQ 64(R2), (F28, F29)
	FLDPQ 96(R2), (F30, F31)
	ADD   $128, R1
	ADD   $128, R2
	SUBS  $1, R12
	MULTIPLY(16, 20)
	MULTIPLY(24, 28)
	BNE   loop

	FLDPQ.P 32(R6), (F16, F17)
	FLDPQ   (R8), (F18, F19)
	FINISH_ROWS(V0, V1, V2, V3, 16, 0, 1, store0, store1)
	FINISH_ROWS(V4, V5, V6, V7, 16, 2, 3, store2, store3)
	FINISH_ROWS(V8, V9, V10, V11, 17, 0, 1, store4, store5)
	FINISH_ROWS(V12, V13, V14, V15, 17, 2, 3, store6, store7)
	MOVD gemmArgs_skip(R0), R12
	ADD  R12, R1, R1
	B    tile

done:
	RET
