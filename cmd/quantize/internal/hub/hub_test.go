package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/quantize/internal/hub/hubtest"
)

const (
	commitA = "00000000000000000000000000000000000000aa"
	commitB = "00000000000000000000000000000000000000bb"
)

const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
	pickleFile  = "pytorch_model.bin"
)

// fixture is a server with the model org/vit, and a client with an empty cache.
type fixture struct {
	*hubtest.Server
	client *Client
	repo   *hubtest.Repo
	waits  []time.Duration
	logs   *bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{Server: hubtest.New(), logs: new(bytes.Buffer)}
	t.Cleanup(f.Server.Close)
	weights, cache := make([]byte, 300_000), filepath.Join(t.TempDir(), "hub")
	require.NoError(t, os.Mkdir(cache, 0o755))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range weights {
		weights[i] = byte(r.Uint32())
	}
	f.repo = &hubtest.Repo{
		Commit: commitA,
		Files: map[string][]byte{
			"config.json": []byte(`{"model_type": "vit"}`), weightsFile: weights,
			pickleFile: []byte("pickle"), "README.md": []byte("read me"),
		},
		Large: map[string]bool{weightsFile: true, pickleFile: true},
	}
	f.Repos["org/vit"] = f.repo
	f.client = &Client{
		Endpoint: f.Hub.URL, Cache: cache, UserAgent: "test",
		Log: slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wait: func(ctx context.Context, d time.Duration) error {
			f.waits = append(f.waits, d)
			return ctx.Err()
		},
	}
	return f
}

func (f *fixture) weights() []byte { return f.repo.Files[weightsFile] }

func (f *fixture) fetch(t *testing.T, name string) (Model, error) {
	r, ok := Parse(name)
	require.True(t, ok)
	return f.client.Fetch(context.Background(), r)
}

// requireFetched fetches and compares the weights.
func (f *fixture) requireFetched(t *testing.T) Model {
	t.Helper()
	m, err := f.fetch(t, "org/vit")
	require.NoError(t, err)
	data, err := os.ReadFile(m.Weights)
	require.NoError(t, err)
	require.True(t, bytes.Equal(f.weights(), data))
	return m
}

// storeFails answers GETs for the weights with each function in turn, and well
// when they are used up.
func (f *fixture) storeFails(answers ...http.HandlerFunc) {
	var mu sync.Mutex
	f.Intercept = func(w http.ResponseWriter, r *http.Request, store bool) bool {
		mu.Lock()
		defer mu.Unlock()
		if !store || len(answers) == 0 {
			return false
		}
		answer := answers[0]
		answers = answers[1:]
		if answer == nil {
			return false
		}
		answer(w, r)
		return true
	}
}

// files lists all files and links of the cache.
func (f *fixture) files(t *testing.T) (list []string) {
	require.NoError(t, filepath.WalkDir(f.client.Cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(f.client.Cache, path)
			if target, err := os.Readlink(path); err == nil {
				rel += " -> " + target
			}
			list = append(list, rel)
		}
		return err
	}))
	slices.Sort(list)
	return list
}

func TestParse(t *testing.T) {
	for s, want := range map[string]Repo{
		"facebook/deit-tiny-patch16-224":                    {"facebook/deit-tiny-patch16-224", "main"},
		"timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k@v1": {"timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "v1"},
		"a/b@refs/pr/3":                        {"a/b", "refs/pr/3"},
		"hf-hub:timm/vit_tiny_patch16_224":     {"timm/vit_tiny_patch16_224", "main"},
		"https://huggingface.co/a/b":           {"a/b", "main"},
		"https://huggingface.co/a/b/":          {"a/b", "main"},
		"https://huggingface.co/a/b/tree/v1.0": {"a/b", "v1.0"},
	} {
		got, ok := Parse(s)
		require.True(t, ok, s)
		require.Equal(t, want, got)
	}
	for _, s := range []string{
		"", "vit", "a/b/c", "/a/b", "a/", "/b", "./b", "../b", "a/..", "a/.b", "a--b/c", "a/b--c", "a/b..c", "a/b@", "a/b@..", "a/b@x/../y",
		"https://huggingface.co/a", "https://huggingface.co/a/b/blob/main/config.json", "https://hub.example/a/b",
		"https://huggingface.co/a/b/tree/..", "hf-hub:", "hf-hub:a", "hf-hub:./a",
		"a/b@/x", "a/b@x/", "a/b@x//y", "a b/c", "a/b@x y", "a/b\x00", "a/" + strings.Repeat("b", 97),
	} {
		_, ok := Parse(s)
		require.False(t, ok, "%q", s)
	}
}

// The cache is laid out as huggingface_hub does, and answers the second time.
func TestFetch(t *testing.T) {
	f := newFixture(t)
	var last int64
	f.client.Progress = func(file string, done, total int64) {
		if file == weightsFile {
			require.Equal(t, int64(len(f.weights())), total)
			require.GreaterOrEqual(t, done, last)
			last = done
		}
	}
	m := f.requireFetched(t)
	require.Equal(t, int64(len(f.weights())), last)
	folder := filepath.Join(f.client.Cache, "models--org--vit")
	require.Equal(t, Model{Repo{"org/vit", "main"}, commitA, filepath.Join(folder, "snapshots", commitA, weightsFile)}, m)
	config, weights := hubtest.GitSHA1(f.repo.Files["config.json"]), hubtest.SHA256(f.weights())
	want := []string{
		".locks/models--org--vit/" + config + ".lock",
		".locks/models--org--vit/" + weights + ".lock",
		"models--org--vit/.no_exist/" + commitA + "/preprocessor_config.json",
		"models--org--vit/blobs/" + config,
		"models--org--vit/blobs/" + weights,
		"models--org--vit/refs/main",
		"models--org--vit/snapshots/" + commitA + "/config.json -> ../../blobs/" + config,
		"models--org--vit/snapshots/" + commitA + "/" + weightsFile + " -> ../../blobs/" + weights,
	}
	slices.Sort(want)
	require.Equal(t, want, f.files(t))
	ref, err := os.ReadFile(filepath.Join(folder, "refs", "main"))
	require.NoError(t, err)
	require.Equal(t, commitA, string(ref))
	require.Equal(t, []string{
		"HEAD main/config.json", "GET " + commitA + "/config.json",
		"HEAD " + commitA + "/preprocessor_config.json",
		"HEAD " + commitA + "/" + weightsFile, "GET " + commitA + "/" + weightsFile, "GET store " + weightsFile,
	}, f.Requests())

	require.Equal(t, m, f.requireFetched(t))
	require.Equal(t, []string{"HEAD main/config.json"}, f.Requests(), "where is main now? all else is known")
	pinned, err := f.fetch(t, "org/vit@"+commitA)
	require.NoError(t, err)
	require.Equal(t, m.Weights, pinned.Weights)
	require.Empty(t, f.Requests(), "a commit never changes")
}

// A branch that has moved is fetched anew; equal files are not.
func TestFetchUpdate(t *testing.T) {
	f := newFixture(t)
	f.requireFetched(t)
	f.Requests()
	f.repo.Commit = commitB
	f.repo.Files["config.json"] = []byte(`{"model_type": "deit"}`)
	m := f.requireFetched(t)
	require.Equal(t, commitB, m.Commit)
	require.NotContains(t, strings.Join(f.Requests(), "\n"), "store")
	config, err := os.ReadFile(filepath.Join(filepath.Dir(m.Weights), "config.json"))
	require.NoError(t, err)
	require.Equal(t, `{"model_type": "deit"}`, string(config))
	old, err := os.ReadFile(filepath.Join(f.client.Cache, "models--org--vit", "snapshots", commitA, "config.json"))
	require.NoError(t, err)
	require.Equal(t, `{"model_type": "vit"}`, string(old))
}

func TestFetchRevision(t *testing.T) {
	f := newFixture(t)
	f.repo.Commit, f.repo.Tags = commitB, map[string]string{"refs/pr/7": commitB}
	m, err := f.fetch(t, "org/vit@refs/pr/7")
	require.NoError(t, err)
	require.Equal(t, commitB, m.Commit)
	require.Contains(t, f.files(t), "models--org--vit/refs/refs/pr/7")
	_, err = f.fetch(t, "org/vit@v9")
	require.EqualError(t, err, `org/vit has no revision "v9"`)
}

// Offline, or where the hub cannot be reached, the cache answers.
func TestFetchWithoutNetwork(t *testing.T) {
	f := newFixture(t)
	f.client.Offline = true
	_, err := f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit@main is not in the cache "+f.client.Cache+", and HF_HUB_OFFLINE is set")
	f.client.Offline = false
	want := f.requireFetched(t)
	f.Requests()

	f.client.Offline = true
	require.Equal(t, want, f.requireFetched(t))
	require.Empty(t, f.Requests())
	// What another program fetched may not say which files there are not.
	require.NoError(t, os.RemoveAll(filepath.Join(f.client.Cache, "models--org--vit", ".no_exist")))
	require.Equal(t, want, f.requireFetched(t))
	f.client.Offline = false

	busy := func(w http.ResponseWriter, r *http.Request, store bool) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	f.Intercept = busy
	require.Equal(t, want, f.requireFetched(t))
	require.Empty(t, f.waits, "nobody waits for what is there")
	require.Contains(t, f.logs.String(), "the hub cannot be reached; using the copy in the cache")
	m, err := f.fetch(t, "org/vit@"+commitA)
	require.NoError(t, err)
	require.Equal(t, want.Weights, m.Weights)
	f.Intercept = nil
	f.Hub.Close()
	require.Equal(t, want, f.requireFetched(t))
	_, err = f.fetch(t, "org/other")
	require.ErrorContains(t, err, f.Hub.URL+"/org/other/resolve/main/config.json: ")
	require.ErrorContains(t, err, "connection refused")
	require.Len(t, f.waits, firstTries-1)

	// An incomplete copy is none.
	require.NoError(t, os.Remove(want.Weights))
	_, err = f.fetch(t, "org/vit")
	require.ErrorContains(t, err, "connection refused")
}

// A hub that has answered once is given more time.
func TestFetchPatience(t *testing.T) {
	f := newFixture(t)
	f.Intercept = func(w http.ResponseWriter, r *http.Request, store bool) bool {
		if strings.HasSuffix(r.URL.Path, weightsFile) {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	_, err := f.fetch(t, "org/vit")
	require.ErrorContains(t, err, weightsFile+": 502 Bad Gateway")
	require.Len(t, f.waits, maxTries-1)
}

// A new commit that cannot be fetched is no reason to take an old one.
func TestFetchUpdateFails(t *testing.T) {
	f := newFixture(t)
	f.requireFetched(t)
	f.repo.Commit = commitB
	f.repo.Files[weightsFile] = append([]byte("new"), f.weights()...)
	f.Intercept = func(w http.ResponseWriter, r *http.Request, store bool) bool {
		if store {
			w.WriteHeader(http.StatusBadGateway)
		}
		return store
	}
	_, err := f.fetch(t, "org/vit")
	require.ErrorContains(t, err, f.Store.URL+"/org/vit/"+weightsFile+": 502 Bad Gateway")
	require.NotContains(t, err.Error(), "secret")
}

func TestFetchErrors(t *testing.T) {
	f := newFixture(t)
	_, err := f.fetch(t, "org/absent")
	require.EqualError(t, err, "org/absent: no such model on "+f.Hub.URL+", or a private one; HF_TOKEN gives access to those")

	f.repo.Gated = true
	_, err = f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit is gated: accept its terms at "+f.Hub.URL+"/org/vit and set HF_TOKEN to a token of your account")
	f.client.Token = "hf_other"
	_, err = f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit: the account of your token has no access (403 Forbidden); ask for it at "+f.Hub.URL+"/org/vit")
	f.client.Token = "hf_wrong"
	_, err = f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit: the hub does not take your token (401 Unauthorized); look at HF_TOKEN")
	require.Empty(t, f.waits, "these answers are final")
	f.client.Token = "hf_test"
	f.requireFetched(t) // and the store, which refuses a token, has not seen it
	require.NotContains(t, f.logs.String(), "hf_")
	require.NotContains(t, f.logs.String(), "secret")
}

func TestFetchRenamed(t *testing.T) {
	f := newFixture(t)
	f.Repos["org/new"] = f.repo
	f.Repos["org/vit"] = &hubtest.Repo{Moved: "org/new"}
	f.requireFetched(t)
	f.Repos["org/new"] = &hubtest.Repo{Moved: "org/vit"}
	f.repo.Commit = commitB
	_, err := f.fetch(t, "org/vit")
	require.ErrorContains(t, err, "redirects more than 10 times")
}

// The weights are the first of what there is.
func TestModelFiles(t *testing.T) {
	f := newFixture(t)
	one, two := []byte("first shard"), []byte("second shard")
	delete(f.repo.Files, weightsFile)
	f.repo.Files["a.safetensors"], f.repo.Files["b.safetensors"] = one, two
	index := func(text string) { f.repo.Files[indexFile] = []byte(text) }
	index(`{"metadata": {"total_size": 3}, "weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}`)
	m, err := f.fetch(t, "org/vit")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(f.client.Cache, "models--org--vit", "snapshots", commitA, indexFile), m.Weights)
	for name, want := range map[string][]byte{"a.safetensors": one, "b.safetensors": two} {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(m.Weights), name))
		require.NoError(t, err)
		require.Equal(t, want, data)
	}

	for text, want := range map[string]string{
		`{"weight_map": {}}`: "model.safetensors.index.json has no weight_map",
		`{`:                  "model.safetensors.index.json: unexpected end of JSON input",
		`{"weight_map": {"x": "../../b.safetensors"}}`:   `names a file "../../b.safetensors"; want a plain name`,
		`{"weight_map": {"x": ".b.safetensors"}}`:        `names a file ".b.safetensors"`,
		`{"weight_map": {"x": "b.pkl"}}`:                 `names a file "b.pkl"`,
		`{"weight_map": {"x": "c.safetensors"}}`:         "names c.safetensors, which is not there",
		`{"weight_map": {"x": "sub/b.safetensors"}}`:     `names a file "sub/b.safetensors"`,
		`{"weight_map": {"x": "b.safetensors\u0000/x"}}`: "want a plain name",
	} {
		f.client.Cache = t.TempDir()
		index(text)
		_, err = f.fetch(t, "org/vit")
		require.ErrorContains(t, err, want)
	}

	f.client.Cache = t.TempDir()
	delete(f.repo.Files, indexFile)
	m, err = f.fetch(t, "org/vit")
	require.NoError(t, err)
	require.Equal(t, pickleFile, filepath.Base(m.Weights))
	f.client.Cache = t.TempDir()
	delete(f.repo.Files, pickleFile)
	_, err = f.fetch(t, "org/vit")
	require.EqualError(t, err, "org/vit@main has no weights: none of model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json")
}

// Whatever a server says of a file, it is no path and no surprise.
func TestFetchRefusesAnswers(t *testing.T) {
	for _, test := range []struct {
		header, value, want string
	}{
		{"X-Repo-Commit", "../../../etc", `names commit "../../../etc" and checksum`},
		{"X-Repo-Commit", "", `names commit ""`},
		{"ETag", `"../../x"`, `and checksum "\"../../x\""`},
		{"ETag", "", "is it a hub?"},
		{"Content-Length", "100000000", "config.json has 100000000 bytes; at most 67108864 are fetched"},
		{"X-Linked-Size", "-1", "does not say how long config.json is"},
		{"Location", "http://%", `redirects to "http://%"`},
	} {
		f := newFixture(t)
		f.Intercept = func(w http.ResponseWriter, r *http.Request, store bool) bool {
			h := w.Header()
			h.Set("X-Repo-Commit", commitA)
			h.Set("ETag", `"`+hubtest.GitSHA1(nil)+`"`)
			h.Set("Content-Length", "20")
			h.Set(test.header, test.value)
			if test.header == "Location" {
				w.WriteHeader(http.StatusFound)
			}
			return true
		}
		_, err := f.fetch(t, "org/vit")
		require.ErrorContains(t, err, test.want)
		require.Empty(t, slices.DeleteFunc(f.files(t), func(s string) bool { return strings.HasSuffix(s, "refs/main") }), test.header)
	}
}

// A mirror may have its store at its own address: the checksum is in the answer
// that redirects there.
func TestMirror(t *testing.T) {
	f := newFixture(t)
	f.Intercept = func(w http.ResponseWriter, r *http.Request, store bool) bool {
		if !strings.HasSuffix(r.URL.Path, weightsFile) {
			return false
		}
		if strings.HasSuffix(r.URL.Path, "/blob/"+weightsFile) {
			w.Write(f.weights())
			return true
		}
		w.Header().Set("X-Repo-Commit", commitA)
		w.Header().Set("X-Linked-Etag", `"`+hubtest.SHA256(f.weights())+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(f.weights())))
		http.Redirect(w, r, "/org/vit/resolve/blob/"+weightsFile, http.StatusFound)
		return true
	}
	f.requireFetched(t)
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A redirect may not leave TLS, and the token does not leave the hub even for a
// host whose name ends in the hub's.
func TestRedirects(t *testing.T) {
	f := newFixture(t)
	f.client.Endpoint, f.client.Token = "https://hub.example", "hf_test"
	var seen []string
	location := "http://hub.example/x"
	f.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.URL.Host+" "+r.Header.Get("Authorization"))
		w := httptest.NewRecorder()
		if r.URL.Host == "hub.example" {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		}
		resp := w.Result()
		resp.Request = r
		return resp, nil
	})
	_, err := f.client.request(context.Background(), http.MethodGet, "https://hub.example/x", 0)
	require.EqualError(t, err, "https://hub.example/x redirects to http://hub.example/x, which is not safe")
	location, seen = "https://cdn.hub.example/x", nil
	_, err = f.client.request(context.Background(), http.MethodGet, "https://hub.example/x", 0)
	require.NoError(t, err)
	require.Equal(t, []string{"hub.example Bearer hf_test", "cdn.hub.example "}, seen)
}

// A mirror may know nothing and send on to the public hub, which answers for the
// file. The token is the mirror's own: neither the public hub nor the store gets it.
func TestMirrorSendsOn(t *testing.T) {
	f := newFixture(t)
	f.client.Endpoint, f.client.Token = "https://mirror.example", "hf_test"
	gated := false
	var seen []string
	f.client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Method+" "+r.URL.Host+" "+r.Header.Get("Authorization"))
		w := httptest.NewRecorder()
		switch name := path.Base(r.URL.Path); {
		case r.URL.Host == "mirror.example":
			http.Redirect(w, r, DefaultEndpoint+r.URL.Path, http.StatusPermanentRedirect)
		case r.URL.Host == "store.example":
			w.Write(f.weights())
		case gated:
			w.Header().Set("X-Error-Code", "GatedRepo")
			w.WriteHeader(http.StatusUnauthorized)
		case name != weightsFile:
			w.Header().Set("X-Error-Code", "EntryNotFound")
			w.Header().Set("X-Repo-Commit", commitA)
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("X-Repo-Commit", commitA)
			w.Header().Set("X-Linked-Etag", `"`+hubtest.SHA256(f.weights())+`"`)
			w.Header().Set("X-Linked-Size", strconv.Itoa(len(f.weights())))
			http.Redirect(w, r, "https://store.example/"+name, http.StatusFound)
		}
		resp := w.Result()
		resp.Request = r
		return resp, nil
	})
	f.requireFetched(t)
	require.Equal(t, []string{
		"HEAD mirror.example Bearer hf_test", "HEAD huggingface.co ",
		"GET mirror.example Bearer hf_test", "GET huggingface.co ", "GET store.example ",
	}, seen[len(seen)-5:])

	gated = true
	_, err := f.fetch(t, "org/gated")
	require.EqualError(t, err, "org/gated: no such model, or one that needs a token (https://huggingface.co/org/gated/resolve/main/config.json: 401 Unauthorized); the token goes to https://mirror.example alone, which redirects there")
	for _, request := range seen {
		host := strings.Fields(request)[1]
		require.Equal(t, host == "mirror.example", strings.Contains(request, "hf_test"), request)
	}
}

func TestCanceled(t *testing.T) {
	f := newFixture(t)
	f.requireFetched(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.client.Fetch(ctx, Repo{"org/vit", "main"})
	require.ErrorIs(t, err, context.Canceled, "the copy in the cache is no way around it")
	require.True(t, errors.Is(err, context.Canceled))
	require.Empty(t, f.waits)
	require.NotContains(t, fmt.Sprint(err), "cache")
}

// FuzzShards asks for the files of an arbitrary index: names that are plain ones.
func FuzzShards(f *testing.F) {
	f.Add([]byte(`{"weight_map": {"x": "a.safetensors", "y": "b-00001-of-00002.bin", "z": "a.safetensors"}}`))
	f.Add([]byte(`{"weight_map": {"x": "../a.safetensors"}}`))
	index := filepath.Join(f.TempDir(), indexFile)
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(index, text, 0o600))
		seen := map[string]bool{}
		err := shards(Repo{"org/vit", "main"}, index, func(name string) (string, error) {
			require.Equal(t, filepath.Base(name), name)
			require.NotContains(t, name, "\x00")
			require.False(t, strings.HasPrefix(name, "."), name)
			require.False(t, seen[name], name)
			seen[name] = true
			return name, nil
		})
		require.True(t, err != nil || len(seen) > 0)
	})
}
