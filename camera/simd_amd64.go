//go:build !purego

package camera

import "github.com/klauspost/cpuid/v2"

var useAVX2 = cpuid.CPU.Supports(cpuid.AVX2)

// yuyvBlocks converts the pixels that fill whole blocks of 16 as yuyvRow does,
// and returns how many those were. The other functions are alike.
func yuyvBlocks(dst, src []byte, t *colorTable) int {
	blocks := min(len(dst)/48, len(src)/32)
	if !useAVX2 || blocks == 0 {
		return 0
	}
	yuyvAVX2(&dst[0], &src[0], blocks, &t.factors)
	return 16 * blocks
}

func yccBlocks(dst, y, cb, cr []byte, t *colorTable) int {
	blocks := len(y) / 16
	if !useAVX2 || blocks == 0 {
		return 0
	}
	_, _, _ = dst[48*blocks-1], cb[16*blocks-1], cr[16*blocks-1]
	yccAVX2(&dst[0], &y[0], &cb[0], &cr[0], blocks, &t.factors)
	return 16 * blocks
}

// triangleBlocks doubles samples 1 to len(src)-2, or as many as fill blocks.
func triangleBlocks(dst, src []byte) int {
	blocks := (len(src) - 2) / 16
	if !useAVX2 || blocks <= 0 {
		return 0
	}
	_ = dst[32*blocks-1]
	triangleRowAVX2(&dst[0], &src[1], blocks)
	return 16 * blocks
}

func triangleRowsBlocks(dst, own, other []byte) int {
	blocks := (len(own) - 2) / 16
	if !useAVX2 || blocks <= 0 {
		return 0
	}
	_, _ = dst[32*blocks-1], other[len(own)-1]
	triangleRowsAVX2(&dst[0], &own[1], &other[1], blocks)
	return 16 * blocks
}

// idctBlock is idct8, and reports whether there is a vector version.
func idctBlock(dst []byte, stride int, b *[64]int16) bool {
	if !useAVX2 {
		return false
	}
	_ = dst[7*stride+7]
	idct8AVX2(&dst[0], stride, b)
	return true
}

//go:noescape
func yuyvAVX2(dst, src *byte, blocks int, f *colorFactors)

//go:noescape
func yccAVX2(dst, y, cb, cr *byte, blocks int, f *colorFactors)

// triangleRowAVX2 reads the sample before src and the one after the blocks.
//
//go:noescape
func triangleRowAVX2(dst, src *byte, blocks int)

// triangleRowsAVX2 reads the samples before own and other and after the blocks.
//
//go:noescape
func triangleRowsAVX2(dst, own, other *byte, blocks int)

//go:noescape
func idct8AVX2(dst *byte, stride int, b *[64]int16)
