package kernels

import "fmt"

// ToFloats converts m rows of n bytes, lds apart in src, to float32, ldd apart in
// dst.
func ToFloats(dst []float32, ldd int, src []byte, lds, m, n int) {
	if m <= 0 || n <= 0 || ldd < n || lds < n || len(dst) < (m-1)*ldd+n || len(src) < (m-1)*lds+n {
		panic(fmt.Sprintf("kernels: ToFloats of %d×%d bytes from %d, rows %d apart, to %d elements, rows %d apart", m, n, len(src), lds, len(dst), ldd))
	}
	b := n &^ (lanes - 1)
	if b > 0 {
		active.toFloats(dst[:(m-1)*ldd+b], ldd, src[:(m-1)*lds+b], lds, m, b)
	}
	if b < n {
		genericToFloats(dst[b:], ldd, src[b:], lds, m, n-b)
	}
}

// genericToFloats is ToFloats.
func genericToFloats(dst []float32, ldd int, src []byte, lds, m, n int) {
	for i := range m {
		d := dst[i*ldd:][:n]
		for j, v := range src[i*lds:][:n] {
			d[j] = float32(v)
		}
	}
}
