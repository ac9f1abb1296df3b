//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"

// The rows of rows.go, 16 pixels or samples at a time. Registers:
//
//	V4, V5, V6   Y - black, Cb - 128, Cr - 128 of 8 pixels, in halfwords
//	V13          the luma of black
//	V14          128
//	V15          lanes of colorFactors

#define FACTORS \
	ADD   $288, R0, R0          \
	VLD1  (R0), [V15.B16]       \
	ADD   $16, R0, R0           \
	VLD1  (R0), [V13.B8]        \
	VMOVI $128, V14.B16

// CHANNEL is a channel of 8 pixels: the rounded fractions of Y and of one or two
// chromas, then their whole numbers, in bytes.
#define FRACTION(lane, v) \
	SMLAL_4S_LANE(lane, 15, v, 16)  \
	SMLAL2_4S_LANE(lane, 15, v, 17)

#define LUMA \
	SMULL_4S_LANE(0, 15, 4, 16)  \
	SMULL2_4S_LANE(0, 15, 4, 17)

#define FINISH(lane, v, out) \
	RSHRN_4H(16, 16, 18)        \
	RSHRN2_8H(16, 17, 18)       \
	MLA_8H_LANE(lane, 15, v, 18) \
	VADD V4.H8, V18.H8, V18.H8  \
	SQXTUN_8B(18, out)

#define PIXELS(r, g, b) \
	LUMA           \
	FRACTION(1, 6) \
	FINISH(5, 6, r) \
	LUMA           \
	FRACTION(2, 5) \
	FRACTION(3, 6) \
	FINISH(6, 6, g) \
	LUMA           \
	FRACTION(4, 5) \
	FINISH(7, 5, b)

// func yuyvNEON(dst, src *byte, blocks int, f *colorFactors)
TEXT ·yuyvNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R1
	MOVD src+8(FP), R2
	MOVD blocks+16(FP), R3
	MOVD f+24(FP), R0
	FACTORS

yuyvLoop:
	VLD4.P 32(R2), [V0.B8, V1.B8, V2.B8, V3.B8] // even Y, Cb, odd Y, Cr
	USUBL_8H(14, 1, 5)
	USUBL_8H(14, 3, 6)
	USUBL_8H(13, 0, 4)
	PIXELS(20, 21, 22)
	USUBL_8H(13, 2, 4)
	PIXELS(23, 24, 25)
	VZIP1  V23.B16, V20.B16, V26.B16
	VZIP1  V24.B16, V21.B16, V27.B16
	VZIP1  V25.B16, V22.B16, V28.B16
	VST3.P [V26.B16, V27.B16, V28.B16], 48(R1)
	SUBS   $1, R3, R3
	BNE    yuyvLoop
	RET

// func yccNEON(dst, y, cb, cr *byte, blocks int, f *colorFactors)
TEXT ·yccNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R1
	MOVD y+8(FP), R2
	MOVD cb+16(FP), R4
	MOVD cr+24(FP), R5
	MOVD blocks+32(FP), R3
	LSL  $1, R3, R3 // of 8 pixels
	MOVD f+40(FP), R0
	FACTORS

yccLoop:
	VLD1.P 8(R2), [V0.B8]
	VLD1.P 8(R4), [V1.B8]
	VLD1.P 8(R5), [V2.B8]
	USUBL_8H(13, 0, 4)
	USUBL_8H(14, 1, 5)
	USUBL_8H(14, 2, 6)
	PIXELS(20, 21, 22)
	VST3.P [V20.B8, V21.B8, V22.B8], 24(R1)
	SUBS   $1, R3, R3
	BNE    yccLoop
	RET

// func triangleRowNEON(dst, src *byte, blocks int)
TEXT ·triangleRowNEON(SB), NOSPLIT, $0-24
	MOVD  dst+0(FP), R1
	MOVD  src+8(FP), R2
	MOVD  blocks+16(FP), R3
	LSL   $1, R3, R3
	SUB   $1, R2, R4 // left
	ADD   $1, R2, R5 // right
	VMOVI $3, V14.B16
	MOVD  $1, R6
	VDUP  R6, V15.H8

rowLoop:
	VLD1.P 8(R2), [V0.B8]
	VLD1.P 8(R4), [V1.B8]
	VLD1.P 8(R5), [V2.B8]
	UMULL_8H(14, 0, 3)          // 3*own
	UADDW_8H(1, 3, 4)
	UADDW_8H(2, 3, 5)
	VADD   V15.H8, V4.H8, V4.H8
	SHRN_8B(2, 4, 6)            // (3*own + left + 1) / 4
	RSHRN_8B(2, 5, 7)           // (3*own + right + 2) / 4
	VST2.P [V6.B8, V7.B8], 16(R1)
	SUBS   $1, R3, R3
	BNE    rowLoop
	RET

// SUM is 3*own + other of 8 samples.
#define SUM(own, other, out) \
	UMULL_8H(14, own, out) \
	UADDW_8H(other, out, out)

// func triangleRowsNEON(dst, own, other *byte, blocks int)
TEXT ·triangleRowsNEON(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R1
	MOVD  own+8(FP), R2
	MOVD  other+16(FP), R3
	MOVD  blocks+24(FP), R0
	LSL   $1, R0, R0
	SUB   $1, R2, R4 // left
	ADD   $1, R2, R5 // right
	SUB   $1, R3, R6
	ADD   $1, R3, R7
	VMOVI $3, V14.B16
	MOVD  $7, R8
	VDUP  R8, V15.H8

rowsLoop:
	VLD1.P 8(R2), [V0.B8]
	VLD1.P 8(R3), [V1.B8]
	VLD1.P 8(R4), [V2.B8]
	VLD1.P 8(R6), [V3.B8]
	VLD1.P 8(R5), [V4.B8]
	VLD1.P 8(R7), [V5.B8]
	SUM(0, 1, 16)
	SUM(2, 3, 17)
	SUM(4, 5, 18)
	VADD   V16.H8, V16.H8, V19.H8
	VADD   V19.H8, V16.H8, V16.H8 // 3*s
	VADD   V16.H8, V17.H8, V17.H8
	VADD   V16.H8, V18.H8, V18.H8
	VADD   V15.H8, V18.H8, V18.H8
	RSHRN_8B(4, 17, 6)            // (3*s + left + 8) / 16
	SHRN_8B(4, 18, 7)             // (3*s + right + 7) / 16
	VST2.P [V6.B8, V7.B8], 16(R1)
	SUBS   $1, R0, R0
	BNE    rowsLoop
	RET
