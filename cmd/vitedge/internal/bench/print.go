package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"vitedge/vitlite"
)

// Print writes r for people.
func Print(w io.Writer, r *Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t"+format+"\n", append([]any{name}, args...)...)
	}
	line("model", "%s", r.Model)
	line("processor", "%s, %.2f GHz by a chain of additions", r.CPU, r.ClockGHz)
	line("kernels", "%s, %s", r.Kernel, count(r.Threads, "thread"))
	line("time", "%.2f ms at least, %.2f ms in the median of %s", r.MinMS, r.MedianMS, count(r.Iterations, "inference"))
	line("rate", "%.1f GMAC/s, %.1f MAC a cycle and thread", r.GMACs, r.MACsPerCycle)
	line("memory", "%.1f MB resident at most", float64(r.RSSBytes)/1e6)
	line("loading", "%.0f ms, %.0f ms to the first answer", r.LoadMS, r.FirstMS)
	line("logits", "sha256 %s", r.LogitsSHA256)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "operation\tms\tshare\t\n")
	rows := 0.0
	for o := range vitlite.Operation(vitlite.Operations) {
		share := r.Share[o.String()]
		fmt.Fprintf(t, "%s\t%.2f\t%.1f %%\t\n", o, share*r.MedianMS, 100*share)
		if !o.Multiplies() {
			rows += share
		}
	}
	fmt.Fprintf(t, "all that multiply no matrices\t%.2f\t%.1f %%\t\n", rows*r.MedianMS, 100*rows)
	return t.Flush()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
