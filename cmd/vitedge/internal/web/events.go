package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// statusTime is how often a client hears the status, by which it also
	// knows that the connection is alive.
	statusTime = 2 * time.Second
	// eventTime is how long a client may leave an event unread.
	eventTime = 15 * time.Second
	// retryMS is after how long a browser connects again.
	retryMS = 1000
)

// events streams predictions and the status until the client or the server
// goes. A client that reads too slowly misses some.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	feed, stop := s.o.Feed.Subscribe()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	control.SetReadDeadline(time.Time{}) // that of the request, which has been read
	ticker := time.NewTicker(statusTime)
	defer ticker.Stop()
	write := func(format string, args ...any) error {
		control.SetWriteDeadline(time.Now().Add(eventTime))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return control.Flush()
	}
	status := func() error {
		data, err := json.Marshal(s.Status())
		if err != nil {
			panic("web: " + err.Error()) // it holds nothing that JSON has no form for
		}
		return write("event: status\ndata: %s\n\n", data)
	}
	err := write("retry: %d\n\n", retryMS)
	if err == nil {
		err = status()
	}
	for err == nil {
		select {
		case e := <-feed:
			err = write("event: %s\ndata: %s\n\n", e.Name, e.Data)
		case <-ticker.C:
			err = status()
		case <-r.Context().Done():
			return
		}
	}
	s.o.Log.Debug("an event stream ended", "err", err)
}
