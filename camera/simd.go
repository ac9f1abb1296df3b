//go:build !purego && (amd64 || arm64)

package camera

// yuyvBlocks converts the pixels that fill whole blocks of 16 as yuyvRow does,
// and returns how many those were. The other functions are alike.
func yuyvBlocks(dst, src []byte, t *colorTable) int {
	blocks := min(len(dst)/48, len(src)/32)
	if !vectors || blocks == 0 {
		return 0
	}
	yuyvVector(&dst[0], &src[0], blocks, &t.factors)
	return 16 * blocks
}

func yccBlocks(dst, y, cb, cr []byte, t *colorTable) int {
	blocks := len(y) / 16
	if !vectors || blocks == 0 {
		return 0
	}
	_, _, _ = dst[48*blocks-1], cb[16*blocks-1], cr[16*blocks-1]
	yccVector(&dst[0], &y[0], &cb[0], &cr[0], blocks, &t.factors)
	return 16 * blocks
}

// triangleBlocks doubles samples 1 to len(src)-2, or as many as fill blocks.
func triangleBlocks(dst, src []byte) int {
	blocks := (len(src) - 2) / 16
	if !vectors || blocks <= 0 {
		return 0
	}
	_ = dst[32*blocks-1]
	triangleRowVector(&dst[0], &src[1], blocks)
	return 16 * blocks
}

func triangleRowsBlocks(dst, own, other []byte) int {
	blocks := (len(own) - 2) / 16
	if !vectors || blocks <= 0 {
		return 0
	}
	_, _ = dst[32*blocks-1], other[len(own)-1]
	triangleRowsVector(&dst[0], &own[1], &other[1], blocks)
	return 16 * blocks
}

// idctBlock is idct8, and reports whether there is a vector version.
func idctBlock(dst []byte, stride int, b *[64]int16) bool {
	if !vectors {
		return false
	}
	_ = dst[7*stride+7]
	idct8Vector(&dst[0], stride, b)
	return true
}
