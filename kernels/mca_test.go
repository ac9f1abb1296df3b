package kernels

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// llvm-mca predicts from a model of a core how many cycles a piece of machine
// code takes when it is repeated and its data are in the level-1 cache. The
// prediction stands in for a measurement that a build machine cannot make: it
// shows that a change costs something, and how near a kernel is to what the
// core can do.
//
// testdata/mca.json has the figures of this code. Rewrite it after a change with
//
//	go test ./kernels -run TestMCA -update

var update = flag.Bool("update", false, "rewrite testdata/mca.json")

const mcaFile = "testdata/mca.json"

// mcaFigures is testdata/mca.json.
type mcaFigures struct {
	LLVM int `json:"llvm"` // major version of llvm-mca: models differ between versions

	// Multiply-accumulates a cycle by function and core: "loop" for the inner
	// loop alone, a number for a whole tile, with epilogue, of so many k.
	GEMM map[string]map[string]map[string]float64 `json:"gemm_macs_per_cycle"`

	// Cycles an element by function and core.
	Rows map[string]map[string]float64 `json:"rows_cycles_per_element"`
}

// The cores of the boards. The model of the Cortex-A76 in LLVM is that of an
// older core; the Neoverse N1 is the same core as the A76.
const (
	a53 = "cortex-a53"  // Raspberry Pi 3, Zero 2 W
	a72 = "cortex-a72"  // Raspberry Pi 4
	a76 = "neoverse-n1" // Raspberry Pi 5
	v1  = "neoverse-v1"
	n2  = "neoverse-n2"
)

// mcaGEMM are the GEMM kernels, with how many k one turn of the inner loop takes.
var mcaGEMM = []struct {
	function string
	step     int
	before   int
	depths   []int
	cores    []string
}{
	{"gemm4x4NEON", 16, 16, []int{64, 192, 768}, []string{a53, a72, a76}},
	{"gemm4x16DotProd", 16, 0, []int{64, 192, 768}, []string{a76}},
	{"gemm8x8I8MM", 16, 0, []int{64, 192, 768}, []string{v1, n2}},
	{"floatGemm4x16NEON", 4, 0, []int{64, 192}, []string{a53, a72, a76}},
}

// mcaLimits are what the kernels are built for: the fewest multiply-accumulates a
// cycle of a loop or tile.
var mcaLimits = []struct {
	function, core, part string
	least                float64
}{
	{"gemm4x4NEON", a53, "loop", 3.5},
	{"gemm4x4NEON", a72, "loop", 7.9}, // of 8
	{"gemm4x4NEON", a72, "192", 7.5},
	{"gemm4x16DotProd", a76, "loop", 31.5}, // of 32
	{"gemm4x16DotProd", a76, "192", 27},
	{"gemm8x8I8MM", v1, "loop", 125}, // of 128
	{"gemm8x8I8MM", n2, "loop", 63},  // of 64
}

// mcaRows are the row operations, with the elements of one turn of the loop.
var mcaRows = []struct {
	function string
	elements int
}{
	{"minMaxNEON", 16},
	{"quantizeNEON", 32},
	{"quantizeI8MM", 32},
	{"sumNEON", 16},
	{"squaresNEON", 16},
	{"normalizeNEON", 16},
	{"maximumNEON", 16},
	{"expNEON", 32},
	{"geluNEON", 32},
}

func TestMCA(t *testing.T) {
	needToolchain(t)
	mca := needTool(t, "llvm-mca-22", "llvm-mca-21", "llvm-mca-20", "llvm-mca-19")
	mc := needTool(t, strings.Replace(mca, "-mca-", "-mc-", 1))
	llvm, err := strconv.Atoi(mca[strings.LastIndex(mca, "-")+1:])
	require.NoError(t, err)

	code := arm64Code(t)
	jobs := map[string]*mcaJob{}
	for _, core := range []string{a53, a72, a76, v1, n2} {
		jobs[core] = &mcaJob{}
	}
	got := mcaFigures{LLVM: llvm, GEMM: map[string]map[string]map[string]float64{}, Rows: map[string]map[string]float64{}}
	for _, g := range mcaGEMM {
		f := newTrace(t, code, g.function)
		var m, n int
		_, err := fmt.Sscanf(tileSize.FindString(g.function), "%dx%d", &m, &n)
		require.NoError(t, err)
		got.GEMM[g.function] = map[string]map[string]float64{}
		for _, core := range g.cores {
			figures := map[string]float64{}
			got.GEMM[g.function][core] = figures
			jobs[core].add(f.loop(), func(cycles float64) { figures["loop"] = round(float64(m*n*g.step) / cycles) })
			for _, k := range g.depths {
				jobs[core].add(f.tile((k-g.before)/g.step), func(cycles float64) { figures[fmt.Sprint(k)] = round(float64(m*n*k) / cycles) })
			}
		}
	}
	for _, r := range mcaRows {
		f := newTrace(t, code, r.function)
		figures := map[string]float64{}
		got.Rows[r.function] = figures
		for _, core := range []string{a53, a72, a76} {
			jobs[core].add(f.loop(), func(cycles float64) { figures[core] = round(cycles / float64(r.elements)) })
		}
	}
	for core, job := range jobs {
		job.run(t, mca, mc, core)
	}

	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(mcaFile, append(b, '\n'), 0o644))
	}
	for _, l := range mcaLimits {
		figure := got.GEMM[l.function][l.core][l.part]
		require.GreaterOrEqual(t, figure, l.least, "%s on %s, %s: multiply-accumulates a cycle", l.function, l.core, l.part)
	}
	var want mcaFigures
	b, err := os.ReadFile(mcaFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &want))
	if want.LLVM != llvm {
		t.Skipf("%s has the figures of LLVM %d, this is LLVM %d", mcaFile, want.LLVM, llvm)
	}
	require.Equal(t, want, got, "%s is stale: run go test ./kernels -run TestMCA -update", mcaFile)
}

var tileSize = regexp.MustCompile(`\d+x\d+`)

// round keeps three digits, as much as a model is worth.
func round(x float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	return r
}

// trace is the machine code of a function with its loops: the inner one, and the
// outer one around it where there is one.
type trace struct {
	words        []uint32
	inner, outer [2]int // first and last instruction
}

// newTrace finds the loops of a function. The branches backwards are loops; the
// first is the inner one.
func newTrace(t *testing.T, code map[string][]uint32, function string) *trace {
	t.Helper()
	words, ok := code[function]
	require.True(t, ok, "%s is not in the program", function)
	f := &trace{words: words}
	for i := range words {
		target, ok := f.branch(i)
		if !ok || target > i {
			continue
		}
		loop := [2]int{target, i}
		if f.inner == [2]int{} {
			f.inner = loop
		}
		if target <= f.inner[0] {
			f.outer = loop
		}
	}
	require.NotZero(t, f.inner, "%s has no loop", function)
	return f
}

// branch returns the instruction that instruction i branches to, if it does: B,
// B.cond, CBZ or CBNZ.
func (f *trace) branch(i int) (target int, ok bool) {
	w := f.words[i]
	switch {
	case w>>26 == 0b000101:
		return i + int(int32(w<<6)>>6), true
	case w>>24 == 0b01010100, w>>25&0x3f == 0b011010:
		return i + int(int32(w<<8)>>13), true
	}
	return 0, false
}

// loop returns one turn of the inner loop.
func (f *trace) loop() []uint32 { return f.words[f.inner[0] : f.inner[1]+1] }

// tile returns one turn of the outer loop in which the inner one makes so many
// turns. Branches that stay in the outer loop are taken, those that leave it
// are not: a tile is full and does not add to C.
func (f *trace) tile(turns int) []uint32 {
	var words []uint32
	for i := f.outer[0]; i <= f.outer[1]; i++ {
		if i == f.inner[0] {
			for range turns {
				words = append(words, f.loop()...)
			}
			i = f.inner[1]
			continue
		}
		words = append(words, f.words[i])
		if target, ok := f.branch(i); ok && target > i && target <= f.outer[1] && !(i < f.inner[0] && target > f.inner[1]) {
			i = target - 1
		}
	}
	return words
}

// mcaJob is code to be judged for one core.
type mcaJob struct {
	code    [][]uint32
	results []func(cycles float64)
}

// add adds a piece of code; result is called with the cycles of one repetition.
func (j *mcaJob) add(code []uint32, result func(cycles float64)) {
	j.code = append(j.code, code)
	j.results = append(j.results, result)
}

const mcaAttributes = "-mattr=+dotprod,+i8mm"

// run lets llvm-mc turn the code into assembly text, which llvm-mca reads. The
// cycles of one repetition are the difference that some more repetitions make.
func (j *mcaJob) run(t *testing.T, mca, mc, core string) {
	t.Helper()
	for i, code := range j.code {
		var hex strings.Builder
		for _, w := range code {
			fmt.Fprintf(&hex, "%#x %#x %#x %#x\n", w&0xff, w>>8&0xff, w>>16&0xff, w>>24)
		}
		cmd := exec.Command(mc, "--disassemble", "-triple=aarch64", mcaAttributes)
		cmd.Stdin = strings.NewReader(hex.String())
		asm := output(t, cmd)
		require.Equal(t, len(code), strings.Count("\n"+strings.TrimPrefix(asm, "\t.text\n"), "\n\t"), "%s", asm)

		n := min(100, 4+5000/len(code))
		var cycles [2]int
		for x := range cycles {
			cmd := exec.Command(mca, "-mtriple=aarch64", mcaAttributes, "-mcpu="+core,
				fmt.Sprintf("-iterations=%d", (x+1)*n), "-instruction-info=0", "-resource-pressure=0")
			cmd.Stdin = strings.NewReader(asm)
			m := totalCycles.FindStringSubmatch(output(t, cmd))
			require.NotNil(t, m, "%s: cycles of llvm-mca", core)
			var err error
			cycles[x], err = strconv.Atoi(m[1])
			require.NoError(t, err)
		}
		j.results[i](float64(cycles[1]-cycles[0]) / float64(n))
	}
}

var totalCycles = regexp.MustCompile(`Total Cycles:\s+(\d+)`)
