package kernels

import "fmt"

// Dots writes the products of one vector with the rows of a matrix, q·x: dst[i] is that
// with row i. Rows have as many elements as q and start ld apart. For one vector, rows
// are better read as they stand than packed for [Worker.Mul], which computes 16
// columns at a time.
func Dots(dst, q, x []float32, ld int) {
	n, k := len(dst), len(q)
	if n == 0 || k == 0 || ld < k || len(x) < (n-1)*ld+k {
		panic(fmt.Sprintf("kernels: Dots of %d elements with %d rows, %d apart, in %d elements", k, n, ld, len(x)))
	}
	if k%lanes != 0 || n < dotRows {
		genericDots(dst, q, x, ld)
		return
	}
	impl, body := active, n/dotRows*dotRows
	step := max(impl.floatBudget/2/k, dotRows) / dotRows * dotRows // half as fast as a product
	for i := 0; i < body; i += step {
		impl.dots(dst[i:min(i+step, body)], q, x[i*ld:], ld)
	}
	if body < n { // the last rows, of which some are there already
		first := n - dotRows
		impl.dots(dst[first:], q, x[first*ld:], ld)
	}
}

// dotRows is how many rows the assembly takes together.
const dotRows = 4

// genericDots is the specification. Assembly gets a multiple of dotRows rows, of a
// multiple of lanes elements.
func genericDots(dst, q, x []float32, ld int) {
	for i := range dst {
		var sums laneSums
		for k, v := range x[i*ld:][:len(q)] {
			sums[k%lanes] = fma(q[k], v, sums[k%lanes])
		}
		dst[i] = sums.fold()
	}
}
