// Macros of the row operations. Their 16 lanes are four consecutive registers. ALL
// applies an instruction of encode_arm64.h to them; m, n and d are the numbers of
// the first registers. ALL_BY takes one register c for all in the place of m,
// ALL_BY_LANE its lane i.
#define ALL(OP, m, n, d) \
	OP(m+0, n+0, d+0) \
	OP(m+1, n+1, d+1) \
	OP(m+2, n+2, d+2) \
	OP(m+3, n+3, d+3)

#define ALL_BY(OP, c, n, d) \
	OP(c, n+0, d+0) \
	OP(c, n+1, d+1) \
	OP(c, n+2, d+2) \
	OP(c, n+3, d+3)

#define ALL_BY_LANE(OP, i, c, n, d) \
	OP(i, c, n+0, d+0) \
	OP(i, c, n+1, d+1) \
	OP(i, c, n+2, d+2) \
	OP(i, c, n+3, d+3)

#define ALL_CLEAR(d) \
	CLEAR_4S(d+0) \
	CLEAR_4S(d+1) \
	CLEAR_4S(d+2) \
	CLEAR_4S(d+3)

// The sum of the 16 lanes in V28 to V31, as a tree, in F28.
#define FOLD_SUM \
	FADD_4S(30, 28, 28)      \
	FADD_4S(31, 29, 29)      \
	FADD_4S(29, 28, 28)      \
	VDUP  V28.D[1], V29.D2   \
	FADD_4S(29, 28, 28)      \
	VDUP  V28.S[1], V29.S4   \
	FADDS F29, F28, F28

// The least and the greatest of the 16 lanes from v on, in v.
#define FOLD_LEAST(v) \
	FMIN_4S(v+1, v+0, v+0) \
	FMIN_4S(v+3, v+2, v+2) \
	FMIN_4S(v+2, v+0, v+0) \
	FMINV_4S(v, v)

#define FOLD_GREATEST(v) \
	FMAX_4S(v+1, v+0, v+0) \
	FMAX_4S(v+3, v+2, v+2) \
	FMAX_4S(v+2, v+0, v+0) \
	FMAXV_4S(v, v)

#define V0_3   [V0.S4, V1.S4, V2.S4, V3.S4]
#define V4_7   [V4.S4, V5.S4, V6.S4, V7.S4]
#define V8_11  [V8.S4, V9.S4, V10.S4, V11.S4]
#define V12_15 [V12.S4, V13.S4, V14.S4, V15.S4]
#define V20_23 [V20.S4, V21.S4, V22.S4, V23.S4]
#define V24_27 [V24.S4, V25.S4, V26.S4, V27.S4]
#define V28_31 [V28.S4, V29.S4, V30.S4, V31.S4]

// One step of Horner's rule for 16 polynomials in y, q += p·y, and the coefficient
// of the step after the next one to P, the registers of p. SAME reads it from the
// table at R3, NEXT reads it and goes on to the next one.
#define HORNER(p, y, q, READ, P) \
	ALL(FMLA_4S, p, y, q) \
	READ P
#define SAME VLD1 (R3),
#define NEXT VLD1.P 64(R3),
