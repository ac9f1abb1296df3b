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
// prediction stands in for a measurement on the board: it shows what a change
// costs, and how near a kernel is to what the core can do.
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
	a55 = "cortex-a55"  // the next core of that kind, of which LLVM knows more
	a72 = "cortex-a72"  // Raspberry Pi 4
	a76 = "neoverse-n1" // Raspberry Pi 5
	v1  = "neoverse-v1"
	n2  = "neoverse-n2"
)

// mcaGEMM are the GEMM kernels.
var mcaGEMM = []struct {
	function string
	step     int // k in one turn of the inner loop
	before   int // k before the loop
	depths   []int
	cores    []string
}{
	{"gemm4x4NEON", 16, 16, []int{64, 192, 768}, []string{a53, a55, a72, a76}},
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
	{"gemm4x4NEON", a53, "loop", 4},
	{"gemm4x4NEON", a53, "192", 3.6},
	{"gemm4x4NEON", a55, "loop", 4.1},
	{"gemm4x4NEON", a72, "loop", 7.9}, // of 8
	{"gemm4x4NEON", a72, "192", 7.5},
	{"gemm4x16DotProd", a76, "loop", 31.5}, // of 32
	{"gemm4x16DotProd", a76, "192", 27},
	{"gemm8x8I8MM", v1, "loop", 125}, // of 128
	{"gemm8x8I8MM", n2, "loop", 63},  // of 64
}

// mcaRows are the row operations, with the elements that one turn of each of their
// inner loops takes; loops around these come behind them. Where turns is set, it is
// those of one turn of the outer loop, in which the inner one makes so many turns.
var mcaRows = []struct {
	function string
	elements []int
	turns    int
}{
	{"toFloatsNEON", []int{16}, 0},
	{"transposeNEON", []int{32}, 0},
	{"minMaxNEON", []int{16}, 0},
	{"quantizeNEON", []int{32}, 0},
	{"quantizeI8MM", []int{32}, 0},
	{"roundNEON", []int{16}, 0},
	{"momentsNEON", []int{16, 16}, 0},
	{"normalizeNEON", []int{16}, 0},
	{"softmaxNEON", []int{16, 32}, 0},
	{"geluNEON", []int{32}, 0},
	{"dotsNEON", []int{4 * 64}, 4}, // of four rows of 64
}

func TestMCA(t *testing.T) {
	needToolchain(t)
	tool := newMCATool(t)
	code := arm64Code(t)
	got := mcaFigures{LLVM: tool.version, GEMM: map[string]map[string]map[string]float64{}, Rows: map[string]map[string]float64{}}
	for _, g := range mcaGEMM {
		f := newTrace(t, code, g.function)
		var m, n int
		_, err := fmt.Sscanf(tileSize.FindString(g.function), "%dx%d", &m, &n)
		require.NoError(t, err)
		rate := func(core string, code []uint32, k int) float64 {
			return round(float64(m*n*k) / tool.cycles(t, core, code))
		}
		got.GEMM[g.function] = map[string]map[string]float64{}
		for _, core := range g.cores {
			figures := map[string]float64{"loop": rate(core, f.loop(), g.step)}
			for _, k := range g.depths {
				figures[fmt.Sprint(k)] = rate(core, f.tile((k-g.before)/g.step), k)
			}
			got.GEMM[g.function][core] = figures
		}
	}
	for _, r := range mcaRows {
		f := newTrace(t, code, r.function)
		got.Rows[r.function] = map[string]float64{}
		require.GreaterOrEqual(t, len(f.loops), len(r.elements), r.function)
		for _, core := range []string{a53, a72, a76} {
			sum := 0.0
			if r.turns > 0 {
				sum = tool.cycles(t, core, f.tile(r.turns)) / float64(r.elements[0])
			} else {
				for i, loop := range f.loops[:len(r.elements)] {
					sum += tool.cycles(t, core, f.turn(loop)) / float64(r.elements[i])
				}
			}
			got.Rows[r.function][core] = round(sum)
		}
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
	if want.LLVM != tool.version {
		t.Logf("%s has the figures of LLVM %d; those of LLVM %d are not compared", mcaFile, want.LLVM, tool.version)
		return
	}
	require.Equal(t, want, got, "%s is stale: run go test ./kernels -run TestMCA -update", mcaFile)
}

// mcaTool is llvm-mca with the disassembler of the same version.
type mcaTool struct {
	mca, mc string
	version int
}

func newMCATool(t *testing.T) mcaTool {
	t.Helper()
	mca := needTool(t, "llvm-mca-22", "llvm-mca-21", "llvm-mca-20", "llvm-mca-19")
	version := mca[strings.LastIndex(mca, "-")+1:]
	n, err := strconv.Atoi(version)
	require.NoError(t, err)
	return mcaTool{mca, needTool(t, "llvm-mc-"+version), n}
}

// cycles returns how many cycles a core takes for the code when it is repeated:
// the difference that some more repetitions make.
func (m mcaTool) cycles(t *testing.T, core string, code []uint32) float64 {
	t.Helper()
	const attributes = "-mattr=+dotprod,+i8mm"
	var hex strings.Builder
	for _, w := range code {
		fmt.Fprintf(&hex, "%#x %#x %#x %#x\n", w&0xff, w>>8&0xff, w>>16&0xff, w>>24)
	}
	cmd := exec.Command(m.mc, "--disassemble", "-triple=aarch64", attributes)
	cmd.Stdin = strings.NewReader(hex.String())
	asm := output(t, cmd)
	require.Len(t, instruction.FindAllString(asm, -1), len(code), "%s", asm)

	n := min(100, 4+5000/len(code))
	var cycles [2]int
	for i := range cycles {
		cmd := exec.Command(m.mca, "-mtriple=aarch64", attributes, "-mcpu="+core,
			fmt.Sprintf("-iterations=%d", (i+1)*n), "-instruction-info=0", "-resource-pressure=0")
		cmd.Stdin = strings.NewReader(asm)
		total := totalCycles.FindStringSubmatch(output(t, cmd))
		require.NotNil(t, total, "%s: cycles of llvm-mca", core)
		var err error
		cycles[i], err = strconv.Atoi(total[1])
		require.NoError(t, err)
	}
	return float64(cycles[1]-cycles[0]) / float64(n)
}

var (
	instruction = regexp.MustCompile(`(?m)^\t[^.]`)
	totalCycles = regexp.MustCompile(`Total Cycles:\s+(\d+)`)
	tileSize    = regexp.MustCompile(`\d+x\d+`)
)

// round keeps three digits, as many as a model is worth.
func round(x float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	return r
}
