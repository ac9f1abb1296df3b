// Package hubtest runs a server on this machine that answers as the Hugging Face
// hub does: a hub that knows commits and checksums and hands large files over
// to a store at another address.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Repo is a model on the server.
type Repo struct {
	Commit string            // 40 hex digits, what "main" is
	Tags   map[string]string // commits of other revisions
	Files  map[string][]byte
	Large  map[string]bool // files that lie in the store
	Moved  string          // the name that it has now, if it was renamed
	Gated  bool            // needs the server's token
}

// Server is the hub and its store.
type Server struct {
	Hub, Store *httptest.Server
	Repos      map[string]*Repo
	Token      string // that opens gated repos

	// Intercept may answer a request in place of the server, which then reports
	// true. store says where it went.
	Intercept func(w http.ResponseWriter, r *http.Request, store bool) bool

	mu       sync.Mutex
	requests []string
}

// New starts a server; Close ends it.
func New() *Server {
	s := &Server{Repos: map[string]*Repo{}, Token: "hf_test"}
	s.Hub = httptest.NewServer(http.HandlerFunc(s.hub))
	s.Store = httptest.NewServer(http.HandlerFunc(s.store))
	return s
}

// Close ends the server.
func (s *Server) Close() {
	s.Hub.Close()
	s.Store.Close()
}

// Requests lists what came since the last call, such as "HEAD main/config.json"
// and "GET store model.safetensors bytes=10-".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

func (s *Server) log(parts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, strings.TrimSpace(strings.Join(parts, " ")))
}

// GitSHA1 is the name that git gives to a file.
func GitSHA1(data []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))
	return hex.EncodeToString(sum[:])
}

// SHA256 is the name of a large file.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// hub answers ORG/NAME/resolve/REVISION/FILE, for a small file by way of its cache.
func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	if file, ok := strings.CutPrefix(r.URL.Path, cachePath); ok {
		s.cache(w, r, file)
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/", 5)
	if len(parts) != 5 || parts[2] != "resolve" {
		http.Error(w, "not of this server: "+r.URL.Path, http.StatusBadRequest)
		return
	}
	name, rev, file := parts[0]+"/"+parts[1], parts[3], parts[4]
	s.log(r.Method, rev+"/"+file, r.Header.Get("Range"))
	if s.Intercept != nil && s.Intercept(w, r, false) {
		return
	}
	fail := func(status int, code string) {
		w.Header().Set("X-Error-Code", code)
		w.WriteHeader(status)
	}
	repo := s.Repos[name]
	if repo == nil {
		fail(http.StatusUnauthorized, "RepoNotFound")
		return
	}
	if repo.Moved != "" {
		http.Redirect(w, r, "/"+repo.Moved+"/resolve/"+rev+"/"+file, http.StatusTemporaryRedirect)
		return
	}
	authorization := r.Header.Get("Authorization")
	if authorization != "" && authorization != "Bearer "+s.Token && authorization != "Bearer hf_other" {
		w.Header().Set("X-Error-Message", "Invalid username or password.")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if repo.Gated && authorization != "Bearer "+s.Token {
		status := http.StatusUnauthorized
		if authorization != "" {
			status = http.StatusForbidden
		}
		fail(status, "GatedRepo")
		return
	}
	commit := repo.Commit
	if tag, ok := repo.Tags[strings.ReplaceAll(rev, "%2F", "/")]; ok {
		commit = tag
	} else if rev != "main" && rev != repo.Commit {
		fail(http.StatusNotFound, "RevisionNotFound")
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	data, ok := repo.Files[file]
	if !ok {
		fail(http.StatusNotFound, "EntryNotFound")
		return
	}
	if repo.Large[file] {
		w.Header().Set("X-Linked-Etag", `"`+SHA256(data)+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		w.Header().Set("ETag", `"`+GitSHA1([]byte("pointer to "+file))+`"`)
		http.Redirect(w, r, s.Store.URL+"/"+name+"/"+file+"?signature=secret", http.StatusFound)
		return
	}
	w.Header().Set("Location", cachePath+name+"/"+commit+"/"+file+"?etag=x")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// cachePath is where the hub keeps small files.
const cachePath = "/api/resolve-cache/models/"

// cache answers for ORG/NAME/COMMIT/FILE.
func (s *Server) cache(w http.ResponseWriter, r *http.Request, file string) {
	parts := strings.SplitN(file, "/", 4)
	data := s.Repos[parts[0]+"/"+parts[1]].Files[parts[3]]
	w.Header().Set("X-Repo-Commit", parts[2])
	w.Header().Set("ETag", `"`+GitSHA1(data)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// store answers ORG/NAME/FILE with a signature. It refuses a token, as stores
// that check signatures do.
func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	s.log(r.Method, "store", parts[len(parts)-1], r.Header.Get("Range"))
	if r.Header.Get("Authorization") != "" || r.URL.Query().Get("signature") != "secret" {
		http.Error(w, "only one way to prove who you are", http.StatusBadRequest)
		return
	}
	if s.Intercept != nil && s.Intercept(w, r, true) {
		return
	}
	data := s.Repos[parts[0]+"/"+parts[1]].Files[parts[2]]
	w.Header().Set("ETag", `"of the store"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// Cut sends the first n bytes of data as if all were to come, and cuts the
// connection.
func Cut(w http.ResponseWriter, data []byte, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
