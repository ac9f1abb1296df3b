// The vector instructions that the Go assembler does not know, one macro each.
// As in Go, operands go from the sources to the destination; they are numbers of
// vector registers, and i is a lane or a shift. The comment is the instruction in
// Arm's syntax; TestEncoding reads every macro back.
// Arm Architecture Reference Manual for A-profile, C7.2.

#define LANE(i) (((i)&1)<<20 | ((i)>>1&1)<<21 | ((i)>>2)<<11)

// Products with a lane of 16 bits, which must be in registers 0 to 15.
#define SMULL_4S_LANE(i, vm, vn, vd)  WORD $(0x0f40a000 | LANE(i) | (vm)<<16 | (vn)<<5 | (vd)) // smull vd.4s, vn.4h, vm.h[i]
#define SMULL2_4S_LANE(i, vm, vn, vd) WORD $(0x4f40a000 | LANE(i) | (vm)<<16 | (vn)<<5 | (vd)) // smull2 vd.4s, vn.8h, vm.h[i]
#define SMLAL_4S_LANE(i, vm, vn, vd)  WORD $(0x0f402000 | LANE(i) | (vm)<<16 | (vn)<<5 | (vd)) // smlal vd.4s, vn.4h, vm.h[i]
#define SMLAL2_4S_LANE(i, vm, vn, vd) WORD $(0x4f402000 | LANE(i) | (vm)<<16 | (vn)<<5 | (vd)) // smlal2 vd.4s, vn.8h, vm.h[i]
#define MLA_8H_LANE(i, vm, vn, vd)    WORD $(0x6f400000 | LANE(i) | (vm)<<16 | (vn)<<5 | (vd)) // mla vd.8h, vn.8h, vm.h[i]

// Widening sums and products.
#define USUBL_8H(vm, vn, vd)  WORD $(0x2e202000 | (vm)<<16 | (vn)<<5 | (vd)) // usubl vd.8h, vn.8b, vm.8b
#define UMULL_8H(vm, vn, vd)  WORD $(0x2e20c000 | (vm)<<16 | (vn)<<5 | (vd)) // umull vd.8h, vn.8b, vm.8b
#define UADDW_8H(vm, vn, vd)  WORD $(0x2e201000 | (vm)<<16 | (vn)<<5 | (vd)) // uaddw vd.8h, vn.8h, vm.8b
#define SADDL_4S(vm, vn, vd)  WORD $(0x0e600000 | (vm)<<16 | (vn)<<5 | (vd)) // saddl vd.4s, vn.4h, vm.4h
#define SADDL2_4S(vm, vn, vd) WORD $(0x4e600000 | (vm)<<16 | (vn)<<5 | (vd)) // saddl2 vd.4s, vn.8h, vm.8h
#define SSUBL_4S(vm, vn, vd)  WORD $(0x0e602000 | (vm)<<16 | (vn)<<5 | (vd)) // ssubl vd.4s, vn.4h, vm.4h
#define SSUBL2_4S(vm, vn, vd) WORD $(0x4e602000 | (vm)<<16 | (vn)<<5 | (vd)) // ssubl2 vd.4s, vn.8h, vm.8h

// Shifts and narrowing.
#define SSHR_4S(i, vn, vd)   WORD $(0x4f000400 | (64-(i))<<16 | (vn)<<5 | (vd)) // sshr vd.4s, vn.4s, #i
#define SHRN_4H(i, vn, vd)   WORD $(0x0f008400 | (32-(i))<<16 | (vn)<<5 | (vd)) // shrn vd.4h, vn.4s, #i
#define SHRN2_8H(i, vn, vd)  WORD $(0x4f008400 | (32-(i))<<16 | (vn)<<5 | (vd)) // shrn2 vd.8h, vn.4s, #i
#define SHRN_8B(i, vn, vd)   WORD $(0x0f008400 | (16-(i))<<16 | (vn)<<5 | (vd)) // shrn vd.8b, vn.8h, #i
#define RSHRN_4H(i, vn, vd)  WORD $(0x0f008c00 | (32-(i))<<16 | (vn)<<5 | (vd)) // rshrn vd.4h, vn.4s, #i
#define RSHRN2_8H(i, vn, vd) WORD $(0x4f008c00 | (32-(i))<<16 | (vn)<<5 | (vd)) // rshrn2 vd.8h, vn.4s, #i
#define RSHRN_8B(i, vn, vd)  WORD $(0x0f008c00 | (16-(i))<<16 | (vn)<<5 | (vd)) // rshrn vd.8b, vn.8h, #i
#define SQXTN_4H(vn, vd)     WORD $(0x0e614800 | (vn)<<5 | (vd)) // sqxtn vd.4h, vn.4s
#define SQXTN2_8H(vn, vd)    WORD $(0x4e614800 | (vn)<<5 | (vd)) // sqxtn2 vd.8h, vn.4s
#define SQXTN_8B(vn, vd)     WORD $(0x0e214800 | (vn)<<5 | (vd)) // sqxtn vd.8b, vn.8h
#define SQXTUN_8B(vn, vd)    WORD $(0x2e212800 | (vn)<<5 | (vd)) // sqxtun vd.8b, vn.8h
