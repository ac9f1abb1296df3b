package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
)

// sample is the commented configuration file.
//
//go:embed vitedge.yaml
var sample string

func newCheckConfig() *cobra.Command {
	var printSample bool
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration and print what is in force",
		Long: `Check-config reads the configuration as run does, reports every fault with its
line, and prints the result of file, environment and flags as YAML. It never
prints a password, only the names of the files that hold them; in the URL of a
camera xxxxx stands for what may be one. Put that in again before you use what
it prints as a configuration file.`,
		Example: "  vitedge check-config --config vitedge.yaml\n  vitedge check-config --sample > vitedge.yaml",
		Args:    noArgs,
	}
	flags := addConfigFlags(cmd.Flags())
	cmd.Flags().BoolVar(&printSample, "sample", false, "print a commented configuration with all keys instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if printSample {
			_, err := fmt.Fprint(cmd.OutOrStdout(), sample)
			return err
		}
		cfg, warnings, err := flags.load()
		for _, w := range warnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "vitedge: %s\n", w)
		}
		if err != nil {
			return err
		}
		text, err := cfg.YAML()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}
