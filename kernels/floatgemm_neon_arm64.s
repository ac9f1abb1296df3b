//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "encode_arm64.h"

// The tile is 4 rows of A by 16 columns of B:
//   V0..V15   accumulators: V(4r+c) has row r, columns 4c to 4c+3
//   V16..V23  two rows of B
//   V24..V27  4 k of the rows of A
//   R1        A, from the tile's first row on;  R2  its lda
//   R6..R9    the four rows of A;  R10, R11  B, its ldb
//   R3, R4    row of C, bytes to the next;  R5  rows left
#define B16_19 [V16.S4, V17.S4, V18.S4, V19.S4]
#define B20_23 [V20.S4, V21.S4, V22.S4, V23.S4]

// The k that lane i of A has, with B in b to b+3.
#define MULTIPLY(i, b) \
	FMLA_4S_LANE(i, 24, b+0, 0)  \
	FMLA_4S_LANE(i, 24, b+1, 1)  \
	FMLA_4S_LANE(i, 24, b+2, 2)  \
	FMLA_4S_LANE(i, 24, b+3, 3)  \
	FMLA_4S_LANE(i, 25, b+0, 4)  \
	FMLA_4S_LANE(i, 25, b+1, 5)  \
	FMLA_4S_LANE(i, 25, b+2, 6)  \
	FMLA_4S_LANE(i, 25, b+3, 7)  \
	FMLA_4S_LANE(i, 26, b+0, 8)  \
	FMLA_4S_LANE(i, 26, b+1, 9)  \
	FMLA_4S_LANE(i, 26, b+2, 10) \
	FMLA_4S_LANE(i, 26, b+3, 11) \
	FMLA_4S_LANE(i, 27, b+0, 12) \
	FMLA_4S_LANE(i, 27, b+1, 13) \
	FMLA_4S_LANE(i, 27, b+2, 14) \
	FMLA_4S_LANE(i, 27, b+3, 15)

// The row of A after another one. A tile of i rows or fewer has it no more, and
// takes the other one again.
#define NEXT_ROW(i, row, next) \
	CMP  $i, R5             \
	CSEL GT, R2, ZR, next   \
	ADD  row, next

// v = fma(acc, rowScale, bias) for one row, stored, plus C where the caller asks
// for it.
#define FINISH_ROW(acc, v, V, store) \
	VLD1    (R16), V                \
	FMOVS.P 4(R15), F24             \
	FMLA_4S_LANE(0, 24, acc+0, v+0) \
	FMLA_4S_LANE(0, 24, acc+1, v+1) \
	FMLA_4S_LANE(0, 24, acc+2, v+2) \
	FMLA_4S_LANE(0, 24, acc+3, v+3) \
	CBZ     R17, store              \
	VLD1    (R3), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FADD_4S(24, v+0, v+0)           \
	FADD_4S(25, v+1, v+1)           \
	FADD_4S(26, v+2, v+2)           \
	FADD_4S(27, v+3, v+3)           \
store:                           \
	VST1.P  V, (R3)(R4)             \
	SUBS    $1, R5                  \
	BEQ     done

// func floatGemm4x16NEON(args *floatArgs)
TEXT ·floatGemm4x16NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD floatArgs_a(R0), R1
	MOVD floatArgs_lda(R0), R2
	MOVD floatArgs_c(R0), R3
	MOVD floatArgs_ldc(R0), R4
	MOVD floatArgs_rows(R0), R5
	MOVD floatArgs_ldb(R0), R11
	MOVD floatArgs_rowScale(R0), R15
	MOVD floatArgs_bias(R0), R16
	MOVD floatArgs_add(R0), R17

tile:
	MOVD  R1, R6
	NEXT_ROW(1, R6, R7)
	NEXT_ROW(2, R7, R8)
	NEXT_ROW(3, R8, R9)
	ADD   R2<<2, R1
	MOVD  floatArgs_b(R0), R10
	MOVD  floatArgs_k(R0), R13
	LSR   $2, R13, R12
	AND   $3, R13
	VMOVI $0, V0.B16
	VMOVI $0, V1.B16
	VMOVI $0, V2.B16
	VMOVI $0, V3.B16
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16
	VMOVI $0, V6.B16
	VMOVI $0, V7.B16
	VMOVI $0, V8.B16
	VMOVI $0, V9.B16
	VMOVI $0, V10.B16
	VMOVI $0, V11.B16
	VMOVI $0, V12.B16
	VMOVI $0, V13.B16
	VMOVI $0, V14.B16
	VMOVI $0, V15.B16
	CBZ   R12, rest

	PCALIGN $16
loop:
	FMOVQ.P 16(R6), F24
	FMOVQ.P 16(R7), F25
	FMOVQ.P 16(R8), F26
	FMOVQ.P 16(R9), F27
	VLD1.P  (R10)(R11), B16_19
	VLD1.P  (R10)(R11), B20_23
	SUBS    $1, R12
	MULTIPLY(0, 16)
	VLD1.P  (R10)(R11), B16_19
	MULTIPLY(1, 20)
	VLD1.P  (R10)(R11), B20_23
	MULTIPLY(2, 16)
	MULTIPLY(3, 20)
	BNE     loop

rest:
	CBZ R13, finish

one:
	FMOVS.P 4(R6), F24
	FMOVS.P 4(R7), F25
	FMOVS.P 4(R8), F26
	FMOVS.P 4(R9), F27
	VLD1.P  (R10)(R11), B16_19
	SUBS    $1, R13
	MULTIPLY(0, 16)
	BNE     one

finish:
	FINISH_ROW(0, 16, B16_19, store0)
	FINISH_ROW(4, 20, B20_23, store1)
	FINISH_ROW(8, 16, B16_19, store2)
	FINISH_ROW(12, 20, B20_23, store3)
	B       tile

done:
	RET
