package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// maxBeyondFile is how many bytes quantize may have resident besides the file of
// float weights, which it maps, while it quantizes a ViT-Base. The int8 weights
// take 85 MB of them.
const maxBeyondFile = 200e6

// A ViT-Base of 86 M parameters in float32 is quantized in little memory.
func TestMemoryOfViTBase(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 346 MB")
	}
	dir := t.TempDir()
	var disk syscall.Statfs_t
	require.NoError(t, syscall.Statfs(dir, &disk))
	if disk.Bavail*uint64(disk.Bsize) < 1e9 {
		t.Skipf("%s has no room for 1 GB", dir)
	}
	size := writeViTBase(t, dir)
	took, resident := quantizeViTBase(t, dir)
	t.Logf("%.0f MB of float32 in %.2f s, with %.0f MB resident beyond the file", float64(size)/1e6, took.Seconds(), float64(resident-size)/1e6)
	require.Less(t, resident-size, int64(maxBeyondFile))
}

// BenchmarkViTBase times the whole command, with the files in the page cache:
//
//	go test ./cmd/quantize -run '^$' -bench ViTBase -benchtime 5x
//
// ms/least is the least of all runs, MB/beyond the most memory resident beyond the
// file.
func BenchmarkViTBase(b *testing.B) {
	dir := b.TempDir()
	size := writeViTBase(b, dir)
	b.SetBytes(size)
	least, most := time.Hour, int64(0)
	for b.Loop() {
		took, resident := quantizeViTBase(b, dir)
		least, most = min(least, took), max(most, resident-size)
	}
	b.ReportMetric(float64(least.Milliseconds()), "ms/least")
	b.ReportMetric(float64(most)/1e6, "MB/beyond")
}

// quantizeViTBase runs the command in a process of its own and returns its time
// and the most bytes that it had resident.
func quantizeViTBase(t testing.TB, dir string) (took time.Duration, resident int64) {
	cmd := command(dir, filepath.Join(dir, "int8.safetensors"))
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took = time.Since(start)
	require.NoError(t, err, string(out))
	return took, int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10 // from KiB
}

// writeViTBase writes a ViT-Base of 224 pixels and 1000 classes as timm does and
// returns the size of the weights.
func writeViTBase(t testing.TB, dir string) int64 {
	const dim, mlp, blocks, classes = 768, 3072, 12, 1000
	r := rand.New(rand.NewPCG(9, 10))
	random := make([]byte, 4*mlp*dim) // all tensors are made of these
	for i := 0; i < len(random); i += 4 {
		putFloat32(random[i:], float32(r.NormFloat64()*0.02))
	}
	var tensors []quant.Tensor
	add := func(name string, shape ...int) {
		tensors = append(tensors, quant.Tensor{Name: name, DType: quant.F32, Shape: shape, Data: random[:4*elements(shape)]})
	}
	both := func(module string, shape ...int) {
		add(module+".weight", shape...)
		add(module+".bias", shape[0])
	}
	add("cls_token", 1, 1, dim)
	add("pos_embed", 1, 197, dim)
	both("patch_embed.proj", dim, 3, 16, 16)
	for i := range blocks {
		block := fmt.Sprintf("blocks.%d.", i)
		both(block+"norm1", dim)
		both(block+"attn.qkv", 3*dim, dim)
		both(block+"attn.proj", dim, dim)
		both(block+"norm2", dim)
		both(block+"mlp.fc1", mlp, dim)
		both(block+"mlp.fc2", dim, mlp)
	}
	both("norm", dim)
	both("head", classes, dim)
	path := filepath.Join(dir, "model.safetensors")
	require.NoError(t, quant.WriteFile(path, tensors, nil))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"architecture": "vit_base_patch16_224",
		"pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.9,
		"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`), 0o644))
	st, err := os.Stat(path)
	require.NoError(t, err)
	return st.Size()
}
