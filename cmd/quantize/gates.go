package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// gates are figures that a model has to reach.
type gates struct {
	minAgree, maxDrop   float64 // percent, points of percent
	wantAgree, wantDrop bool
}

func (g *gates) add(f *pflag.FlagSet) {
	f.Float64Var(&g.minAgree, "min-agree", 0, "gate: the least agreement in `percent`")
	f.Float64Var(&g.maxDrop, "max-drop", 0, "gate: the most that top-1 may drop, in `points` of percent")
}

// check reports gates that mean nothing.
func (g *gates) check(f *pflag.FlagSet, labels bool) error {
	g.wantAgree, g.wantDrop = f.Changed("min-agree"), f.Changed("max-drop")
	if !(g.minAgree >= 0 && g.minAgree <= 100) {
		return fmt.Errorf("--min-agree is %g; want 0 to 100", g.minAgree)
	}
	if !(g.maxDrop >= -100 && g.maxDrop <= 100) {
		return fmt.Errorf("--max-drop is %g; want -100 to 100", g.maxDrop)
	}
	if g.wantDrop && !labels {
		return fmt.Errorf("--max-drop needs --labels")
	}
	return nil
}

func (g *gates) set() bool { return g.wantAgree || g.wantDrop }

// missed lists the gates that f does not pass. One that nothing was measured
// for is not passed. Counts are compared and no quotients, so that 197 of 200 are
// 98.5 %.
func (g *gates) missed(f figures) (list []string) {
	if g.wantAgree {
		switch {
		case f.Images == 0:
			list = append(list, "agreement is not verified")
		case 100*float64(f.agree) < g.minAgree*float64(f.Images):
			list = append(list, fmt.Sprintf("agreement is %.2f %%, less than %g %%", 100**f.Agreement, g.minAgree))
		}
	}
	if g.wantDrop {
		drop := 100 * float64(f.top1[0]-f.top1[1])
		switch {
		case f.labelled == 0:
			list = append(list, "top-1 is not verified")
		case drop > g.maxDrop*float64(f.labelled):
			list = append(list, fmt.Sprintf("top-1 drops by %.2f points, more than %g", drop/float64(f.labelled), g.maxDrop))
		}
	}
	return list
}

// gateError is a model that misses a gate.
type gateError struct{ error }
