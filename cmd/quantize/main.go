// Quantize turns trained float weights of a Vision Transformer into the int8
// model file that vitedge runs, and measures what that costs in accuracy.
//
//	quantize SRC DST                                 convert.go
//	    where SRC comes from                         source.go, internal/hub
//	    what the files do not say                    flags.go
//	    what may be replaced                         target.go
//	quantize inspect FILE                            inspect.go
//	quantize verify --float SRC --images DIR MODEL   verify.go
//	    pictures and their classes                   pictures.go
//	    both models side by side                     runner.go
//	    figures of pictures, and of layers           compare.go, layers.go
//	    what has to be reached                       gates.go
//	    the page with charts                         report.go, charts.go
//
// Results go to stdout, messages to stderr. The exit status is 0, 1 after a
// failure, 2 after wrong arguments, and 3 where verify misses a gate.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"vitedge/cmd/internal/interrupt"
)

func main() {
	ctx, _ := interrupt.Context() // a second signal loses nothing
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is a wrong command line.
type usageError struct{ error }

// newRoot is quantize with all of its commands.
func newRoot(con *console) *cobra.Command {
	cmd := newConvert(con)
	cmd.AddCommand(newInspect(con), newVerify(con))
	con.addFlags(cmd)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return cmd
}

// run is the command without the process around it. It returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	results := &resultWriter{Writer: stdout}
	cmd := newRoot(&console{stdout: results, stderr: stderr})
	cmd.SetArgs(args)
	cmd.SetOut(results)
	cmd.SetErr(stderr)

	err := catchFault(func() error { return cmd.ExecuteContext(ctx) })
	if err == nil {
		err = results.err
	}
	stderr = printableWriter{stderr}
	var usage usageError
	var gate gateError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "quantize: %v; see quantize --help\n", err)
		return 2
	case errors.As(err, &gate):
		fmt.Fprintf(stderr, "quantize: %v\n", err)
		return 3
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "quantize: interrupted")
		return 1
	}
	fmt.Fprintf(stderr, "quantize: %v\n", err)
	return 1
}

// exactArgs wants one argument for each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usageError{fmt.Errorf("%s is missing", names[len(args)])}
		}
		if len(args) > len(names) {
			return usageError{fmt.Errorf("unexpected argument %q", args[len(names)])}
		}
		for i, arg := range args {
			if arg == "" {
				return usageError{fmt.Errorf("%s is empty", names[i])}
			}
		}
		return nil
	}
}

// version is set by the linker in releases.
var version string

// toolVersion is the release, else what the go command knows of the source.
func toolVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
