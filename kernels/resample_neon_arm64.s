//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"

// The filters of resample.go, in int32. Narrowing saturates in two steps: by 16
// bits to uint16, by 6 more to uint8.

// spread<> takes each of four RGB pixels to the dwords R, G, B, 0.
DATA spread<>+0(SB)/8, $0xffffff01ffffff00
DATA spread<>+8(SB)/8, $0xffffffffffffff02
DATA spread<>+16(SB)/8, $0xffffff04ffffff03
DATA spread<>+24(SB)/8, $0xffffffffffffff05
DATA spread<>+32(SB)/8, $0xffffff07ffffff06
DATA spread<>+40(SB)/8, $0xffffffffffffff08
DATA spread<>+48(SB)/8, $0xffffff0affffff09
DATA spread<>+56(SB)/8, $0xffffffffffffff0b
GLOBL spread<>(SB), NOPTR|RODATA, $64

// func resampleNEON(dst, src []byte, first, coeffs []int32, taps int)
TEXT ·resampleNEON(SB), NOSPLIT, $0-104
	MOVD dst_base+0(FP), R0
	MOVD src_base+24(FP), R1
	MOVD first_base+48(FP), R2
	MOVD first_len+56(FP), R3
	MOVD coeffs_base+72(FP), R4
	MOVD taps+96(FP), R5

	MOVD $spread<>(SB), R6
	VLD1 (R6), [V20.B16, V21.B16, V22.B16, V23.B16]
	MOVD $0x200000, R6 // resampleHalf
	VDUP R6, V24.S4

position:
	MOVW.P 4(R2), R6
	ADD    R6<<1, R6, R6
	ADD    R1, R6, R6            // source
	MOVD   R5, R7
	VORR   V24.B16, V24.B16, V16.B16
	VMOVI  $0, V17.B16

tap:
	VLD1   (R6), [V0.B16]
	ADD    $12, R6, R6
	VLD1.P 16(R4), [V1.S4]
	VTBL   V20.B16, [V0.B16], V2.B16
	VTBL   V21.B16, [V0.B16], V3.B16
	VTBL   V22.B16, [V0.B16], V4.B16
	VTBL   V23.B16, [V0.B16], V5.B16
	MLA_4S_LANE(0, 1, 2, 16)
	MLA_4S_LANE(1, 1, 3, 17)
	MLA_4S_LANE(2, 1, 4, 16)
	MLA_4S_LANE(3, 1, 5, 17)
	SUBS   $4, R7, R7
	BNE    tap

	ADD_4S(17, 16, 16)
	SQSHRUN_4H(16, 16)
	UQSHRN_8B(16, 16)
	VMOV V16.S[0], R6
	MOVH R6, (R0)
	LSR  $16, R6, R6
	MOVB R6, 2(R0)
	ADD  $3, R0, R0
	SUBS $1, R3, R3
	BNE  position
	RET

// func blendNEON(dst, rows []byte, stride int, coeffs []int32)
TEXT ·blendNEON(SB), NOSPLIT, $0-80
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R1
	MOVD rows_base+24(FP), R2
	MOVD stride+48(FP), R3
	MOVD coeffs_base+56(FP), R4
	MOVD coeffs_len+64(FP), R5
	MOVD $0x200000, R6 // resampleHalf
	VDUP R6, V24.S4

block:
	MOVD R2, R6
	MOVD R4, R7
	MOVD R5, R8
	VORR V24.B16, V24.B16, V16.B16
	VORR V24.B16, V24.B16, V17.B16
	VORR V24.B16, V24.B16, V18.B16
	VORR V24.B16, V24.B16, V19.B16

row:
	VLD1    (R6), [V0.B16]
	ADD     R3, R6, R6
	FMOVS.P 4(R7), F1
	VUXTL   V0.B8, V2.H8
	VUXTL2  V0.B16, V3.H8
	VUXTL   V2.H4, V4.S4
	VUXTL2  V2.H8, V5.S4
	VUXTL   V3.H4, V6.S4
	VUXTL2  V3.H8, V7.S4
	MLA_4S_LANE(0, 1, 4, 16)
	MLA_4S_LANE(0, 1, 5, 17)
	MLA_4S_LANE(0, 1, 6, 18)
	MLA_4S_LANE(0, 1, 7, 19)
	SUBS    $1, R8, R8
	BNE     row

	SQSHRUN_4H(16, 16)
	SQSHRUN2_8H(17, 16)
	SQSHRUN_4H(18, 18)
	SQSHRUN2_8H(19, 18)
	UQSHRN_8B(16, 16)
	UQSHRN2_16B(18, 16)
	VST1.P [V16.B16], 16(R0)
	ADD    $16, R2, R2
	SUBS   $16, R1, R1
	BNE    block
	RET
