//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// V24 = m, V25 = expMin, V26 = log2E, ln2Hi, ln2Lo, exp5, V27 = 1.5·2²³; then R3 is
// at the coefficients.
#define EXP_CONSTANTS \
	MOVD   R4, R3         \
	VLD1R  (R6), [V24.S4] \
	VLD1.P 48(R3), [V25.S4, V26.S4, V27.S4]

// func softmaxNEON(x []float32) (sum float32)
//
// The maximum m first. Of two zeros FMAX takes 0, whichever comes first; exp(x - m)
// is the same for both. Then
//
//	x = max(x - m, expMin)
//	t = x·log2E + 1.5·2²³     n, the nearest integer, is in the low bits
//	n = t - 1.5·2²³
//	x = x - n·ln2Hi - n·ln2Lo
//	t = t << 23               n at the place of the exponent
//	p = polynomial in x
//	p = p + t                 as integers: p·2ⁿ
//	l = l + p                 the lanes of the sum, in memory
//
// The loop takes 32 elements, in two halves, because four instructions are too
// few to hide the latency of one: x is in V0..V3 and V12..V15, t in V4..V7 and
// V16..V19, p in V8..V11 and V20..V23, or in V28..V31 and V24..V27.
TEXT ·softmaxNEON(SB), NOSPLIT, $80-28
	MOVD x_base+0(FP), R0
	MOVD x_len+8(FP), R1
	MOVD R0, R5
	MOVD R1, R2
	VLD1 (R0), V4_7

	PCALIGN $16
maximum:
	VLD1.P 64(R5), V0_3
	SUBS   $16, R2
	ALL(FMAX_4S, 0, 4, 4)
	BNE    maximum

	FOLD_GREATEST(4)
	MOVD  $m-80(SP), R6
	FMOVS F4, (R6)
	MOVD  $l-64(SP), R2
	MOVD  $·expTable(SB), R4
	MOVD  R0, R5 // reads ahead of R0, which writes
	VMOVI $0, V28.B16
	VMOVI $0, V29.B16
	VMOVI $0, V30.B16
	VMOVI $0, V31.B16
	VST1  V28_31, (R2)
	SUBS  $32, R1
	BLT   half

	PCALIGN $16
loop:
	VLD1.P 64(R5), V0_3
	VLD1.P 64(R5), V12_15
	EXP_CONSTANTS
	SUBS   $32, R1
	ALL_BY(FSUB_4S, 24, 0, 0)
	ALL_BY(FSUB_4S, 24, 12, 12)
	ALL_BY(FMAX_4S, 25, 0, 0)
	ALL_BY(FMAX_4S, 25, 12, 12)
	ALL_BY_LANE(FMUL_4S_LANE, 0, 26, 0, 4)
	ALL_BY_LANE(FMUL_4S_LANE, 0, 26, 12, 16)
	ALL_BY(FADD_4S, 27, 4, 4)
	ALL_BY(FADD_4S, 27, 16, 16)
	ALL_BY(FSUB_4S, 27, 4, 8)
	ALL_BY(FSUB_4S, 27, 16, 20)
	ALL_BY_LANE(FMLS_4S_LANE, 1, 26, 8, 0)
	ALL_BY_LANE(FMLS_4S_LANE, 1, 26, 20, 12)
	ALL_BY_LANE(FMLS_4S_LANE, 2, 26, 8, 0)
	ALL_BY_LANE(FMLS_4S_LANE, 2, 26, 20, 12)
	SAME   V8_11
	NEXT   V20_23
	ALL_BY(SHL_4S, 23, 4, 4)
	ALL_BY(SHL_4S, 23, 16, 16)
	SAME   V28_31
	ALL_BY_LANE(FMLA_4S_LANE, 3, 26, 0, 8)
	ALL_BY_LANE(FMLA_4S_LANE, 3, 26, 12, 20)
	NEXT   V24_27
	HORNER(8, 0, 28, SAME, V8_11)
	HORNER(20, 12, 24, NEXT, V20_23)
	HORNER(28, 0, 8, SAME, V28_31)
	HORNER(24, 12, 20, SAME, V24_27)
	HORNER(8, 0, 28, SAME, V8_11)
	HORNER(20, 12, 24, SAME, V20_23)
	ALL(FMLA_4S, 28, 0, 8)
	ALL(FMLA_4S, 24, 12, 20)
	VLD1   (R2), V0_3
	ALL(ADD_4S, 4, 8, 8)
	ALL(ADD_4S, 16, 20, 20)
	ALL(FADD_4S, 8, 0, 0)
	ALL(FADD_4S, 20, 0, 0)
	VST1.P V8_11, 64(R0)
	VST1.P V20_23, 64(R0)
	VST1   V0_3, (R2)
	BGE    loop

half:
	ADDS $32, R1
	BEQ  done
	VLD1 (R5), V0_3
	EXP_CONSTANTS
	ALL_BY(FSUB_4S, 24, 0, 0)
	ALL_BY(FMAX_4S, 25, 0, 0)
	ALL_BY_LANE(FMUL_4S_LANE, 0, 26, 0, 4)
	ALL_BY(FADD_4S, 27, 4, 4)
	ALL_BY(FSUB_4S, 27, 4, 8)
	ALL_BY_LANE(FMLS_4S_LANE, 1, 26, 8, 0)
	ALL_BY_LANE(FMLS_4S_LANE, 2, 26, 8, 0)
	NEXT V8_11
	NEXT V28_31
	ALL_BY(SHL_4S, 23, 4, 4)
	ALL_BY_LANE(FMLA_4S_LANE, 3, 26, 0, 8)
	HORNER(8, 0, 28, NEXT, V8_11)
	HORNER(28, 0, 8, SAME, V28_31)
	HORNER(8, 0, 28, SAME, V8_11)
	ALL(FMLA_4S, 28, 0, 8)
	VLD1 (R2), V0_3
	ALL(ADD_4S, 4, 8, 8)
	ALL(FADD_4S, 8, 0, 0)
	VST1 V8_11, (R0)
	VST1 V0_3, (R2)

done:
	VLD1  (R2), V28_31
	FOLD_SUM
	FMOVS F28, sum+24(FP)
	RET
