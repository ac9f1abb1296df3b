package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fileInfo is what the hub tells of a file.
type fileInfo struct {
	name, commit string
	etag         string // its checksum in hex: SHA-256, or SHA-1 of the git object
	size         int64
}

var checksum = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// stat asks for a file of a revision. A file that is not there is
// errAbsent, and the commit is known all the same.
func (c *Client) stat(ctx context.Context, r Repo, rev, name string, tries int) (info fileInfo, err error) {
	err = c.retry(ctx, tries, func(ctx context.Context) (progress bool, err error) {
		ctx, _, stop := c.watch(ctx)
		defer stop()
		resp, err := c.request(ctx, http.MethodHead, c.address(r, rev, name), 0)
		if err != nil {
			return false, err
		}
		resp.Body.Close()
		info = fileInfo{name: name}
		if commit := resp.Header.Get("X-Repo-Commit"); commitID.MatchString(commit) {
			info.commit = commit
		}
		if err := c.check(r, resp); err != nil {
			return false, err
		}
		etag, size := resp.Header.Get("X-Linked-Etag"), resp.Header.Get("X-Linked-Size")
		if etag == "" {
			etag = resp.Header.Get("ETag")
		}
		if size == "" && resp.StatusCode == http.StatusOK {
			size = resp.Header.Get("Content-Length")
		}
		info.etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
		if info.size, err = strconv.ParseInt(size, 10, 64); err != nil || info.size < 0 {
			return false, fmt.Errorf("%s: %s does not say how long %s is", r, c.Endpoint, name)
		}
		if info.commit == "" || !checksum.MatchString(info.etag) {
			return false, fmt.Errorf("%s: %s names commit %q and checksum %q of %s; is it a hub?", r, c.Endpoint, resp.Header.Get("X-Repo-Commit"), etag, name)
		}
		return false, nil
	})
	return info, err
}

func (c *Client) address(r Repo, rev, name string) string {
	return c.Endpoint + "/" + r.Name + "/resolve/" + url.PathEscape(rev) + "/" + url.PathEscape(name)
}

// maxRedirects is how often a request may be sent on.
const maxRedirects = 10

// request sends one request and follows its redirects; from is the first byte
// wanted. The token goes to the endpoint's own host alone: a mirror may send on to
// the public hub, but one host's token is no business of another. A HEAD request
// ends where the hub hands over to its store, since that answer is the one with the
// checksum.
func (c *Client) request(ctx context.Context, method, address string, from int64) (*http.Response, error) {
	hub, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	public, err := url.Parse(DefaultEndpoint)
	if err != nil {
		return nil, err
	}
	ofHub := func(u *url.URL) bool { return sameOrigin(u, hub) || sameOrigin(u, public) }
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	for range maxRedirects {
		req, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", c.UserAgent)
		req.Header.Set("Accept-Encoding", "identity") // lengths and bytes are those of the file
		if from > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		if c.Token != "" && sameOrigin(req.URL, hub) {
			req.Header.Set("Authorization", "Bearer "+c.Token)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return nil, &unreachableError{error: fmt.Errorf("%s: %w", withoutQuery(req.URL), cause(ctx, err))}
		}
		c.Log.Debug("request", "method", method, "address", withoutQuery(req.URL), "from", from, "status", resp.Status)
		location := resp.Header.Get("Location")
		if resp.StatusCode/100 != 3 || location == "" {
			return resp, nil
		}
		target, err := req.URL.Parse(location)
		if err != nil {
			resp.Body.Close()
			return nil, fmt.Errorf("%s redirects to %q: %w", withoutQuery(req.URL), location, err)
		}
		if method == http.MethodHead && (resp.Header.Get("X-Linked-Etag") != "" || !ofHub(target)) {
			return resp, nil
		}
		resp.Body.Close()
		if target.Scheme != "http" && target.Scheme != "https" || target.Scheme == "http" && req.URL.Scheme == "https" {
			return nil, fmt.Errorf("%s redirects to %s, which is not safe", withoutQuery(req.URL), withoutQuery(target))
		}
		address = target.String()
	}
	return nil, fmt.Errorf("%s redirects more than %d times", address, maxRedirects)
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// withoutQuery is an address that may be shown: the query of a store's address
// is a signature.
func withoutQuery(u *url.URL) string {
	short := *u
	short.RawQuery, short.Fragment, short.User = "", "", nil
	return short.String()
}

// unreachableError is a server that gives no answer, or none now. Another try
// may help.
type unreachableError struct {
	error
	after time.Duration // how long it asks to wait, 0 where it does not
}

func (e *unreachableError) Unwrap() error { return e.error }

// cause is why a request ended: a timeout of ours says more than "canceled".
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// check turns a status into an error that says what to do.
func (c *Client) check(r Repo, resp *http.Response) error {
	code, status := resp.Header.Get("X-Error-Code"), resp.Status
	withheld := c.Token != "" && resp.Request.Header.Get("Authorization") == ""
	switch {
	case resp.StatusCode < 400:
		return nil
	case withheld && (code == "GatedRepo" || code == "RepoNotFound"):
		return fmt.Errorf("%s: no such model, or one that needs a token (%s: %s); the token goes to %s alone, which redirects there", r.Name, withoutQuery(resp.Request.URL), status, c.Endpoint)
	case code == "GatedRepo" && c.Token == "":
		return fmt.Errorf("%s is gated: accept its terms at %s/%s and set HF_TOKEN to a token of your account", r.Name, c.Endpoint, r.Name)
	case code == "GatedRepo" || resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: the account of your token has no access (%s); ask for it at %s/%s", r.Name, status, c.Endpoint, r.Name)
	case code == "RevisionNotFound":
		return fmt.Errorf("%s has no revision %q", r.Name, r.Revision)
	case resp.StatusCode == http.StatusUnauthorized && c.Token != "" && code == "":
		return fmt.Errorf("%s: the hub does not take your token (%s); look at HF_TOKEN", r.Name, status)
	case code == "RepoNotFound" || resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s: no such model on %s, or a private one; HF_TOKEN gives access to those", r.Name, c.Endpoint)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %s: %w", r, withoutQuery(resp.Request.URL), errAbsent)
	case resp.StatusCode == http.StatusTooManyRequests:
		return &unreachableError{fmt.Errorf("%s: %s; try again later, HF_TOKEN allows more requests", r, status), retryAfter(resp.Header)}
	case resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= 500:
		return &unreachableError{fmt.Errorf("%s: %s", withoutQuery(resp.Request.URL), status), retryAfter(resp.Header)}
	}
	return fmt.Errorf("%s: %s", withoutQuery(resp.Request.URL), status)
}

// retryAfter reads the header of that name, seconds or a date (RFC 9110,
// section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

const (
	// maxTries is how often in a row something may fail before it is given up.
	maxTries = 6
	// firstTries is how often a hub that has not answered yet is asked: who has
	// misspelled a path waits for it.
	firstTries = 3
	// maxWait is the longest wait that a server may ask for.
	maxWait = 5 * time.Minute
)

// retry runs try until it succeeds, fails for good, or has failed tries times
// since it last made progress.
func (c *Client) retry(ctx context.Context, tries int, try func(context.Context) (progress bool, err error)) error {
	for failed := 1; ; failed++ {
		progress, err := try(ctx)
		var away *unreachableError
		if ctx.Err() != nil || !errors.As(err, &away) {
			return err
		}
		if progress {
			failed = 1
		}
		wait := max(away.after, time.Second<<min(failed-1, 4))
		if failed >= tries || wait > maxWait {
			return err
		}
		c.Log.Warn("trying again", "in", wait, "error", err)
		if err := c.wait(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
