// Package readme holds a page to the commands that it shows. Only tests import
// it.
package readme

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// code finds fenced blocks, with their language, and code within a line.
var code = regexp.MustCompile("(?s)```(\\w*)\n(.*?)```|`([^`]+)`")

// snippet is a line of a shell block, which is complete, or code in a sentence,
// which may leave arguments out.
type snippet struct {
	text  string
	shell bool
}

func snippets(page string) (list []snippet) {
	for _, found := range code.FindAllStringSubmatch(page, -1) {
		language, block, span := found[1], found[2], found[3]
		if span != "" {
			list = append(list, snippet{strings.ReplaceAll(span, "\n", " "), false})
		}
		if language == "sh" {
			for line := range strings.Lines(block) {
				list = append(list, snippet{line, true})
			}
		}
	}
	return list
}

// Commands lists which commands of a program a page shows, by their names, and
// reports what the program would not take. The program is a new one for each
// command, since flags keep what they were set to.
func Commands(newRoot func() *cobra.Command, page string) (names []string, err error) {
	program := regexp.MustCompile(`(?:^|&& |sudo |\./|cmd/)` + newRoot().Name() + `((?: [^\s#&;|>]+)*)`)
	var faults []error
	for _, s := range snippets(page) {
		if strings.Contains(s.text, "go test ") {
			continue // the arguments are go's
		}
		for _, found := range program.FindAllStringSubmatch(s.text, -1) {
			cmd, err := parse(newRoot(), strings.Fields(found[1]), s.shell)
			if err != nil {
				faults = append(faults, fmt.Errorf("%q: %w", strings.TrimSpace(s.text), err))
				continue
			}
			names = append(names, cmd.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names), errors.Join(faults...)
}

// parse takes args as the program does, up to where it would begin to work. One
// that is not complete may do without any arguments but flags.
func parse(root *cobra.Command, args []string, complete bool) (*cobra.Command, error) {
	for i, arg := range args {
		args[i] = strings.Trim(arg, `'"`)
	}
	cmd, rest, err := root.Find(args)
	if err != nil {
		return nil, err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return nil, err
	}
	if rest = cmd.Flags().Args(); complete || len(rest) > 0 {
		return cmd, cmd.ValidateArgs(rest)
	}
	return cmd, nil
}

// CheckFlags reports flags that a page names without their command, as in
// `--force`, and that no command of the program has.
func CheckFlags(root *cobra.Command, page string) error {
	known := map[string]bool{}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
	var faults []error
	for _, s := range snippets(page) {
		if s.shell || !strings.HasPrefix(s.text, "--") {
			continue
		}
		for _, word := range strings.Fields(s.text) {
			name, isFlag := strings.CutPrefix(word, "--")
			if name, _, _ = strings.Cut(name, "="); isFlag && !known[name] {
				faults = append(faults, fmt.Errorf("%s has no --%s", root.Name(), name))
			}
		}
	}
	return errors.Join(faults...)
}

// Section is the part of a page under a heading of the second level, "" where
// there is none of that name.
func Section(page, heading string) string {
	_, rest, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		return ""
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	return section
}
