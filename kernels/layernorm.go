package kernels

import (
	"fmt"
	"math"
)

// LayerNorm writes to dst the normalized row x (Ba, Kiros and Hinton, "Layer
// Normalization", 2016):
//
//	mean = Σ x / n
//	var  = Σ (x - mean)² / n
//	dst  = fma((x - mean)·rstd, gamma, beta), rstd = 1/√(var + eps)
//
// All slices have one length. dst may be x.
func LayerNorm(dst, x, gamma, beta []float32, eps float32) {
	n := len(x)
	if n == 0 || len(dst) != n || len(gamma) != n || len(beta) != n {
		panic(fmt.Sprintf("kernels: LayerNorm of %d elements into %d with %d gammas and %d betas", n, len(dst), len(gamma), len(beta)))
	}
	impl := active
	mean, rstd := moments(impl, x, eps)
	normalize(impl, dst, x, gamma, beta, mean, rstd)
}

// LayerNormRows writes LayerNorm of x, rows of K elements one behind the other, to
// dst and, quantized as by QuantizeRow, to the rows of a from i on. dst is as long as
// x and may be x. Rows may be written concurrently.
func (a *Activations) LayerNormRows(i int, dst, x, gamma, beta []float32, eps float32) {
	a.checkRows("LayerNormRows", i, x)
	k := a.k
	if len(dst) != len(x) || len(gamma) != k || len(beta) != k {
		panic(fmt.Sprintf("kernels: LayerNormRows of %d rows of %d elements into %d, with %d gammas and %d betas", len(x)/k, k, len(dst), len(gamma), len(beta)))
	}
	for len(x) > 0 {
		n := min(rowsTogether, len(x)/k)
		var mean, rstd, lo, hi [rowsTogether]float32
		for j := range n {
			mean[j], rstd[j] = moments(a.impl, x[j*k:(j+1)*k], eps)
		}
		for j := range n {
			lo[j], hi[j] = normalize(a.impl, dst[j*k:(j+1)*k], x[j*k:(j+1)*k], gamma, beta, mean[j], rstd[j])
		}
		for j := range n {
			a.quantizeRow(i+j, dst[j*k:(j+1)*k], lo[j], hi[j])
		}
		i, x, dst = i+n, x[n*k:], dst[n*k:]
	}
}

// moments returns mean and rstd of the row x.
func moments(impl *implementation, x []float32, eps float32) (mean, rstd float32) {
	if len(x)%lanes != 0 {
		return genericMoments(x, eps)
	}
	return impl.moments(x, eps)
}

// normalize writes the row x normalized to dst and returns the range of dst.
func normalize(impl *implementation, dst, x, gamma, beta []float32, mean, rstd float32) (lo, hi float32) {
	b := len(x) &^ (lanes - 1)
	if b > 0 {
		lo, hi = impl.normalize(dst[:b], x[:b], gamma[:b], beta[:b], mean, rstd)
	}
	if b < len(x) {
		l, h := genericNormalize(dst[b:], x[b:], gamma[b:], beta[b:], mean, rstd)
		lo, hi = min(lo, l), max(hi, h)
	}
	return lo, hi
}

// genericMoments returns the mean of x and 1/√(variance + eps).
func genericMoments(x []float32, eps float32) (mean, rstd float32) {
	var sum, squares laneSums
	for i, v := range x {
		sum[i%lanes] += v
	}
	mean = sum.fold() / float32(len(x))
	for i, v := range x {
		d := v - mean
		squares[i%lanes] = fma(d, d, squares[i%lanes])
	}
	return mean, 1 / float32(math.Sqrt(float64(squares.fold()/float32(len(x))+eps)))
}

// genericNormalize scales and shifts x, and returns the range of the result, widened
// to contain 0.
func genericNormalize(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32) {
	for i, v := range x {
		dst[i] = fma(float32((v-mean)*rstd), gamma[i], beta[i])
	}
	return genericMinMax(dst, 0, 0)
}
