//go:build !purego

#include "textflag.h"
#include "encode_arm64.h"
#include "lanes_arm64.h"

// round(fma(x, inv, zero)) for 16 elements x, saturated to int8, in v. Adding
// 1.5·2²³ rounds to an integer in the low bits, of which UZP1 takes the lower
// half, an int16. It is done for 32 elements, in two halves, to hide latency.
//   V16, V17  inv, 1.5·2²³;  R1  x;  R4  zero, 16 times
#define MULTIPLY(x, v)  ALL_BY(FMLA_4S, 16, x, v)
#define ROUND(v)        ALL_BY(FADD_4S, 17, v, v)
#define NARROW16(v)     UZP1_8H(v+1, v+0, v+0); UZP1_8H(v+3, v+2, v+2)
#define NARROW8(v)      SQXTN_8B(v+0, v+0); SQXTN2_16B(v+2, v+0)

// V4 and V12.
#define QUANTIZE32 \
	VLD1.P 64(R1), V0_3   \
	VLD1.P 64(R1), V8_11  \
	VLD1   (R4), V4_7     \
	VLD1   (R4), V12_15   \
	MULTIPLY(0, 4)        \
	MULTIPLY(8, 12)       \
	ROUND(4)              \
	ROUND(12)             \
	NARROW16(4)           \
	NARROW16(12)          \
	NARROW8(4)            \
	NARROW8(12)

// V4.
#define QUANTIZE16 \
	VLD1 (R1), V0_3 \
	VLD1 (R4), V4_7 \
	MULTIPLY(0, 4)  \
	ROUND(4)        \
	NARROW16(4)     \
	NARROW8(4)

#define QUANTIZE_ARGS \
	MOVD  dst+0(FP), R0           \
	MOVD  x_base+8(FP), R1        \
	MOVD  x_len+16(FP), R2        \
	FMOVS inv+32(FP), F16         \
	FMOVS zero+36(FP), F4         \
	VDUP  V16.S[0], V16.S4        \
	MOVD  $0x4b400000, R4         \
	VDUP  R4, V17.S4              \
	VDUP  V4.S[0], V4.S4          \
	VDUP  V4.S[0], V5.S4          \
	VDUP  V4.S[0], V6.S4          \
	VDUP  V4.S[0], V7.S4          \
	MOVD  $zeros-64(SP), R4       \
	VST1  V4_7, (R4)

// func minMaxNEON(x []float32, lo, hi float32) (least, greatest float32)
//
// Of two zeros FMIN takes -0 and FMAX 0, whichever comes first. The scale and
// the zero point of the row are the same for both.
TEXT ·minMaxNEON(SB), NOSPLIT, $0-40
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	FMOVS lo+24(FP), F4
	FMOVS hi+28(FP), F8
	VDUP  V4.S[0], V4.S4
	VDUP  V4.S[0], V5.S4
	VDUP  V4.S[0], V6.S4
	VDUP  V4.S[0], V7.S4
	VDUP  V8.S[0], V8.S4
	VDUP  V8.S[0], V9.S4
	VDUP  V8.S[0], V10.S4
	VDUP  V8.S[0], V11.S4
	CBZ   R1, done

	PCALIGN $16
loop:
	VLD1.P 64(R0), V0_3
	SUBS   $16, R1
	ALL(FMIN_4S, 0, 4, 4)
	ALL(FMAX_4S, 0, 8, 8)
	BNE    loop

done:
	FMIN_4S(5, 4, 4)
	FMIN_4S(7, 6, 6)
	FMIN_4S(6, 4, 4)
	FMINV_4S(4, 4)
	FMAX_4S(9, 8, 8)
	FMAX_4S(11, 10, 10)
	FMAX_4S(10, 8, 8)
	FMAXV_4S(8, 8)
	FMOVS F4, least+32(FP)
	FMOVS F8, greatest+36(FP)
	RET

// func quantizeNEON(dst unsafe.Pointer, x []float32, inv, zero float32)
//
// 16 elements of a row are followed by those of three other rows.
TEXT ·quantizeNEON(SB), NOSPLIT, $64-40
	QUANTIZE_ARGS
	MOVD $64, R3
	SUBS $32, R2
	BLT  half

	PCALIGN $16
loop:
	QUANTIZE32
	VST1.P [V4.B16], (R0)(R3)
	VST1.P [V12.B16], (R0)(R3)
	SUBS   $32, R2
	BGE    loop

half:
	ADDS  $32, R2
	BEQ   done
	QUANTIZE16
	FMOVQ F4, (R0)

done:
	RET

// func quantizeI8MM(dst unsafe.Pointer, x []float32, inv, zero float32)
//
// 8 elements of a row are followed by those of seven other rows.
TEXT ·quantizeI8MM(SB), NOSPLIT, $64-40
	QUANTIZE_ARGS
	MOVD $64, R3
	SUBS $32, R2
	BLT  half

	PCALIGN $16
loop:
	QUANTIZE32
	VST1.P V4.D[0], (R0)(R3)
	VST1.P V4.D[1], (R0)(R3)
	VST1.P V12.D[0], (R0)(R3)
	VST1.P V12.D[1], (R0)(R3)
	SUBS   $32, R2
	BGE    loop

half:
	ADDS   $32, R2
	BEQ    done
	QUANTIZE16
	VST1.P V4.D[0], (R0)(R3)
	VST1   V4.D[1], (R0)

done:
	RET
