// The epilogue of the int8 tiles with 16 columns, in two ymm a row:
//   AX           gemmArgs
//   BX           the tile of A
//   DI, DX       row of C, bytes from one row to the next
//   R11          rows left
//   R12, R13     rowScale and rowZero of the row
//   R8, R9, R10  colScale, colSum, bias
#define EPILOGUE_ARGS \
	MOVQ args+0(FP), AX               \
	MOVQ gemmArgs_a(AX), BX        \
	MOVQ gemmArgs_c(AX), DI        \
	MOVQ gemmArgs_ldc(AX), DX      \
	MOVQ gemmArgs_rows(AX), R11    \
	MOVQ gemmArgs_rowScale(AX), R12 \
	MOVQ gemmArgs_rowZero(AX), R13

#define EPILOGUE_COLUMNS \
	MOVQ gemmArgs_colScale(AX), R8 \
	MOVQ gemmArgs_colSum(AX), R9   \
	MOVQ gemmArgs_bias(AX), R10

#define ZERO_TILE \
	VPXOR Y0, Y0, Y0    \
	VPXOR Y1, Y1, Y1    \
	VPXOR Y2, Y2, Y2    \
	VPXOR Y3, Y3, Y3    \
	VPXOR Y4, Y4, Y4    \
	VPXOR Y5, Y5, Y5    \
	VPXOR Y6, Y6, Y6    \
	VPXOR Y7, Y7, Y7    \
	VPXOR Y8, Y8, Y8    \
	VPXOR Y9, Y9, Y9    \
	VPXOR Y10, Y10, Y10 \
	VPXOR Y11, Y11, Y11

// c = fma(float32(c - rowZero·colSum)·colScale, rowScale, bias), then plus C or
// not.
#define EPILOGUE_ROW(c0, c1, store) \
	VPBROADCASTD (R13), Y14     \
	VBROADCASTSS (R12), Y13     \
	VPMULLD      (R9), Y14, Y15 \
	VPMULLD      32(R9), Y14, Y14 \
	VPSUBD       Y15, c0, c0    \
	VPSUBD       Y14, c1, c1    \
	VCVTDQ2PS    c0, c0         \
	VCVTDQ2PS    c1, c1         \
	VMULPS       (R8), c0, c0   \
	VMULPS       32(R8), c1, c1 \
	VFMADD213PS  (R10), Y13, c0 \
	VFMADD213PS  32(R10), Y13, c1 \
	CMPQ         gemmArgs_add(AX), $0 \
	JEQ          store          \
	VADDPS       (DI), c0, c0   \
	VADDPS       32(DI), c1, c1 \
store:                       \
	VMOVUPS      c0, (DI)       \
	VMOVUPS      c1, 32(DI)

#define NEXT_ROW(done) \
	ADDQ DX, DI   \
	ADDQ $4, R12  \
	ADDQ $4, R13  \
	DECQ R11      \
	JZ   done
