package vitlite_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

// The predicted times of predictions.md, which has the explanation. Rewrite its
// tables after a change of kernels/testdata/mca.json or of the model here with
//
//	go test ./vitlite -run TestPredictions -update

var update = flag.Bool("update", false, "rewrite the tables of predictions.md")

const (
	gemmEfficiency = 0.85 // of llvm-mca's rate that GEMMs reach
	threadsGain    = 0.9  // of four times the speed, which four threads reach
)

// core is what the processor's cores are to the model.
type core struct {
	mca     string // name in kernels/testdata/mca.json
	gemm    string // int8 micro-kernel
	columns int    // of its tile; it has 4 rows
}

var (
	cortexA53 = core{"cortex-a53", "gemm4x4NEON", 4}
	cortexA72 = core{"cortex-a72", "gemm4x4NEON", 4}
	cortexA76 = core{"neoverse-n1", "gemm4x16DotProd", 16}
)

var boards = []struct {
	name, cores string
	core        core
	hertz       float64
	bandwidth   float64 // bytes a second, from memory
}{
	{"Raspberry Pi Zero 2 W", "4 × Cortex-A53, 1.0 GHz", cortexA53, 1.0e9, 2.0e9},
	{"Raspberry Pi 3B+", "4 × Cortex-A53, 1.4 GHz", cortexA53, 1.4e9, 2.0e9},
	{"Raspberry Pi 4", "4 × Cortex-A72, 1.8 GHz", cortexA72, 1.8e9, 4.0e9},
	{"Raspberry Pi 5", "4 × Cortex-A76, 2.4 GHz", cortexA76, 2.4e9, 9.2e9},
}

var sizes = []struct {
	name  string
	heads int
}{{"ViT-Ti", 3}, {"ViT-S", 6}, {"ViT-B", 12}}

func plainViT(heads int) quant.Config {
	return quant.Config{ImageSize: 224, PatchSize: 16, Dim: 64 * heads, Depth: 12, Heads: heads, MLPDim: 256 * heads, Classes: 1000, Pool: quant.Token}
}

// mca is kernels/testdata/mca.json.
type mca struct {
	GEMM map[string]map[string]map[string]float64 `json:"gemm_macs_per_cycle"`
	Rows map[string]map[string]float64            `json:"rows_cycles_per_element"`
}

// prediction computes the cycles of one model on one core.
type prediction struct {
	t    *testing.T
	mca  mca
	core core
	cfg  quant.Config
}

// product is the cycles of m×k times k×n with a micro-kernel of 4×columns. A tile
// takes some cycles, and some more for each k; mca.json has both in the rates at
// two or more k.
func (p prediction) product(function string, columns, m, n, k int) float64 {
	figures := p.mca.GEMM[function][p.core.mca]
	cycles := map[int]float64{}
	for depth, rate := range figures {
		if depth, err := strconv.Atoi(depth); err == nil {
			cycles[depth] = float64(4*columns*depth) / rate
		}
	}
	require.GreaterOrEqual(p.t, len(cycles), 2, "mca.json has no figures of whole tiles of %s on %s", function, p.core.mca)
	depths := slices.Sorted(maps.Keys(cycles))
	i := 1
	for i < len(depths)-1 && k > depths[i] {
		i++
	}
	a, b := depths[i-1], depths[i]
	tile := cycles[b] + (cycles[b]-cycles[a])*float64(k-b)/float64(b-a)
	return float64((m+3)/4*((n+columns-1)/columns)) * tile / gemmEfficiency
}

// linear is that of t tokens. One row more: the class token has two, see operand.
func (p prediction) linear(t, n, k int) float64 {
	return p.product(p.core.gemm, p.core.columns, t+1, n, k)
}

func (p prediction) float(m, n, k int) float64 { return p.product("floatGemm4x16NEON", 16, m, n, k) }

// rows is the cycles of functions that pass over n elements one after the other.
func (p prediction) rows(n int, functions ...string) float64 {
	sum := 0.0
	for _, f := range functions {
		figure, ok := p.mca.Rows[f][p.core.mca]
		require.True(p.t, ok, "mca.json has no figure of %s on %s", f, p.core.mca)
		sum += figure
	}
	return sum * float64(n)
}

// store is the cycles of bringing n bytes of keys into the layout of the micro-kernel:
// transposed by four bytes, or copied by 16 in a loop of Go, of some four cycles.
func (p prediction) store(n int) float64 {
	if p.core == cortexA76 {
		return p.rows(n/4, "transposeNEON")
	}
	return float64(n) / 16 * 4
}

var layerNormRow = []string{"momentsNEON", "normalizeNEON"}

// cycles is that of an operation in the whole model. In the last block, only the
// class token has a query and goes beyond the keys.
func (p prediction) cycles(o vitlite.Operation) float64 {
	c, t, pixels := p.cfg, p.cfg.Tokens(), 3*p.cfg.PatchSize*p.cfg.PatchSize
	switch o {
	case vitlite.Embed:
		return p.rows((t-1)*pixels, "toFloatsNEON") + p.float(t-1, c.Dim, pixels)
	case vitlite.Head:
		return p.rows(c.Dim, layerNormRow...) + p.float(1, c.Classes, c.Dim)
	case vitlite.QKV:
		return float64(c.Depth-1)*p.block(o, t) + p.linear(t, 2*c.Dim, c.Dim) + p.linear(1, c.Dim, c.Dim)
	case vitlite.Keys:
		return float64(c.Depth) * p.block(o, t)
	case vitlite.Scores: // int8 except for the class token
		return float64(c.Depth-1)*p.block(o, t) + p.classScores()
	case vitlite.LayerNorm: // of two a block, one is before the keys
		return float64(2*c.Depth-1)*p.block(o, t) + p.block(o, 1)
	}
	return float64(c.Depth-1)*p.block(o, t) + p.block(o, 1)
}

// block is the cycles of an operation on t tokens in one block.
func (p prediction) block(o vitlite.Operation, t int) float64 {
	c := p.cfg
	d, m, keys := c.Dim, c.MLPDim, c.Tokens()
	padded := (keys + 15) / 16 * 16
	switch o {
	case vitlite.LayerNorm:
		return p.rows(t*d, layerNormRow...) + p.rows(t*d, "quantizeNEON")
	case vitlite.QKV:
		return p.linear(t, 3*d, d)
	case vitlite.Keys:
		return p.rows(keys*d, "minMaxNEON", "roundNEON") + p.store(keys*d)
	case vitlite.Scores:
		return float64(c.Heads)*p.product(p.core.gemm, p.core.columns, t, padded, c.HeadDim()) + p.classScores()
	case vitlite.Softmax:
		return p.rows(c.Heads*t*padded, "softmaxNEON")
	case vitlite.Values:
		return float64(c.Heads) * p.float(t, c.HeadDim(), keys)
	case vitlite.Quantize: // the queries, except in the last block, and what goes into the projection
		queries := t
		if t == 1 {
			queries = 0
		}
		return p.rows((queries+t)*d, "minMaxNEON", "quantizeNEON")
	case vitlite.Proj:
		return p.linear(t, d, d)
	case vitlite.FC1:
		return p.linear(t, m, d)
	case vitlite.Activation:
		return p.rows(t*m, "geluNEON", "quantizeNEON")
	case vitlite.FC2:
		return p.linear(t, d, m)
	}
	return 0
}

// classScores is the cycles of the class token's scores in one block, in float32.
func (p prediction) classScores() float64 { return p.rows(p.cfg.Tokens()*p.cfg.Dim, "dotsNEON") }

// weightBytes is what one inference reads from memory.
func weightBytes(c quant.Config) float64 {
	block := 4*c.Dim*c.Dim + 2*c.Dim*c.MLPDim
	floats := c.Dim*3*c.PatchSize*c.PatchSize + c.Classes*c.Dim + c.Tokens()*c.Dim
	return float64(c.Depth*block + 4*floats)
}

// TestPredictions computes the tables of predictions.md.
func TestPredictions(t *testing.T) {
	b, err := os.ReadFile("../kernels/testdata/mca.json")
	require.NoError(t, err)
	var figures mca
	require.NoError(t, json.Unmarshal(b, &figures))

	var times, shares strings.Builder
	times.WriteString("| board | cores | ViT-Ti, 1 thread | 4 threads | ViT-S, 1 thread | 4 threads | ViT-B, 1 thread | 4 threads |\n|---|---|---|---|---|---|---|---|\n")
	shares.WriteString("| operation |")
	for _, board := range boards {
		fmt.Fprintf(&shares, " %s |", board.name)
		fmt.Fprintf(&times, "| %s | %s |", board.name, board.cores)
		for _, size := range sizes {
			p := prediction{t, figures, board.core, plainViT(size.heads)}
			cycles := 0.0
			for o := range vitlite.Operation(vitlite.Operations) {
				c := p.cycles(o)
				require.Positive(t, c, o)
				cycles += c
			}
			memory := weightBytes(p.cfg) / board.bandwidth
			for _, gain := range []float64{1, 4 * threadsGain} {
				s := cycles/board.hertz/gain + memory
				fmt.Fprintf(&times, " %s ms, %s GMAC/s |", digits(1000*s), digits(float64(vitlite.MACs(p.cfg))/s/1e9))
			}
		}
		times.WriteString("\n")
	}
	shares.WriteString("\n|---|" + strings.Repeat("---|", len(boards)) + "\n")
	rows := make([]float64, len(boards))
	for o := range vitlite.Operation(vitlite.Operations) {
		fmt.Fprintf(&shares, "| %s |", o)
		for i, board := range boards {
			p := prediction{t, figures, board.core, plainViT(3)}
			total := 0.0
			for o := range vitlite.Operation(vitlite.Operations) {
				total += p.cycles(o)
			}
			share := 100 * p.cycles(o) / total
			if !o.Multiplies() {
				rows[i] += share
			}
			fmt.Fprintf(&shares, " %.1f %% |", share)
		}
		shares.WriteString("\n")
	}
	shares.WriteString("| all that multiply no matrices |")
	for _, r := range rows {
		fmt.Fprintf(&shares, " %.1f %% |", r)
	}
	shares.WriteString("\n")

	const file = "predictions.md"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	want := replaceTable(t, replaceTable(t, string(text), "times", times.String()), "shares", shares.String())
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "%s is stale: run go test ./vitlite -run TestPredictions -update", file)
}

// replaceTable replaces what stands between the comments <!-- name --> and
// <!-- end -->.
func replaceTable(t *testing.T, text, name, table string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
	require.True(t, ok, name)
	_, after, ok := strings.Cut(rest, "<!-- end -->\n")
	require.True(t, ok, name)
	return before + "<!-- " + name + " -->\n" + table + "<!-- end -->\n" + after
}

// digits writes two significant digits, as much as a prediction is worth.
func digits(x float64) string {
	x, _ = strconv.ParseFloat(strconv.FormatFloat(x, 'g', 2, 64), 64)
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// TestPredictionModel checks the arithmetic with figures that are easy.
func TestPredictionModel(t *testing.T) {
	p := prediction{
		t: t, core: core{"c", "g", 4}, cfg: plainViT(3),
		mca: mca{
			// A tile of 16·k multiply-accumulates takes 8 + 2k cycles.
			GEMM: map[string]map[string]map[string]float64{"g": {"c": {
				"loop": 8, "64": 16 * 64 / 136.0, "192": 16 * 192 / 392.0, "768": 16 * 768 / 1544.0,
			}}},
			Rows: map[string]map[string]float64{"a": {"c": 0.5}, "b": {"c": 2}, "transposeNEON": {"c": 10}, "minMaxNEON": {"c": 20}, "roundNEON": {"c": 30}, "dotsNEON": {"c": 5}},
		},
	}
	for _, k := range []int{16, 64, 100, 192, 384, 768, 3072} {
		require.InEpsilon(t, float64(8+2*k)/gemmEfficiency, p.product("g", 4, 4, 4, k), 1e-9)
		require.InEpsilon(t, 50*3*float64(8+2*k)/gemmEfficiency, p.product("g", 4, 198, 9, k), 1e-9)
	}
	require.InEpsilon(t, 250.0, p.rows(100, "a", "b"), 1e-9)
	require.InEpsilon(t, 12*(4/16.0+20+30)*197*192.0, p.cycles(vitlite.Keys), 1e-9)
	const at192, at64 = (8 + 2*192) / gemmEfficiency, (8 + 2*64) / gemmEfficiency // cycles of a tile
	require.InEpsilon(t, (11*50*144+50*96+48)*at192, p.cycles(vitlite.QKV), 1e-9)
	require.InEpsilon(t, 11*3*50*52*at64+12*5*197*192, p.cycles(vitlite.Scores), 1e-9)
	require.InDelta(t, 12*12*192*192+4*(192*768+192*1000+192*197), weightBytes(p.cfg), 0.5)
	require.Equal(t, "140", digits(144.3))
	require.Equal(t, "8.5", digits(8.46))
}
