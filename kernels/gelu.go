package kernels

import "math"

// GELU replaces x by x·Φ(x), Φ the normal distribution (Hendrycks and Gimpel,
// "Gaussian Error Linear Units", 2016), with an absolute error below 4.5e-6
// for |x| < 4.8 and exactly x or 0 beyond. An int8 step of a GELU output is some
// thousand times that.
func GELU(x []float32) { geluRange(active, x) }

// GELURows replaces x, rows of K elements one behind the other, by GELU of x, and
// writes them, quantized as by QuantizeRow, to the rows of a from i on. Rows may be
// written concurrently.
func (a *Activations) GELURows(i int, x []float32) {
	a.checkRows("GELURows", i, x)
	k := a.k
	for len(x) > 0 {
		n := min(rowsTogether, len(x)/k)
		var lo, hi [rowsTogether]float32
		for j := range n {
			lo[j], hi[j] = geluRange(a.impl, x[j*k:(j+1)*k])
		}
		for j := range n {
			a.quantizeRow(i+j, x[j*k:(j+1)*k], lo[j], hi[j])
		}
		i, x = i+n, x[n*k:]
	}
}

// geluRange is GELU, and returns the range of the result.
func geluRange(impl *implementation, x []float32) (lo, hi float32) {
	b := len(x) &^ (lanes - 1)
	if b > 0 {
		lo, hi = impl.gelu(x[:b])
	}
	if b < len(x) {
		l, h := genericGELU(x[b:])
		lo, hi = min(lo, l), max(hi, h)
	}
	return lo, hi
}

// The constants of gelu: erf(u/√2) = u·Σ erf[k]·y^k for |u| <= geluClamp, with
// y = u²·2/geluClamp² - 1 in [-1, 1]; a minimax fit by Lawson's algorithm,
// weighted by the error of x·Φ(x).
const geluClamp = 4.8

var erfPoly = [...]float32{
	0.29442558, -0.14595987, 0.10580804, -0.08112446, 0.061438616, -0.044413958,
	0.027754337, -0.014814595, 0.01072745, -0.008432232, 0.0029244483,
}

// gelu returns x·Φ(x).
func gelu(x float32) float32 {
	u := max(-geluClamp, min(geluClamp, x))
	y := fma(float32(u*u), 2/(geluClamp*geluClamp), -1)
	p := erfPoly[len(erfPoly)-1]
	for k := len(erfPoly) - 2; k >= 0; k-- {
		p = fma(p, y, erfPoly[k])
	}
	e := max(-1, min(1, float32(u*p)))
	h := float32(0.5 * x)
	return fma(h, e, h)
}

// genericGELU replaces x by gelu(x), and returns the range of the result, widened to
// contain 0.
func genericGELU(x []float32) (least, greatest float32) {
	for i, v := range x {
		x[i] = gelu(v)
	}
	return genericMinMax(x, 0, 0)
}

// GELUTanh replaces x by the tanh approximation of GELU, x·σ(2√(2/π)(x + 0.044715x³)).
func GELUTanh(x []float32) {
	for i, v := range x {
		x[i] = float32(v * sigmoid(float32(1.5957691*float32(v*fma(float32(0.044715*v), v, 1)))))
	}
}

// QuickGELU replaces x by x·σ(1.702x).
func QuickGELU(x []float32) {
	for i, v := range x {
		x[i] = float32(v * sigmoid(float32(1.702*v)))
	}
}

// sigmoid returns 1/(1 + e^-x), from the exponential of a number that is not
// positive.
func sigmoid(x float32) float32 {
	e := exp(-float32(math.Abs(float64(x))))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}
