// rowScale in quantize.go, from the range in X8 and X9: the scale in X4, its inverse
// in X2, and the zero point in X3 and R8.
#define ROW_SCALE(done) \
	VSUBSS     X8, X9, X0               \ // r
	VMOVSS     ·scaleTable+0(SB), X1    \ // 255
	VDIVSS     X0, X1, X2               \
	VDIVSS     X1, X0, X4               \
	VMULSS     X2, X8, X3               \
	VMOVSS     ·scaleTable+4(SB), X6    \ // -128
	VSUBSS     X3, X6, X3               \
	VCVTSS2SI  X3, R8                   \
	VCVTSI2SSL R8, X1, X3               \
	VUCOMISS   ·scaleTable+8(SB), X0    \ // 2⁻¹⁰⁰
	JCC        done                     \
	VMOVSS     ·scaleTable+12(SB), X2   \ // 1
	VMOVAPS    X2, X4                   \
	VXORPS     X3, X3, X3               \
	XORL       R8, R8                   \
done:
