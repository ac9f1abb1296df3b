package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// printer prints MQTT messages, a line each. On a terminal they are shortened to
// fit and have colors; elsewhere they are as mosquitto_sub -v prints them.
type printer struct {
	mu     sync.Mutex
	w      io.Writer
	gone   func() // called when w takes no more
	err    error  // why it does not
	width  func() int
	colors bool
}

// newPrinter prints to w. gone is called when nobody reads any more.
func newPrinter(w io.Writer, gone func()) *printer {
	p := &printer{w: w, gone: gone}
	to := w
	if o, ok := w.(*output); ok {
		to = o.w
	}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
		p.colors = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p
}

// print prints one message.
func (p *printer) print(topic string, payload []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("%s %s", topic, visible(payload))
	if p.width != nil {
		// A terminal shows Ctrl-C as ^C, which the last message goes over.
		line = "\r" + tidy(topic, payload, p.width(), p.colors)
	}
	if _, err := fmt.Fprintln(p.w, line); err != nil && p.err == nil {
		p.err = err
		p.gone()
	}
}

// failure says why messages could not be printed. A reader that has gone is no
// failure.
func (p *printer) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || errors.Is(p.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("messages cannot be printed: %w", p.err)
}

// visible is a payload as text; one that is no text, such as a picture, would
// upset a terminal.
func visible(payload []byte) string {
	for _, b := range payload {
		if b < ' ' || b == 0x7f {
			return fmt.Sprintf("(%d bytes)", len(payload))
		}
	}
	return string(payload)
}

// telling are the fields of payloads that people look for, in order. The others
// are left out on a terminal.
var telling = []string{"label", "from", "to", "score", "stable", "latency_ms", "fps", "infer_ms_p50", "kernel", "problems"}

// tidy is a message in at most width columns.
func tidy(topic string, payload []byte, width int, colors bool) string {
	text, label := visible(payload), ""
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) == nil && fields != nil {
		var kept []string
		for _, name := range telling {
			if value, ok := fields[name]; ok {
				kept = append(kept, fmt.Sprintf("%q:%s", name, value))
			}
			if name == "label" || name == "to" {
				label += string(fields[name])
			}
		}
		if len(kept) > 0 {
			if len(kept) < len(fields) {
				kept = append(kept, "…")
			}
			text = "{" + strings.Join(kept, ",") + "}"
		}
	}
	topic = cut(topic, width-2)
	text = cut(text, width-1-len([]rune(topic)))
	if !colors {
		return topic + " " + text
	}
	const dim, bold, green, reset = "\x1b[2m", "\x1b[1m", "\x1b[32m", "\x1b[0m"
	if label != "" {
		text = strings.Replace(text, label, green+bold+label+reset, 1)
	}
	level := strings.LastIndexByte(topic, '/') + 1
	return dim + topic[:level] + reset + topic[level:] + " " + text
}

// cut shortens s to width characters.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:max(width-1, 0)]) + "…" // at least this
}
