//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// d, d+1 = the lesser or greater of n, n+1 and of n+2, n+3.
#define PAIRS(OP, n, d) \
	OP(n+1, n+0, d+0) \
	OP(n+3, n+2, d+1)

// func geluNEON(x []float32) (least, greatest float32)
//
//	u = max(-geluClamp, min(geluClamp, x))
//	y = u²·2/geluClamp² - 1
//	p = polynomial in y
//	p = max(-1, min(1, u·p))
//	h = x/2
//	x = h·p + h
//
// The loop takes 32 elements, in two halves, as expNEON does: y is in V0..V3 and
// V12..V15, u in V4..V7 and V16..V19, p in V8..V11 and V20..V23, or in V24..V27 and
// V28..V31. That is all registers; four lanes of the least and the greatest are in
// memory at R5.
TEXT ·geluNEON(SB), NOSPLIT, $32-32
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	MOVD  $·geluTable(SB), R2
	MOVD  R0, R4 // reads ahead of R0, which writes
	MOVD  $range-32(SP), R5
	STP   (ZR, ZR), (R5)
	STP   (ZR, ZR), 16(R5)
	SUBS  $32, R1
	BLT   half

	PCALIGN $16
loop:
	MOVD   R2, R3
	VLD1.P 64(R4), V0_3
	VLD1.P 64(R4), V12_15
	NEXT   V28_31 // 2/geluClamp², erf[10], 1/2; geluClamp; -geluClamp; 1
	SUBS   $32, R1
	ALL_BY(FMIN_4S, 29, 0, 4)
	ALL_BY(FMIN_4S, 29, 12, 16)
	SAME   V0_3
	NEXT   V12_15
	ALL_BY(FMAX_4S, 30, 4, 4)
	ALL_BY(FMAX_4S, 30, 16, 16)
	ALL(FMUL_4S, 4, 4, 8)
	ALL(FMUL_4S, 16, 16, 20)
	ALL_BY_LANE(FMLA_4S_LANE, 0, 28, 8, 0)
	ALL_BY_LANE(FMLA_4S_LANE, 0, 28, 20, 12)
	SAME   V8_11
	NEXT   V20_23
	SAME   V24_27
	ALL_BY_LANE(FMLA_4S_LANE, 1, 28, 0, 8)
	ALL_BY_LANE(FMLA_4S_LANE, 1, 28, 12, 20)
	NEXT   V28_31
	HORNER(8, 0, 24, SAME, V8_11)
	HORNER(20, 12, 28, NEXT, V20_23)
	HORNER(24, 0, 8, SAME, V24_27)
	HORNER(28, 12, 20, NEXT, V28_31)
	HORNER(8, 0, 24, SAME, V8_11)
	HORNER(20, 12, 28, NEXT, V20_23)
	HORNER(24, 0, 8, SAME, V24_27)
	HORNER(28, 12, 20, NEXT, V28_31)
	HORNER(8, 0, 24, SAME, V8_11)
	HORNER(20, 12, 28, NEXT, V20_23)
	HORNER(24, 0, 8, SAME, V24_27)
	HORNER(28, 12, 20, NEXT, V28_31)
	HORNER(8, 0, 24, SAME, V8_11)
	HORNER(20, 12, 28, NEXT, V20_23)
	HORNER(24, 0, 8, SAME, V24_27)
	HORNER(28, 12, 20, NEXT, V28_31)
	ALL(FMLA_4S, 8, 0, 24)
	ALL(FMLA_4S, 20, 12, 28)
	FLDPQ  (R0), (F0, F1)
	FLDPQ  32(R0), (F2, F3)
	FLDPQ  64(R0), (F12, F13)
	FLDPQ  96(R0), (F14, F15)
	VLD1   (R2), V8_11
	FMOVQ  64(R2), F20 // -1
	ALL(FMUL_4S, 4, 24, 24)
	ALL(FMUL_4S, 16, 28, 28)
	ALL_BY_LANE(FMUL_4S_LANE, 2, 8, 0, 0)
	ALL_BY_LANE(FMUL_4S_LANE, 2, 8, 12, 12)
	ALL_BY(FMIN_4S, 11, 24, 24)
	ALL_BY(FMIN_4S, 11, 28, 28)
	ALL_BY(FMAX_4S, 20, 24, 24)
	ALL_BY(FMAX_4S, 20, 28, 28)
	ALL(FMLA_4S, 24, 0, 0)
	ALL(FMLA_4S, 28, 12, 12)
	VST1.P V0_3, 64(R0)
	VST1.P V12_15, 64(R0)
	FLDPQ  (R5), (F8, F9)
	PAIRS(FMIN_4S, 0, 4)
	PAIRS(FMIN_4S, 12, 6)
	PAIRS(FMAX_4S, 0, 16)
	PAIRS(FMAX_4S, 12, 18)
	PAIRS(FMIN_4S, 4, 4)
	PAIRS(FMAX_4S, 16, 16)
	FMIN_4S(5, 4, 4)
	FMAX_4S(17, 16, 16)
	FMIN_4S(8, 4, 4)
	FMAX_4S(9, 16, 16)
	FSTPQ  (F4, F16), (R5)
	BGE    loop

half:
	ADDS  $32, R1
	BEQ   done
	MOVD  R2, R3
	VLD1  (R0), V0_3
	NEXT  V28_31
	ALL_BY(FMIN_4S, 29, 0, 4)
	NEXT  V0_3
	ALL_BY(FMAX_4S, 30, 4, 4)
	ALL(FMUL_4S, 4, 4, 8)
	ALL_BY_LANE(FMLA_4S_LANE, 0, 28, 8, 0)
	NEXT  V8_11
	NEXT  V24_27
	ALL_BY_LANE(FMLA_4S_LANE, 1, 28, 0, 8)
	HORNER(8, 0, 24, NEXT, V8_11)
	HORNER(24, 0, 8, NEXT, V24_27)
	HORNER(8, 0, 24, NEXT, V8_11)
	HORNER(24, 0, 8, NEXT, V24_27)
	HORNER(8, 0, 24, NEXT, V8_11)
	HORNER(24, 0, 8, NEXT, V24_27)
	HORNER(8, 0, 24, NEXT, V8_11)
	HORNER(24, 0, 8, NEXT, V24_27)
	ALL(FMLA_4S, 8, 0, 24)
	VLD1  (R0), V0_3
	FMOVQ 64(R2), F20 // -1
	ALL(FMUL_4S, 4, 24, 24)
	ALL_BY_LANE(FMUL_4S_LANE, 2, 28, 0, 0)
	ALL_BY(FMIN_4S, 31, 24, 24)
	ALL_BY(FMAX_4S, 20, 24, 24)
	ALL(FMLA_4S, 24, 0, 0)
	VST1  V0_3, (R0)
	FLDPQ (R5), (F8, F9)
	PAIRS(FMIN_4S, 0, 4)
	PAIRS(FMAX_4S, 0, 16)
	FMIN_4S(5, 4, 4)
	FMAX_4S(17, 16, 16)
	FMIN_4S(8, 4, 4)
	FMAX_4S(9, 16, 16)
	FSTPQ (F4, F16), (R5)

done:
	FLDPQ (R5), (F8, F9)
	FMINV_4S(8, 8)
	FMAXV_4S(9, 9)
	FMOVS F8, least+24(FP)
	FMOVS F9, greatest+28(FP)
	RET
