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
//   R12       steps left;  R13, R14  A and B of the next one
//   R15       the panel of B;  R16  the least R5 of a tile stored as a whole
//   R17, R19  steps of a tile, bytes from one tile of A to the next;  R23  the next
//   R20..R22  the rows of C after the first
// From one tile to the next, V16..V20 hold the operands that the last step has loaded,
// and V3, V7, V11 and V15 are zero, as nothing sets them but adding.
//
// The small cores do instructions in their order, so the order hides what each
// has to wait for: a column's products are summed while the next one's are
// computed, and the operands of the next step are loaded as soon as this one is
// done with their registers. That is 4.1 multiply-accumulates a cycle of a
// Cortex-A53 by llvm-mca, and 3.6 with each step by itself; a Cortex-A72 finds
// the best order itself.

// t = A·b for four rows: 8 int16, each the sum of two products. This cannot
// overflow, since b is never -128. PRODUCTS is the first half of it, while SUM
// sums the products u of the column before to c; the other half is SMLAL2.
#define PRODUCTS(b, t, SUM, u, c) \
	SMULL_8H(b, 16, t+0) \
	SMULL_8H(b, 17, t+1) \
	SUM(u+0, c+0)        \
	SMULL_8H(b, 18, t+2) \
	SUM(u+1, c+4)        \
	SMULL_8H(b, 19, t+3) \
	SUM(u+2, c+8)        \
	SUM(u+3, c+12)

#define COLUMN(b, t, SUM, u, c) \
	PRODUCTS(b, t, SUM, u, c) \
	SMLAL2_8H(b, 16, t+0)     \
	SMLAL2_8H(b, 17, t+1)     \
	SMLAL2_8H(b, 18, t+2)     \
	SMLAL2_8H(b, 19, t+3)

// 16 k. SUM is SADDLP_4S in the first step, which sets the accumulators of three
// columns, and SADALP_4S in the others, which adds to them. LAST does so for the last column
// of the step before, of which the first step has none. The last step loads the
// start of the next tile. A comes from L2, so it is fetched ahead; the panel of B
// stays in L1.
#define STEP(SUM, LAST) \
	SUBS  $1, R12                 \
	FMOVQ 16(R2), F21             \
	FMOVQ 32(R2), F22             \
	FMOVQ 48(R2), F23             \
	PRFM  192(R1), PLDL1KEEP      \
	ADD   $64, R1                 \
	ADD   $64, R2                 \
	CSEL  NE, R1, R23, R13        \
	CSEL  NE, R2, R15, R14        \
	COLUMN(20, 24, LAST, 28, 3)   \
	COLUMN(21, 28, SUM, 24, 0)    \
	COLUMN(22, 24, SUM, 28, 1)    \
	PRODUCTS(23, 28, SUM, 24, 2)  \
	FMOVQ (R14), F20              \
	SMLAL2_8H(23, 16, 28+0)       \
	FMOVQ (R13), F16              \
	SMLAL2_8H(23, 17, 28+1)       \
	FMOVQ 16(R13), F17            \
	SMLAL2_8H(23, 18, 28+2)       \
	FMOVQ 32(R13), F18            \
	SMLAL2_8H(23, 19, 28+3)       \
	FMOVQ 48(R13), F19

#define NOTHING(u, c)

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
	MOVD gemmArgs_b(R0), R15
	MOVD gemmArgs_steps(R0), R17
	MOVD gemmArgs_tile(R0), R19
	MOVD $4, R16
	CBZ  R11, start
	MOVD $(1<<62), R16

start:
	CLEAR_4S(3)
	CLEAR_4S(7)
	CLEAR_4S(11)
	CLEAR_4S(15)
	FLDPQ (R1), (F16, F17)
	FLDPQ 32(R1), (F18, F19)
	FMOVQ (R15), F20

tile:
	ADD  R19, R1, R23
	CMP  $4, R5
	CSEL GT, R23, R15, R23 // behind the last tile nothing may be read
	MOVD R15, R2
	MOVD R17, R12
	STEP(SADDLP_4S, NOTHING)
	BEQ  sums

	PCALIGN $16
loop:
	STEP(SADALP_4S, SADALP_4S)
	BNE loop

sums:
	FMOVQ (R6), F21  // rowScale
	FMOVQ (R7), F22  // rowZero
	FMOVQ (R8), F23  // colScale
	FMOVQ (R9), F24  // colSum
	FMOVQ (R10), F25 // bias, V25..V28 for each row
	ADD   $16, R6
	ADD   $16, R7
	ADD   R4, R3, R20
	ADD   R4<<1, R3, R21
	ADD   R4<<1, R20, R22
	CMP   R16, R5
	SADALP_4S(28+0, 3+0)
	SADALP_4S(28+1, 3+4)
	SADALP_4S(28+2, 3+8)
	SADALP_4S(28+3, 3+12)
	SUM_PAIRS(V0, V1, V2, V3)
	SUM_PAIRS(V4, V5, V6, V7)
	SUM_PAIRS(V8, V9, V10, V11)
	SUM_PAIRS(V12, V13, V14, V15)
	VADDP V2.S4, V0.S4, V0.S4
	VADDP V6.S4, V4.S4, V4.S4
	VADDP V10.S4, V8.S4, V8.S4
	VADDP V14.S4, V12.S4, V12.S4
	VMOV  V25.B16, V26.B16
	VMOV  V25.B16, V27.B16

	// v = fma(float32(sum - rowZero·colSum)·colScale, rowScale, bias), while the
	// accumulators of the last column are cleared for the next tile.
	MLS_4S_LANE(0, 22, 24, 0)
	MLS_4S_LANE(1, 22, 24, 4)
	MLS_4S_LANE(2, 22, 24, 8)
	MLS_4S_LANE(3, 22, 24, 12)
	VMOV V25.B16, V28.B16
	CLEAR_4S(3)
	SCVTF_4S(0, 0)
	SCVTF_4S(4, 4)
	SCVTF_4S(8, 8)
	SCVTF_4S(12, 12)
	CLEAR_4S(7)
	CLEAR_4S(11)
	FMUL_4S(23, 0, 0)
	FMUL_4S(23, 4, 4)
	FMUL_4S(23, 8, 8)
	FMUL_4S(23, 12, 12)
	CLEAR_4S(15)
	FMLA_4S_LANE(0, 21, 0, 25)
	FMLA_4S_LANE(1, 21, 4, 26)
	FMLA_4S_LANE(2, 21, 8, 27)
	FMLA_4S_LANE(3, 21, 12, 28)
	BGE whole
	STORE_ROW(25, V25, store0)
	STORE_ROW(26, V26, store1)
	STORE_ROW(27, V27, store2)
	STORE_ROW(28, V28, store3)
	B   next

whole:
	FMOVQ F25, (R3)
	FMOVQ F26, (R20)
	FMOVQ F27, (R21)
	FMOVQ F28, (R22)
	SUBS  $4, R5
	ADD   R4<<2, R3
	BEQ   done

next:
	MOVD R23, R1
	B    tile

done:
	RET
