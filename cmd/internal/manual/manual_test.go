package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// tool is a command with a subcommand.
func tool() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do things", Long: "Tool does things.", Example: "  tool --fast x", RunE: func(*cobra.Command, []string) error { return nil }, Args: cobra.ArbitraryArgs}
	root.Flags().Bool("fast", false, "do them fast")
	sub := &cobra.Command{Use: "sub", Short: "Do others", Long: "Sub does others.", Example: "  make tool && tool sub --n 3 | less --n\n  tool sub \\\n    --n 1", Args: cobra.NoArgs, Run: func(*cobra.Command, []string) {}}
	sub.Flags().Int("n", 0, "how many")
	root.AddCommand(sub)
	return root
}

func TestCheck(t *testing.T) {
	require.NoError(t, Check(tool()))
	for want, spoil := range map[string]func(root, sub *cobra.Command){
		`tool: the short description is ""`:           func(root, _ *cobra.Command) { root.Short = "" },
		`tool sub: the short description is "Do it."`: func(_, sub *cobra.Command) { sub.Short = "Do it." },
		"tool sub: has no long description":           func(_, sub *cobra.Command) { sub.Long = "" },
		"tool: has no long description or no example": func(root, _ *cobra.Command) { root.Example = "" },
		"tool sub: --x has no description":            func(_, sub *cobra.Command) { sub.Flags().Bool("x", false, "") },
		"unknown flag: --old":                         func(_, sub *cobra.Command) { sub.Example = "tool sub --old" },
		"is one of tool":                              func(_, sub *cobra.Command) { sub.Example = "tool --fast" },
		"does not use tool":                           func(root, _ *cobra.Command) { root.Example = "ls" },
	} {
		root := tool()
		sub, _, err := root.Find([]string{"sub"})
		require.NoError(t, err)
		spoil(root, sub)
		require.ErrorContains(t, Check(root), want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Write(tool(), "v1", dir))
	for name, want := range map[string]string{
		"man/tool.1": "Tool does things.", "man/tool-sub.1": "how many",
		"completions/tool.bash": "__start_tool", "completions/_tool": "#compdef tool", "completions/tool.fish": "complete -c tool",
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(text), want)
	}
	require.Error(t, Write(tool(), "v1", filepath.Join(dir, "man/tool.1")))
}

// TestNotInThePrograms guards that no program carries along what is for tests.
func TestNotInThePrograms(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed")
	}
	deps, err := exec.Command("go", "list", "-deps", "vitedge/cmd/vitedge", "vitedge/cmd/quantize").Output()
	require.NoError(t, err)
	require.Contains(t, string(deps), "github.com/spf13/cobra\n")
	require.NotContains(t, string(deps), "md2man")
	require.NotContains(t, string(deps), "vitedge/cmd/internal/manual")
	require.NotContains(t, string(deps), "vitedge/cmd/internal/readme")
}
