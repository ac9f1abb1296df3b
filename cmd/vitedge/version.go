package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

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

// build says what this program is and what it found on this CPU.
type build struct {
	Version string   `json:"version"`
	OS      string   `json:"os"`
	Arch    string   `json:"arch"`
	Go      string   `json:"go"`
	Kernel  string   `json:"kernel"`  // the implementation in use
	Kernels []string `json:"kernels"` // those that this CPU has, fastest first
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version and the kernels that this CPU has",
		Long: `Version prints the version of the program, the implementation of the kernels that
is in use, and all that this CPU has, fastest first. VITEDGE_KERNEL forces one.`,
		Example: "  vitedge version\n  VITEDGE_KERNEL=generic vitedge version --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := vitlite.CheckKernel(); err != nil {
				return err
			}
			b := build{programVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version(), vitlite.Kernel(), vitlite.Kernels()}
			return b.print(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (b build) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(b)
	}
	_, err := fmt.Fprintf(w, "vitedge %s %s/%s, %s\nkernels in use: %s\nthis CPU has: %s\n",
		b.Version, b.OS, b.Arch, b.Go, b.Kernel, strings.Join(b.Kernels, ", "))
	return err
}
