//go:build !purego

package kernels

import "unsafe"

// Few machines have VNNI, so the layouts of its implementations are tested with Go in
// the place of its instructions on the others.
func init() {
	for _, impl := range []*implementation{&avx512vnni, &avxvnni} {
		if _, err := choose(impl.name); err != nil {
			emulated = append(emulated, emulate(impl))
		}
	}
}

// emulate returns the specification of every operation, on the layouts and with the
// sizes of impl.
func emulate(impl *implementation) *implementation {
	i := generic
	i.name = impl.name + " emulated"
	i.tile, i.a, i.b, i.aType = impl.tile, impl.a, impl.b, impl.aType
	i.panelStep, i.budget = impl.panelStep, impl.budget
	i.floatRows, i.floatBudget = impl.floatRows, impl.floatBudget
	i.quantize = func(dst unsafe.Pointer, x []float32, lo, hi float32) (scale float32, zero int32) {
		q := make([]int8, len(x))
		scale, zero = genericQuantize(ptr(q), x, lo, hi)
		row := unsafe.Slice((*byte)(dst), (i.a.index(0, len(x)-1, 0)+1)*i.aType.size())
		for k, v := range q {
			i.aType.store(row, i.a.index(0, k, 0), v)
		}
		return scale, zero
	}
	i.panel = func(g *gemmArgs) {
		k, nr := g.steps*i.panelStep, i.b.rows
		b := unsafe.Slice((*int8)(g.b), k*nr)
		rows, zeros := unsafe.Slice(g.rowScale, g.rows), unsafe.Slice(g.rowZero, g.rows)
		scales, sums, bias := unsafe.Slice(g.colScale, nr), unsafe.Slice(g.colSum, nr), unsafe.Slice(g.bias, nr)
		for r := range g.rows {
			tile := unsafe.Add(g.a, uintptr(r/i.tile)*g.tile)
			kp := int(g.lda) / i.aType.size()
			last := i.a.index(r%i.tile, k-1, kp)
			a := unsafe.Slice((*byte)(tile), (last+1)*i.aType.size())
			c := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(g.c), uintptr(r)*g.ldc)), nr)
			for j := range nr {
				var acc int32
				for x := range k {
					acc += i.aType.load(a, i.a.index(r%i.tile, x, kp)) * int32(b[i.b.index(j, x, k)])
				}
				v := dequantize(acc-zeros[r]*sums[j], scales[j], rows[r], bias[j])
				if g.add != 0 {
					v += c[j]
				}
				c[j] = v
			}
		}
	}
	return &i
}
