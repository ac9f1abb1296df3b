package engine

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/vitlite"
)

// TestFreshAtTheModel: a frame that has grown old while others had the model is
// not classified, and the next one has the model.
func TestFreshAtTheModel(t *testing.T) {
	e, err := Load(filepath.Join("..", "..", "..", "..", "testdata", "demo", "emoji.safetensors"), 1)
	require.NoError(t, err)
	defer e.Close()
	eye, frame, old := e.Eye(), yuyv(scene(64, 48)), errors.New("old")
	const sentinel = -1e30
	e.logits[0] = sentinel
	top := make([]vitlite.Prediction, 3)
	answer, _, err := eye.Classify(top, frame, func() error {
		require.False(t, e.mu.TryLock(), "it is asked when it is this camera's turn")
		return old
	})
	require.Equal(t, old, err)
	require.Empty(t, answer)
	require.Equal(t, float32(sentinel), e.logits[0])

	answer, report, err := eye.Classify(top, frame, func() error { return nil })
	require.NoError(t, err)
	require.Len(t, answer, 3)
	require.Positive(t, report.Infer)
	require.NotEqual(t, float32(sentinel), e.logits[0])
}
