package kernels

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// emulated are implementations that this CPU lacks, with Go for their instructions.
var emulated []*implementation

// forEach runs test once for every implementation that this CPU has, and for those
// that are emulated. The rest of the package's state is the pool's, so tests are not
// parallel.
func forEach(t *testing.T, test func(t *testing.T)) {
	was := active
	defer func() { active = was }()
	for _, impl := range append(implementations(), emulated...) {
		active = impl
		t.Run(impl.name, test)
	}
}

// TestRequired fails where VITEDGE_REQUIRE_KERNEL names another implementation
// than the active one: a skipped implementation would hide a broken choice.
func TestRequired(t *testing.T) {
	want := os.Getenv("VITEDGE_REQUIRE_KERNEL")
	if want == "" {
		t.Skip("VITEDGE_REQUIRE_KERNEL is not set")
	}
	require.Equal(t, want, Name(), "this CPU has %v", Names())
}

func TestChoose(t *testing.T) {
	all := implementations()
	i, err := choose("")
	require.NoError(t, err)
	require.Equal(t, all[0].name, i.name)
	for _, want := range all {
		i, err := choose(want.name)
		require.NoError(t, err)
		require.Equal(t, want.name, i.name)
	}
	require.Equal(t, "generic", all[len(all)-1].name)
	_, err = choose("sse9")
	require.ErrorContains(t, err, `"sse9"`)
	require.ErrorContains(t, err, "generic")
}

// guarded is a float32 slice between two bands that nobody may write.
type guarded struct {
	all  []float32
	x    []float32
	want []float32 // what read-only operands must still hold
}

const band = 32

// canary is a NaN with a payload, so that arithmetic on it shows as well.
var canary = math.Float32frombits(0x7fc0beef)

// guard returns n floats that start off floats after a cache line.
func guard(n, off int) *guarded {
	g := &guarded{all: alignedFloats(band + off + n + band)}
	for i := range g.all {
		g.all[i] = canary
	}
	g.x = g.all[band+off : band+off+n : band+off+n]
	return g
}

// freeze remembers the contents for check.
func (g *guarded) freeze() *guarded {
	g.want = append([]float32{}, g.x...)
	return g
}

func (g *guarded) check(t *testing.T, name string) {
	t.Helper()
	start := (uintptr(unsafe.Pointer(unsafe.SliceData(g.x))) - uintptr(unsafe.Pointer(&g.all[0]))) / 4
	for i, v := range g.all {
		if inside := uintptr(i) >= start && uintptr(i) < start+uintptr(len(g.x)); !inside {
			require.Equal(t, math.Float32bits(canary), math.Float32bits(v), "%s: wrote outside, at %d", name, i-int(start))
		}
	}
	if g.want != nil {
		requireSame(t, g.want, g.x, name+": an input changed")
	}
}

// requireSame compares bits, so that 0 and -0 differ.
func requireSame(t *testing.T, want, got []float32, msg string) {
	t.Helper()
	require.Equal(t, len(want), len(got), msg)
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			require.Failf(t, msg, "element %d of %d: want %v (%#x), got %v (%#x)", i, len(want),
				want[i], math.Float32bits(want[i]), got[i], math.Float32bits(got[i]))
		}
	}
}

// fill writes values of many magnitudes and both signs, as activations have.
func fill(r *rand.Rand, x []float32, scale float32) {
	for i := range x {
		x[i] = float32(r.NormFloat64()) * scale
		if r.IntN(50) == 0 {
			x[i] *= 60
		}
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// sizes are row lengths around every width that assembly handles at once.
func sizes() []int {
	var s []int
	for n := 1; n <= 70; n++ {
		s = append(s, n)
	}
	return append(s, 127, 128, 192, 197, 208, 255, 768, 769)
}

func ptr[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }
