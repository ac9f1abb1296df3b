// Package hub fetches the files of a model from the Hugging Face hub into the
// cache that Python's huggingface_hub keeps, so that each finds what the other
// has fetched.
//
//	which files a model is         files.go
//	where they lie in the cache    cache.go
//	what the environment says      environ.go
//	one request, its redirects     request.go
//	one file, resumed and checked  download.go
//
// A file of a revision is asked for with HEAD, which tells its commit, size and
// checksum, and fetched with GET. The checksum is the file's ETag: the SHA-256
// of a large file, the git object's SHA-1 of a small one. Source: the "Download
// files" and "Manage cache" guides of huggingface_hub and its file_download.py.
//
// The rest of the world is not trusted: what becomes part of a path is checked,
// a file is as long as was announced and hashes to its name, and the token goes
// to the hub and nowhere else.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// DefaultEndpoint is the public hub.
const DefaultEndpoint = "https://huggingface.co"

// Repo names a model on the hub: "facebook/deit-tiny-patch16-224" and a branch,
// tag or commit.
type Repo struct{ Name, Revision string }

// String is "NAME@REVISION".
func (r Repo) String() string { return r.Name + "@" + r.Revision }

var (
	repoName = regexp.MustCompile(`^[0-9A-Za-z][\w.-]{0,95}/[0-9A-Za-z][\w.-]{0,95}$`)
	revision = regexp.MustCompile(`^[0-9A-Za-z][\w./-]{0,254}$`)
	commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Parse reads "ORG/NAME" or "ORG/NAME@REVISION", also as timm writes it
// ("hf-hub:ORG/NAME") and as the address of the model's page; the revision is
// "main" where none is given. It is false for what names no model.
func Parse(s string) (Repo, bool) {
	s = strings.TrimPrefix(s, "hf-hub:")
	if page, ok := strings.CutPrefix(s, DefaultEndpoint+"/"); ok {
		s = strings.Replace(strings.TrimSuffix(page, "/"), "/tree/", "@", 1)
	}
	name, rev, found := strings.Cut(s, "@")
	if !found {
		rev = "main"
	}
	// "--" stands for "/" in the cache's names, and ".." climbs.
	if !repoName.MatchString(name) || strings.Contains(name, "--") || strings.Contains(name, "..") ||
		!revision.MatchString(rev) || strings.Contains(rev, "..") || strings.Contains(rev, "//") || strings.HasSuffix(rev, "/") {
		return Repo{}, false
	}
	return Repo{name, rev}, true
}

// Client fetches models. The zero value of each optional field has a meaning.
type Client struct {
	Endpoint  string // of the hub, no slash at the end
	Cache     string // folder of the cache
	Token     string // "" for none
	Offline   bool   // use the cache alone
	UserAgent string

	Log       *slog.Logger                                     // requests and retries
	Progress  func(file string, done, total int64)             // bytes of a file; optional
	Transport http.RoundTripper                                // optional, for tests
	Wait      func(ctx context.Context, d time.Duration) error // before a retry; optional, for tests
	Stall     time.Duration                                    // longest silence of a server; 30 s where 0
}

// Model is a model in the cache.
type Model struct {
	Repo    Repo
	Commit  string
	Weights string // path of the weights file, or of the index of its shards
}

// Fetch returns the model, and gets what the cache does not have. A revision
// that is a commit needs no request if all is there; a branch or tag is asked
// for, and where the hub cannot be reached stands for what it was last time.
func (c *Client) Fetch(ctx context.Context, r Repo) (Model, error) {
	s := &snapshot{client: c, repo: r, cache: cacheOf(c.Cache, r), tries: firstTries}
	pinned := ""
	if commitID.MatchString(r.Revision) {
		pinned = r.Revision
	}
	local, missing := s.local(pinned)
	switch {
	case c.Offline && missing != nil:
		return Model{}, fmt.Errorf("%w, and HF_HUB_OFFLINE is set", missing)
	case c.Offline:
		return local, nil
	case missing == nil:
		s.tries = 1 // there is something to fall back on
	}
	s.commit = pinned
	weights, err := modelFiles(r, func(name string) (string, error) { return s.file(ctx, name) })
	var away *unreachableError
	if errors.As(err, &away) && missing == nil && s.commit == pinned && ctx.Err() == nil {
		c.Log.Warn("the hub cannot be reached; using the copy in the cache", "commit", local.Commit, "error", err)
		return local, nil
	}
	if err != nil {
		return Model{}, err
	}
	return Model{r, s.commit, weights}, nil
}

// errAbsent is a file that a revision does not have.
var errAbsent = errors.New("no such file")

// snapshot is one revision, whose commit is known after the first answer.
type snapshot struct {
	client *Client
	repo   Repo
	cache  cache
	commit string // "" where not known yet
	tries  int    // to reach the hub
}

// local is the model as far as the cache has it. A file that is not there
// counts as one that the commit does not have.
func (s *snapshot) local(commit string) (Model, error) {
	if commit == "" {
		commit = s.cache.ref(s.repo.Revision)
	}
	weights, err := modelFiles(s.repo, func(name string) (string, error) {
		if path, state := s.cache.find(commit, name); commit != "" && state == present {
			return path, nil
		}
		return "", errAbsent
	})
	if err != nil {
		return Model{}, fmt.Errorf("%s is not in the cache %s", s.repo, s.client.Cache)
	}
	return Model{s.repo, commit, weights}, nil
}

// file gets one file of the revision: from the cache where the commit is known
// and has it, else from the hub. A file that the revision does not have is
// errAbsent.
func (s *snapshot) file(ctx context.Context, name string) (string, error) {
	if s.commit != "" {
		switch path, state := s.cache.find(s.commit, name); state {
		case present:
			s.client.Log.Debug("in the cache", "file", path)
			return path, nil
		case absent:
			return "", errAbsent
		}
	}
	rev := s.repo.Revision
	if s.commit != "" {
		rev = s.commit // all files are of the same commit, whatever is pushed meanwhile
	}
	info, err := s.client.stat(ctx, s.repo, rev, name, s.tries)
	if s.tries == firstTries && info.commit != "" {
		s.tries = maxTries // the hub is there
	}
	if info.commit != "" && s.commit == "" {
		s.commit = info.commit
		if err := s.cache.setRef(s.repo.Revision, info.commit); err != nil {
			return "", err
		}
	}
	if errors.Is(err, errAbsent) {
		s.cache.setAbsent(info.commit, name)
	}
	if err != nil {
		return "", err
	}
	if limit := sizeLimit(name); info.size > limit {
		return "", fmt.Errorf("%s: %s has %d bytes; at most %d are fetched", s.repo, name, info.size, limit)
	}
	if path, state := s.cache.find(info.commit, name); state == present {
		s.client.Log.Debug("in the cache", "file", path)
		return path, nil
	}
	if err := s.client.download(ctx, s.cache, s.repo, info); err != nil {
		return "", err
	}
	return s.cache.link(info.commit, name, info.etag)
}
