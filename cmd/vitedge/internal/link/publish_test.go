package link

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/vitlite"
)

// publisher is that of a device with one camera, on a link.
func publisher(id string, l *Link) *publish.Publisher {
	return publish.New(publish.Options{
		Topics: publish.Topics{Base: "vitedge/" + id}, Sources: []string{"cam"}, Session: publish.NewSession(), Started: time.Now(),
		Model: func() publish.Model {
			return publish.Model{Name: "vit-tiny", SHA256: strings.Repeat("0", 64), Kernel: "neon"}
		},
		Live: time.Nanosecond, Machine: device.FS("/nonexistent"), Link: l, Log: slog.New(slog.DiscardHandler),
	})
}

// change is a frame that changes the stable label if changed.
func change(i int, changed bool) *pipeline.Result {
	best := vitlite.Prediction{Index: i % 2, Label: fmt.Sprintf("label %d", i%2), Score: 0.9}
	return &pipeline.Result{
		Source: "cam", Time: time.Now(), Width: 640, Height: 480, Vote: best, Top: []vitlite.Prediction{best, best, best},
		Decision: pipeline.Decision{Stable: best, Decided: true, Changed: changed, Announce: changed, From: "label"},
	}
}

// BenchmarkPublishing is the time that publishing adds to a prediction, with a
// connection to mosquitto: a live message; a state and an event with it; both
// kept on disk. The pipeline waits for no more than this.
func BenchmarkPublishing(b *testing.B) {
	for _, c := range []struct {
		name             string
		changed, persist bool
	}{{"prediction", false, false}, {"change", true, false}, {"change-persisted", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			broker := brokertest.Start(b)
			l := start(b, broker.Addr(), func(o *Options) { o.Outbox = outbox.New(1000, 1<<20) })
			if c.persist {
				j, err := outbox.OpenJournal(l.o.Outbox, filepath.Join(b.TempDir(), "outbox"), slog.New(slog.DiscardHandler))
				require.NoError(b, err)
				done, ended := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(ended)
					j.Run(done)
				}()
				b.Cleanup(func() {
					close(done)
					<-ended
				})
			}
			p := publisher("pi", l.Link)
			brokertest.Eventually(b, "a connection", func() bool { return l.Stats().Connected })
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				r := change(i, c.changed)
				began := time.Now()
				p.Classified(r)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "ms-p99")
			b.ReportMetric(took[len(took)-1].Seconds()*1000, "ms-max")
		})
	}
}
