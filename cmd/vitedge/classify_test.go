package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
)

// TestClassifyShowsNoPassword: what the URL of a camera may hold is in none of
// the results and errors.
func TestClassifyShowsNoPassword(t *testing.T) {
	dir := t.TempDir()
	model, err := writeColorModel(dir)
	require.NoError(t, err)
	require.NoError(t, writePictures(dir, "red"))
	picture, err := os.ReadFile(filepath.Join(dir, "aa-red.jpg"))
	require.NoError(t, err)
	body := picture
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "hunter2" || r.FormValue("pwd") != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(body)
	}))
	defer s.Close()
	const url, shown = "http://me:%s@%s/x?pwd=%[1]s", "http://me:xxxxx@%s/x?pwd=xxxxx"
	host := strings.TrimPrefix(s.URL, "http://")
	name := fmt.Sprintf(shown, host)
	classify := func(want int, more ...string) (stdout, stderr string) {
		code, stdout, stderr := execute(append([]string{"classify", "--model", model, "--camera", fmt.Sprintf(url, "hunter2", host)}, more...)...)
		require.Equal(t, want, code, stderr)
		require.NotContains(t, stdout+stderr, "hunter2")
		return stdout, stderr
	}

	stdout, _ := classify(0, "--top", "1")
	require.Regexp(t, "^"+strings.ReplaceAll(name, "?", `\?`)+"\n.* red\n$", stdout)
	stdout, _ = classify(0, "--json")
	require.Contains(t, stdout, `{"file":"`+name+`","predictions":[{"label":"red"`)
	body = picture[:len(picture)-200] // whose header is right
	_, stderr := classify(exitFailure)
	require.Contains(t, stderr, name+": ")

	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	_, err = snapshot(ctx, camera.Config{Source: fmt.Sprintf(url, "hunter2", host)})
	require.EqualError(t, err, "camera "+name+" gave no picture within 20s")
}
