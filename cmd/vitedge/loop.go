package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// flushTime is how long messages may take to leave after a source without loop
// is at its end.
const flushTime = 10 * time.Second

// hangups are the SIGHUPs from now on, each of which asks for a reload. It is
// called before the configuration is read, so that none is lost. Nobody stops
// them: the signal would end a program that only wants to end in order, or to
// start anew.
func hangups() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// run works until ctx ends, all sources are at their end, or a restart is
// wanted, which is errRestart.
func (d *daemon) run(ctx context.Context, hup <-chan os.Signal) error {
	defer d.engine.Close()
	// The link ends last: what the pipelines said is still to be sent, and the
	// journal ends after it.
	linkCtx, endLink := context.WithCancel(context.WithoutCancel(ctx))
	defer endLink()
	var links errgroup.Group
	if d.link != nil {
		links.Go(func() error { return d.link.Run(linkCtx) })
	}
	journalDone := make(chan struct{})
	var journals errgroup.Group
	if d.journal != nil {
		journals.Go(func() error { d.journal.Run(journalDone); return nil })
	}

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.runPipelines(gctx) })
	g.Go(func() error { return d.publisher.RunStatus(gctx, d.cfg.MQTT.Status, d.facts) })
	if d.link != nil {
		g.Go(func() error { return d.runRetraction(gctx) })
	}
	if d.control != nil {
		g.Go(func() error { return d.control.Run(gctx) })
	}
	if d.web != nil {
		g.Go(func() error { return d.web.Run(gctx) })
	}
	g.Go(func() error { return d.runSignals(gctx, hup) })
	g.Go(func() error { return d.runSystemd(gctx) })
	g.Go(func() error {
		select {
		case <-d.restart:
			return errRestart
		case <-gctx.Done():
			return nil
		}
	})
	err := g.Wait()

	switch {
	case errors.Is(err, errEnd):
		d.log.Info("all sources are at their end")
		d.flush(ctx)
		err = nil
	case ctx.Err() != nil:
		d.log.Info("stopping")
		err = nil
	}
	endLink()
	links.Wait()
	close(journalDone)
	journals.Wait()
	return err
}

// runPipelines runs all of them and returns errEnd when each is at its end.
func (d *daemon) runPipelines(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, p := range d.pipelines {
		g.Go(func() error {
			if err := p.Run(gctx); err != nil {
				return configError{fmt.Errorf("cameras.%s: %w", p.Name(), err)}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return errEnd
}

// flush lets the messages of a finished run reach the broker.
func (d *daemon) flush(ctx context.Context) {
	if d.link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := d.link.Flush(ctx); err != nil {
		d.log.Warn("messages were not delivered", "messages", d.outbox.Stats().Len)
	}
}

// runSignals reloads on SIGHUP.
func (d *daemon) runSignals(ctx context.Context, hup <-chan os.Signal) error {
	for {
		select {
		case <-hup:
			if detail, err := d.reload(); err != nil {
				d.log.Error("the configuration stays as it was", "err", err)
			} else {
				d.log.Info("the configuration was read again", "detail", detail)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
