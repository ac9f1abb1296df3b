//go:build !purego

package camera

// vectors is true: every arm64 CPU has NEON.
const vectors = true

func yuyvVector(dst, src *byte, blocks int, f *colorFactors)      { yuyvNEON(dst, src, blocks, f) }
func yccVector(dst, y, cb, cr *byte, blocks int, f *colorFactors) { yccNEON(dst, y, cb, cr, blocks, f) }
func triangleRowVector(dst, src *byte, blocks int)                { triangleRowNEON(dst, src, blocks) }
func triangleRowsVector(dst, own, other *byte, blocks int)        { triangleRowsNEON(dst, own, other, blocks) }
func idct8Vector(dst *byte, stride int, b *[64]int16)             { idct8NEON(dst, stride, b) }

//go:noescape
func yuyvNEON(dst, src *byte, blocks int, f *colorFactors)

//go:noescape
func yccNEON(dst, y, cb, cr *byte, blocks int, f *colorFactors)

// triangleRowNEON reads the sample before src and the one after the blocks.
//
//go:noescape
func triangleRowNEON(dst, src *byte, blocks int)

// triangleRowsNEON reads the samples before own and other and after the blocks.
//
//go:noescape
func triangleRowsNEON(dst, own, other *byte, blocks int)

//go:noescape
func idct8NEON(dst *byte, stride int, b *[64]int16)
