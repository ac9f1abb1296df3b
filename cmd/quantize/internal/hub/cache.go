package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cache is the folder of one repo in the cache of huggingface_hub:
//
//	models--ORG--NAME/
//	  refs/main                       the commit that a branch or tag was at
//	  snapshots/COMMIT/config.json    a link to ../../blobs/ETAG
//	  blobs/ETAG                      the file
//	  blobs/ETAG.incomplete           the part of it that is there
//	  .no_exist/COMMIT/name           a file that the commit does not have
//	.locks/models--ORG--NAME/ETAG.lock
type cache struct{ folder, locks string }

func cacheOf(root string, r Repo) cache {
	name := "models--" + strings.ReplaceAll(r.Name, "/", "--")
	return cache{filepath.Join(root, name), filepath.Join(root, ".locks", name)}
}

func (c cache) blob(etag string) string { return filepath.Join(c.folder, "blobs", etag) }

func (c cache) pointer(commit, name string) string {
	return filepath.Join(c.folder, "snapshots", commit, name)
}

// What the cache knows of a file.
type state int

const (
	unknown state = iota
	present
	absent // the commit does not have it
)

// find looks a file of a commit up.
func (c cache) find(commit, name string) (path string, s state) {
	path = c.pointer(commit, name)
	if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
		return path, present
	}
	if _, err := os.Stat(filepath.Join(c.folder, ".no_exist", commit, name)); err == nil {
		return "", absent
	}
	return "", unknown
}

// ref is the commit that a branch or tag was at, "" where that is not known.
func (c cache) ref(rev string) string {
	text, err := os.ReadFile(filepath.Join(c.folder, "refs", filepath.FromSlash(rev)))
	if commit := strings.TrimSpace(string(text)); err == nil && commitID.MatchString(commit) {
		return commit
	}
	return ""
}

// setRef remembers where a branch or tag is.
func (c cache) setRef(rev, commit string) error {
	if rev == commit || c.ref(rev) == commit {
		return nil
	}
	path := filepath.Join(c.folder, "refs", filepath.FromSlash(rev))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	if err := os.WriteFile(temp, []byte(commit), 0o666); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// setAbsent remembers that a commit does not have a file. It may fail: the
// next one asks again.
func (c cache) setAbsent(commit, name string) {
	path := filepath.Join(c.folder, ".no_exist", commit, name)
	if commit != "" && os.MkdirAll(filepath.Dir(path), 0o777) == nil {
		os.WriteFile(path, nil, 0o666)
	}
}

// link makes a blob a file of a commit and returns its path.
func (c cache) link(commit, name, etag string) (string, error) {
	path := c.pointer(commit, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	// A link without a blob is what an interrupted clean-up of the cache leaves.
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		os.Remove(path)
	}
	err := os.Symlink(filepath.Join("..", "..", "blobs", etag), path)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		err = nil
	}
	return path, err
}
