package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// console is where a command writes: results to stdout, messages to stderr.
type console struct {
	stdout, stderr io.Writer
	log            *slog.Logger // messages
	quiet, verbose bool
}

// addFlags adds -q and -v to cmd and all its commands.
func (c *console) addFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.BoolVarP(&c.quiet, "quiet", "q", false, "print errors and warnings only")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "say what is being done")
	level := new(slog.LevelVar)
	c.log = slog.New(&messages{w: c.stderr, level: level})
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.quiet && c.verbose {
			return usageError{errors.New("--quiet and --verbose exclude each other")}
		}
		if c.verbose {
			level.Set(slog.LevelDebug)
		}
		return nil
	}
}

// text is where a result for people goes.
func (c *console) text() io.Writer {
	if c.quiet {
		return io.Discard
	}
	return printableWriter{c.stdout}
}

// resultWriter remembers that a result could not be written: a full disk must not
// pass for a short answer.
type resultWriter struct {
	io.Writer
	err error // the first one
}

func (w *resultWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("writing the result: %w", err)
		w.err = cmp.Or(w.err, err)
	}
	return n, err
}

// messages writes log records as a command-line tool does:
// "quantize: warning: message, key value".
type messages struct {
	w     io.Writer
	level slog.Leveler
}

func (m *messages) Enabled(_ context.Context, l slog.Level) bool { return l >= m.level.Level() }

func (m *messages) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString("quantize: ")
	if r.Level >= slog.LevelWarn {
		b.WriteString("warning: ")
	}
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, ", %s %v", a.Key, a.Value)
		return true
	})
	b.WriteByte('\n')
	_, err := io.WriteString(m.w, printable(b.String()))
	return err
}

// WithAttrs and WithGroup make messages a slog.Handler. Nothing here uses them.
func (m *messages) WithAttrs([]slog.Attr) slog.Handler { return m }
func (m *messages) WithGroup(string) slog.Handler      { return m }
