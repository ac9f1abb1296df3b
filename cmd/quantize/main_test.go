package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/quantize/internal/hub/hubtest"
	"vitedge/quant"
)

// asQuantize in the environment makes this program the command itself, for tests
// that handle its process.
const asQuantize = "VITEDGE_TEST_AS_QUANTIZE"

func TestMain(m *testing.M) {
	if os.Getenv(asQuantize) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"quantize": main})
}

// The scripts run the command as a user does. They have commands of their
// own: vit writes a small random model, shards the same in two files with their
// index, strange a file with another tensor, and pictures some random pictures;
// hardlink gives a file a second name, and bom a byte order mark. HF_ENDPOINT is a hub with the same model,
// and REFERENCE the folder of small models of all families.
func TestScripts(t *testing.T) {
	server := newHub(t)
	reference, err := filepath.Abs("../../testdata/reference")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HF_ENDPOINT", server.Hub.URL)
			env.Setenv("REFERENCE", reference)
			env.Setenv("HF_HOME", filepath.Join(env.WorkDir, "hf"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"vit": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, dir := range args {
					ts.Check(writeViT(ts.MkAbs(dir)))
				}
			},
			"shards": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeShards(ts.MkAbs(args[0])))
			},
			"hardlink": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.Link(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
			},
			"bom": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("\ufeff"+ts.ReadFile(args[0])), 0o644))
			},
			"strange": func(ts *testscript.TestScript, _ bool, args []string) {
				t := quant.Tensor{Name: "fc.weight", DType: quant.F32, Shape: []int{2, 3}, Data: make([]byte, 24)}
				ts.Check(quant.WriteFile(ts.MkAbs(args[0]), []quant.Tensor{t}, nil))
			},
			"pictures": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, dir := range args {
					ts.Check(writePictures(ts.MkAbs(dir), 6))
				}
			},
		},
	})
}

// newHub serves the random ViT as org/vit, org/gated with the token hf_test, and
// org/shards in two shards. org/empty has no weights.
func newHub(t *testing.T) *hubtest.Server {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return data
	}
	config, weights := read("config.json"), read("model.safetensors")
	shards := map[string][]byte{}
	require.NoError(t, writeShards(dir))
	for _, name := range []string{"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		shards[name] = read(name)
	}

	server := hubtest.New()
	t.Cleanup(server.Close)
	repo := func(files map[string][]byte, gated bool) *hubtest.Repo {
		large := map[string]bool{}
		for name := range files {
			large[name] = strings.HasSuffix(name, ".safetensors")
		}
		return &hubtest.Repo{Commit: strings.Repeat("5", 40), Files: files, Large: large, Gated: gated}
	}
	server.Repos["org/vit"] = repo(map[string][]byte{"config.json": config, "model.safetensors": weights}, false)
	server.Repos["org/gated"] = repo(server.Repos["org/vit"].Files, true)
	server.Repos["org/shards"] = repo(shards, false)
	server.Repos["org/empty"] = repo(map[string][]byte{"config.json": config}, false)
	return server
}

// writeViT writes a random ViT of 16 x 16 pixels and 5 classes, as timm does.
func writeViT(dir string) error {
	const dim, mlp, patch, classes, blocks = 64, 128, 8, 5, 2
	r := rand.New(rand.NewPCG(5, 6))
	var tensors []quant.Tensor
	add := func(name string, scale float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		data := make([]byte, 4*n)
		for i := range n {
			v := 1.0 // of a norm's weight
			if scale != 0 {
				v = r.NormFloat64() * scale
			}
			putFloat32(data[4*i:], float32(v))
		}
		tensors = append(tensors, quant.Tensor{Name: name, DType: quant.F32, Shape: shape, Data: data})
	}
	add("cls_token", 1, 1, 1, dim)
	add("pos_embed", 1, 1, 5, dim)
	add("patch_embed.proj.weight", 0.1, dim, 3, patch, patch)
	add("patch_embed.proj.bias", 0.1, dim)
	for i := range blocks {
		block := fmt.Sprintf("blocks.%d.", i)
		for _, norm := range []string{"norm1", "norm2"} {
			add(block+norm+".weight", 0, dim)
			add(block+norm+".bias", 0.1, dim)
		}
		for _, l := range []struct {
			name    string
			out, in int
		}{{"attn.qkv", 3 * dim, dim}, {"attn.proj", dim, dim}, {"mlp.fc1", mlp, dim}, {"mlp.fc2", dim, mlp}} {
			add(block+l.name+".weight", 0.1, l.out, l.in)
			add(block+l.name+".bias", 0.1, l.out)
		}
	}
	add("norm.weight", 0, dim)
	add("norm.bias", 0.1, dim)
	add("head.weight", 0.3, classes, dim)
	add("head.bias", 0.1, classes)

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"labels.txt": "ant\nbee\ncat\ndog\neel\n",
		"config.json": `{"architecture": "vit_test", "num_classes": 5, "num_features": 64, "global_pool": "token",
			"model_args": {"num_heads": 4},
			"pretrained_cfg": {"input_size": [3, 16, 16], "interpolation": "bicubic", "crop_pct": 0.8,
			"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return quant.WriteFile(filepath.Join(dir, "model.safetensors"), tensors, nil)
}

// writeShards writes what writeViT does, the weights in two files with their
// index.
func writeShards(dir string) error {
	if err := writeViT(dir); err != nil {
		return err
	}
	whole := filepath.Join(dir, "model.safetensors")
	f, err := quant.OpenFile(whole)
	if err != nil {
		return err
	}
	defer f.Close()
	index := map[string]string{}
	for i, part := range [][]quant.Tensor{f.Tensors()[:9], f.Tensors()[9:]} {
		name := fmt.Sprintf("model-%05d-of-00002.safetensors", i+1)
		if err := quant.WriteFile(filepath.Join(dir, name), part, nil); err != nil {
			return err
		}
		for _, tensor := range part {
			index[tensor.Name] = name
		}
	}
	text, err := json.Marshal(map[string]any{"weight_map": index})
	if err != nil {
		return err
	}
	if err := os.WriteFile(whole+".index.json", text, 0o644); err != nil {
		return err
	}
	return os.Remove(whole)
}

// writePictures writes n random pictures, JPEG and PNG in turn.
func writePictures(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(7, 8))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 30+i, 24))
		base := color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
		for p := 0; p < len(img.Pix); p += 4 {
			noise := uint8(r.IntN(60))
			img.Pix[p], img.Pix[p+1], img.Pix[p+2], img.Pix[p+3] = base.R+noise, base.G^noise, base.B-noise, 255
		}
		var b bytes.Buffer
		var err error
		name := strconv.Itoa(i)
		if i%2 == 0 {
			name += ".jpg"
			err = jpeg.Encode(&b, img, nil)
		} else {
			name += ".PNG"
			err = png.Encode(&b, img)
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// execute runs the command in this process.
func execute(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestExitStatus(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(filepath.Join(dir, "vit")))
	for _, test := range []struct {
		args string
		want int
	}{
		{"--help", 0},
		{"--version", 0},
		{"verify --help", 0},
		{"vit out", 0},
		{"", 2},
		{"vit", 2},
		{"vit out more", 2},
		{"--unknown vit out", 2},
		{"--heads many vit out", 2},
		{"--resize wide vit out", 2},
		{"--resize 0 vit out", 2},
		{"--resize tall:9 vit out", 2},
		{"--resize 20 --crop 0.5 vit out", 2},
		{"verify out", 2},
		{"verify --float vit out", 0}, // and says that it verified nothing
		{"verify --float vit --images vit", 2},
		{"verify --images vit out", 2},
		{"verify --float vit --labels vit out", 2},
		{"verify --float vit --min-agree 101 out", 2},
		{"verify --float vit --max-drop 0.5 out", 2},
		{"verify --float vit --max-drop 101 --labels vit --images vit out", 2},
		{"verify --float vit --min-agree 0 out", 3},
		{"--heads 0 vit out2", 2},
		{"--heads -1 vit out2", 2},
		{"--image-size 0 vit out2", 2},
		{"--crop 0 vit out2", 2},
		{"--crop -0.5 vit out2", 2},
		{"--labels= vit out2", 2},
		{"--resize= vit out2", 2},
		{"inspect --image-size 0 vit", 2},
		{"inspect vit", 0},
		{"inspect out", 0},
		{"inspect", 2},
		{"inspect --resize wide vit", 2},
		{"inspect absent", 1},
		{"-q -v vit out", 2},
		{"--keep-f32 [ vit out", 2},
		{"--keep-f32 absent vit out", 1},
		{"--dry-run vit", 0},
		{"--dry-run vit out", 0},
		{"--dry-run", 2},
		{"absent out2", 1},
		{"--heads 5 vit out2", 1},
		{"verify --float vit --images absent out", 1},
	} {
		args := strings.Fields(test.args)
		for i, arg := range args {
			if arg == "vit" || strings.HasPrefix(arg, "out") {
				args[i] = filepath.Join(dir, arg)
			}
		}
		code, _, stderr := execute(args...)
		require.Equal(t, test.want, code, "%s: %s", test.args, stderr)
		require.Equal(t, code == 0, stderr == "", "%s: %s", test.args, stderr)
		require.False(t, strings.Count(stderr, "\n") > 1, stderr)
	}
	require.NoFileExists(t, filepath.Join(dir, "out2"))
	for want, args := range map[string][]string{
		"quantize: SRC is empty; see quantize --help\n":   {"", "out"},
		"quantize: DST is empty; see quantize --help\n":   {"vit", ""},
		"quantize: FILE is empty; see quantize --help\n":  {"inspect", ""},
		"quantize: MODEL is empty; see quantize --help\n": {"verify", "--float", "vit", ""},
	} {
		code, _, stderr := execute(args...)
		require.Equal(t, 2, code)
		require.Equal(t, want, stderr)
	}
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	require.NoError(t, writePictures(dir, 2))
	out := filepath.Join(dir, "out")
	code, _, stderr := execute(dir, out)
	require.Zero(t, code, stderr)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, args := range [][]string{{dir, out + "2"}, {"verify", "--float", dir, "--images", dir, out}} {
		var b bytes.Buffer
		require.Equal(t, 1, run(ctx, args, &b, &b))
		require.Contains(t, b.String(), "quantize: interrupted\n")
	}
	require.NoFileExists(t, out+"2")
}

func putFloat32(b []byte, v float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(v)) }
