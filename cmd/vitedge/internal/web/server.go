// Package web is the daemon's HTTP server: health, metrics, and what the
// cameras see. It only answers; nothing can be changed through it.
//
//	GET /                 the live page; its files are under /page/
//	GET /healthz          200 as long as nothing hangs
//	GET /readyz           200 when cameras deliver and the broker is connected
//	GET /metrics          for Prometheus
//	GET /version
//	GET /api/v1/latest    the last prediction of each camera
//	GET /api/v1/history   the last minutes of a camera
//	GET /api/v1/status    cameras, broker, model, machine
//	GET /api/v1/events    predictions as they are made and the status every two
//	                      seconds, server-sent events
//	GET /snapshot.jpg     a picture
//	GET /stream.mjpg      pictures, ?fps=10; encoded only while somebody looks
//
// What is of one camera takes ?camera=NAME where there are several.
//
// It listens on the loopback interface unless told otherwise, and guards
// against web pages of others that use a visitor's browser to get at it: a
// Host that is not its own is refused (DNS rebinding), and so is a request that
// another site's page makes.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options make a Server.
type Options struct {
	Sources
	Listen   string   // ADDRESS:PORT
	Hosts    []string // names of this machine
	Feed     *Feed
	Metrics  prometheus.Gatherer
	Snapshot func(ctx context.Context, camera string) ([]byte, error) // JPEG
	Wake     func(camera string)                                      // somebody begins to look; may be nil
	Health   func() []string                                          // what hangs
	Ready    func() []string                                          // what is not ready
	Log      *slog.Logger
}

// Server is the HTTP server.
type Server struct {
	o        Options
	listener net.Listener
	snapshot chan struct{} // holds a value while a picture is taken
	looking  chan struct{} // a value for each viewer of a stream
	streams  map[string]*stream
	page     page
}

// maxConnections bounds what clients can take up, those that read events
// included.
const maxConnections = 40

// Listen opens the port.
func Listen(o Options) (*Server, error) {
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	s := &Server{
		o: o, listener: limit(l, maxConnections), snapshot: make(chan struct{}, 1), looking: make(chan struct{}, maxViewers),
		streams: make(map[string]*stream), page: newPage(),
	}
	for _, name := range o.Cameras {
		s.streams[name] = &stream{viewers: make(map[*viewer]struct{})}
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the event streams
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(s.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		server.Close()
	}
	return nil
}

// Handler is all routes behind the guard.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page.index)
	mux.HandleFunc("GET /page/{name}", s.page.file)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, s.o.Health()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { verdict(w, append(s.o.Health(), s.o.Ready()...)) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": s.o.Version})
	})
	mux.HandleFunc("GET /api/v1/latest", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.o.Feed.Latest()) })
	mux.HandleFunc("GET /api/v1/events", s.events)
	mux.HandleFunc("GET /api/v1/history", s.history)
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Status()) })
	mux.HandleFunc("GET /snapshot.jpg", s.picture)
	mux.HandleFunc("GET /stream.mjpg", s.stream)
	return s.guard(mux)
}

// guard refuses what a page of another site makes a browser send.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !s.ownHost(r.Host) {
			http.Error(w, "this is not the host that the request is for; see http.hosts in the configuration", http.StatusMisdirectedRequest)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
				http.Error(w, "requests of other sites are not answered", http.StatusForbidden)
				return
			}
		}
		// A link on another site may lead here, but its page may not load
		// anything from here.
		site := r.Header.Get("Sec-Fetch-Site")
		if site != "" && site != "none" && site != "same-origin" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "requests of other sites are not answered", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost reports whether a Host header names this machine. Rebinding needs a
// name that resolves to what an attacker says, so an address is always fine.
func (s *Server) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || slices.ContainsFunc(s.o.Hosts, func(own string) bool { return strings.EqualFold(own, host) })
}

// verdict answers 200 if nothing is wrong, else 503 with the reasons.
func verdict(w http.ResponseWriter, reasons []string) {
	if len(reasons) == 0 {
		writeJSON(w, http.StatusOK, map[string]any{"ok": true})
		return
	}
	writeJSON(w, http.StatusServiceUnavailable, map[string]any{"ok": false, "reasons": reasons})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // a client that has gone is no fault
}

// camera is the one that a request names, or the only one. It answers a request
// that names none.
func (s *Server) camera(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	name = r.URL.Query().Get("camera")
	if name == "" && len(s.o.Cameras) == 1 {
		name = s.o.Cameras[0]
	}
	if !slices.Contains(s.o.Cameras, name) {
		http.Error(w, "there is no such camera; the query ?camera= takes one of "+strings.Join(s.o.Cameras, ", "), http.StatusNotFound)
		return "", false
	}
	return name, true
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	if name, ok := s.camera(w, r); ok {
		writeJSON(w, http.StatusOK, s.o.Feed.History(name))
	}
}

// snapshotTime bounds the wait for a picture.
const snapshotTime = 10 * time.Second

// picture takes one frame. One at a time is taken, so that many clients do not
// keep a camera from being classified.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	camera, ok := s.camera(w, r)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), snapshotTime)
	defer cancel()
	select {
	case s.snapshot <- struct{}{}:
		defer func() { <-s.snapshot }()
	case <-ctx.Done():
		http.Error(w, "others are taking pictures", http.StatusServiceUnavailable)
		return
	}
	jpeg, err := s.o.Snapshot(ctx, camera)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Write(jpeg)
}
