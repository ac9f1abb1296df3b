package kernels

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestArgumentsStayInside: kernels may change their arguments, but the garbage
// collector sees these, and a pointer behind the end of an operand is to whatever
// lies there. A process ends when that is memory which has been freed.
func TestArgumentsStayInside(t *testing.T) {
	forEach(t, func(t *testing.T) {
		const n, k = 2 * floatCols, 5
		for rows := 1; rows <= 4*12+1; rows++ {
			a, b, c := make([]float32, rows*k), NewPanels(n, k), make([]float32, rows*n)
			for name, run := range map[string]func(*floatArgs){"panel": active.floatPanel, "pair": active.floatPair} {
				if run == nil {
					continue
				}
				args := &floatArgs{
					a: &a[0], lda: 4 * k, b: &b.Data[0], ldb: 4 * floatCols, panel: 4 * floatCols * k,
					c: &c[0], ldc: 4 * n, k: k, rows: rows, rowScale: &ones[0], bias: &b.Bias[0],
				}
				run(args)
				what := fmt.Sprintf("%s of %d rows: ", name, rows)
				requireInside(t, a, args.a, what+"a")
				requireInside(t, b.Data, args.b, what+"b")
				requireInside(t, c, args.c, what+"c")
				requireInside(t, b.Bias, args.bias, what+"bias")
				requireInside(t, ones[:], args.rowScale, what+"rowScale")
			}
		}
		p := randomProduct(newRand(14), 3*active.tile+1, active.b.rows, 48, random8)
		aq, w, c := p.activations(), PackWeights(p.w, p.scale, p.bias, p.n, p.k), make([]float32, p.m*p.n)
		worker := new(Worker)
		worker.Gemm(c, p.n, aq, w, false)
		requireInside(t, c, worker.gemm.c, "int8 c")
		requireInside(t, aq.scale, worker.gemm.rowScale, "int8 rowScale")
		requireInside(t, aq.data, (*byte)(worker.gemm.a), "int8 a")
		requireInside(t, w.data, (*int8)(worker.gemm.next), "int8 next")
	})
}

// requireInside requires that p points into s.
func requireInside[T any](t *testing.T, s []T, p *T, name string) {
	t.Helper()
	first := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	at := uintptr(unsafe.Pointer(p))
	require.True(t, at >= first && at < first+uintptr(len(s))*unsafe.Sizeof(s[0]), "%s is left at byte %d of %d",
		name, int(at)-int(first), uintptr(len(s))*unsafe.Sizeof(s[0]))
}
