//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// func toFloatsNEON(dst []float32, ldd int, src []byte, lds, m, n int)
TEXT ·toFloatsNEON(SB), NOSPLIT, $0-80
	MOVD dst_base+0(FP), R0
	MOVD ldd+24(FP), R1
	MOVD src_base+32(FP), R2
	MOVD lds+56(FP), R3
	MOVD m+64(FP), R4
	MOVD n+72(FP), R5
	LSL  $2, R1

row:
	MOVD R0, R6
	MOVD R2, R7
	MOVD R5, R8

	PCALIGN $16
loop:
	VLD1.P  16(R7), [V4.B16]
	SUBS    $16, R8
	VUSHLL  $0, V4.B8, V5.H8
	VUSHLL2 $0, V4.B16, V6.H8
	VUSHLL  $0, V5.H4, V0.S4
	VUSHLL2 $0, V5.H8, V1.S4
	VUSHLL  $0, V6.H4, V2.S4
	VUSHLL2 $0, V6.H8, V3.S4
	SCVTF_4S(0, 0)
	SCVTF_4S(1, 1)
	SCVTF_4S(2, 2)
	SCVTF_4S(3, 3)
	VST1.P  V0_3, 64(R6)
	BNE     loop

	ADD  R1, R0
	ADD  R3, R2
	SUBS $1, R4
	BNE  row
	RET
