package camera

import (
	"context"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// snapshot takes one of a camera of its own.
func snapshot(t *testing.T, c Config, settle int) (*Frame, error) {
	cam, err := Open(t.Context(), c)
	if err != nil {
		return nil, err
	}
	defer cam.Close()
	return Snapshot(t.Context(), cam, settle)
}

func TestSnapshot(t *testing.T) {
	f, err := snapshot(t, Config{Source: "test:", Width: 16, Height: 16}, 5)
	require.NoError(t, err)
	require.Equal(t, uint64(5), f.Sequence)
	require.Equal(t, [3]byte{191, 191, 191}, pixel(t, f))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.jpg"), []byte("broken"), 0o600))
	writePNG(t, filepath.Join(dir, "b.png"), flat(2, 2, color.RGBA{1, 2, 3, 255}))
	f, err = snapshot(t, Config{Source: "file:" + dir}, 5)
	require.NoError(t, err)
	require.Equal(t, [3]byte{1, 2, 3}, pixel(t, f))

	require.NoError(t, os.Remove(filepath.Join(dir, "b.png")))
	_, err = snapshot(t, Config{Source: "file:" + dir, Loop: true}, 0)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "taking a picture: ")
	_, err = snapshot(t, Config{Source: "test:none"}, 0)
	require.ErrorContains(t, err, "not known")

	path := t.TempDir() + "/broken.jpg"
	require.NoError(t, os.WriteFile(path, []byte("hello"), 0o600))
	_, err = snapshot(t, Config{Source: "file:" + path}, 0)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "broken.jpg")

	// The frame outlives the camera, and the camera is closed.
	closed := 0
	shared := &Frame{Width: 1, Height: 1, Data: []byte{7}}
	cam := &fakeCamera{NextFunc: func(context.Context) (*Frame, error) { return shared, nil }, CloseFunc: func() error { closed++; return nil }}
	f, err = Snapshot(t.Context(), cam, 0)
	require.NoError(t, err)
	shared.Data[0] = 9
	require.Equal(t, []byte{7}, f.Data)
	require.Zero(t, closed, "the one who opened it closes it")
}
