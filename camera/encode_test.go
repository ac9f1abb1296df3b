package camera

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/arm64/arm64asm"
)

// TestEncoding assembles every macro of encode_arm64.h with several operands,
// and reads the words back as the instruction that its comment names.
func TestEncoding(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not installed")
	}
	header, err := os.ReadFile("encode_arm64.h")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^#define (\w+)\(([\w, ]+)\) +WORD .* // (.+)$`)
	macros := line.FindAllStringSubmatch(string(header), -1)
	require.Equal(t, strings.Count(string(header), "WORD"), len(macros))

	source := "#include \"textflag.h\"\n#include \"encode_arm64.h\"\nTEXT ·f(SB), NOSPLIT, $0-0\n"
	var want []string
	for _, m := range macros {
		for n := range 6 {
			var args []string
			text := m[3]
			for x, param := range strings.Split(m[2], ", ") {
				arg := strconv.Itoa((9*x + 5*n + 3) % 32)
				switch {
				case param == "i" && strings.Contains(text, "[i]"): // a lane
					arg = strconv.Itoa((3*n + 1) % 8)
					text = strings.Replace(text, "[i]", "["+arg+"]", 1)
				case param == "i": // a shift, by no more than the narrowest one can do
					arg = strconv.Itoa(1 + n)
					text = strings.Replace(text, "#i", "#"+arg, 1)
				case param == "vm" && strings.Contains(m[3], "[i]"):
					arg = strconv.Itoa((5*n + 2) % 16)
				}
				text = regexp.MustCompile(`\b`+param+`\b`).ReplaceAllString(text, "v"+arg)
				args = append(args, arg)
			}
			source += fmt.Sprintf("\t%s(%s)\n", m[1], strings.Join(args, ", "))
			want = append(want, text)
		}
	}
	words := assembleARM64(t, source)
	require.GreaterOrEqual(t, len(words), len(want))
	for i, text := range want {
		inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, words[i]))
		require.NoError(t, err, "%#08x: want %s", words[i], text)
		require.Equal(t, text, arm64asm.GNUSyntax(inst))
	}
}

// assembleARM64 returns the machine code of arm64 assembly.
func assembleARM64(t *testing.T, source string) []uint32 {
	t.Helper()
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "f.s"), filepath.Join(dir, "f.o")
	require.NoError(t, os.WriteFile(in, []byte(source), 0o600))
	root := strings.TrimSpace(run("env", "GOROOT"))
	run("tool", "asm", "-p", "f", "-I", ".", "-I", filepath.Join(root, "pkg", "include"), "-o", out, in)
	var words []uint32
	for _, m := range regexp.MustCompile(`\s0x[0-9a-f]+\s+([0-9a-f]{8})\s`).FindAllStringSubmatch(run("tool", "objdump", out), -1) {
		w, err := strconv.ParseUint(m[1], 16, 32)
		require.NoError(t, err)
		words = append(words, uint32(w))
	}
	return words
}
