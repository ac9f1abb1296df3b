// Package interrupt tells a command that it is to end.
package interrupt

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context ends with the first SIGINT or SIGTERM. The second ends the process,
// as it would have without Context: whoever sees that the context has ended can
// rely on it. (signal.NotifyContext ends its context while it still takes
// signals, so that a second one can be swallowed.)
func Context() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}
