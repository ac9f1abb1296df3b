//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"

// The inverse DCT of jpeg_idct.go, on the coefficients of eight columns, and
// then on those of eight rows. The even sums e0 to e3 and the odd ones o0 to o3
// are those of butterflies, with the factors of each coefficient added up.
//
//	V0, V1       factors
//	V2 to V11    e0 to e3, o0 to o3, scratch: of four columns
//	V15          what rounds
//	V16 to V23   coefficients 0 to 7
//	V24 to V31   outputs 0 to 7

DATA factors<>+0(SB)/2, $4433
DATA factors<>+2(SB)/2, $-10704
DATA factors<>+4(SB)/2, $10703
DATA factors<>+6(SB)/2, $11363
DATA factors<>+8(SB)/2, $9633
DATA factors<>+10(SB)/2, $6437
DATA factors<>+12(SB)/2, $2260
DATA factors<>+14(SB)/2, $-2259
DATA factors<>+16(SB)/2, $-11362
DATA factors<>+18(SB)/2, $-6436
DATA factors<>+20(SB)/2, $2261
DATA factors<>+22(SB)/2, $-11363
DATA factors<>+24(SB)/8, $0
GLOBL factors<>(SB), RODATA|NOPTR, $32

// BUTTERFLIES is for the low or the high four columns, by the instructions that
// it is given.
#define BUTTERFLIES(MUL, MLA, ADD, SUB) \
	ADD(20, 16, 2)                \
	SUB(20, 16, 3)                \
	VSHL $13, V2.S4, V2.S4        \
	VSHL $13, V3.S4, V3.S4        \
	VADD V15.S4, V2.S4, V2.S4     \ // t0
	VADD V15.S4, V3.S4, V3.S4     \ // t1
	MUL(2, 0, 18, 10)             \
	MLA(0, 0, 22, 10)             \ // t3 = 10703*c2 + 4433*c6
	MUL(0, 0, 18, 11)             \
	MLA(1, 0, 22, 11)             \ // t2 = 4433*c2 - 10704*c6
	VSUB V10.S4, V2.S4, V5.S4     \ // e3
	VADD V10.S4, V2.S4, V2.S4     \ // e0
	VSUB V11.S4, V3.S4, V4.S4     \ // e2
	VADD V11.S4, V3.S4, V3.S4     \ // e1
	MUL(3, 0, 17, 6)              \ // o0 = 11363*c1 + 9633*c3 + 6437*c5 + 2260*c7
	MLA(4, 0, 19, 6)              \
	MLA(5, 0, 21, 6)              \
	MLA(6, 0, 23, 6)              \
	MUL(4, 0, 17, 7)              \ // o1 = 9633*c1 - 2259*c3 - 11362*c5 - 6436*c7
	MLA(7, 0, 19, 7)              \
	MLA(0, 1, 21, 7)              \
	MLA(1, 1, 23, 7)              \
	MUL(5, 0, 17, 8)              \ // o2 = 6437*c1 - 11362*c3 + 2261*c5 + 9633*c7
	MLA(0, 1, 19, 8)              \
	MLA(2, 1, 21, 8)              \
	MLA(4, 0, 23, 8)              \
	MUL(6, 0, 17, 9)              \ // o3 = 2260*c1 - 6436*c3 + 9633*c5 - 11363*c7
	MLA(1, 1, 19, 9)              \
	MLA(4, 0, 21, 9)              \
	MLA(3, 1, 23, 9)

// OUTPUTS narrows the sums and differences to halfwords.
#define OUTPUTS(NARROW) \
	VADD V6.S4, V2.S4, V10.S4 \
	VSUB V6.S4, V2.S4, V11.S4 \
	NARROW(10, 24)            \
	NARROW(11, 31)            \
	VADD V7.S4, V3.S4, V10.S4 \
	VSUB V7.S4, V3.S4, V11.S4 \
	NARROW(10, 25)            \
	NARROW(11, 30)            \
	VADD V8.S4, V4.S4, V10.S4 \
	VSUB V8.S4, V4.S4, V11.S4 \
	NARROW(10, 26)            \
	NARROW(11, 29)            \
	VADD V9.S4, V5.S4, V10.S4 \
	VSUB V9.S4, V5.S4, V11.S4 \
	NARROW(10, 27)            \
	NARROW(11, 28)

#define FIRST_LOW(v, out)  SHRN_4H(11, v, out)
#define FIRST_HIGH(v, out) SHRN2_8H(11, v, out)

#define SECOND_LOW(v, out) \
	SSHR_4S(18, v, v) \
	SQXTN_4H(v, out)

#define SECOND_HIGH(v, out) \
	SSHR_4S(18, v, v) \
	SQXTN2_8H(v, out)

// TRANSPOSE makes V16 to V23 the columns of V24 to V31.
#define TRANSPOSE \
	VTRN1 V25.H8, V24.H8, V2.H8 \
	VTRN2 V25.H8, V24.H8, V3.H8 \
	VTRN1 V27.H8, V26.H8, V4.H8 \
	VTRN2 V27.H8, V26.H8, V5.H8 \
	VTRN1 V29.H8, V28.H8, V6.H8 \
	VTRN2 V29.H8, V28.H8, V7.H8 \
	VTRN1 V31.H8, V30.H8, V8.H8 \
	VTRN2 V31.H8, V30.H8, V9.H8 \
	VTRN1 V4.S4, V2.S4, V24.S4  \
	VTRN2 V4.S4, V2.S4, V26.S4  \
	VTRN1 V5.S4, V3.S4, V25.S4  \
	VTRN2 V5.S4, V3.S4, V27.S4  \
	VTRN1 V8.S4, V6.S4, V28.S4  \
	VTRN2 V8.S4, V6.S4, V30.S4  \
	VTRN1 V9.S4, V7.S4, V29.S4  \
	VTRN2 V9.S4, V7.S4, V31.S4  \
	VTRN1 V28.D2, V24.D2, V16.D2 \
	VTRN2 V28.D2, V24.D2, V20.D2 \
	VTRN1 V29.D2, V25.D2, V17.D2 \
	VTRN2 V29.D2, V25.D2, V21.D2 \
	VTRN1 V30.D2, V26.D2, V18.D2 \
	VTRN2 V30.D2, V26.D2, V22.D2 \
	VTRN1 V31.D2, V27.D2, V19.D2 \
	VTRN2 V31.D2, V27.D2, V23.D2

// STORE writes a row: saturated, and moved from -128 to 127 to a byte.
#define STORE(n, v) \
	SQXTN_8B(n, n)             \
	VEOR v.B8, V14.B8, v.B8    \
	VST1 [v.B8], (R1)          \
	ADD  R2, R1, R1

// func idct8NEON(dst *byte, stride int, b *[64]int16)
TEXT ·idct8NEON(SB), NOSPLIT, $0-24
	MOVD  dst+0(FP), R1
	MOVD  stride+8(FP), R2
	MOVD  b+16(FP), R3
	MOVD  $factors<>(SB), R4
	VLD1  (R4), [V0.H8, V1.H8]
	VLD1.P 64(R3), [V16.H8, V17.H8, V18.H8, V19.H8]
	VLD1  (R3), [V20.H8, V21.H8, V22.H8, V23.H8]

	// Columns.
	MOVD $(1<<10), R5
	VDUP R5, V15.S4
	BUTTERFLIES(SMULL_4S_LANE, SMLAL_4S_LANE, SADDL_4S, SSUBL_4S)
	OUTPUTS(FIRST_LOW)
	BUTTERFLIES(SMULL2_4S_LANE, SMLAL2_4S_LANE, SADDL2_4S, SSUBL2_4S)
	OUTPUTS(FIRST_HIGH)
	TRANSPOSE

	// Rows.
	MOVD $(1<<17), R5
	VDUP R5, V15.S4
	BUTTERFLIES(SMULL_4S_LANE, SMLAL_4S_LANE, SADDL_4S, SSUBL_4S)
	OUTPUTS(SECOND_LOW)
	BUTTERFLIES(SMULL2_4S_LANE, SMLAL2_4S_LANE, SADDL2_4S, SSUBL2_4S)
	OUTPUTS(SECOND_HIGH)
	TRANSPOSE

	VMOVI $128, V14.B16
	STORE(16, V16)
	STORE(17, V17)
	STORE(18, V18)
	STORE(19, V19)
	STORE(20, V20)
	STORE(21, V21)
	STORE(22, V22)
	STORE(23, V23)
	RET
