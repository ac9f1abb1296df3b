package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// The page is HTML, CSS and JavaScript modules as they are written: nothing is
// built, nothing comes from elsewhere.
//
//go:embed page
var files embed.FS

// policy lets the page load what this server has, and nothing else. There is no
// inline script or style, and no text becomes markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// page is the files by name.
type page map[string]asset

type asset struct {
	data []byte
	kind string // media type
	tag  string // changes with the content
}

var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func newPage() page {
	p := make(page)
	entries, err := fs.ReadDir(files, "page")
	if err != nil {
		panic("web: " + err.Error()) // it is part of the program
	}
	for _, entry := range entries {
		data, err := fs.ReadFile(files, path.Join("page", entry.Name()))
		if err != nil {
			panic("web: " + err.Error())
		}
		sum := sha256.Sum256(data)
		p[entry.Name()] = asset{data, kinds[path.Ext(entry.Name())], `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return p
}

func (p page) index(w http.ResponseWriter, r *http.Request) { p.serve(w, r, "index.html") }

func (p page) file(w http.ResponseWriter, r *http.Request) { p.serve(w, r, r.PathValue("name")) }

func (p page) serve(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := p[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // asks whether it is still the same
	h.Set("ETag", a.tag)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.data))
}
