//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The AVX2 tile is 6 rows of A by 16 columns of B, as gemm_avx2_amd64.s has it, one
// k at a time:
//   Y0..Y11   accumulators
//   Y12, Y13  16 columns of B
//   Y14       an element of A, eight times
#define MULADD(a, c0, c1) \
	VBROADCASTSS a, Y14       \
	VFMADD231PS  Y12, Y14, c0 \
	VFMADD231PS  Y13, Y14, c1

#define EPILOGUE_ROW(c0, c1, store) \
	VBROADCASTSS (R12), Y14           \
	VFMADD213PS  (R13), Y14, c0       \
	VFMADD213PS  32(R13), Y14, c1     \
	CMPQ         floatArgs_add(AX), $0 \
	JEQ          store                \
	VADDPS       (DI), c0, c0         \
	VADDPS       32(DI), c1, c1       \
store:                             \
	VMOVUPS      c0, (DI)             \
	VMOVUPS      c1, 32(DI)           \
	ADDQ         DX, DI               \
	ADDQ         $4, R12              \
	DECQ         R11                  \
	JZ           done

#define ZERO(c) VXORPS c, c, c

// Rows that a tile has beyond rows read row 0 again: no row of A beyond the last
// is touched. R14 is g, so the six pointers are R8, R9, R10, R15, SI and BX.
#define ROW_POINTER(r, from, to) \
	MOVQ from, to        \
	CMPQ R11, $r         \
	JLE  2(PC)           \
	ADDQ floatArgs_lda(AX), to

// func floatGemm6x16AVX2(args *floatArgs)
TEXT ·floatGemm6x16AVX2(SB), NOSPLIT, $0-8
	MOVQ args+0(FP), AX
	MOVQ floatArgs_c(AX), DI
	MOVQ floatArgs_ldc(AX), DX
	MOVQ floatArgs_rows(AX), R11
	MOVQ floatArgs_rowScale(AX), R12

tile:
	MOVQ floatArgs_a(AX), R8
	ROW_POINTER(1, R8, R9)
	ROW_POINTER(2, R9, R10)
	ROW_POINTER(3, R10, R15)
	ROW_POINTER(4, R15, SI)
	ROW_POINTER(5, SI, BX)
	ROW_POINTER(6, BX, R13)
	MOVQ R13, floatArgs_a(AX) // row 0 of the next tile
	MOVQ floatArgs_b(AX), R13
	MOVQ floatArgs_k(AX), CX
	ZERO(Y0)
	ZERO(Y1)
	ZERO(Y2)
	ZERO(Y3)
	ZERO(Y4)
	ZERO(Y5)
	ZERO(Y6)
	ZERO(Y7)
	ZERO(Y8)
	ZERO(Y9)
	ZERO(Y10)
	ZERO(Y11)

	// CX runs from -k to 0, so the row pointers stand behind their rows.
	LEAQ (R8)(CX*4), R8
	LEAQ (R9)(CX*4), R9
	LEAQ (R10)(CX*4), R10
	LEAQ (R15)(CX*4), R15
	LEAQ (SI)(CX*4), SI
	LEAQ (BX)(CX*4), BX
	NEGQ CX

	PCALIGN $32

loop:
	VMOVUPS (R13), Y12
	VMOVUPS 32(R13), Y13
	MULADD((R8)(CX*4), Y0, Y1)
	MULADD((R9)(CX*4), Y2, Y3)
	MULADD((R10)(CX*4), Y4, Y5)
	MULADD((R15)(CX*4), Y6, Y7)
	MULADD((SI)(CX*4), Y8, Y9)
	MULADD((BX)(CX*4), Y10, Y11)
	ADDQ    floatArgs_ldb(AX), R13
	INCQ    CX
	JNZ     loop

	MOVQ floatArgs_bias(AX), R13
	EPILOGUE_ROW(Y0, Y1, store0)
	EPILOGUE_ROW(Y2, Y3, store1)
	EPILOGUE_ROW(Y4, Y5, store2)
	EPILOGUE_ROW(Y6, Y7, store3)
	EPILOGUE_ROW(Y8, Y9, store4)
	EPILOGUE_ROW(Y10, Y11, store5)
	JMP  tile

done:
	VZEROUPPER
	RET

// The AVX-512 tile is 12 rows of A by 16 columns of B:
//   Z0..Z11          accumulators
//   Z12              16 columns of B
//   R8, R9           row 0 of A and the bytes of a row
//   R10, R15, SI     rows 3, 6 and 9
#define FMA3ROWS(p, c0, c1, c2) \
	VFMADD231PS.BCST (p), Z12, c0       \
	VFMADD231PS.BCST (p)(R9*1), Z12, c1 \
	VFMADD231PS.BCST (p)(R9*2), Z12, c2 \
	ADDQ $4, p

#define EPILOGUE_ROW512(c, store) \
	VBROADCASTSS (R12), Z14          \
	VFMADD213PS  Z13, Z14, c         \
	CMPQ         floatArgs_add(AX), $0 \
	JEQ          store               \
	VADDPS       (DI), c, c          \
store:                            \
	VMOVUPS      c, (DI)             \
	ADDQ         DX, DI              \
	ADDQ         $4, R12

#define ZERO512(c) VPXORD c, c, c

// func floatGemm12x16AVX512(args *floatArgs)
// rows is a multiple of 12.
TEXT ·floatGemm12x16AVX512(SB), NOSPLIT, $0-8
	MOVQ args+0(FP), AX
	MOVQ floatArgs_a(AX), R8
	MOVQ floatArgs_lda(AX), R9
	MOVQ floatArgs_c(AX), DI
	MOVQ floatArgs_ldc(AX), DX
	MOVQ floatArgs_rows(AX), R11
	MOVQ floatArgs_rowScale(AX), R12
	MOVQ floatArgs_bias(AX), BX
	VMOVUPS (BX), Z13

tile:
	MOVQ R8, floatArgs_a(AX)
	LEAQ (R9)(R9*2), BX
	LEAQ (R8)(BX*1), R10
	LEAQ (R8)(BX*2), R15
	LEAQ (R10)(BX*2), SI
	MOVQ floatArgs_b(AX), R13
	MOVQ floatArgs_ldb(AX), BX
	MOVQ floatArgs_k(AX), CX
	ZERO512(Z0)
	ZERO512(Z1)
	ZERO512(Z2)
	ZERO512(Z3)
	ZERO512(Z4)
	ZERO512(Z5)
	ZERO512(Z6)
	ZERO512(Z7)
	ZERO512(Z8)
	ZERO512(Z9)
	ZERO512(Z10)
	ZERO512(Z11)

	PCALIGN $64

loop:
	VMOVUPS (R13), Z12
	FMA3ROWS(R8, Z0, Z1, Z2)
	FMA3ROWS(R10, Z3, Z4, Z5)
	FMA3ROWS(R15, Z6, Z7, Z8)
	FMA3ROWS(SI, Z9, Z10, Z11)
	ADDQ    BX, R13
	DECQ    CX
	JNZ     loop

	EPILOGUE_ROW512(Z0, store0)
	EPILOGUE_ROW512(Z1, store1)
	EPILOGUE_ROW512(Z2, store2)
	EPILOGUE_ROW512(Z3, store3)
	EPILOGUE_ROW512(Z4, store4)
	EPILOGUE_ROW512(Z5, store5)
	EPILOGUE_ROW512(Z6, store6)
	EPILOGUE_ROW512(Z7, store7)
	EPILOGUE_ROW512(Z8, store8)
	EPILOGUE_ROW512(Z9, store9)
	EPILOGUE_ROW512(Z10, store10)
	EPILOGUE_ROW512(Z11, store11)
	LEAQ (R9)(R9*2), BX
	SHLQ $2, BX
	MOVQ floatArgs_a(AX), R8
	ADDQ BX, R8
	SUBQ $12, R11
	JNZ  tile
	VZEROUPPER
	RET

// The AVX-512 tile of two panels is 12 rows of A by 32 columns of B: one load of an
// element of A serves two products, where the tile above needs a load for each
// and waits for them.
//   Z0..Z23          accumulators, row r in Z2r and Z2r+1
//   Z24, Z25         16 columns of either panel, at R13 and DI
//   Z26              an element of A
//   R8, R9           row 0 of A and the bytes of a row
//   R10, R15, SI     rows 3, 6 and 9
#define PAIR(a, c0, c1) \
	VBROADCASTSS a, Z26       \
	VFMADD231PS  Z24, Z26, c0 \
	VFMADD231PS  Z25, Z26, c1

#define PAIR3ROWS(p, c0, c1, c2, c3, c4, c5) \
	PAIR((p), c0, c1)       \
	PAIR((p)(R9*1), c2, c3) \
	PAIR((p)(R9*2), c4, c5) \
	ADDQ $4, p

#define EPILOGUE_PAIR(c0, c1, store) \
	VBROADCASTSS (R12), Z26             \
	VFMADD213PS  Z28, Z26, c0           \
	VFMADD213PS  Z29, Z26, c1           \
	CMPQ         floatArgs_add(AX), $0  \
	JEQ          store                  \
	VADDPS       (DI), c0, c0           \
	VADDPS       64(DI), c1, c1         \
store:                               \
	VMOVUPS      c0, (DI)               \
	VMOVUPS      c1, 64(DI)             \
	ADDQ         DX, DI                 \
	ADDQ         $4, R12

#define ZERO_PAIRS(c0, c1, c2, c3, c4, c5) \
	ZERO512(c0) \
	ZERO512(c1) \
	ZERO512(c2) \
	ZERO512(c3) \
	ZERO512(c4) \
	ZERO512(c5)

// func floatGemm12x32AVX512(args *floatArgs)
// rows is a multiple of 12.
TEXT ·floatGemm12x32AVX512(SB), NOSPLIT, $0-8
	MOVQ    args+0(FP), AX
	MOVQ    floatArgs_a(AX), R8
	MOVQ    floatArgs_lda(AX), R9
	MOVQ    floatArgs_ldc(AX), DX
	MOVQ    floatArgs_rows(AX), R11
	MOVQ    floatArgs_rowScale(AX), R12
	MOVQ    floatArgs_bias(AX), BX
	VMOVUPS (BX), Z28
	VMOVUPS 64(BX), Z29

tile:
	MOVQ R8, floatArgs_a(AX)
	LEAQ (R9)(R9*2), BX
	LEAQ (R8)(BX*1), R10
	LEAQ (R8)(BX*2), R15
	LEAQ (R10)(BX*2), SI
	MOVQ floatArgs_b(AX), R13
	MOVQ floatArgs_panel(AX), DI
	ADDQ R13, DI
	MOVQ floatArgs_ldb(AX), BX
	MOVQ floatArgs_k(AX), CX
	ZERO_PAIRS(Z0, Z1, Z2, Z3, Z4, Z5)
	ZERO_PAIRS(Z6, Z7, Z8, Z9, Z10, Z11)
	ZERO_PAIRS(Z12, Z13, Z14, Z15, Z16, Z17)
	ZERO_PAIRS(Z18, Z19, Z20, Z21, Z22, Z23)

	PCALIGN $64

loop:
	VMOVUPS (R13), Z24
	VMOVUPS (DI), Z25
	PAIR3ROWS(R8, Z0, Z1, Z2, Z3, Z4, Z5)
	PAIR3ROWS(R10, Z6, Z7, Z8, Z9, Z10, Z11)
	PAIR3ROWS(R15, Z12, Z13, Z14, Z15, Z16, Z17)
	PAIR3ROWS(SI, Z18, Z19, Z20, Z21, Z22, Z23)
	ADDQ    BX, R13
	ADDQ    BX, DI
	DECQ    CX
	JNZ     loop

	MOVQ floatArgs_c(AX), DI
	EPILOGUE_PAIR(Z0, Z1, store0)
	EPILOGUE_PAIR(Z2, Z3, store1)
	EPILOGUE_PAIR(Z4, Z5, store2)
	EPILOGUE_PAIR(Z6, Z7, store3)
	EPILOGUE_PAIR(Z8, Z9, store4)
	EPILOGUE_PAIR(Z10, Z11, store5)
	EPILOGUE_PAIR(Z12, Z13, store6)
	EPILOGUE_PAIR(Z14, Z15, store7)
	EPILOGUE_PAIR(Z16, Z17, store8)
	EPILOGUE_PAIR(Z18, Z19, store9)
	EPILOGUE_PAIR(Z20, Z21, store10)
	EPILOGUE_PAIR(Z22, Z23, store11)
	SUBQ $12, R11
	JEQ  done

	// Only while rows are left: the garbage collector sees args, and must not
	// find a pointer behind the end of C there.
	MOVQ DI, floatArgs_c(AX)
	LEAQ (R9)(R9*2), BX
	SHLQ $2, BX
	MOVQ floatArgs_a(AX), R8
	ADDQ BX, R8
	JMP  tile

done:
	VZEROUPPER
	RET
