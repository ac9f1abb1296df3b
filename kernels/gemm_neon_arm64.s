//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "encode_arm64.h"

// The tile is 4 rows of A by 4 columns of B, 16 k at a time:
//   V0..V15   accumulators: V(4r+c) has four partial sums of row r, column c
//   V16..V19  the rows of A
//   V20..V23  the columns of B
//   V24..V31  products of one column with four rows, twice
//   R1, R2    A, B;  R3, R4  row of C, bytes to the next;  R5  rows left

// t = A·b for four rows: 8 int16, each the sum of two products. This cannot
// overflow, since b is never -128.
#define MULTIPLY(b, t) \
	SMULL_8H(b, 16, t+0)  \
	SMULL_8H(b, 17, t+1)  \
	SMULL_8H(b, 18, t+2)  \
	SMULL_8H(b, 19, t+3)  \
	SMLAL2_8H(b, 16, t+0) \
	SMLAL2_8H(b, 17, t+1) \
	SMLAL2_8H(b, 18, t+2) \
	SMLAL2_8H(b, 19, t+3)

// The same, while SUM sums the products u of the column before to c.
#define MULTIPLY_SUM(b, t, SUM, u, c) \
	SMULL_8H(b, 16, t+0)  \
	SUM(u+0, c+0)         \
	SMULL_8H(b, 17, t+1)  \
	SUM(u+1, c+4)         \
	SMULL_8H(b, 18, t+2)  \
	SUM(u+2, c+8)         \
	SMULL_8H(b, 19, t+3)  \
	SUM(u+3, c+12)        \
	SMLAL2_8H(b, 16, t+0) \
	SMLAL2_8H(b, 17, t+1) \
	SMLAL2_8H(b, 18, t+2) \
	SMLAL2_8H(b, 19, t+3)

// 16 k. SUM is SADDLP_4S in the first step, which sets the accumulators, and
// SADALP_4S in the others, which adds to them. A comes from L2, so it is fetched
// ahead; the panel of B stays in L1.
#define STEP(SUM) \
	FLDPQ.P 64(R2), (F20, F21)      \
	FLDPQ.P 64(R1), (F16, F17)      \
	FLDPQ   -32(R1), (F18, F19)     \
	SUBS    $1, R12                 \
	MULTIPLY(20, 24)                \
	FLDPQ   -32(R2), (F22, F23)     \
	MULTIPLY_SUM(21, 28, SUM, 24, 0) \
	PRFM    192(R1), PLDL1KEEP      \
	MULTIPLY_SUM(22, 24, SUM, 28, 1) \
	MULTIPLY_SUM(23, 28, SUM, 24, 2) \
	SUM(28+0, 3+0)                  \
	SUM(28+1, 3+4)                  \
	SUM(28+2, 3+8)                  \
	SUM(28+3, 3+12)

// Sums of neighbors, of two columns of one row.
#define SUM_PAIRS(c0, c1, c2, c3) \
	VADDP c1.S4, c0.S4, c0.S4 \
	VADDP c3.S4, c2.S4, c2.S4

// Stores a row, plus C where the caller asks for it.
#define STORE_ROW(v, V, store) \
	CBZ    R11, store   \
	FMOVQ  (R3), F24    \
	FADD_4S(24, v, v)   \
store:               \
	VST1.P [V.S4], (R3)(R4) \
	SUBS   $1, R5       \
	BEQ    done

// func gemm4x4NEON(args *gemmArgs)
TEXT ·gemm4x4NEON(SB), NOSPLIT, $0-8
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
	MOVD  gemmArgs_b(R0), R2
	MOVD  gemmArgs_steps(R0), R12
	STEP(SADDLP_4S)
	BEQ   sums

	PCALIGN $16
loop:
	STEP(SADALP_4S)
	BNE loop

sums:
	FMOVQ.P 16(R6), F16 // rowScale
	FMOVQ.P 16(R7), F17 // rowZero
	FMOVQ   (R8), F18   // colScale
	FMOVQ   (R9), F19   // colSum
	FMOVQ   (R10), F20  // bias, for each row
	FMOVQ   (R10), F21
	FMOVQ   (R10), F22
	FMOVQ   (R10), F23
	SUM_PAIRS(V0, V1, V2, V3)
	SUM_PAIRS(V4, V5, V6, V7)
	SUM_PAIRS(V8, V9, V10, V11)
	SUM_PAIRS(V12, V13, V14, V15)
	VADDP   V2.S4, V0.S4, V0.S4
	VADDP   V6.S4, V4.S4, V4.S4
	VADDP   V10.S4, V8.S4, V8.S4
	VADDP   V14.S4, V12.S4, V12.S4

	// v = fma(float32(sum - rowZero·colSum)·colScale, rowScale, bias)
	MLS_4S_LANE(0, 17, 19, 0)
	MLS_4S_LANE(1, 17, 19, 4)
	MLS_4S_LANE(2, 17, 19, 8)
	MLS_4S_LANE(3, 17, 19, 12)
	SCVTF_4S(0, 0)
	SCVTF_4S(4, 4)
	SCVTF_4S(8, 8)
	SCVTF_4S(12, 12)
	FMUL_4S(18, 0, 0)
	FMUL_4S(18, 4, 4)
	FMUL_4S(18, 8, 8)
	FMUL_4S(18, 12, 12)
	FMLA_4S_LANE(0, 16, 0, 20)
	FMLA_4S_LANE(1, 16, 4, 21)
	FMLA_4S_LANE(2, 16, 8, 22)
	FMLA_4S_LANE(3, 16, 12, 23)
	STORE_ROW(20, V20, store0)
	STORE_ROW(21, V21, store1)
	STORE_ROW(22, V22, store2)
	STORE_ROW(23, V23, store3)
	MOVD gemmArgs_skip(R0), R12
	ADD  R12, R1, R1
	B    tile

done:
	RET
