package kernels

import "unsafe"

// cacheLine is the alignment of packed data. It is the cache line of every CPU
// that has an implementation, and the width of a zmm register.
const cacheLine = 64

// aligned returns n zero bytes that start at a cache line.
func aligned(n int) []byte {
	b := make([]byte, n+cacheLine-1)
	off := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (cacheLine - 1)
	return b[off : int(off)+n : int(off)+n]
}

// alignedFloats returns n zero float32 that start at a cache line.
func alignedFloats(n int) []float32 {
	return floatsOf(aligned(4 * n))
}

func floatsOf(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// roundUp returns the least multiple of m that is at least n.
func roundUp(n, m int) int { return (n + m - 1) / m * m }
