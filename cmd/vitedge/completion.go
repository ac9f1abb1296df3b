package main

import (
	"github.com/spf13/cobra"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/bench"
	"vitedge/cmd/vitedge/internal/scenes"
)

// completions are what shells offer for the values of flags, by flag.
var completions = map[string]cobra.CompletionFunc{
	"log-level":  cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp),
	"log-format": cobra.FixedCompletions([]string{"text", "json", "auto"}, cobra.ShellCompDirectiveNoFileComp),
	"random":     cobra.FixedCompletions(bench.Sizes, cobra.ShellCompDirectiveNoFileComp),
	"model":      cobra.FixedCompletions([]string{"safetensors"}, cobra.ShellCompDirectiveFilterFileExt),
	"config":     cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt),
	"camera":     completeCamera,
}

// completeCamera offers the cameras of this machine.
func completeCamera(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	found := []string{"auto", "test:", scenes.Source}
	devices, _ := camera.List() // none where they cannot be listed
	for _, d := range devices {
		found = append(found, cobra.CompletionWithDesc(d.Path, d.Card))
	}
	return found, cobra.ShellCompDirectiveNoSpace
}

// addCompletions adds them to a command and those below it.
func addCompletions(cmd *cobra.Command) {
	for name, complete := range completions {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic("vitedge: " + err.Error()) // it is registered already
		}
	}
	for _, sub := range cmd.Commands() {
		addCompletions(sub)
	}
}
