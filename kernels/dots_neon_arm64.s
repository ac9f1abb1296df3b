//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// Lanes 8 and then 4 apart.
#define FOLD_TO_4(v) \
	FADD_4S(v+2, v+0, v+0) \
	FADD_4S(v+3, v+1, v+1) \
	FADD_4S(v+1, v+0, v+0)

// func dotsNEON(dst, q, x []float32, ld int)
//
// The lanes of the rows 0 to 3 are in V16..V19, V20..V23, V24..V27, V28..V31.
TEXT ·dotsNEON(SB), NOSPLIT, $0-80
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD q_base+24(FP), R2
	MOVD q_len+32(FP), R3
	MOVD x_base+48(FP), R9
	MOVD ld+72(FP), R5
	LSL  $2, R5

rows:
	MOVD R9, R6
	ADD  R5, R6, R7
	ADD  R5, R7, R8
	ADD  R5, R8, R4
	ADD  R5, R4, R9
	MOVD R2, R10
	MOVD R3, R11
	ALL_CLEAR(16)
	ALL_CLEAR(20)
	ALL_CLEAR(24)
	ALL_CLEAR(28)

	PCALIGN $16
loop:
	VLD1.P 64(R10), V0_3
	VLD1.P 64(R6), V4_7
	VLD1.P 64(R7), V8_11
	VLD1.P 64(R8), V12_15
	SUBS   $16, R11
	ALL(FMLA_4S, 4, 0, 16)
	ALL(FMLA_4S, 8, 0, 20)
	VLD1.P 64(R4), V4_7
	ALL(FMLA_4S, 12, 0, 24)
	ALL(FMLA_4S, 4, 0, 28)
	BNE    loop

	FOLD_TO_4(16)
	FOLD_TO_4(20)
	FOLD_TO_4(24)
	FOLD_TO_4(28)

	// 2 apart, two rows in one register, then 1 apart.
	VZIP1  V20.D2, V16.D2, V0.D2
	VZIP2  V20.D2, V16.D2, V1.D2
	VZIP1  V28.D2, V24.D2, V2.D2
	VZIP2  V28.D2, V24.D2, V3.D2
	FADD_4S(1, 0, 0)
	FADD_4S(3, 2, 2)
	FADDP_4S(2, 0, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R1
	BNE    rows
	RET
