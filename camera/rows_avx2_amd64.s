//go:build !purego

#include "textflag.h"

// The rows of rows.go, 16 pixels at a time, in words. Registers:
//
//	Y0, Y1, Y2   Y, Cb, Cr of 16 pixels: 0 to 7 in the low lane, 8 to 15 in the high one
//	Y13          2 in every word
//	Y14          128 in every word
//	Y15          1<<15 in every doubleword: the half that rounds
//	R8           colorFactors

#define DOUBLEWORDS(name, v) \
	DATA name<>+0(SB)/4, $v; DATA name<>+4(SB)/4, $v; DATA name<>+8(SB)/4, $v; DATA name<>+12(SB)/4, $v; \
	DATA name<>+16(SB)/4, $v; DATA name<>+20(SB)/4, $v; DATA name<>+24(SB)/4, $v; DATA name<>+28(SB)/4, $v; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

#define LANES(name, low, high) \
	DATA name<>+0(SB)/8, $low; DATA name<>+8(SB)/8, $high; DATA name<>+16(SB)/8, $low; DATA name<>+24(SB)/8, $high; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

DOUBLEWORDS(twos, 0x00020002)
DOUBLEWORDS(words128, 0x00800080)
DOUBLEWORDS(half, 0x00008000)
DOUBLEWORDS(lumaMask, 0x00ff00ff)
DOUBLEWORDS(words1, 0x00010001)
DOUBLEWORDS(words7, 0x00070007)
DOUBLEWORDS(words8, 0x00080008)

// Cb and Cr of four pairs of pixels, each as two words.
LANES(yuyvCb, 0x8005800580018001, 0x800d800d80098009)
LANES(yuyvCr, 0x8007800780038003, 0x800f800f800b800b)

// Eight pixels from R0-7 G0-7 in one register and B0-7 in another: the first
// 16 bytes, and the other 8.
LANES(rg0, 0x0a02800901800800, 0x05800c04800b0380)
LANES(b0, 0x8080018080008080, 0x8004808003808002)
LANES(rg1, 0x800f07800e06800d, 0x8080808080808080)
LANES(b1, 0x0780800680800580, 0x8080808080808080)

#define CONSTANTS \
	VMOVDQU twos<>(SB), Y13     \
	VMOVDQU words128<>(SB), Y14 \
	VMOVDQU half<>(SB), Y15

// CONVERT writes the 16 pixels to DI.
#define CONVERT \
	VPSUBW    256(R8), Y0, Y0   \ // Y -= black
	VPSUBW    Y14, Y1, Y1       \ // Cb -= 128
	VPSUBW    Y14, Y2, Y2       \ // Cr -= 128
	VPUNPCKLWD Y2, Y0, Y3       \ // R = (fraction of Y and Cr + half) >> 16
	VPUNPCKHWD Y2, Y0, Y4       \
	VPMADDWD  (R8), Y3, Y3      \
	VPMADDWD  (R8), Y4, Y4      \
	VPADDD    Y15, Y3, Y3       \
	VPADDD    Y15, Y4, Y4       \
	VPSRAD    $16, Y3, Y3       \
	VPSRAD    $16, Y4, Y4       \
	VPACKSSDW Y4, Y3, Y3        \
	VPMULLW   128(R8), Y2, Y4   \ // R += Y + whole * Cr
	VPADDW    Y0, Y3, Y3        \
	VPADDW    Y4, Y3, Y3        \
	VPUNPCKLWD Y1, Y0, Y5       \
	VPUNPCKHWD Y1, Y0, Y6       \
	VPUNPCKLWD Y13, Y2, Y9      \ // Cr and 2
	VPUNPCKHWD Y13, Y2, Y10     \
	VPMADDWD  32(R8), Y5, Y7    \ // G = (fraction of Y, Cb, Cr + half) >> 16
	VPMADDWD  32(R8), Y6, Y8    \
	VPMADDWD  64(R8), Y9, Y9    \
	VPMADDWD  64(R8), Y10, Y10  \
	VPADDD    Y9, Y7, Y7        \
	VPADDD    Y10, Y8, Y8       \
	VPSRAD    $16, Y7, Y7       \
	VPSRAD    $16, Y8, Y8       \
	VPACKSSDW Y8, Y7, Y7        \
	VPMULLW   160(R8), Y1, Y8   \ // G += Y + whole * Cb + whole * Cr
	VPMULLW   192(R8), Y2, Y9   \
	VPADDW    Y0, Y7, Y7        \
	VPADDW    Y8, Y7, Y7        \
	VPADDW    Y9, Y7, Y7        \
	VPMADDWD  96(R8), Y5, Y5    \ // B = (fraction of Y and Cb + half) >> 16
	VPMADDWD  96(R8), Y6, Y6    \
	VPADDD    Y15, Y5, Y5       \
	VPADDD    Y15, Y6, Y6       \
	VPSRAD    $16, Y5, Y5       \
	VPSRAD    $16, Y6, Y6       \
	VPACKSSDW Y6, Y5, Y5        \
	VPMULLW   224(R8), Y1, Y6   \ // B += Y + whole * Cb
	VPADDW    Y0, Y5, Y5        \
	VPADDW    Y6, Y5, Y5        \
	VPACKUSWB Y7, Y3, Y3        \ // R0-7 G0-7 in each lane
	VPACKUSWB Y5, Y5, Y5        \ // B0-7
	VPSHUFB   rg0<>(SB), Y3, Y7 \
	VPSHUFB   b0<>(SB), Y5, Y8  \
	VPSHUFB   rg1<>(SB), Y3, Y9 \
	VPSHUFB   b1<>(SB), Y5, Y10 \
	VPOR      Y8, Y7, Y7        \
	VPOR      Y10, Y9, Y9       \
	VMOVDQU   X7, (DI)          \
	VMOVQ     X9, 16(DI)        \
	VEXTRACTI128 $1, Y7, X7     \
	VEXTRACTI128 $1, Y9, X9     \
	VMOVDQU   X7, 24(DI)        \
	VMOVQ     X9, 40(DI)        \
	ADDQ      $48, DI

// func yuyvAVX2(dst, src *byte, blocks int, f *colorFactors)
TEXT ·yuyvAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVQ f+24(FP), R8
	CONSTANTS
	VMOVDQU yuyvCb<>(SB), Y11
	VMOVDQU yuyvCr<>(SB), Y12

yuyvLoop:
	VMOVDQU (SI), Y2
	VPAND   lumaMask<>(SB), Y2, Y0
	VPSHUFB Y11, Y2, Y1
	VPSHUFB Y12, Y2, Y2
	CONVERT
	ADDQ    $32, SI
	DECQ    CX
	JNZ     yuyvLoop
	VZEROUPPER
	RET

// func yccAVX2(dst, y, cb, cr *byte, blocks int, f *colorFactors)
TEXT ·yccAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ y+8(FP), SI
	MOVQ cb+16(FP), DX
	MOVQ cr+24(FP), BX
	MOVQ blocks+32(FP), CX
	MOVQ f+40(FP), R8
	CONSTANTS

yccLoop:
	VPMOVZXBW (SI), Y0
	VPMOVZXBW (DX), Y1
	VPMOVZXBW (BX), Y2
	CONVERT
	ADDQ      $16, SI
	ADDQ      $16, DX
	ADDQ      $16, BX
	DECQ      CX
	JNZ       yccLoop
	VZEROUPPER
	RET

// func triangleRowAVX2(dst, src *byte, blocks int)
TEXT ·triangleRowAVX2(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    blocks+16(FP), CX
	VMOVDQU words1<>(SB), Y14
	VMOVDQU twos<>(SB), Y15

rowLoop:
	VPMOVZXBW (SI), Y0
	VPMOVZXBW -1(SI), Y1
	VPMOVZXBW 1(SI), Y2
	VPADDW    Y0, Y0, Y3
	VPADDW    Y3, Y0, Y0  // 3*own
	VPADDW    Y14, Y1, Y1
	VPADDW    Y15, Y2, Y2
	VPADDW    Y0, Y1, Y1
	VPADDW    Y0, Y2, Y2
	VPSRLW    $2, Y1, Y1  // (3*own + left + 1) / 4
	VPSRLW    $2, Y2, Y2  // (3*own + right + 2) / 4
	VPSLLW    $8, Y2, Y2
	VPOR      Y2, Y1, Y1
	VMOVDQU   Y1, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	DECQ      CX
	JNZ       rowLoop
	VZEROUPPER
	RET

// SUM is 3*own + other of 16 samples at an offset.
#define SUM(offset, dst, tmp) \
	VPMOVZXBW offset(SI), dst   \
	VPADDW    dst, dst, tmp     \
	VPADDW    tmp, dst, dst     \
	VPMOVZXBW offset(DX), tmp   \
	VPADDW    tmp, dst, dst

// func triangleRowsAVX2(dst, own, other *byte, blocks int)
TEXT ·triangleRowsAVX2(SB), NOSPLIT, $0-32
	MOVQ    dst+0(FP), DI
	MOVQ    own+8(FP), SI
	MOVQ    other+16(FP), DX
	MOVQ    blocks+24(FP), CX
	VMOVDQU words8<>(SB), Y14
	VMOVDQU words7<>(SB), Y15

rowsLoop:
	SUM(0, Y0, Y3)
	SUM(-1, Y1, Y4)
	SUM(1, Y2, Y5)
	VPADDW  Y0, Y0, Y3
	VPADDW  Y3, Y0, Y0  // 3*s
	VPADDW  Y14, Y1, Y1
	VPADDW  Y15, Y2, Y2
	VPADDW  Y0, Y1, Y1
	VPADDW  Y0, Y2, Y2
	VPSRLW  $4, Y1, Y1  // (3*s + left + 8) / 16
	VPSRLW  $4, Y2, Y2  // (3*s + right + 7) / 16
	VPSLLW  $8, Y2, Y2
	VPOR    Y2, Y1, Y1
	VMOVDQU Y1, (DI)
	ADDQ    $16, SI
	ADDQ    $16, DX
	ADDQ    $32, DI
	DECQ    CX
	JNZ     rowsLoop
	VZEROUPPER
	RET
