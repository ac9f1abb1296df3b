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

// The arguments, and rowScale in quantize.go: r in F2, its inverse in V16, the zero
// point 16 times in memory at R4, because loads are free where moves are not.
#define QUANTIZE_ARGS(scaled) \
	MOVD     dst+0(FP), R0               \
	MOVD     x_base+8(FP), R1            \
	MOVD     x_len+16(FP), R2            \
	FMOVS    lo+32(FP), F0               \
	FMOVS    hi+36(FP), F1               \
	FSUBS    F0, F1, F2                  \
	FMOVS    $(255.0), F3                \
	FDIVS    F2, F3, F16                 \
	FDIVS    F3, F2, F5                  \
	FMULS    F16, F0, F4                 \
	FMOVS    $(-128.0), F6               \
	FSUBS    F4, F6, F4                  \
	FRINTNS  F4, F4                      \
	FMOVS    $(7.888609052210118e-31), F6 \ // 2⁻¹⁰⁰
	FCMPS    F6, F2                      \
	BGE      scaled                      \
	FMOVS    $1.0, F16                   \
	FMOVS    $1.0, F5                    \
	FMOVS    ZR, F4                      \
scaled:                               \
	FCVTZSSW F4, R3                      \
	FMOVS    F5, scale+40(FP)            \
	MOVW     R3, zero+44(FP)             \
	VDUP     V16.S[0], V16.S4            \
	MOVD     $0x4b400000, R4             \
	VDUP     R4, V17.S4                  \
	VDUP     V4.S[0], V4.S4              \
	VDUP     V4.S[0], V5.S4              \
	VDUP     V4.S[0], V6.S4              \
	VDUP     V4.S[0], V7.S4              \
	MOVD     $zeros-64(SP), R4           \
	VST1     V4_7, (R4)

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
	FOLD_LEAST(4)
	FOLD_GREATEST(8)
	FMOVS F4, least+32(FP)
	FMOVS F8, greatest+36(FP)
	RET

// func quantizeNEON(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)
//
// 16 elements of a row are followed by those of three other rows.
TEXT ·quantizeNEON(SB), NOSPLIT, $64-48
	QUANTIZE_ARGS(scaled)
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

// func quantizeI8MM(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32)
//
// 8 elements of a row are followed by those of seven other rows.
TEXT ·quantizeI8MM(SB), NOSPLIT, $64-48
	QUANTIZE_ARGS(scaled)
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

// func roundNEON(dst unsafe.Pointer, x []float32, inv float32) (sum int32)
//
// The sum is that of the integers as ROUND leaves them, 0x4b400000 too much each.
TEXT ·roundNEON(SB), NOSPLIT, $0-44
	MOVD  dst+0(FP), R0
	MOVD  x_base+8(FP), R1
	MOVD  x_len+16(FP), R2
	FMOVS inv+32(FP), F16
	MOVD  $0x4b400000, R4
	MULW  R4, R2, R5
	VDUP  V16.S[0], V16.S4
	VDUP  R4, V17.S4
	VMOVI $0, V4.B16
	VMOVI $0, V5.B16
	VMOVI $0, V6.B16
	VMOVI $0, V7.B16

	PCALIGN $16
loop:
	VLD1.P 64(R1), V0_3
	SUBS   $16, R2
	ALL_BY(FMUL_4S, 16, 0, 0)
	ROUND(0)
	ALL(ADD_4S, 0, 4, 4)
	NARROW16(0)
	NARROW8(0)
	FMOVQ.P F0, 16(R0)
	BNE    loop

	ADD_4S(5, 4, 4)
	ADD_4S(7, 6, 6)
	ADD_4S(6, 4, 4)
	VADDV V4.S4, V4
	VMOV  V4.S[0], R3
	SUBW  R5, R3
	MOVW  R3, sum+40(FP)
	RET
