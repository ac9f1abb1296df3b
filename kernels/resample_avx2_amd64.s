//go:build !purego

#include "textflag.h"

// The filters of resample.go. VPMADDWD sums two products of int16 exactly, so
// a coefficient k is split into k = hi·2¹⁶ + lo, lo from -2¹⁵ to 2¹⁵-1; hi is the
// upper half of k + 2¹⁵. Sums wrap, which leaves the low 32 bits right.

// pixels<> takes words out of the bytes of four RGB pixels: in the lower lane
// those of pixels 0 and 1, R0 R1 G0 G1 B0 B1, in the upper one of pixels 2 and 3.
DATA pixels<>+0(SB)/8, $0x8004800180038000
DATA pixels<>+8(SB)/8, $0x8080808080058002
DATA pixels<>+16(SB)/8, $0x800a800780098006
DATA pixels<>+24(SB)/8, $0x80808080800b8008
GLOBL pixels<>(SB), NOPTR|RODATA, $32

// upper<> and lower<> take the halves of coefficients 0 and 1 to all dwords of
// the lower lane, and those of 2 and 3 to the upper one.
DATA upper<>+0(SB)/8, $0x0706030207060302
DATA upper<>+8(SB)/8, $0x0706030207060302
DATA upper<>+16(SB)/8, $0x0f0e0b0a0f0e0b0a
DATA upper<>+24(SB)/8, $0x0f0e0b0a0f0e0b0a
GLOBL upper<>(SB), NOPTR|RODATA, $32
DATA lower<>+0(SB)/8, $0x0504010005040100
DATA lower<>+8(SB)/8, $0x0504010005040100
DATA lower<>+16(SB)/8, $0x0d0c09080d0c0908
DATA lower<>+24(SB)/8, $0x0d0c09080d0c0908
GLOBL lower<>(SB), NOPTR|RODATA, $32

// func resampleAVX2(dst, src []byte, first, coeffs []int32, taps int)
TEXT ·resampleAVX2(SB), NOSPLIT, $0-104
	MOVQ dst_base+0(FP), DI
	MOVQ src_base+24(FP), SI
	MOVQ first_base+48(FP), R8
	MOVQ first_len+56(FP), CX
	MOVQ coeffs_base+72(FP), R9
	MOVQ taps+96(FP), R10

	VMOVDQU      pixels<>(SB), Y8
	VMOVDQU      upper<>(SB), Y9
	VMOVDQU      lower<>(SB), Y10
	MOVL         $0x8000, AX
	VMOVD        AX, X11
	VPBROADCASTD X11, Y11
	MOVL         $0x200000, AX    // resampleHalf
	VMOVD        AX, X12
	VPSHUFD      $0, X12, X12     // the upper lane is 0

position:
	MOVLQSX (R8), AX
	LEAQ    (AX)(AX*2), AX
	ADDQ    SI, AX             // source
	MOVQ    R10, DX
	VMOVDQA Y12, Y0            // sums with lo
	VPXOR   Y1, Y1, Y1         // sums with hi

tap:
	VBROADCASTI128 (AX), Y2
	VBROADCASTI128 (R9), Y3
	VPADDD         Y11, Y3, Y4
	VPSHUFB        Y8, Y2, Y2
	VPSHUFB        Y10, Y3, Y3
	VPSHUFB        Y9, Y4, Y4
	VPMADDWD       Y3, Y2, Y3
	VPMADDWD       Y4, Y2, Y4
	VPADDD         Y3, Y0, Y0
	VPADDD         Y4, Y1, Y1
	ADDQ           $12, AX
	ADDQ           $16, R9
	SUBQ           $4, DX
	JNZ            tap

	VPSLLD       $16, Y1, Y1
	VPADDD       Y1, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VPSRAD       $22, X0, X0 // ResampleBits
	VPACKUSDW    X0, X0, X0
	VPACKUSWB    X0, X0, X0
	VMOVD        X0, AX
	MOVW         AX, (DI)
	SHRL         $16, AX
	MOVB         AX, 2(DI)
	ADDQ         $3, DI
	ADDQ         $4, R8
	DECQ         CX
	JNZ          position
	VZEROUPPER
	RET

// func blendAVX2(dst, rows []byte, stride int, coeffs []int32)
TEXT ·blendAVX2(SB), NOSPLIT, $0-80
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ rows_base+24(FP), SI
	MOVQ stride+48(FP), R8
	MOVQ coeffs_base+56(FP), R9
	MOVQ coeffs_len+64(FP), R10

	MOVL         $0x200000, AX // resampleHalf
	VMOVD        AX, X12
	VPBROADCASTD X12, Y12

block:
	MOVQ    SI, AX
	MOVQ    R9, BX
	MOVQ    R10, DX
	VMOVDQA Y12, Y0
	VMOVDQA Y12, Y1

row:
	VPMOVZXBD    (AX), Y2
	VPMOVZXBD    8(AX), Y3
	VPBROADCASTD (BX), Y4
	VPMULLD      Y4, Y2, Y2
	VPMULLD      Y4, Y3, Y3
	VPADDD       Y2, Y0, Y0
	VPADDD       Y3, Y1, Y1
	ADDQ         R8, AX
	ADDQ         $4, BX
	DECQ         DX
	JNZ          row

	VPSRAD       $22, Y0, Y0 // ResampleBits
	VPSRAD       $22, Y1, Y1
	VPACKUSDW    Y1, Y0, Y0
	VPERMQ       $0xd8, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKUSWB    X1, X0, X0
	VMOVDQU      X0, (DI)
	ADDQ         $16, DI
	ADDQ         $16, SI
	SUBQ         $16, CX
	JNZ          block
	VZEROUPPER
	RET
