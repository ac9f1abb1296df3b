//go:build !purego

#include "textflag.h"

// The 4×4 elements in the registers a to d, transposed; t0 to t3 are scratch.
#define TRANSPOSE4(a, b, c, d, t0, t1, t2, t3) \
	VZIP1 b.S4, a.S4, t0.S4  \ // a0 b0 a1 b1
	VZIP2 b.S4, a.S4, t1.S4  \ // a2 b2 a3 b3
	VZIP1 d.S4, c.S4, t2.S4  \
	VZIP2 d.S4, c.S4, t3.S4  \
	VZIP1 t2.D2, t0.D2, a.D2 \ // a0 b0 c0 d0
	VZIP2 t2.D2, t0.D2, b.D2 \
	VZIP1 t3.D2, t1.D2, c.D2 \
	VZIP2 t3.D2, t1.D2, d.D2

// func transposeNEON(dst []float32, ldd int, src []float32, lds, k int)
//
// Four elements of eight rows at a time, first of the rows 0 to 7, then of 8 to 15:
//   R0, R1    the next results, bytes from one to the next
//   R4..R11   the rows
//   R12       elements left;  R13  half a result behind the first
TEXT ·transposeNEON(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD ldd+24(FP), R1
	MOVD src_base+32(FP), R4
	MOVD lds+56(FP), R2
	LSL  $2, R1
	LSL  $2, R2
	ADD  $32, R0, R13

half:
	ADD  R2, R4, R5
	ADD  R2, R5, R6
	ADD  R2, R6, R7
	ADD  R2, R7, R8
	ADD  R2, R8, R9
	ADD  R2, R9, R10
	ADD  R2, R10, R11
	ADD  R2, R11, R3 // the first row of the second half
	MOVD k+64(FP), R12

	PCALIGN $16
loop:
	FMOVQ.P 16(R4), F0
	FMOVQ.P 16(R5), F1
	FMOVQ.P 16(R6), F2
	FMOVQ.P 16(R7), F3
	FMOVQ.P 16(R8), F16
	FMOVQ.P 16(R9), F17
	FMOVQ.P 16(R10), F18
	FMOVQ.P 16(R11), F19
	SUBS    $4, R12
	TRANSPOSE4(V0, V1, V2, V3, V4, V5, V6, V7)
	TRANSPOSE4(V16, V17, V18, V19, V20, V21, V22, V23)
	FSTPQ   (F0, F16), (R0)
	ADD     R1, R0
	FSTPQ   (F1, F17), (R0)
	ADD     R1, R0
	FSTPQ   (F2, F18), (R0)
	ADD     R1, R0
	FSTPQ   (F3, F19), (R0)
	ADD     R1, R0
	BNE     loop

	// The pointer to dst of the second half is used up by the third.
	MOVD R3, R4
	MOVD R13, R0
	MOVD ZR, R13
	CBNZ R0, half
	RET
