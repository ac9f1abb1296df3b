//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The tile is 6 rows of A by 64 columns of B:
//   Z0..Z23   accumulators, row r in Z4r to Z4r+3
//   Z24..Z27  64 columns of B, four int8 each
//   Z28, Z29  four uint8 of A in every element
//   R8, R10   rows 0 and 3 of A; R9 the bytes of a row
//   R15       what is prefetched, from the next panel on

// c += a · B for the 64 columns; Z24..Z27 += …
#define DOT(a, z, c0, c1, c2, c3) \
	VPBROADCASTD a, z          \
	VPDPBUSD     Z24, z, c0    \
	VPDPBUSD     Z25, z, c1    \
	VPDPBUSD     Z26, z, c2    \
	VPDPBUSD     Z27, z, c3

// Four k for all rows, from the given bytes of A and B.
#define STEP(a, b) \
	VMOVDQU32 (b+0)(SI), Z24                     \
	VMOVDQU32 (b+64)(SI), Z25                    \
	VMOVDQU32 (b+128)(SI), Z26                   \
	VMOVDQU32 (b+192)(SI), Z27                   \
	DOT(a(R8), Z28, Z0, Z1, Z2, Z3)              \
	DOT(a(R8)(R9*1), Z29, Z4, Z5, Z6, Z7)        \
	DOT(a(R8)(R9*2), Z28, Z8, Z9, Z10, Z11)      \
	DOT(a(R10), Z29, Z12, Z13, Z14, Z15)         \
	DOT(a(R10)(R9*1), Z28, Z16, Z17, Z18, Z19)   \
	DOT(a(R10)(R9*2), Z29, Z20, Z21, Z22, Z23)

// One column block of the epilogue: 16 columns from byte off.
#define DEQUANTIZE(off, c) \
	VPMULLD     off(R9), Z28, Z30  \
	VPSUBD      Z30, c, c          \
	VCVTDQ2PS   c, c               \
	VMULPS      off(R8), c, c      \
	VFMADD213PS off(R10), Z29, c

// A row: c = fma(float32(c - rowZero·colSum)·colScale, rowScale, bias), then plus
// C or not.
#define EPILOGUE_ROW(c0, c1, c2, c3, store) \
	VPBROADCASTD (R13), Z28   \
	VBROADCASTSS (R12), Z29   \
	DEQUANTIZE(0, c0)         \
	DEQUANTIZE(64, c1)        \
	DEQUANTIZE(128, c2)       \
	DEQUANTIZE(192, c3)       \
	CMPQ gemmArgs_add(AX), $0 \
	JEQ  store                \
	VADDPS (DI), c0, c0       \
	VADDPS 64(DI), c1, c1     \
	VADDPS 128(DI), c2, c2    \
	VADDPS 192(DI), c3, c3    \
store:                     \
	VMOVUPS c0, (DI)          \
	VMOVUPS c1, 64(DI)        \
	VMOVUPS c2, 128(DI)       \
	VMOVUPS c3, 192(DI)       \
	ADDQ DX, DI               \
	ADDQ $4, R12              \
	ADDQ $4, R13              \
	DECQ R11                  \
	JZ   done

#define ZERO4(c0, c1, c2, c3) \
	VPXORD c0, c0, c0 \
	VPXORD c1, c1, c1 \
	VPXORD c2, c2, c2 \
	VPXORD c3, c3, c3

// func gemm6x64AVX512VNNI(args *gemmArgs)
TEXT ·gemm6x64AVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ args+0(FP), AX
	MOVQ gemmArgs_a(AX), BX
	MOVQ gemmArgs_c(AX), DI
	MOVQ gemmArgs_ldc(AX), DX
	MOVQ gemmArgs_rows(AX), R11
	MOVQ gemmArgs_rowScale(AX), R12
	MOVQ gemmArgs_rowZero(AX), R13
	MOVQ gemmArgs_next(AX), R15

tile:
	MOVQ BX, R8
	MOVQ gemmArgs_lda(AX), R9
	LEAQ (R9)(R9*2), R10
	ADDQ R8, R10
	MOVQ gemmArgs_b(AX), SI
	MOVQ gemmArgs_steps(AX), CX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)
	ZERO4(Z16, Z17, Z18, Z19)
	ZERO4(Z20, Z21, Z22, Z23)

	PCALIGN $64

loop:
	PREFETCHT1 (R15)
	STEP(0, 0)
	STEP(4, 256)
	ADDQ $8, R8
	ADDQ $8, R10
	ADDQ $512, SI
	ADDQ $64, R15
	DECQ CX
	JNZ  loop

	MOVQ gemmArgs_colScale(AX), R8
	MOVQ gemmArgs_colSum(AX), R9
	MOVQ gemmArgs_bias(AX), R10
	EPILOGUE_ROW(Z0, Z1, Z2, Z3, store0)
	EPILOGUE_ROW(Z4, Z5, Z6, Z7, store1)
	EPILOGUE_ROW(Z8, Z9, Z10, Z11, store2)
	EPILOGUE_ROW(Z12, Z13, Z14, Z15, store3)
	EPILOGUE_ROW(Z16, Z17, Z18, Z19, store4)
	EPILOGUE_ROW(Z20, Z21, Z22, Z23, store5)
	ADDQ gemmArgs_tile(AX), BX
	JMP  tile

done:
	VZEROUPPER
	RET
