package kernels

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

// macro is a line of encode_arm64.h: a name, its parameters, and in a comment the
// instruction in Arm's syntax with the parameters in the place of numbers.
type macro struct {
	name   string
	params []string
	text   string
}

var macroLine = regexp.MustCompile(`^#define (\w+)\(([\w, ]+)\) +WORD \$\(.*\) // (.+)$`)

func encodeMacros(t *testing.T) []macro {
	t.Helper()
	header, err := os.ReadFile("encode_arm64.h")
	require.NoError(t, err)
	var macros []macro
	for line := range strings.Lines(string(header)) {
		if !strings.HasPrefix(line, "#define") {
			continue
		}
		m := macroLine.FindStringSubmatch(strings.TrimSpace(line))
		require.NotNil(t, m, "not a macro of an instruction: %s", line)
		macros = append(macros, macro{m[1], strings.Split(m[2], ", "), m[3]})
	}
	require.NotEmpty(t, macros)
	return macros
}

// use returns a use of the macro, in Go's and in Arm's syntax. Parameters that
// start with v are registers, from 0 to 31; i is a lane from 0 to 3.
func (m macro) use(n int) (source, want string) {
	var args []string
	want = m.text
	for x, p := range m.params {
		arg := strconv.Itoa((31 - 9*x + 7*n) & 31)
		if p == "i" {
			arg = strconv.Itoa(n & 3)
			want = regexp.MustCompile(`([[#])i\b`).ReplaceAllString(want, "${1}"+arg)
		} else {
			want = regexp.MustCompile(`\b([vs])`+p[1:]+`\b`).ReplaceAllString(want, "${1}"+arg)
		}
		args = append(args, arg)
	}
	return m.name + "(" + strings.Join(args, ", ") + ")", want
}

// TestEncoding assembles each macro of encode_arm64.h with several registers and
// reads it back with two disassemblers: golang.org/x/arch always, except for
// what it does not know, and GNU objdump where it is installed.
func TestEncoding(t *testing.T) {
	needToolchain(t)
	var source strings.Builder
	source.WriteString("#include \"textflag.h\"\n#include \"encode_arm64.h\"\nTEXT ·f(SB), NOSPLIT, $0-0\n")
	var want []string
	for _, m := range encodeMacros(t) {
		for n := range 5 {
			use, text := m.use(n)
			fmt.Fprintf(&source, "\t%s\n", use)
			want = append(want, text)
		}
	}
	words := assemble(t, source.String())
	require.GreaterOrEqual(t, len(words), len(want))
	words = words[:len(want)]

	t.Run("arm64asm", func(t *testing.T) {
		for i, w := range words {
			inst, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, w))
			if err != nil && regexp.MustCompile(`^(sdot|smmla) `).MatchString(want[i]) {
				continue
			}
			require.NoError(t, err, "%#08x: want %s", w, want[i])
			require.Equal(t, want[i], arm64asm.GNUSyntax(inst))
		}
	})
	t.Run("objdump", func(t *testing.T) {
		objdump := needTool(t, "aarch64-linux-gnu-objdump")
		bin := filepath.Join(t.TempDir(), "words")
		var b []byte
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		require.NoError(t, os.WriteFile(bin, b, 0o600))
		dump := output(t, exec.Command(objdump, "-D", "-b", "binary", "-m", "aarch64", bin))
		lines := regexp.MustCompile(`(?m)^ +[0-9a-f]+:\t[0-9a-f]{8} \t(.+)$`).FindAllStringSubmatch(dump, -1)
		require.Len(t, lines, len(want))
		for i := range want {
			require.Equal(t, want[i], strings.ReplaceAll(lines[i][1], "\t", " "))
		}
	})
}

// assemble returns the machine code of arm64 assembly.
func assemble(t *testing.T, source string) []uint32 {
	t.Helper()
	dir := t.TempDir()
	s, o := filepath.Join(dir, "f.s"), filepath.Join(dir, "f.o")
	require.NoError(t, os.WriteFile(s, []byte(source), 0o600))
	goroot := strings.TrimSpace(output(t, exec.Command("go", "env", "GOROOT")))
	output(t, goArm64("tool", "asm", "-p", "f", "-I", ".", "-I", filepath.Join(goroot, "pkg/include"), "-o", o, s))
	var words []uint32
	for _, m := range regexp.MustCompile(`\tf\.s:|0x[0-9a-f]+\s+([0-9a-f]{8})\s`).FindAllStringSubmatch(output(t, goArm64("tool", "objdump", o)), -1) {
		if m[1] != "" {
			w, err := strconv.ParseUint(m[1], 16, 32)
			require.NoError(t, err)
			words = append(words, uint32(w))
		}
	}
	return words
}

// TestNoWords makes sure that kernels are written in instructions: a bare WORD
// would be one that nobody reads back. And no macro is left that no kernel uses.
func TestNoWords(t *testing.T) {
	files, err := filepath.Glob("*_arm64.s")
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, strings.Fields(string(b)), "WORD", name)
		all.Write(b)
	}
	for _, m := range encodeMacros(t) {
		used := regexp.MustCompile(`\b` + m.name + `\b`).MatchString(all.String())
		require.True(t, used, "no kernel uses %s", m.name)
	}
}
