package quant

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// zipEntry is a file in a zip file of a test, stored but for method.
type zipEntry struct {
	name    string
	content []byte
	method  uint16
}

func zipFile(t testing.TB, entries ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		require.NoError(t, err)
		_, err = w.Write(e.content)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// torchFile stores the tensors as torch.save does, under the names that name
// gives them.
func torchFile(t testing.TB, tensors map[string]Tensor, name func(string) string) []byte {
	t.Helper()
	p := newPickler()
	keys := slices.Sorted(maps.Keys(tensors))
	names := make([]string, len(keys))
	var entries []zipEntry
	for i, key := range keys {
		names[i] = name(key)
		entries = append(entries, zipEntry{"archive/data/" + key, tensors[key].Data, zip.Store})
	}
	p.dict(names, func(i int) { p.tensor(torchViewOf(tensors[keys[i]])) }).raw(".")
	return zipFile(t, append([]zipEntry{{"archive/data.pkl", p.Bytes(), zip.Store}, {"archive/byteorder", []byte("little"), zip.Store}}, entries...)...)
}

func torchViewOf(t Tensor) torchView {
	classes := map[DType]string{F32: "FloatStorage", F16: "HalfStorage", BF16: "BFloat16Storage"}
	n, _ := elements(t.Shape)
	return torchView{classes[t.DType], t.Name, n, 0, t.Shape, rowMajorStrides(t.Shape)}
}

// legacyFile is torchFile in the form before release 1.6.
func legacyFile(t testing.TB, tensors map[string]Tensor) []byte {
	t.Helper()
	keys := slices.Sorted(maps.Keys(tensors))
	p := &pickler{}
	p.raw("\x80\x02" + torchMagic + "\x80\x02M\xe9\x03.\x80\x02}").text("little_endian").raw("\x88s.")
	p.raw("\x80\x02").dict(keys, func(i int) { p.tensor(torchViewOf(tensors[keys[i]])) }).raw(".\x80\x02](")
	for _, key := range keys {
		p.text(key)
	}
	p.raw("e.")
	for _, key := range keys {
		n, _ := elements(tensors[key].Shape)
		p.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
		p.Write(tensors[key].Data)
	}
	return p.Bytes()
}

func same(name string) string { return name }

// allFlags say all that a lone file does not.
var allFlags = Options{Heads: 4, CropFraction: 0.8, Interpolation: Bicubic, Mean: []float32{0.5, 0.25, 0.125}, Std: []float32{0.5, 0.25, 0.75}}

// Whatever the format, the same model comes out.
func TestOpenTorch(t *testing.T) {
	m := timmModel(tinyConfig)
	for name, file := range map[string][]byte{
		"zip":      torchFile(t, m.tensors, same),
		"prefixed": torchFile(t, m.tensors, func(name string) string { return "module.model." + name }),
		"legacy":   legacyFile(t, m.tensors),
	} {
		c, err := Open(writeTemp(t, "weights", file), allFlags)
		require.NoError(t, err, name)
		defer c.Close()
		requireTensors(t, canonicalTensors(tinyConfig), c)
		require.Equal(t, int64(len(file)), c.Bytes)
		require.Len(t, c.SHA256, 64)
	}
}

// A head outside the wrapper of the encoder is found; a second model is not
// guessed at.
func TestOpenPrefixes(t *testing.T) {
	m := timmModel(tinyConfig)
	c, err := Open(writeTemp(t, "weights", torchFile(t, m.tensors, func(name string) string {
		if strings.HasPrefix(name, "head.") {
			return "module." + name
		}
		return "module.backbone." + name
	})), allFlags)
	require.NoError(t, err)
	defer c.Close()
	requireTensors(t, canonicalTensors(tinyConfig), c)
	require.Contains(t, c.Notes, Note{"prefix", "module.backbone.", "tensor names"})

	twice := map[string]Tensor{}
	for name, tensor := range m.tensors {
		for _, prefix := range []string{"student.", "teacher."} {
			tensor.Name = prefix + name
			twice[tensor.Name] = tensor
		}
	}
	_, err = Open(writeTemp(t, "weights", torchFile(t, twice, same)), allFlags)
	require.ErrorContains(t, err, `several models: tensors under "student." and under "teacher."`)

	collide := maps.Clone(m.tensors)
	head := collide["head.bias"]
	head.Name = "m.head.bias"
	collide["m.head.bias"] = head
	_, err = Open(writeTemp(t, "weights", torchFile(t, collide, func(name string) string {
		return "m." + strings.TrimPrefix(name, "m.")
	})), allFlags)
	require.ErrorContains(t, err, "stands there twice")
}

// torchSource opens a file with one tensor, x.
func torchSource(t *testing.T, v torchView, storage []byte, more ...zipEntry) (*source, error) {
	p := newPickler()
	p.dict([]string{"x"}, func(int) { p.tensor(v) }).raw(".")
	entries := append([]zipEntry{{"a/data.pkl", p.Bytes(), zip.Store}, {"a/data/0", storage, zip.Store}}, more...)
	return readFormat("", zipFile(t, entries...), "")
}

// Views are what PyTorch says they are.
func TestTorchViews(t *testing.T) {
	storage := float32Tensor("", []int{8}, []float32{0, 1, 2, 3, 4, 5, 6, 7}).Data
	for _, test := range []struct {
		offset        int
		shape, stride []int
		want          []float32
	}{
		{0, []int{2, 4}, []int{4, 1}, []float32{0, 1, 2, 3, 4, 5, 6, 7}},
		{2, []int{2, 2}, []int{2, 1}, []float32{2, 3, 4, 5}},
		{0, []int{4, 2}, []int{1, 4}, []float32{0, 4, 1, 5, 2, 6, 3, 7}},
		{1, []int{2, 1, 3}, []int{4, 9, 1}, []float32{1, 2, 3, 5, 6, 7}},
		{0, []int{2, 2, 2}, []int{1, 4, 2}, []float32{0, 2, 4, 6, 1, 3, 5, 7}},
		{3, []int{3}, []int{0}, []float32{3, 3, 3}},
		{7, []int{}, []int{}, []float32{7}},
		{8, []int{0, 4}, []int{4, 1}, nil},
	} {
		for _, deflated := range []bool{false, true} {
			method := uint16(zip.Store)
			if deflated {
				method = zip.Deflate
			}
			p := newPickler()
			p.dict([]string{"x"}, func(int) { p.tensor(torchView{"FloatStorage", "0", 8, test.offset, test.shape, test.stride}) }).raw(".")
			s, err := readFormat("", zipFile(t, zipEntry{"data.pkl", p.Bytes(), method}, zipEntry{"data/0", storage, method}), "")
			require.NoError(t, err)
			a, ok := s.find("x")
			require.True(t, ok)
			got, err := a.floats()
			require.NoError(t, err)
			require.Equal(t, test.want, got, "%+v", test)
		}
	}
}

func TestTorchRefuses(t *testing.T) {
	whole := torchView{"FloatStorage", "0", 8, 0, []int{8}, []int{1}}
	change := func(f func(*torchView)) torchView {
		v := whole
		f(&v)
		return v
	}
	for _, test := range []struct {
		view    torchView
		storage int // bytes
		more    []zipEntry
		want    string
	}{
		{change(func(v *torchView) { v.offset = 1 }), 32, nil, "reaches element 8 of a storage of 8"},
		{change(func(v *torchView) { v.shape = []int{9} }), 32, nil, "reaches element 8 of a storage of 8"},
		{change(func(v *torchView) { v.stride = []int{2} }), 32, nil, "reaches element 14"},
		{change(func(v *torchView) { v.shape, v.stride = []int{1 << 30, 1 << 30, 1 << 30}, []int{0, 0, 0} }), 32, nil, "more elements than an int can count"},
		{change(func(v *torchView) { v.stride = []int{-1} }), 32, nil, "stands where a size should"},
		{change(func(v *torchView) { v.shape = []int{-8} }), 32, nil, "stands where a size should"},
		{change(func(v *torchView) { v.stride = []int{1, 1} }), 32, nil, "2 strides for the 1 dimensions"},
		{change(func(v *torchView) { v.shape = make([]int, 9) }), 32, nil, "no shape of 8 dimensions at most"},
		{change(func(v *torchView) { v.n = 9 }), 32, nil, `storage "0" has 32 bytes, fewer than 9 times F32`},
		{change(func(v *torchView) { v.n = 1 << 30 }), 32, nil, `fewer than 1073741824 times F32`},
		{change(func(v *torchView) { v.key = "1" }), 32, nil, `zip entry "a/data/1" is missing`},
		{change(func(v *torchView) { v.key = "../0" }), 32, nil, `zip entry "a/data/../0" is missing`},
		{whole, 31, nil, "has 31 bytes"},
		{whole, 32, []zipEntry{{"a/byteorder", []byte("big"), zip.Store}}, `byte order is "big"`},
		{whole, 32, []zipEntry{{"a/constants.pkl", nil, zip.Store}}, "a TorchScript program"},
		{whole, 32, []zipEntry{{"a/data/0", nil, zip.Store}}, `entry "a/data/0" stands there twice`},
	} {
		_, err := torchSource(t, test.view, make([]byte, test.storage), test.more...)
		require.ErrorContains(t, err, test.want, "%+v", test)
	}

	// A type that PyTorch has and a ViT has not matters when it is used.
	s, err := torchSource(t, change(func(v *torchView) { v.class = "ComplexFloatStorage" }), make([]byte, 32))
	require.NoError(t, err)
	a, _ := s.find("x")
	_, err = a.tensor()
	require.ErrorContains(t, err, `unknown dtype "torch.ComplexFloatStorage"`)
}

// A flipped bit is found by the checksum, of a storage and of the pickle. A file
// without checksums is read all the same.
func TestTorchDamaged(t *testing.T) {
	m := timmModel(tinyConfig)
	good := torchFile(t, m.tensors, same)
	name := "head.weight"
	at := bytes.Index(good, m.tensors[name].Data)
	require.Positive(t, at)
	bad := bytes.Clone(good)
	bad[at] ^= 1
	_, err := Open(writeTemp(t, "weights", bad), allFlags)
	require.ErrorContains(t, err, `zip entry "archive/data/head.weight": damaged: its checksum is another`)
	for rest := bad; ; rest = rest[4:] { // of the directory
		at := bytes.Index(rest, []byte("PK\x01\x02"))
		if at < 0 {
			break
		}
		rest = rest[at:]
		binary.LittleEndian.PutUint32(rest[16:], 0)
	}
	c, err := Open(writeTemp(t, "weights", bad), allFlags)
	require.NoError(t, err)
	require.NoError(t, c.Close())

	bad = bytes.Clone(good)
	bad[bytes.Index(bad, []byte("FloatStorage"))] = 'f'
	_, err = readFormat("", bad, "")
	require.EqualError(t, err, `zip entry "archive/data.pkl": damaged: its checksum is another`)
}

// A tensor that somebody has given attributes is a tensor.
func TestTorchAttributes(t *testing.T) {
	view := torchView{"FloatStorage", "0", 2, 0, []int{2}, []int{1}}
	open := func(function string) (*source, error) {
		p := newPickler()
		p.dict([]string{"x"}, func(int) {
			p.raw("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n" + function + "\nctorch\nTensor\n").arguments(view)
			p.raw("}").text("note").raw("NstR")
		}).raw(".")
		return readFormat("", zipFile(t, zipEntry{"data.pkl", p.Bytes(), zip.Store},
			zipEntry{"data/0", float32Tensor("", []int{2}, []float32{3, 4}).Data, zip.Store}), "")
	}
	s, err := open("_rebuild_tensor_v2")
	require.NoError(t, err)
	a, _ := s.find("x")
	v, err := a.floats()
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4}, v)
	_, err = open("_rebuild_sparse_tensor")
	require.EqualError(t, err, `tensor "x" is made by torch._tensor._rebuild_from_type_v2; want dense ones that are not quantized`)
}

// Zip files that lie.
func TestArchiveRefuses(t *testing.T) {
	good := zipFile(t, zipEntry{"a/data.pkl", []byte("\x80\x02N."), zip.Store})
	for n := 4; n < len(good); n++ {
		_, err := readFormat("", good[:n:n], "")
		require.ErrorContains(t, err, "zip file is cut short or damaged", n)
	}
	_, err := readFormat("", good, "")
	require.ErrorContains(t, err, "no weights found; the file holds no dictionary")
	_, err = readFormat("", zipFile(t, zipEntry{"readme", nil, zip.Store}), "")
	require.ErrorContains(t, err, "neither PyTorch's (no data.pkl) nor NumPy's (no .npy)")

	var many []zipEntry
	for i := range maxDirectory/1000 + 1 {
		many = append(many, zipEntry{fmt.Sprintf("%01000d", i), nil, zip.Store})
	}
	_, err = readFormat("", zipFile(t, many...), "")
	require.EqualError(t, err, "zip file: its directory has more than 8388608 bytes")
	_, err = readFormat("", zipFile(t, many[:len(many)/2]...), "")
	require.ErrorContains(t, err, "neither PyTorch's")

	// A storage of zeros is a bomb when it is large enough: it deflates by 1000.
	view := torchView{"FloatStorage", "0", 8 << 20, 0, []int{8 << 20}, []int{1}}
	p := newPickler()
	p.dict([]string{"x"}, func(int) { p.tensor(view) }).raw(".")
	_, err = readFormat("", zipFile(t, zipEntry{"data.pkl", p.Bytes(), zip.Store}, zipEntry{"data/0", make([]byte, 32<<20), zip.Deflate}), "")
	require.ErrorContains(t, err, "inflates to 33554432 bytes, and the file with it to more than 16 times its size")

	// An entry that claims to be larger than the file.
	bad := bytes.Clone(good)
	for _, signature := range []string{"PK\x01\x02"} {
		at := bytes.Index(bad, []byte(signature))
		binary.LittleEndian.PutUint32(bad[at+20:], 1<<30)
		binary.LittleEndian.PutUint32(bad[at+24:], 1<<30)
	}
	_, err = readFormat("", bad, "")
	require.Error(t, err)

	bad = bytes.Clone(good)
	at := bytes.Index(bad, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint16(bad[at+10:], 12) // bzip2
	_, err = readFormat("", bad, "")
	require.ErrorContains(t, err, "compression method 12 is not supported")
}

// A large model in a small file: tensors that share their memory.
func TestOpenTorchOverlap(t *testing.T) {
	config := tinyConfig
	m := timmModel(config)
	p := newPickler()
	keys := slices.Sorted(maps.Keys(m.tensors))
	p.dict(keys, func(i int) {
		v := torchViewOf(m.tensors[keys[i]])
		v.key, v.n, v.stride = "0", 1, make([]int, len(v.shape))
		p.tensor(v)
	}).raw(".")
	_, err := Open(writeTemp(t, "weights", zipFile(t, zipEntry{"data.pkl", p.Bytes(), zip.Store}, zipEntry{"data/0", make([]byte, 4), zip.Store})), allFlags)
	require.ErrorContains(t, err, "they overlap")
}

// The storages of the older form come one after the other.
func TestTorchLegacyRefuses(t *testing.T) {
	tensors := map[string]Tensor{
		"x": float32Tensor("x", []int{2}, []float32{1, 2}),
		"y": float32Tensor("y", []int{3}, []float32{3, 4, 5}),
	}
	good := legacyFile(t, tensors)
	s, err := readFormat("", good, "")
	require.NoError(t, err)
	y, _ := s.find("y")
	v, err := y.floats()
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4, 5}, v)
	for n := 2 + len(torchMagic); n < len(good); n++ {
		_, err := readFormat("", good[:n:n], "")
		require.Error(t, err, n)
	}
	for old, want := range map[string]string{
		"M\xe9\x03.":           "format version is 1002; want 1001",
		"little_endian\x88":    "big-endian machine",
		"](X\x01\x00\x00\x00x": `storage "z" is listed, but no tensor's`,
		"\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?": `storage "x" does not start with its number of elements, 2`,
	} {
		require.Equal(t, 1, bytes.Count(good, []byte(old)), "%q", old)
		replacement := map[byte]string{'M': "M\xea\x03.", 'l': "little_endian\x89", ']': "](X\x01\x00\x00\x00z", 2: "\x03" + old[1:]}[old[0]]
		_, err := readFormat("", bytes.Replace(good, []byte(old), []byte(replacement), 1), "")
		require.ErrorContains(t, err, want)
	}
	_, err = readFormat("", []byte("\x80\x02N."), "")
	require.ErrorContains(t, err, "a pickle, but none that torch.save wrote")
}

// The older form in other protocols, and with the classes of modules in it.
func TestTorchLegacyForms(t *testing.T) {
	tensors := map[string]Tensor{"x": float32Tensor("x", []int{2}, []float32{1, 2})}
	plain := legacyFile(t, tensors)
	module := bytes.Replace(plain, []byte("\x80\x02}("), []byte("\x80\x02}(X\x01\x00\x00\x00m(X\x06\x00\x00\x00modulecm\nC\nNNtQ"), 1)
	require.NotEqual(t, plain, module)
	for name, file := range map[string][]byte{
		"protocol 2":        plain,
		"protocol 3":        append([]byte("\x80\x03"), plain[2:]...),
		"protocol 4":        append([]byte("\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00"), plain[2:]...),
		"class of a module": module,
	} {
		s, err := readFormat("", file, "")
		require.NoError(t, err, name)
		x, _ := s.find("x")
		v, err := x.floats()
		require.NoError(t, err, name)
		require.Equal(t, []float32{1, 2}, v, name)
	}
}

// What is taken where a file has several weights, and how a user chooses.
func TestStateDictWrappers(t *testing.T) {
	tensor := &torchTensor{storage: &torchStorage{key: "0", n: 1, dtype: F32}}
	dict := func(pairs ...any) *pickledDict {
		d := &pickledDict{}
		for i := 0; i < len(pairs); i += 2 {
			d.keys, d.values = append(d.keys, pairs[i]), append(d.values, pairs[i+1])
		}
		return d
	}
	for _, test := range []struct {
		object any
		key    string
		names  []string
		note   string
	}{
		{dict("a", tensor, "b", int64(1), "c", tensor), "", []string{"a", "c"}, ""},
		{dict("ema", dict("a", tensor), "epoch", int64(3), "args", dict("lr", 0.1)), "", []string{"a"}, "ema, the file"},
		{dict("best_acc1", tensor, "state_dict", dict("a", tensor)), "", []string{"a"}, "state_dict, the file"},
		{dict("model", dict("a", tensor), "model_ema", dict("b", tensor)), "", []string{"b"}, "model_ema, the file, which also has model"},
		{dict("model", dict("a", tensor), "model_ema", dict("b", tensor)), "model", []string{"a"}, "model, the file, which also has model_ema"},
		{dict("other", dict("a", tensor)), "other", []string{"a"}, "other, the file"},
		{dict("model", dict("state_dict", dict("a", tensor))), "", []string{"a"}, "model.state_dict, the file"},
		{dict("model", "a name", "state_dict", dict("a", tensor)), "", []string{"a"}, "state_dict, the file"},
		{&pickledObject{state: dict("_parameters", dict("w", tensor), "_buffers", dict(), "_modules",
			dict("0", &pickledObject{state: dict("_parameters", dict("w", tensor, "none", nil))}))}, "", []string{"w", "0.w"}, ""},
	} {
		s, err := stateDict(test.object, test.key)
		require.NoError(t, err)
		var names []string
		for _, a := range s.arrays {
			names = append(names, a.name)
		}
		require.Equal(t, test.names, names)
		if test.note == "" {
			require.Empty(t, s.notes)
			continue
		}
		value, from, _ := strings.Cut(test.note, ", ")
		require.Equal(t, []Note{{"weights", value, from}}, s.notes)
	}
	_, err := stateDict(dict("epoch", int64(3), "lr", 0.1), "")
	require.EqualError(t, err, `no weights found; the file has "epoch", "lr"`)
	_, err = stateDict(dict("first", dict("a", tensor), "second", dict("b", tensor)), "")
	require.EqualError(t, err, `several sets of weights, under "first" and under "second"; choose one by its key`)
	nested := dict("first", dict("model", dict("a", tensor)), "second", dict("model", dict("b", tensor)))
	_, err = stateDict(nested, "")
	require.EqualError(t, err, `several sets of weights, under "first" and under "second"; choose one by its key`)
	s, err := stateDict(nested, "second")
	require.NoError(t, err)
	require.Equal(t, "b", s.arrays[0].name)
	_, err = stateDict(dict("model", dict("a", tensor)), "ema")
	require.EqualError(t, err, `no weights "ema"; the file has "model"`)
	_, err = stateDict(dict("a", tensor, "a", tensor), "")
	require.EqualError(t, err, `tensor "a" stands there twice`)
	_, err = stateDict(int64(3), "")
	require.ErrorContains(t, err, "the file holds no dictionary")

	args := &pickledObject{state: dict("model", "deit_tiny_patch16_224")}
	for want, d := range map[string]*pickledDict{
		"vit_tiny_patch16_224":  dict("arch", "vit_tiny_patch16_224", "args", args),
		"deit_tiny_patch16_224": dict("args", args),
		"vit_base_patch16":      dict("args", dict("model", "vit_base_patch16")),
		"":                      dict("args", int64(1), "arch", nil),
	} {
		require.Equal(t, want, scriptArchitecture(d))
	}

	sparse := &pickledObject{class: pickledGlobal{"torch._utils", "_rebuild_sparse_tensor"}}
	for _, object := range []any{dict("a", tensor, "b", sparse), dict("model", dict("b", sparse))} {
		_, err := stateDict(object, "")
		require.EqualError(t, err, `tensor "b" is made by torch._utils._rebuild_sparse_tensor; want dense ones that are not quantized`)
	}
}

// The heads follow from the architecture that timm's script notes in the file.
func TestOpenTorchScriptArchitecture(t *testing.T) {
	config := tinyConfig
	config.Dim, config.Heads = 192, 3
	m := timmModel(config)
	keys := slices.Sorted(maps.Keys(m.tensors))
	p := newPickler()
	p.dict([]string{"arch", "state_dict"}, func(i int) {
		if i == 0 {
			p.text("vit_tiny_patch4_8")
			return
		}
		p.dict(keys, func(i int) { p.tensor(torchViewOf(m.tensors[keys[i]])) })
	}).raw(".")
	entries := []zipEntry{{"x/data.pkl", p.Bytes(), zip.Store}}
	for _, key := range keys {
		entries = append(entries, zipEntry{"x/data/" + key, m.tensors[key].Data, zip.Store})
	}
	o := allFlags
	o.Heads = 0
	c, err := Open(writeTemp(t, "weights", zipFile(t, entries...)), o)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, 3, c.Config.Heads)
	require.Contains(t, c.Notes, Note{"architecture", "vit_tiny_patch4_8", "the training script's note in the file"})
}

// Weights that must be asked for in a format that has one set.
func TestOpenWeightsKey(t *testing.T) {
	o := allFlags
	o.Weights = "ema"
	_, err := Open(filepath.Join(timmModel(tinyConfig).write(t), "model.safetensors"), o)
	require.ErrorContains(t, err, `weights "ema" cannot be chosen in a safetensors file`)
}

// Files that are something else are called by their names.
func TestForeignFormats(t *testing.T) {
	for content, want := range map[string]string{
		"\x89HDF\r\n\x1a\n....":                "an HDF5 file",
		"GGUF\x03\x00\x00\x00\x01":             "a GGUF file",
		"\x93NUMPY\x01\x00\x76\x00":            "a single NumPy array",
		"\x1f\x8b\x08\x00\x01\x02\x03\x04\x05": "a gzip file; unpack it",
		"":                                     "it has 0 bytes",
		"hello":                                "it has 5 bytes",
		"<!DOCTYPE html>":                      "a web page; the download went wrong",
		"\x80\x04\x95\x33\x00\x00\x00\x00\x00\x00\x00\x8c":              "a pickle, but none that torch.save wrote",
		"\x80\x02\x00\x00\x00\x00\x00\x00{":                             "cut short: the header has 640 bytes",
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n": "a Git LFS pointer and not the file itself; fetch that with git lfs pull",
		"{}":   `JSON without a "weight_map"`,
		" \n{": "neither weights nor the index of some",
	} {
		_, err := readFormat("folder/file", []byte(content), "")
		require.ErrorContains(t, err, want, "%q", content)
	}
	// A header whose length looks like a brace.
	header := `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`
	header += strings.Repeat(" ", int('{')-len(header))
	s, err := readFormat("", container(header, 1), "")
	require.NoError(t, err)
	require.Len(t, s.arrays, 1)
}
