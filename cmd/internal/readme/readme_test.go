package readme

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// newTool is a command that takes a file, with a subcommand that takes none.
func newTool() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "tool", Args: cobra.ExactArgs(1), Run: run}
	root.Flags().Bool("fast", false, "")
	sub := &cobra.Command{Use: "sub", Args: cobra.NoArgs, Run: run}
	sub.Flags().Int("n", 0, "")
	root.AddCommand(sub)
	return root
}

func TestCommands(t *testing.T) {
	const good = "`tool` is for a `tool --fast`; `go\ntest ./cmd/tool -run x`; `scp tool pi:` and `cmd/tool/tool.go`.\n" +
		"```sh\ngo run ./cmd/tool --fast 'x'   # at once\nsudo tool sub --n 3 && ./tool x; tool\n```\n" +
		"```yaml\ntool: `wrong`\n```\n"
	names, err := Commands(newTool, good)
	require.NoError(t, err)
	require.Equal(t, []string{"sub", "tool"}, names)
	names, err = Commands(newTool, "`tool x`, `other sub`")
	require.NoError(t, err)
	require.Equal(t, []string{"tool"}, names)

	for page, want := range map[string]string{
		"`tool --old`":                `"tool --old": unknown flag: --old`,
		"a `tool\nsub --fast` b":      "unknown flag: --fast",
		"`tool sub --n x`":            `invalid argument "x"`,
		"`tool x y`":                  "accepts 1 arg(s), received 2",
		"```sh\ntool sub x\n```":      `unknown command "x" for "tool sub"`,
		"```sh\ntool x\ntool\n```":    "accepts 1 arg(s), received 0",
		"```sh\nmake && tool -n\n```": "unknown shorthand flag",
	} {
		_, err := Commands(newTool, page)
		require.ErrorContains(t, err, want, page)
	}
}

func TestCheckFlags(t *testing.T) {
	require.NoError(t, CheckFlags(newTool(), "`--fast`, `--n=3 --fast x`, `other --old`\n```sh\n--old\n```"))
	require.EqualError(t, CheckFlags(newTool(), "`--fast --m 1` and `--old`"), "tool has no --m\ntool has no --old")
}

func TestSection(t *testing.T) {
	const page = "# x\n\n## One\n\na\n\n### Part\n\nb\n\n## Two\n\nc\n"
	require.Equal(t, "\na\n\n### Part\n\nb\n", Section(page, "One"))
	require.Equal(t, "\nc\n", Section(page, "Two"))
	require.Empty(t, Section(page, "Part"))
}
