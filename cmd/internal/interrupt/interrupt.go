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
//
// After release has returned, any of them ends the process, and none is on its
// way to the context. It may be called once.
func Context() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	passed := make(chan struct{})
	go func() {
		if _, ok := <-signals; ok {
			signal.Stop(signals)
			cancel()
		}
		close(passed)
	}()
	return ctx, func() {
		signal.Stop(signals) // which waits for what is on its way to the channel
		close(signals)
		<-passed
	}
}
