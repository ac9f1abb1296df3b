package quant

import (
	"fmt"
	"math"
)

// minScale is the smallest normal float32. Below it a scale would lose bits
// and quotients could leave the range of int8.
const minScale = 0x1p-126

// QuantizeChannels quantizes the weights w [out, in] of a linear layer to
// symmetric int8, one scale an output channel:
//
//	scale[o]  = max |w[o, i]| / 127 over i
//	dst[o, i] = round(w[o, i] / scale[o]), half to even
//
// dst holds out*in values in [-127, 127], scale holds out positive values. A
// channel of zeros has scale 1. The weights must be finite. Lengths that do
// not fit panic.
func QuantizeChannels(dst []int8, scale []float32, w []float32, out, in int) {
	if out < 0 || in < 0 || len(w) != out*in || len(dst) != out*in || len(scale) != out {
		panic(fmt.Sprintf("quant: QuantizeChannels: %d weights, %d values and %d scales for %d x %d", len(w), len(dst), len(scale), out, in))
	}
	for o := range out {
		row, q := w[o*in:][:in], dst[o*in:][:in]
		var absmax float32
		for _, v := range row {
			absmax = max(absmax, float32(math.Abs(float64(v))))
		}
		s := float32(1)
		if absmax > 0 {
			s = max(absmax/127, minScale)
		}
		scale[o] = s
		for i, v := range row {
			// The float64 quotient of two float32 is close enough to the true
			// one that it is a tie only where the true one is.
			q[i] = int8(math.RoundToEven(float64(v) / float64(s)))
		}
	}
}
