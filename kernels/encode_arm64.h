// The vector instructions that the Go assembler does not know, one macro each.
// As in Go, operands go from the sources to the destination; they are the
// numbers of vector registers, and i is the number of a lane. The comment is
// the instruction in Arm's syntax; TestEncoding reads every macro back.
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
#define NEG_4S(vn, vd)            WORD $(0x6ea0b800 | (vn)<<5 | (vd)) // neg vd.4s, vn.4s

// Narrowing with saturation.
#define SQXTN_4H(vn, vd)          WORD $(0x0e614800 | (vn)<<5 | (vd)) // sqxtn vd.4h, vn.4s
#define SQXTN2_8H(vn, vd)         WORD $(0x4e614800 | (vn)<<5 | (vd)) // sqxtn2 vd.8h, vn.4s
#define SQXTN_8B(vn, vd)          WORD $(0x0e214800 | (vn)<<5 | (vd)) // sqxtn vd.8b, vn.8h
#define SQXTN2_16B(vn, vd)        WORD $(0x4e214800 | (vn)<<5 | (vd)) // sqxtn2 vd.16b, vn.8h

// Between integers and float32: FCVTNS rounds to nearest, ties to even.
#define SCVTF_4S(vn, vd)          WORD $(0x4e21d800 | (vn)<<5 | (vd)) // scvtf vd.4s, vn.4s
#define FCVTNS_4S(vn, vd)         WORD $(0x4e21a800 | (vn)<<5 | (vd)) // fcvtns vd.4s, vn.4s

// float32.
#define FADD_4S(vm, vn, vd)       WORD $(0x4e20d400 | (vm)<<16 | (vn)<<5 | (vd)) // fadd vd.4s, vn.4s, vm.4s
#define FSUB_4S(vm, vn, vd)       WORD $(0x4ea0d400 | (vm)<<16 | (vn)<<5 | (vd)) // fsub vd.4s, vn.4s, vm.4s
#define FMUL_4S(vm, vn, vd)       WORD $(0x6e20dc00 | (vm)<<16 | (vn)<<5 | (vd)) // fmul vd.4s, vn.4s, vm.4s
#define FMAX_4S(vm, vn, vd)       WORD $(0x4e20f400 | (vm)<<16 | (vn)<<5 | (vd)) // fmax vd.4s, vn.4s, vm.4s
#define FMIN_4S(vm, vn, vd)       WORD $(0x4ea0f400 | (vm)<<16 | (vn)<<5 | (vd)) // fmin vd.4s, vn.4s, vm.4s
#define FMAXV_4S(vn, vd)          WORD $(0x6e30f800 | (vn)<<5 | (vd)) // fmaxv sd, vn.4s
#define FMINV_4S(vn, vd)          WORD $(0x6eb0f800 | (vn)<<5 | (vd)) // fminv sd, vn.4s
#define FMLA_4S_LANE(i, vm, vn, vd) WORD $(0x4f801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (vm)<<16 | (vn)<<5 | (vd)) // fmla vd.4s, vn.4s, vm.s[i]
