package main

import "math"

// interval is where a fraction of a whole lies, of which some pictures are a
// sample: the Wilson score interval of 95 % (Wilson, "Probable Inference", 1927).
type interval [2]float64

// wilson is the interval for count of n; n is at least 1.
func wilson(count, n int) interval {
	const z = 1.959963984540054 // the normal distribution has 97.5 % below
	p, m := float64(count)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return interval{max(0, center-half), min(1, center+half)}
}

// intervals are those of the fractions in figures, nil where these are.
type intervals struct {
	Agreement *interval `json:"agreement"`
	Top1Float *interval `json:"top1_float"`
	Top1Int8  *interval `json:"top1_int8"`
	Top5Float *interval `json:"top5_float"`
	Top5Int8  *interval `json:"top5_int8"`
}
