package hub

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vitedge/cmd/quantize/internal/hub/hubtest"
)

// storeRequests are those for the weights.
func (f *fixture) storeRequests() (list []string) {
	for _, r := range f.Requests() {
		if strings.Contains(r, "store") {
			list = append(list, strings.TrimPrefix(r, "GET store "+weightsFile))
		}
	}
	return list
}

func (f *fixture) incomplete() string {
	return filepath.Join(f.client.Cache, "models--org--vit", "blobs", hubtest.SHA256(f.weights())+".incomplete")
}

// A connection that is cut is taken up where it broke.
func TestDownloadCut(t *testing.T) {
	f := newFixture(t)
	cut := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			from := 0
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
			rest := f.weights()[from:]
			if from > 0 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(f.weights())-1, len(f.weights())))
				w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
				w.WriteHeader(http.StatusPartialContent)
			}
			hubtest.Cut(w, rest, n)
		}
	}
	f.storeFails(cut(100_000), cut(0), cut(50_000))
	f.requireFetched(t)
	require.Equal(t, []string{"", " bytes=100000-", " bytes=100000-", " bytes=150000-"}, f.storeRequests())
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, time.Second}, f.waits, "progress starts the count again")
	require.NoFileExists(t, f.incomplete())
}

// What a process that was killed left is taken up by the next, and checked.
func TestDownloadResume(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(f.incomplete()), 0o755))
	require.NoError(t, os.WriteFile(f.incomplete(), f.weights()[:123_456], 0o644))
	first := int64(-1)
	f.client.Progress = func(file string, done, _ int64) {
		if file == weightsFile && first < 0 {
			first = done
		}
	}
	f.requireFetched(t)
	require.Equal(t, []string{" bytes=123456-"}, f.storeRequests())
	require.Equal(t, int64(123_456), first)

	for name, left := range map[string][]byte{
		"damaged":              append([]byte("x"), f.weights()[1:1000]...),
		"too long":             append(f.weights(), 'x'),
		"complete":             f.weights(),
		"complete but damaged": append([]byte("x"), f.weights()[1:]...),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			require.NoError(t, os.MkdirAll(filepath.Dir(f.incomplete()), 0o755))
			require.NoError(t, os.WriteFile(f.incomplete(), bytes.Clone(left), 0o644))
			f.requireFetched(t)
			if name == "complete" {
				require.Empty(t, f.storeRequests())
			}
		})
	}
}

// Servers may do other than what was asked.
func TestDownloadOddAnswers(t *testing.T) {
	partial := func(f *fixture, n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { hubtest.Cut(w, f.weights(), n) }
	}
	for _, test := range []struct {
		name   string
		answer func(f *fixture) http.HandlerFunc // to the request for the rest
		want   string                            // "" where the file is fetched after all
	}{
		{"ignores the range", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.Write(f.weights()) }
		}, ""},
		{"another range", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(f.weights())-1, len(f.weights())))
				w.WriteHeader(http.StatusPartialContent)
				w.Write(f.weights())
			}
		}, ""},
		{"range not satisfiable", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			}
		}, ""},
		{"busy", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
		}, ""},
		{"gone", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusGone) }
		}, "410 Gone"},
		{"expired signature", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }
		}, "403 Forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.storeFails(partial(f, 1000), test.answer(f))
			if test.want == "" {
				f.requireFetched(t)
				return
			}
			_, err := f.fetch(t, "org/vit")
			require.ErrorContains(t, err, test.want)
			require.FileExists(t, f.incomplete(), "for the next time")
			f.Intercept = nil
			f.requireFetched(t)
			require.Contains(t, f.storeRequests(), " bytes=1000-")
		})
	}
}

// A file is as long as was announced and hashes to its name.
func TestDownloadWrongFile(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(f *fixture) http.HandlerFunc
		want   string
	}{
		{"wrong checksum", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				data := bytes.Clone(f.weights())
				data[17] ^= 1
				w.Write(data)
			}
		}, "org/vit@main: model.safetensors has checksum "},
		{"too long", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "300001")
				w.Write(append(bytes.Clone(f.weights()), 'x'))
			}
		}, "sends 300001 bytes of model.safetensors; want 300000"},
		{"endless", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					w.Write(f.weights()[:10_007])
					w.(http.Flusher).Flush()
				}
			}
		}, "more than the 300000 bytes of model.safetensors come"},
		{"too short", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { w.Write(f.weights()[:7]) }
		}, "sends 7 bytes of model.safetensors; want 300000"},
		{"a web page", func(f *fixture) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Write([]byte("<html>please log in"))
				w.(http.Flusher).Flush()
			}
		}, "is cut off after 19 of 300000 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			answer := test.answer(f)
			f.storeFails(answer, answer, answer, answer, answer, answer, answer, answer)
			_, err := f.fetch(t, "org/vit")
			require.ErrorContains(t, err, test.want)
			for _, name := range f.files(t) {
				require.NotEqual(t, "models--org--vit/blobs/"+hubtest.SHA256(f.weights()), name)
				require.NotContains(t, name, weightsFile)
			}
			f.Intercept = nil
			f.requireFetched(t)
		})
	}
}

// 429 says when to come back.
func TestRetryAfter(t *testing.T) {
	f := newFixture(t)
	limit := func(after string) func(http.ResponseWriter, *http.Request, bool) bool {
		left := 2
		return func(w http.ResponseWriter, r *http.Request, store bool) bool {
			if left == 0 {
				return false
			}
			left--
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
	}
	f.Intercept = limit("17")
	f.requireFetched(t)
	require.Equal(t, []time.Duration{17 * time.Second, 17 * time.Second}, f.waits)

	f = newFixture(t)
	f.Intercept = limit("")
	f.requireFetched(t)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second}, f.waits)

	f = newFixture(t)
	f.Intercept = limit(time.Now().Add(200 * time.Second).UTC().Format(http.TimeFormat))
	f.requireFetched(t)
	require.Len(t, f.waits, 2)
	require.InDelta(t, 170, f.waits[0].Seconds(), 31)

	f = newFixture(t)
	f.Intercept = limit("86400")
	_, err := f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit@main: 429 Too Many Requests; try again later, HF_TOKEN allows more requests")
	require.Empty(t, f.waits, "nobody waits for a day")
}

// A server that falls silent is asked again. The client's patience is short where
// that is what it does, and else long enough for any machine.
func TestDownloadStall(t *testing.T) {
	f := newFixture(t)
	f.client.Stall = time.Minute
	f.client.Progress = func(file string, done, _ int64) {
		if file == weightsFile && done == 0 {
			f.client.Stall = 3 * time.Second // also to connect and send some
		}
	}
	wait := f.client.Wait
	f.client.Wait = func(ctx context.Context, d time.Duration) error {
		if f.client.Stall = time.Minute; len(f.waits) == 0 {
			f.client.Stall = 100 * time.Millisecond
		}
		return wait(ctx, d)
	}
	f.storeFails(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.weights())))
		w.Write(f.weights()[:5000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	f.requireFetched(t)
	require.Contains(t, f.logs.String(), "is cut off after 5000 of 300000 bytes: no answer for 3s")
	require.Len(t, f.waits, 2)
}

// Another process that fetches the same file is waited for, and its work used.
func TestDownloadLocked(t *testing.T) {
	f := newFixture(t)
	locks := filepath.Join(f.client.Cache, ".locks", "models--org--vit")
	require.NoError(t, os.MkdirAll(locks, 0o755))
	lock, err := os.Create(filepath.Join(locks, hubtest.SHA256(f.weights())+".lock"))
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	f.client.Wait = func(context.Context, time.Duration) error {
		blob := strings.TrimSuffix(f.incomplete(), ".incomplete")
		require.NoError(t, os.WriteFile(blob, f.weights(), 0o644))
		return lock.Close()
	}
	f.requireFetched(t)
	require.Empty(t, f.storeRequests())
	require.Contains(t, f.logs.String(), "waiting for another process")
}

// Errors of the disk are not the network's.
func TestDownloadDisk(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, os.Remove(f.client.Cache))
	require.NoError(t, os.WriteFile(f.client.Cache, nil, 0o644))
	_, err := f.fetch(t, "org/vit")
	require.ErrorIs(t, err, unix.ENOTDIR)
	require.Empty(t, f.waits)
}
