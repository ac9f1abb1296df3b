package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// download puts a file into the cache as a blob. What an earlier process got of
// it is kept; the whole is checked before it gets its name.
func (c *Client) download(ctx context.Context, cache cache, r Repo, info fileInfo) (err error) {
	blob := cache.blob(info.etag)
	if st, err := os.Stat(blob); err == nil && st.Size() == info.size {
		return nil
	}
	for _, dir := range []string{cache.locks, filepath.Dir(blob)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	unlock, err := c.lock(ctx, filepath.Join(cache.locks, info.etag+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if st, err := os.Stat(blob); err == nil && st.Size() == info.size {
		return nil // another process has got it meanwhile
	}
	f, err := os.OpenFile(blob+".incomplete", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	t := &transfer{client: c, repo: r, info: info, file: f}
	if err := t.run(ctx); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), blob)
}

// transfer is a file on its way.
type transfer struct {
	client *Client
	repo   Repo
	info   fileInfo
	file   *os.File
	hash   hash.Hash // of the bytes that are there
	size   int64     // their number
	best   int64     // the most that there were
}

// run gets all that is missing. Bytes that an earlier process left and that
// turn out to be wrong are fetched again, once.
func (t *transfer) run(ctx context.Context) error {
	resumed, err := t.resume()
	if err != nil {
		return err
	}
	for {
		err := t.client.retry(ctx, maxTries, t.fetch)
		if err != nil {
			return err
		}
		sum := hex.EncodeToString(t.hash.Sum(nil))
		if sum == t.info.etag {
			return nil
		}
		if err := t.restart(); err != nil {
			return err
		}
		if !resumed {
			return fmt.Errorf("%s: %s has checksum %s; want %s: it was damaged on its way, try again", t.repo, t.info.name, sum, t.info.etag)
		}
		resumed = false
		t.client.Log.Warn("what was there of the file is damaged; fetching all of it", "file", t.info.name)
	}
}

// resume takes up the bytes that are there, if they can be the start of the
// file.
func (t *transfer) resume() (resumed bool, err error) {
	st, err := t.file.Stat()
	if err != nil {
		return false, err
	}
	if st.Size() > t.info.size {
		return false, t.restart()
	}
	t.hash = t.info.hash()
	t.size, err = io.Copy(t.hash, t.file)
	t.best = t.size
	t.report()
	return t.size > 0, err
}

// restart forgets all bytes.
func (t *transfer) restart() error {
	t.hash, t.size = t.info.hash(), 0
	if err := t.file.Truncate(0); err != nil {
		return err
	}
	_, err := t.file.Seek(0, io.SeekStart)
	return err
}

// hash is the function whose result is the file's etag.
func (i fileInfo) hash() hash.Hash {
	if len(i.etag) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New() // git hashes a header with the content (git-hash-object)
	fmt.Fprintf(h, "blob %d\x00", i.size)
	return h
}

func (t *transfer) report() {
	if t.client.Progress != nil {
		t.client.Progress(t.info.name, t.size, t.info.size)
	}
}

// fetch asks for the bytes that are missing and takes what comes. Progress is a
// file longer than it ever was, so that a server which keeps starting over does
// not keep us for ever.
func (t *transfer) fetch(ctx context.Context) (progress bool, err error) {
	if t.size == t.info.size {
		return false, nil
	}
	before := t.best
	defer func() {
		t.best = max(t.best, t.size)
		progress = t.best > before
	}()
	ctx, alive, stop := t.client.watch(ctx)
	defer stop()
	c := t.client
	resp, err := c.request(ctx, http.MethodGet, c.address(t.repo, t.info.commit, t.info.name), t.size)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return false, errors.Join(&unreachableError{error: fmt.Errorf("%s has no byte %d of %s", withoutQuery(resp.Request.URL), t.size, t.info.name)}, t.restart())
	}
	if err := c.check(t.repo, resp); err != nil {
		return false, err
	}
	rest := fmt.Sprintf("bytes %d-%d/%d", t.size, t.info.size-1, t.info.size)
	if t.size > 0 && (resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != rest) {
		c.Log.Debug("the server does not resume", "file", t.info.name, "status", resp.Status)
		if err := t.restart(); err != nil {
			return false, err
		}
		if resp.StatusCode == http.StatusPartialContent {
			return false, &unreachableError{error: fmt.Errorf("%s sends %q; want %q", withoutQuery(resp.Request.URL), resp.Header.Get("Content-Range"), rest)}
		}
	}
	if n := resp.ContentLength; n >= 0 && n != t.info.size-t.size {
		return false, fmt.Errorf("%s: %s sends %d bytes of %s; want %d", t.repo, withoutQuery(resp.Request.URL), n, t.info.name, t.info.size-t.size)
	}
	return false, t.copy(ctx, resp.Body, alive)
}

// copy takes the bytes of an answer, no more than the file has.
func (t *transfer) copy(ctx context.Context, body io.Reader, alive func()) error {
	buf := make([]byte, 1<<16)
	for t.size < t.info.size {
		n, err := body.Read(buf)
		if int64(n) > t.info.size-t.size {
			return errors.Join(fmt.Errorf("%s: more than the %d bytes of %s come", t.repo, t.info.size, t.info.name), t.restart())
		}
		if _, err := t.file.Write(buf[:n]); err != nil {
			return err
		}
		t.hash.Write(buf[:n])
		t.size += int64(n)
		if n > 0 {
			alive()
			t.report()
		}
		if err != nil && t.size < t.info.size {
			return &unreachableError{error: fmt.Errorf("%s: %s is cut off after %d of %d bytes: %w", t.repo, t.info.name, t.size, t.info.size, cause(ctx, err))}
		}
	}
	return nil
}

// watch ends a request when the server is silent for too long: alive says that
// it is not.
func (c *Client) watch(ctx context.Context) (_ context.Context, alive, stop func()) {
	limit := c.Stall
	if limit == 0 {
		limit = 30 * time.Second
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no answer for %s", limit)) })
	return ctx, func() { timer.Reset(limit) }, func() { timer.Stop(); cancel(nil) }
}
