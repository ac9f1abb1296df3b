//go:build !purego

#include "textflag.h"

// The inverse DCT of jpeg_idct.go. A vector holds eight columns in the first
// pass and eight rows in the second. Coefficients lie in pairs, so that one
// VPMADDWD takes two products and their sum:
//
//	Y0  c0 c4    Y1  c2 c6    Y2  c1 c3    Y3  c5 c7
//
// The even sums e0 to e3 and the odd ones o0 to o3 are those of butterflies,
// with the factors of each coefficient added up.

#define PAIRS(name, v) \
	DATA name<>+0(SB)/4, $v; DATA name<>+4(SB)/4, $v; DATA name<>+8(SB)/4, $v; DATA name<>+12(SB)/4, $v; \
	DATA name<>+16(SB)/4, $v; DATA name<>+20(SB)/4, $v; DATA name<>+24(SB)/4, $v; DATA name<>+28(SB)/4, $v; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

#define LANES(name, low, high) \
	DATA name<>+0(SB)/8, $low; DATA name<>+8(SB)/8, $high; DATA name<>+16(SB)/8, $low; DATA name<>+24(SB)/8, $high; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

PAIRS(t0, 0x20002000)   // 8192*c0 + 8192*c4
PAIRS(t1, 0xe0002000)   // 8192*c0 - 8192*c4
PAIRS(t2, 0xd6301151)   // 4433*c2 - 10704*c6
PAIRS(t3, 0x115129cf)   // 10703*c2 + 4433*c6
PAIRS(o013, 0x25a12c63) // 11363*c1 + 9633*c3
PAIRS(o057, 0x08d41925) // 6437*c5 + 2260*c7
PAIRS(o113, 0xf72d25a1) // 9633*c1 - 2259*c3
PAIRS(o157, 0xe6dcd39e) // -11362*c5 - 6436*c7
PAIRS(o213, 0xd39e1925) // 6437*c1 - 11362*c3
PAIRS(o257, 0x25a108d5) // 2261*c5 + 9633*c7
PAIRS(o313, 0xe6dc08d4) // 2260*c1 - 6436*c3
PAIRS(o357, 0xd39d25a1) // 9633*c5 - 11363*c7

PAIRS(round1, 0x00000400) // half of 1<<11
PAIRS(round2, 0x00020000) // half of 1<<18
PAIRS(bytes128, 0x80808080)

LANES(order, 0x0d0c050409080100, 0x0f0e0b0a07060302)     // words 0 4 2 6 1 3 5 7
LANES(transpose4, 0x0d0905010c080400, 0x0f0b07030e0a0602) // bytes of a 4x4 matrix

// LOAD makes a pair of two rows of coefficients.
#define LOAD(first, second, dst, tmp) \
	VPMOVZXWD (16*first)(SI), dst  \
	VPMOVZXWD (16*second)(SI), tmp \
	VPSLLD    $16, tmp, tmp        \
	VPOR      tmp, dst, dst

// ODD makes two outputs from an even sum and the pairs of odd coefficients:
// sum and difference; difference may be the even sum's register.
#define ODD(k13, k57, even, sum, difference) \
	VPMADDWD k13<>(SB), Y2, Y6 \
	VPMADDWD k57<>(SB), Y3, Y7 \
	VPADDD   Y7, Y6, Y6        \
	VPADDD   Y6, even, sum     \
	VPSUBD   Y6, even, difference

// BUTTERFLIES transforms Y0 to Y3 and adds Y15. Outputs 0 to 7 are in Y10, Y11,
// Y12, Y13, Y4, Y5, Y9, Y8.
#define BUTTERFLIES \
	VPMADDWD t0<>(SB), Y0, Y4 \
	VPMADDWD t1<>(SB), Y0, Y5 \
	VPMADDWD t2<>(SB), Y1, Y6 \
	VPMADDWD t3<>(SB), Y1, Y7 \
	VPADDD   Y15, Y4, Y4      \
	VPADDD   Y15, Y5, Y5      \
	VPADDD   Y7, Y4, Y8       \ // e0
	VPSUBD   Y7, Y4, Y4       \ // e3
	VPADDD   Y6, Y5, Y9       \ // e1
	VPSUBD   Y6, Y5, Y5       \ // e2
	ODD(o013, o057, Y8, Y10, Y8) \
	ODD(o113, o157, Y9, Y11, Y9) \
	ODD(o213, o257, Y5, Y12, Y5) \
	ODD(o313, o357, Y4, Y13, Y4)

// NARROW is int32(int16(v >> 11)).
#define NARROW(v) \
	VPSLLD $5, v, v \
	VPSRAD $16, v, v

// func idct8AVX2(dst *byte, stride int, b *[64]int16)
TEXT ·idct8AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ b+16(FP), SI

	// Columns.
	LOAD(0, 4, Y0, Y4)
	LOAD(2, 6, Y1, Y5)
	LOAD(1, 3, Y2, Y6)
	LOAD(5, 7, Y3, Y7)
	VMOVDQU round1<>(SB), Y15
	BUTTERFLIES
	NARROW(Y10)
	NARROW(Y11)
	NARROW(Y12)
	NARROW(Y13)
	NARROW(Y4)
	NARROW(Y5)
	NARROW(Y9)
	NARROW(Y8)

	// Row 0 in the low lane and row 4 in the high one, and so on, each in the
	// order of the pairs.
	VMOVDQU   order<>(SB), Y14
	VPACKSSDW Y4, Y10, Y0
	VPACKSSDW Y5, Y11, Y1
	VPACKSSDW Y9, Y12, Y2
	VPACKSSDW Y8, Y13, Y3
	VPERMQ    $0xd8, Y0, Y0
	VPERMQ    $0xd8, Y1, Y1
	VPERMQ    $0xd8, Y2, Y2
	VPERMQ    $0xd8, Y3, Y3
	VPSHUFB   Y14, Y0, Y0
	VPSHUFB   Y14, Y1, Y1
	VPSHUFB   Y14, Y2, Y2
	VPSHUFB   Y14, Y3, Y3

	// From four pairs of a row to one pair of all rows.
	VPUNPCKLDQ  Y1, Y0, Y4
	VPUNPCKHDQ  Y1, Y0, Y5
	VPUNPCKLDQ  Y3, Y2, Y6
	VPUNPCKHDQ  Y3, Y2, Y7
	VPUNPCKLQDQ Y6, Y4, Y0
	VPUNPCKHQDQ Y6, Y4, Y1
	VPUNPCKLQDQ Y7, Y5, Y2
	VPUNPCKHQDQ Y7, Y5, Y3

	// Rows.
	VMOVDQU round2<>(SB), Y15
	BUTTERFLIES
	VPSRAD  $18, Y10, Y10
	VPSRAD  $18, Y11, Y11
	VPSRAD  $18, Y12, Y12
	VPSRAD  $18, Y13, Y13
	VPSRAD  $18, Y4, Y4
	VPSRAD  $18, Y5, Y5
	VPSRAD  $18, Y9, Y9
	VPSRAD  $18, Y8, Y8

	// To bytes, with saturation, from columns back to rows: 0 to 3 in the low
	// lane, 4 to 7 in the high one.
	VPACKSSDW  Y11, Y10, Y0
	VPACKSSDW  Y13, Y12, Y1
	VPACKSSDW  Y5, Y4, Y2
	VPACKSSDW  Y8, Y9, Y3
	VPACKSSWB  Y1, Y0, Y0
	VPACKSSWB  Y3, Y2, Y1
	VPSHUFB    transpose4<>(SB), Y0, Y0
	VPSHUFB    transpose4<>(SB), Y1, Y1
	VPADDB     bytes128<>(SB), Y0, Y0
	VPADDB     bytes128<>(SB), Y1, Y1
	VPUNPCKLDQ Y1, Y0, Y2
	VPUNPCKHDQ Y1, Y0, Y3

	VEXTRACTI128 $1, Y2, X4
	VEXTRACTI128 $1, Y3, X5
	LEAQ    (DI)(DX*2), BX
	LEAQ    (DI)(DX*4), R8
	LEAQ    (BX)(DX*4), R9
	VMOVQ   X2, (DI)
	VPEXTRQ $1, X2, (DI)(DX*1)
	VMOVQ   X3, (BX)
	VPEXTRQ $1, X3, (BX)(DX*1)
	VMOVQ   X4, (R8)
	VPEXTRQ $1, X4, (R8)(DX*1)
	VMOVQ   X5, (R9)
	VPEXTRQ $1, X5, (R9)(DX*1)
	VZEROUPPER
	RET
