// Package manual writes what comes with a command: a man page for it and for
// each of its subcommands, and completions for shells. Only tests import it, so
// nothing of it is in the programs:
//
//	make man
//
// runs the tests TestManual of both commands with a folder to write to.
package manual

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// Write writes the pages to folder/man and the completions to
// folder/completions, named as shells look for them. The date of the pages is
// $SOURCE_DATE_EPOCH, else today.
func Write(root *cobra.Command, version, folder string) error {
	man, completions := filepath.Join(folder, "man"), filepath.Join(folder, "completions")
	for _, dir := range []string{man, completions} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: root.Name() + " " + version, Manual: "User Commands"}
	name := root.Name()
	return cmp.Or(
		doc.GenManTree(root, header, man),
		root.GenBashCompletionFileV2(filepath.Join(completions, name+".bash"), true),
		root.GenZshCompletionFile(filepath.Join(completions, "_"+name)),
		root.GenFishCompletionFile(filepath.Join(completions, name+".fish"), true),
	)
}

// Check reports commands and flags that are not described, and examples that
// the commands would not take.
func Check(root *cobra.Command) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			fault("%s: the short description is %q; want one without a period", path, cmd.Short)
		}
		if cmd.Long == "" || cmd.Example == "" {
			fault("%s: has no long description or no example", path)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				fault("%s: --%s has no description", path, f.Name)
			}
		})
		for _, line := range lines(cmd.Example) {
			if err := try(root, cmd, line); err != nil {
				fault("%s: the example %q: %w", path, line, err)
			}
		}
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				visit(sub)
			}
		}
	}
	visit(root)
	return errors.Join(faults...)
}

// lines are those of an example, with continued ones put together.
func lines(example string) []string {
	return strings.Split(strings.ReplaceAll(example, "\\\n", " "), "\n")
}

// try parses an example's line as cmd would. A line may use other programs, too.
func try(root, cmd *cobra.Command, line string) error {
	words := strings.Fields(line)
	var args []string // after the last mention of the program
	used := false
	for _, word := range words {
		switch word {
		case root.Name():
			used, args = true, nil
		default:
			args = append(args, strings.Trim(word, `'"`))
		}
	}
	if !used {
		return fmt.Errorf("does not use %s", root.Name())
	}
	for i, word := range args { // up to the end of the command
		if slices.Contains([]string{"&&", "||", "|", ">", "#"}, word) {
			args = args[:i]
			break
		}
	}
	found, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if found != cmd && cmd != root { // the root may show what there is
		return fmt.Errorf("is one of %s", found.CommandPath())
	}
	return found.ParseFlags(rest)
}

// folder is that of the flag -manual of the commands' tests.
var folder = flag.String("manual", "", "write man pages and completions to this folder")

// Test checks a command, writes its pages and completions, and lets those of
// man, mandoc and the shells that are installed read them.
func Test(t *testing.T, root *cobra.Command, version string) {
	if err := Check(root); err != nil {
		t.Fatal(err)
	}
	dir := cmp.Or(*folder, t.TempDir())
	if err := Write(root, version, dir); err != nil {
		t.Fatal(err)
	}
	name := root.Name()
	pages, err := filepath.Glob(filepath.Join(dir, "man", name+"*.1"))
	if err != nil || len(pages) == 0 {
		t.Fatal("no man pages", err)
	}
	completions := filepath.Join(dir, "completions")
	for _, reader := range [][]string{
		append([]string{"mandoc", "-T", "lint", "-W", "error"}, pages...),
		append([]string{"man", "--warnings", "-E", "UTF-8", "-Tutf8", "-l"}, pages...),
		{"bash", "-n", filepath.Join(completions, name+".bash")},
		{"zsh", "-n", filepath.Join(completions, "_"+name)},
		{"fish", "-n", filepath.Join(completions, name+".fish")},
	} {
		path, err := exec.LookPath(reader[0])
		if err != nil {
			continue
		}
		var complaints strings.Builder
		cmd := exec.Command(path, reader[1:]...)
		cmd.Stderr = &complaints
		if reader[0] == "mandoc" {
			cmd.Stdout = &complaints
		}
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%v: %v: %s", reader, err, complaints.String())
		}
	}
}
