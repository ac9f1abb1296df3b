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
