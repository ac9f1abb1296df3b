package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/testdata/demo"
)

// watcher is an output that tells about its complete lines.
type watcher struct {
	mu   sync.Mutex
	rest []byte
	line func(string)
}

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		w.line(string(line))
		w.rest = append([]byte{}, rest...)
	}
}

// TestDemo runs the demo until every class of its model has been seen, and ends it
// as Ctrl-C does.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, demo.Unpack(dir))
	c, err := quant.Open(dir+"/"+demo.Model, quant.Options{})
	require.NoError(t, err)
	defer c.Close()
	left := map[string]bool{}
	for _, label := range c.Labels {
		left[label] = true
	}

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var topics []string
	stdout := &watcher{line: func(line string) {
		topic, payload, _ := strings.Cut(line, " ")
		topics = append(topics, topic+" "+payload)
		if !strings.HasSuffix(topic, "/cam/prediction") {
			return
		}
		var p struct{ Label string }
		if json.Unmarshal([]byte(payload), &p) == nil {
			delete(left, p.Label)
		}
		if len(left) == 0 {
			cancel()
		}
	}}
	var stderr bytes.Buffer
	t.Setenv("TMPDIR", t.TempDir())
	code := run(ctx, []string{"demo", "--set", "cameras.cam.fps=20", "--log-level", "error"}, stdout, &stderr)
	require.Zero(t, code, stderr.String())
	require.Empty(t, left, "labels that no message had")
	require.Equal(t, "vitedge/vitedge-demo/availability online", topics[0])
	require.Equal(t, "vitedge/vitedge-demo/availability offline", topics[len(topics)-1])
	require.Empty(t, stderr.String())
}

// TestDemoNeedsAFolder: no place for its files is one clear line.
func TestDemoNeedsAFolder(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	var stderr bytes.Buffer
	require.Equal(t, exitFailure, run(t.Context(), []string{"demo"}, &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), "/nonexistent")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}
