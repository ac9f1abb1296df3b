package bench

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"vitedge/vitlite"
)

// Rate is the speed of the linear layer of a model, on one thread.
type Rate struct {
	Model  string `json:"model"`  // one of Sizes
	Layer  string `json:"layer"`  // as vitlite.Operation calls it
	M      int    `json:"m"`      // tokens
	K      int    `json:"k"`      // inputs
	N      int    `json:"n"`      // outputs
	Kernel string `json:"kernel"` // an implementation
	Type   string `json:"type"`   // of the numbers, "int8" or "float32"
	// GMACs is 10⁹ multiply-accumulates a second, MACsPerCycle the same for a
	// cycle of the clock.
	GMACs        float64 `json:"gmacs"`
	MACsPerCycle float64 `json:"macs_per_cycle"`
}

// gemmTime is what one rate may take. A product of the generic implementation may
// take longer.
const gemmTime = 50 * time.Millisecond

// Rates measures every implementation of this CPU in int8 and the fastest in
// float32, for the layers of the random models.
func Rates(ctx context.Context) ([]Rate, error) {
	var rates []Rate
	kernels := vitlite.Kernels()
	for _, size := range Sizes {
		cfg, err := randomConfig(size)
		if err != nil {
			return nil, err
		}
		for _, layer := range []struct {
			operation vitlite.Operation
			k, n      int
		}{
			{vitlite.QKV, cfg.Dim, 3 * cfg.Dim}, {vitlite.Proj, cfg.Dim, cfg.Dim},
			{vitlite.FC1, cfg.Dim, cfg.MLPDim}, {vitlite.FC2, cfg.MLPDim, cfg.Dim},
		} {
			for i := range len(kernels) + 1 {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				r := Rate{Model: size, Layer: layer.operation.String(), M: cfg.Tokens(), K: layer.k, N: layer.n}
				measure := vitlite.GemmRate
				if r.Type = "int8"; i == len(kernels) {
					r.Type, measure, i = "float32", vitlite.FloatGemmRate, 0
				}
				r.Kernel = kernels[i]
				rate, err := measure(r.Kernel, r.M, r.N, r.K, gemmTime)
				if err != nil {
					return nil, err
				}
				r.GMACs, r.MACsPerCycle = round(rate/1e9), round(rate/1e9/clockGHz())
				rates = append(rates, r)
			}
		}
	}
	return rates, nil
}

// PrintRates writes a row a layer and a column a kernel.
func PrintRates(w io.Writer, rates []Rate) error {
	fmt.Fprintf(w, "GMAC/s (MAC/cycle) of one thread, %s\n\n", cpuName())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "model\tlayer\tm×k×n")
	for _, r := range rates {
		if r.Layer != rates[0].Layer || r.Model != rates[0].Model {
			break
		}
		if r.Type == "float32" {
			fmt.Fprint(t, "\tfloat32 ", r.Kernel)
			continue
		}
		fmt.Fprint(t, "\t", r.Kernel)
	}
	for i, r := range rates {
		if i == 0 || r.Layer != rates[i-1].Layer || r.Model != rates[i-1].Model {
			fmt.Fprintf(t, "\n%s\t%s\t%d×%d×%d", r.Model, r.Layer, r.M, r.K, r.N)
		}
		fmt.Fprintf(t, "\t%.1f (%.1f)", r.GMACs, r.MACsPerCycle)
	}
	fmt.Fprintln(t)
	return t.Flush()
}
