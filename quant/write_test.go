package quant

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// sampleTensors have sizes that do and do not fit 64 bytes, and awkward names.
func sampleTensors() []Tensor {
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*7 + n)
		}
		return b
	}
	return []Tensor{
		{Name: "odd bytes", DType: I8, Shape: []int{3, 5}, Data: fill(15)},
		{Name: "q", DType: I8, Shape: []int{8, 16}, Data: fill(128)},
		{Name: `"quoted" <é>`, DType: F32, Shape: []int{5}, Data: fill(20)},
		{Name: "k", DType: I8, Shape: []int{8, 16}, Data: fill(128)},
		{Name: "scalar", DType: I64, Shape: nil, Data: fill(8)},
		{Name: "v", DType: F16, Shape: []int{32}, Data: fill(64)},
		{Name: "nothing", DType: BF16, Shape: []int{0, 4}, Data: nil},
	}
}

func TestWriteFileRoundTrip(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	metadata := map[string]string{"format": "pt", "config": `{"a": "<b>"}`, "": "\u2028 \\"}
	require.NoError(t, WriteFile(path, sampleTensors(), metadata))

	f, err := OpenFile(path)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, metadata, f.Metadata())
	var order []string
	for _, tensor := range f.Tensors() {
		order = append(order, tensor.Name)
	}
	require.Equal(t, []string{"q", "k", "v", "nothing", "scalar", `"quoted" <é>`, "odd bytes"}, order)
	for _, want := range sampleTensors() {
		got, ok := f.Tensor(want.Name)
		require.True(t, ok, want.Name)
		require.Equal(t, want.DType, got.DType)
		require.ElementsMatch(t, want.Shape, got.Shape)
		require.Equal(t, string(want.Data), string(got.Data), want.Name)
	}
}

func TestWriteFileAlignment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	require.NoError(t, WriteFile(path, sampleTensors(), nil))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	n := 8 + binary.LittleEndian.Uint64(b)
	require.Zero(t, n%64, "the data starts at %d", n)

	var header map[string]struct {
		DType   DType     `json:"dtype"`
		Offsets [2]uint64 `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(b[8:n], &header))
	delete(header, "__metadata__")
	require.Len(t, header, len(sampleTensors()))
	for name, e := range header {
		align := uint64(e.DType.Size())
		if size := e.Offsets[1] - e.Offsets[0]; size%64 == 0 && size > 0 {
			align = 64
		}
		require.Zero(t, e.Offsets[0]%align, "%s at %d", name, e.Offsets[0])
	}
}

func TestWriteFileIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	metadata := map[string]string{}
	for _, key := range []string{"e", "d", "c", "b", "a", "f", "g"} {
		metadata[key] = key
	}
	var files [2][]byte
	for i := range files {
		path := filepath.Join(dir, "m.safetensors")
		require.NoError(t, WriteFile(path, sampleTensors(), metadata))
		var err error
		files[i], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	require.Equal(t, files[0], files[1])
}

func TestWriteFileRefuses(t *testing.T) {
	x := Tensor{Name: "x", DType: F32, Shape: []int{2}, Data: make([]byte, 8)}
	with := func(change func(*Tensor)) []Tensor {
		y := x
		y.Name = "y"
		change(&y)
		return []Tensor{x, y}
	}
	for _, test := range []struct {
		name     string
		tensors  []Tensor
		metadata map[string]string
		want     string
	}{
		{"same name", with(func(y *Tensor) { y.Name = "x" }), nil, `"x": the name is taken`},
		{"reserved name", with(func(y *Tensor) { y.Name = "__metadata__" }), nil, "__metadata__"},
		{"name not UTF-8", with(func(y *Tensor) { y.Name = "\xff" }), nil, "UTF-8"},
		{"metadata not UTF-8", []Tensor{x}, map[string]string{"k": "\xff"}, `metadata "k"`},
		{"wrong length", with(func(y *Tensor) { y.Data = y.Data[:7] }), nil, `"y"`},
		{"negative dimensions", with(func(y *Tensor) { y.Shape = []int{-1, -2} }), nil, `"y"`},
		{"unknown dtype", with(func(y *Tensor) { y.DType = "F8" }), nil, `"F8"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			require.ErrorContains(t, WriteFile(filepath.Join(dir, "m"), test.tensors, test.metadata), test.want)
			requireFiles(t, dir)
		})
	}
}

// requireFiles lists a folder, hidden files too.
func requireFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, want, names)
}
