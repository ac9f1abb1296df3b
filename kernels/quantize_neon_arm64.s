//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"

// V4 = 16 int8 of the 16 float32 at R1:
// clamp(round(fma(x, inv, zero))), which the narrowing saturates to.
//   V16, V17  inv, zero in every lane
#define QUANTIZE16 \
	FLDPQ.P   64(R1), (F0, F1)     \
	FLDPQ     -32(R1), (F2, F3)    \
	VMOV      V17.B16, V4.B16      \
	VMOV      V17.B16, V5.B16      \
	VMOV      V17.B16, V6.B16      \
	VMOV      V17.B16, V7.B16      \
	VFMLA     V16.S4, V0.S4, V4.S4 \
	VFMLA     V16.S4, V1.S4, V5.S4 \
	VFMLA     V16.S4, V2.S4, V6.S4 \
	VFMLA     V16.S4, V3.S4, V7.S4 \
	FCVTNS_4S(4, 4)                \
	FCVTNS_4S(5, 5)                \
	FCVTNS_4S(6, 6)                \
	FCVTNS_4S(7, 7)                \
	SQXTN_4H(4, 4)                 \
	SQXTN_4H(6, 6)                 \
	SQXTN2_8H(5, 4)                \
	SQXTN2_8H(7, 6)                \
	SQXTN_8B(4, 4)                 \
	SQXTN2_16B(6, 4)

// func quantizeNEON(dst unsafe.Pointer, x []float32, inv, zero float32)
TEXT ·quantizeNEON(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R0
	MOVD  x_base+8(FP), R1
	MOVD  x_len+16(FP), R2
	FMOVS inv+32(FP), F16
	FMOVS zero+36(FP), F17
	VDUP  V16.S[0], V16.S4
	VDUP  V17.S[0], V17.S4

	PCALIGN $16
loop:
	QUANTIZE16
	FMOVQ.P F4, 64(R0) // the other rows of the group lie in between
	SUBS    $16, R2
	BNE     loop
	RET

// func quantizeI8MM(dst unsafe.Pointer, x []float32, inv, zero float32)
TEXT ·quantizeI8MM(SB), NOSPLIT, $0-40
	MOVD  dst+0(FP), R0
	MOVD  x_base+8(FP), R1
	MOVD  x_len+16(FP), R2
	FMOVS inv+32(FP), F16
	FMOVS zero+36(FP), F17
	VDUP  V16.S[0], V16.S4
	VDUP  V17.S[0], V17.S4
	ADD   $64, R0, R3
	MOVD  $128, R4

	PCALIGN $16
loop:
	QUANTIZE16
	VST1.P [V4.D1], (R0)(R4)
	VST1.P V4.D[1], (R3)(R4)
	SUBS   $16, R2
	BNE    loop
	RET
