package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"vitedge/vitlite"
)

// version is set by the linker in releases.
var version string

// programVersion is the release, else what the go command knows of the source.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the kernels in use",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := vitlite.CheckKernel(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "vitedge %s %s/%s, %s, kernels %s\n",
				programVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version(), vitlite.Kernel())
			return nil
		},
	}
}
