package quant

import "math"

// DType is the type of a tensor's elements, by the names of the safetensors
// format.
type DType string

// The types that the reader knows. Weights are F32, F16, BF16 or I8; the
// others may stand in a file, unused.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// Size is the width of an element in bytes, 0 for a type that the reader does
// not know.
func (d DType) Size() int {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// Float reports whether weights of this type can be read as float32.
func (d DType) Float() bool { return d == F32 || d == F16 || d == BF16 }

// float16 converts IEEE 754 binary16, exactly.
func float16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h & 0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction * 2^-24
		f := float32(fraction) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(f))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// bfloat16 converts the upper half of an IEEE 754 binary32, exactly.
func bfloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
