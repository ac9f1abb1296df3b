package main

import (
	"os"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/internal/readme"
)

// TestReadme holds the README to the program: the commands that it names exist,
// with their flags.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	newQuantize := func() *cobra.Command { return newRoot(new(console)) }
	commands, err := readme.Commands(newQuantize, string(text))
	require.NoError(t, err)
	require.Subset(t, commands, []string{"quantize", "verify"})
	section := readme.Section(string(text), "Your own model")
	require.NotEmpty(t, section)
	require.NoError(t, readme.CheckFlags(newQuantize(), section))
}
