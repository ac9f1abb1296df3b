//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// func momentsNEON(x []float32, eps float32) (mean, rstd float32)
TEXT ·momentsNEON(SB), NOSPLIT, $0-40
	MOVD   x_base+0(FP), R0
	MOVD   x_len+8(FP), R1
	SCVTFS R1, F20
	MOVD   R0, R2
	MOVD   R1, R3
	VMOVI  $0, V28.B16
	VMOVI  $0, V29.B16
	VMOVI  $0, V30.B16
	VMOVI  $0, V31.B16

	PCALIGN $16
sum:
	VLD1.P 64(R0), V0_3
	SUBS   $16, R1
	ALL(FADD_4S, 0, 28, 28)
	BNE    sum

	FOLD_SUM
	FDIVS F20, F28, F4
	FMOVS F4, mean+32(FP)
	VDUP  V4.S[0], V4.S4
	VMOVI $0, V28.B16
	VMOVI $0, V29.B16
	VMOVI $0, V30.B16
	VMOVI $0, V31.B16

	PCALIGN $16
squares:
	VLD1.P 64(R2), V0_3
	SUBS   $16, R3
	ALL_BY(FSUB_4S, 4, 0, 0)
	ALL(FMLA_4S, 0, 0, 28)
	BNE    squares

	FOLD_SUM
	FDIVS  F20, F28, F28
	FMOVS  eps+24(FP), F0
	FADDS  F0, F28, F28
	FSQRTS F28, F28
	FMOVS  $1.0, F0
	FDIVS  F28, F0, F0
	FMOVS  F0, rstd+36(FP)
	RET

// func normalizeNEON(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32)
TEXT ·normalizeNEON(SB), NOSPLIT, $0-112
	MOVD  dst_base+0(FP), R0
	MOVD  x_base+24(FP), R1
	MOVD  x_len+32(FP), R2
	MOVD  gamma_base+48(FP), R3
	MOVD  beta_base+72(FP), R4
	FMOVS mean+96(FP), F30
	FMOVS rstd+100(FP), F31
	VDUP  V30.S[0], V30.S4
	VDUP  V31.S[0], V31.S4
	VMOVI $0, V12.B16
	VMOVI $0, V13.B16
	VMOVI $0, V14.B16
	VMOVI $0, V15.B16
	VMOVI $0, V16.B16
	VMOVI $0, V17.B16
	VMOVI $0, V18.B16
	VMOVI $0, V19.B16

	PCALIGN $16
loop:
	VLD1.P 64(R1), V0_3
	VLD1.P 64(R3), V4_7
	VLD1.P 64(R4), V8_11
	SUBS   $16, R2
	ALL_BY(FSUB_4S, 30, 0, 0)
	ALL_BY(FMUL_4S, 31, 0, 0)
	ALL(FMLA_4S, 4, 0, 8)
	VST1.P V8_11, 64(R0)
	ALL(FMIN_4S, 8, 12, 12)
	ALL(FMAX_4S, 8, 16, 16)
	BNE    loop

	FOLD_LEAST(12)
	FOLD_GREATEST(16)
	FMOVS F12, least+104(FP)
	FMOVS F16, greatest+108(FP)
	RET
