package quant

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every format can be looked into.
func TestList(t *testing.T) {
	x := float32Tensor("x", []int{2, 3}, make([]float32, 6))
	npy := numpyOf([]int{2, 3}, x.Data)
	for name, file := range map[string][]byte{
		"a.pth":         torchFile(t, map[string]Tensor{"x": x}, same),
		"b.bin":         legacyFile(t, map[string]Tensor{"x": x}),
		"c.npz":         zipFile(t, zipEntry{"x.npy", npy, zip.Deflate}),
		"d.safetensors": container(`{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}`, 24),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, file, 0o600))
		for _, path := range []string{path, dir} {
			list, err := List(path, "")
			require.NoError(t, err, name)
			require.Equal(t, []Tensor{{Name: "x", DType: F32, Shape: []int{2, 3}}}, list, name)
		}
	}
	_, err := List(t.TempDir(), "")
	require.ErrorContains(t, err, "no weights in this folder")
	_, err = List(writeTemp(t, "x.pth", []byte("PK\x03\x04")), "")
	require.ErrorContains(t, err, "cut short")
}
