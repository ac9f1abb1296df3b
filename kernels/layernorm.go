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
	b := n &^ (lanes - 1)
	l := impl.sum(x[:b])
	l.add(x[b:])
	mean := l.fold() / float32(n)
	l = impl.squares(x[:b], mean)
	l.addSquares(x[b:], mean)
	rstd := 1 / float32(math.Sqrt(float64(l.fold()/float32(n)+eps)))
	impl.normalize(dst[:b], x[:b], gamma[:b], beta[:b], mean, rstd)
	genericNormalize(dst[b:], x[b:], gamma[b:], beta[b:], mean, rstd)
}

// add adds x to the lanes.
func (l *laneSums) add(x []float32) {
	for i, v := range x {
		l[i%lanes] += v
	}
}

// addSquares adds the squared distances of x from mean to the lanes.
func (l *laneSums) addSquares(x []float32, mean float32) {
	for i, v := range x {
		d := v - mean
		l[i%lanes] = fma(d, d, l[i%lanes])
	}
}

// genericSum returns the sum of x, in lanes.
func genericSum(x []float32) (l laneSums) {
	l.add(x)
	return l
}

// genericSquares returns the sum of the squared distances of x from mean.
func genericSquares(x []float32, mean float32) (l laneSums) {
	l.addSquares(x, mean)
	return l
}

// genericNormalize scales and shifts x.
func genericNormalize(dst, x, gamma, beta []float32, mean, rstd float32) {
	for i, v := range x {
		dst[i] = fma(float32((v-mean)*rstd), gamma[i], beta[i])
	}
}
