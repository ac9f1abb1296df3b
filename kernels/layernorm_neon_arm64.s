//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// func sumNEON(x []float32) (l laneSums)
TEXT ·sumNEON(SB), NOSPLIT, $0-88
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	MOVD  $l+24(FP), R2
	VMOVI $0, V28.B16
	VMOVI $0, V29.B16
	VMOVI $0, V30.B16
	VMOVI $0, V31.B16
	CBZ   R1, done

	PCALIGN $16
loop:
	VLD1.P 64(R0), V0_3
	SUBS   $16, R1
	ALL(FADD_4S, 0, 28, 28)
	BNE    loop

done:
	VST1 V28_31, (R2)
	RET

// func squaresNEON(x []float32, mean float32) (l laneSums)
TEXT ·squaresNEON(SB), NOSPLIT, $0-96
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	FMOVS mean+24(FP), F4
	VDUP  V4.S[0], V4.S4
	MOVD  $l+32(FP), R2
	VMOVI $0, V28.B16
	VMOVI $0, V29.B16
	VMOVI $0, V30.B16
	VMOVI $0, V31.B16
	CBZ   R1, done

	PCALIGN $16
loop:
	VLD1.P 64(R0), V0_3
	SUBS   $16, R1
	ALL_BY(FSUB_4S, 4, 0, 0)
	ALL(FMLA_4S, 0, 0, 28)
	BNE    loop

done:
	VST1 V28_31, (R2)
	RET

// func normalizeNEON(dst, x, gamma, beta []float32, mean, rstd float32)
TEXT ·normalizeNEON(SB), NOSPLIT, $0-104
	MOVD  dst_base+0(FP), R0
	MOVD  x_base+24(FP), R1
	MOVD  x_len+32(FP), R2
	MOVD  gamma_base+48(FP), R3
	MOVD  beta_base+72(FP), R4
	FMOVS mean+96(FP), F30
	FMOVS rstd+100(FP), F31
	VDUP  V30.S[0], V30.S4
	VDUP  V31.S[0], V31.S4
	CBZ   R2, done

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
	BNE    loop

done:
	RET
