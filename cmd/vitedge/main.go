// Vitedge takes pictures from cameras, classifies them with an int8 Vision
// Transformer and publishes what it sees over MQTT.
//
//	vitedge run            run.go, flags.go, log.go
//	    all parts wired    daemon.go
//	    running, ending    loop.go, systemd.go, ignore_*.go
//	    commands over MQTT actions.go
//	    what is retained   announce.go
//	    health and HTTP    health.go, page.go
//	vitedge demo           demo.go, demo_broker.go, demo_print.go
//	vitedge classify       classify.go
//	vitedge cameras        cameras.go
//	vitedge bench          bench.go
//	vitedge check-config   checkconfig.go, vitedge.yaml
//	vitedge doctor         doctor.go
//	vitedge mqtt cleanup   mqtt.go
//	vitedge version        version.go
//	vitedge completion     completion.go
//
// Results go to stdout, messages to stderr. The exit status is 0, 1 after a
// failure, 2 after wrong arguments, and 78 when the configuration is wrong or
// there is no model file, which trying again does not mend.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vitedge/cmd/internal/interrupt"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/engine"
)

// Exit statuses. 78 is EX_CONFIG of sysexits.h.
const (
	exitFailure = 1
	exitUsage   = 2
	exitConfig  = 78
)

// restartWanted is what run returns when main is to start the program anew.
const restartWanted = -1

func main() {
	ctx, release := interrupt.Context()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if code == restartWanted {
		release()
		code = startAnew(ctx)
	}
	os.Exit(code)
}

// startAnew replaces this process by a new one of the same program with the
// same arguments, unless ctx says that it was told to end meanwhile. It keeps its
// process id, so nobody who watches it is needed.
// A SIGHUP meanwhile would end the new program before it waits for the signal,
// and is not needed: the configuration is yet to be read. What is ignored stays
// so in the new program until hangups.
func startAnew(ctx context.Context) int {
	if ctx.Err() != nil {
		return 0
	}
	err := ignore(syscall.SIGHUP)
	path := ""
	if err == nil {
		path, err = os.Executable()
	}
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "vitedge: cannot start anew: %v\n", err)
	return exitFailure
}

// usageError is a wrong command line.
type usageError struct{ error }

// configError is a fault that only somebody who changes the configuration can
// mend.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// newRoot is vitedge with all of its commands.
func newRoot() *cobra.Command {
	cmd := newRun("vitedge")
	cmd.Short = "Classify what cameras see and publish it over MQTT"
	cmd.Long = `Vitedge takes pictures from cameras, classifies them with an int8 Vision
Transformer and publishes what it sees over MQTT. Without a command it runs the
daemon, as "vitedge run" does.

Results go to the standard output, messages to the standard error. The exit
status is 0, 1 after a failure, 2 after wrong arguments, and 78 when the
configuration is wrong or there is no model file, which trying again does not
mend.`
	cmd.Example = `  vitedge demo
  vitedge --config /etc/vitedge/vitedge.yaml
  vitedge --model model.safetensors --camera auto --broker mqtt://127.0.0.1:1883`
	cmd.AddCommand(newRun("run"), newDemo(), newClassify(), newCameras(), newBench(), newCheckConfig(), newDoctor(), newMQTT(), newVersion())
	// Not cobra's: its template would have the linker keep the methods of every
	// type, which is 2 MB.
	version := cmd.Flags().Bool("version", false, "print the version")
	daemon := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "vitedge", programVersion())
			return err
		}
		return daemon(cmd, args)
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	addCompletions(cmd)
	return cmd
}

// run is the command without the process around it. It returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	out := &output{w: stdout}
	cmd.SetOut(out)
	cmd.SetErr(stderr)

	cmd, err := cmd.ExecuteContextC(ctx)
	if err == nil && out.err != nil && !errors.Is(out.err, syscall.EPIPE) { // whoever reads no more has enough
		err = fmt.Errorf("writing the result: %w", out.err)
	}
	var usage usageError
	var faults *config.Error
	var fault configError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errRestart):
		return restartWanted
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "vitedge: %v; see %s --help\n", err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &faults), errors.As(err, &fault), errors.Is(err, engine.ErrMissing):
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "vitedge: %s\n", strings.TrimSuffix(line, "\n"))
		}
		return exitConfig
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "vitedge: %v\n", err)
	return exitFailure
}

// output is a writer that remembers what went wrong: results that are lost are no
// success.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func threadsError(n int) error {
	return usageError{fmt.Errorf("--threads is %d; want 0 (one a core) to %d", n, config.MaxThreads)}
}

// noArgs refuses arguments, and commands that do not exist.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return usageError{fmt.Errorf("unknown command %q", args[0])}
	}
	return usageError{fmt.Errorf("unexpected argument %q", args[0])}
}
