package kernels

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// needTool returns the path of the first of the programs that is installed. None
// is a reason to skip, and a failure where VITEDGE_TEST_REQUIRE=1 asks for all.
func needTool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := strings.Join(names, " or ") + " is not installed"
	if os.Getenv("VITEDGE_TEST_REQUIRE") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// needToolchain skips where this test runs under emulation: what it looks at does
// not depend on the CPU that it runs on.
func needToolchain(t *testing.T) {
	t.Helper()
	host, err := exec.Command("go", "env", "GOHOSTARCH").Output()
	if err != nil {
		t.Skip("the Go toolchain is not installed")
	}
	if arch := strings.TrimSpace(string(host)); arch != runtime.GOARCH {
		t.Skipf("%s code on a %s machine", runtime.GOARCH, arch)
	}
}

// output runs a command and returns what it printed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", cmd, &stderr)
	return string(out)
}

// goArm64 is a command of the Go toolchain that builds for linux/arm64.
func goArm64(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	return cmd
}

// arm64Code builds the package for arm64 and returns the machine code of its
// assembly functions.
func arm64Code(t *testing.T) map[string][]uint32 {
	t.Helper()
	// Reading the sources tells the test cache that the result depends on them.
	sources, err := filepath.Glob("*_arm64.*")
	require.NoError(t, err)
	for _, name := range sources {
		_, err := os.ReadFile(name)
		require.NoError(t, err)
	}
	path := filepath.Join(t.TempDir(), "kernels.test")
	output(t, goArm64("test", "-c", "-o", path, "."))
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	code := map[string][]uint32{}
	for _, s := range symbols {
		name, ok := strings.CutPrefix(s.Name, "vitedge/kernels.")
		if name, abi0 := strings.CutSuffix(name, ".abi0"); ok && abi0 {
			section := f.Sections[s.Section]
			words := make([]uint32, s.Size/4)
			r := io.NewSectionReader(section, int64(s.Value-section.Addr), int64(s.Size))
			require.NoError(t, binary.Read(r, binary.LittleEndian, words))
			code[name] = words
		}
	}
	require.NotEmpty(t, code)
	return code
}

// trace is the machine code of a function with its loops: the inner one, and the
// outer one around it where there is one. Of the loops of a row operation, one after
// the other, the inner one is the first.
type trace struct {
	words        []uint32
	inner, outer [2]int   // first and last instruction
	loops        [][2]int // all of them, as they end
}

// newTrace finds the loops of a function: the branches backwards.
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
		f.loops = append(f.loops, loop)
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
func (f *trace) loop() []uint32 { return f.turn(f.inner) }

// turn returns one turn of a loop.
func (f *trace) turn(loop [2]int) []uint32 { return f.words[loop[0] : loop[1]+1] }

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
