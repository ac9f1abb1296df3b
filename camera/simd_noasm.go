//go:build purego || !(amd64 || arm64)

package camera

func yuyvBlocks(dst, src []byte, t *colorTable) int       { return 0 }
func yccBlocks(dst, y, cb, cr []byte, t *colorTable) int  { return 0 }
func triangleBlocks(dst, src []byte) int                  { return 0 }
func triangleRowsBlocks(dst, own, other []byte) int       { return 0 }
func idctBlock(dst []byte, stride int, b *[64]int16) bool { return false }
