// The vector instructions that the Go assembler does not know, one macro each,
// and a few that it knows: a macro can compute the number of a register, not its
// name. As in Go, operands go from the sources to the destination; they are
// numbers of vector registers, and i is a lane or a shift. The comment is the
// instruction in Arm's syntax; TestEncoding reads every macro back.
// Arm Architecture Reference Manual for A-profile, C7.2.

// Integers: widening products, pairwise sums, dot products.
#define SMULL_8H(vm, vn, vd)      WORD $(0x0e20c000 | (vm)<<16 | (vn)<<5 | (vd)) // smull vd.8h, vn.8b, vm.8b
#define SMLAL2_8H(vm, vn, vd)     WORD $(0x4e208000 | (vm)<<16 | (vn)<<5 | (vd)) // smlal2 vd.8h, vn.16b, vm.16b
#define SADDLP_4S(vn, vd)         WORD $(0x4e602800 | (vn)<<5 | (vd)) // saddlp vd.4s, vn.8h
#define SADALP_4S(vn, vd)         WORD $(0x4e606800 | (vn)<<5 | (vd)) // sadalp vd.4s, vn.8h
#define SDOT_4S_LANE(i, vm, vn, vd) WORD $(0x4f80e000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // sdot vd.4s, vn.16b, vm.4b[i]
#define SMMLA_4S(vm, vn, vd)      WORD $(0x4e80a400 | (vm)<<16 | (vn)<<5 | (vd)) // smmla vd.4s, vn.16b, vm.16b
#define MUL_4S(vm, vn, vd)        WORD $(0x4ea09c00 | (vm)<<16 | (vn)<<5 | (vd)) // mul vd.4s, vn.4s, vm.4s
#define MUL_4S_LANE(i, vm, vn, vd) WORD $(0x4f808000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // mul vd.4s, vn.4s, vm.s[i]
#define MLS_4S_LANE(i, vm, vn, vd) WORD $(0x6f804000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // mls vd.4s, vn.4s, vm.s[i]
#define MLA_4S_LANE(i, vm, vn, vd) WORD $(0x6f800000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // mla vd.4s, vn.4s, vm.s[i]
#define ADD_4S(vm, vn, vd)        WORD $(0x4ea08400 | (vm)<<16 | (vn)<<5 | (vd)) // add vd.4s, vn.4s, vm.4s
#define SHL_4S(i, vn, vd)         WORD $(0x4f205400 | (i)<<16 | (vn)<<5 | (vd)) // shl vd.4s, vn.4s, #i
#define NEG_4S(vn, vd)            WORD $(0x6ea0b800 | (vn)<<5 | (vd)) // neg vd.4s, vn.4s
#define CLEAR_4S(vd)              WORD $(0x4f000400 | (vd)) // movi vd.4s, #0x0

// Narrowing: the lower halves of two registers, and with saturation.
#define UZP1_8H(vm, vn, vd)       WORD $(0x4e401800 | (vm)<<16 | (vn)<<5 | (vd)) // uzp1 vd.8h, vn.8h, vm.8h
#define SQSHRUN_4H(vn, vd)        WORD $(0x2f108400 | (vn)<<5 | (vd)) // sqshrun vd.4h, vn.4s, #16
#define SQSHRUN2_8H(vn, vd)       WORD $(0x6f108400 | (vn)<<5 | (vd)) // sqshrun2 vd.8h, vn.4s, #16
#define UQSHRN_8B(vn, vd)         WORD $(0x2f0a9400 | (vn)<<5 | (vd)) // uqshrn vd.8b, vn.8h, #6
#define UQSHRN2_16B(vn, vd)       WORD $(0x6f0a9400 | (vn)<<5 | (vd)) // uqshrn2 vd.16b, vn.8h, #6
#define SQXTN_8B(vn, vd)          WORD $(0x0e214800 | (vn)<<5 | (vd)) // sqxtn vd.8b, vn.8h
#define SQXTN2_16B(vn, vd)        WORD $(0x4e214800 | (vn)<<5 | (vd)) // sqxtn2 vd.16b, vn.8h

// float32.
#define SCVTF_4S(vn, vd)          WORD $(0x4e21d800 | (vn)<<5 | (vd)) // scvtf vd.4s, vn.4s
#define FADD_4S(vm, vn, vd)       WORD $(0x4e20d400 | (vm)<<16 | (vn)<<5 | (vd)) // fadd vd.4s, vn.4s, vm.4s
#define FADDP_4S(vm, vn, vd)      WORD $(0x6e20d400 | (vm)<<16 | (vn)<<5 | (vd)) // faddp vd.4s, vn.4s, vm.4s
#define FSUB_4S(vm, vn, vd)       WORD $(0x4ea0d400 | (vm)<<16 | (vn)<<5 | (vd)) // fsub vd.4s, vn.4s, vm.4s
#define FMUL_4S(vm, vn, vd)       WORD $(0x6e20dc00 | (vm)<<16 | (vn)<<5 | (vd)) // fmul vd.4s, vn.4s, vm.4s
#define FMAX_4S(vm, vn, vd)       WORD $(0x4e20f400 | (vm)<<16 | (vn)<<5 | (vd)) // fmax vd.4s, vn.4s, vm.4s
#define FMIN_4S(vm, vn, vd)       WORD $(0x4ea0f400 | (vm)<<16 | (vn)<<5 | (vd)) // fmin vd.4s, vn.4s, vm.4s
#define FMAXV_4S(vn, vd)          WORD $(0x6e30f800 | (vn)<<5 | (vd)) // fmaxv sd, vn.4s
#define FMINV_4S(vn, vd)          WORD $(0x6eb0f800 | (vn)<<5 | (vd)) // fminv sd, vn.4s
#define FMLA_4S(vm, vn, vd)       WORD $(0x4e20cc00 | (vm)<<16 | (vn)<<5 | (vd)) // fmla vd.4s, vn.4s, vm.4s
#define FMLA_4S_LANE(i, vm, vn, vd) WORD $(0x4f801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // fmla vd.4s, vn.4s, vm.s[i]
#define FMLS_4S_LANE(i, vm, vn, vd) WORD $(0x4f805000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // fmls vd.4s, vn.4s, vm.s[i]
#define FMUL_4S_LANE(i, vm, vn, vd) WORD $(0x4f809000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // fmul vd.4s, vn.4s, vm.s[i]
