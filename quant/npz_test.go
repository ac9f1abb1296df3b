package quant

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// numpyFile is an array in a .npy entry with the given header.
func numpyFile(header string, data []byte) []byte {
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(header)))
	return append(append(b, header...), data...)
}

func numpyDict(descr, fortran, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }   \n", descr, fortran, shape)
}

// jaxFile stores a model as Google's JAX code does; change may alter the arrays.
func jaxFile(t testing.TB, c Config, method uint16) []byte {
	t.Helper()
	var entries []zipEntry
	for name, a := range jaxArrays(t, c) {
		entries = append(entries, zipEntry{name + ".npy", numpyOf(a.Shape, a.Data), method})
	}
	return zipFile(t, entries...)
}

// stackedFile is jaxFile, but with the blocks' tensors one behind the other.
func stackedFile(t testing.TB, c Config, method uint16) []byte {
	t.Helper()
	var entries []zipEntry
	arrays := jaxArrays(t, c)
	for name, a := range arrays {
		rest, ok := strings.CutPrefix(name, "Transformer/encoderblock_0/")
		if ok {
			var data []byte
			for i := range c.Depth {
				data = append(data, arrays[fmt.Sprintf("Transformer/encoderblock_%d/%s", i, rest)].Data...)
			}
			entries = append(entries, zipEntry{"Transformer/encoderblock/" + rest + ".npy", numpyOf(append([]int{c.Depth}, a.Shape...), data), method})
		} else if !strings.HasPrefix(name, "Transformer/encoderblock_") {
			entries = append(entries, zipEntry{name + ".npy", numpyOf(a.Shape, a.Data), method})
		}
	}
	return zipFile(t, entries...)
}

func numpyOf(shape []int, data []byte) []byte {
	text := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ")
	return numpyFile(numpyDict("<f4", "False", "("+text+",)"), data)
}

// jaxArrays are the arrays of a JAX ViT by name.
func jaxArrays(t testing.TB, c Config) map[string]Tensor {
	t.Helper()
	arrays := map[string]Tensor{}
	for name, tensor := range canonicalTensors(c) {
		o := jaxOrigins(name)[0]
		shape := tensor.Shape
		// The source's shape: heads apart, axes in its order.
		switch {
		case strings.Contains(name, "attention.attention.") && strings.HasSuffix(name, ".weight"):
			shape = []int{c.Heads, c.HeadDim(), c.Dim}
		case strings.Contains(name, "attention.attention."):
			shape = []int{c.Heads, c.HeadDim()}
		case strings.HasSuffix(name, "attention.output.dense.weight"):
			shape = []int{c.Dim, c.Heads, c.HeadDim()}
		}
		a := array{dtype: F32, shape: shape, data: tensor.Data}
		if o.axes != nil {
			inverse := make([]int, len(o.axes))
			for i, axis := range o.axes {
				inverse[axis] = i
			}
			a = a.permute(inverse)
		}
		stored, err := a.tensor()
		require.NoError(t, err)
		arrays[o.name] = stored
	}
	return arrays
}

func TestOpenJAX(t *testing.T) {
	want := tinyConfig
	want.Activation, want.Architecture = GELUTanh, ""
	for _, file := range [][]byte{
		jaxFile(t, tinyConfig, zip.Store), jaxFile(t, tinyConfig, zip.Deflate),
		stackedFile(t, tinyConfig, zip.Store), stackedFile(t, tinyConfig, zip.Deflate),
	} {
		c, err := Open(writeTemp(t, "weights", file), Options{CropFraction: 0.8, Interpolation: Bicubic})
		require.NoError(t, err)
		defer c.Close()
		require.Equal(t, "JAX ViT", c.Family)
		require.Equal(t, want, c.Config)
		require.Equal(t, half, c.Preprocess.Mean)
		for name, w := range canonicalTensors(tinyConfig) {
			got, err := c.Tensor(name)
			require.NoError(t, err)
			require.Equal(t, w.Shape, got.Shape)
			require.Equal(t, w.Data, got.Data, name)
		}
		for _, tensor := range c.Tensors() { // headers of what is not in place
			require.Equal(t, F32, tensor.DType)
			require.NotEmpty(t, tensor.Shape)
		}
	}
}

// NumPy's headers, its own and those of others.
func TestParseNumpyHeader(t *testing.T) {
	for header, want := range map[string]numpyHeader{
		numpyDict("<f4", "False", "(2, 3)"):                           {F32, false, []int{2, 3}},
		numpyDict("<f2", "True", "(2,)"):                              {F16, true, []int{2}},
		numpyDict("|V2", "False", "()"):                               {BF16, false, []int{}},
		numpyDict(">f4", "False", "(0, 5)"):                           {">f4", false, []int{0, 5}},
		numpyDict("|O", "False", "(1,)"):                              {"|O", false, []int{1}},
		"{'shape': (3L, 4L), 'fortran_order': False, 'descr': '<f8'}": {F64, false, []int{3, 4}},
		"{'shape':(3,4),'fortran_order':False,'descr':'bfloat16',}\n": {BF16, false, []int{3, 4}},
	} {
		h, n, err := parseNumpyHeader(numpyFile(header, []byte("data")))
		require.NoError(t, err, header)
		require.Equal(t, want, h)
		require.Equal(t, 10+len(header), n)
	}
	for header, want := range map[string]string{
		"   ":                                 "{ should",
		"{":                                   "a text should",
		"{}":                                  "it must have descr, fortran_order and shape",
		"{'descr': '<f4', 'shape': (1,)}":     "it must have",
		"{'descr': [('a', '<f4')]}":           "a text should",
		"{'descr' '<f4'}":                     ": should",
		"{'descr': '<f4' 'shape': ()}":        "} should",
		"{'descr': '<f4', 'descr': '<f4'}":    `key "descr" stands there twice`,
		"{'fortran_order': 1}":                "True or False should",
		"{'shape': 3}":                        "a shape should",
		"{'shape': (-3,)}":                    "a size, one of 8 at most, should",
		"{'shape': (3.0,)}":                   ") should",
		"{'shape': (99999999999999999999,)}":  "a size, one of 8 at most, should",
		"{'shape': (1,1,1,1,1,1,1,1,1)}":      "a size, one of 8 at most, should",
		"{'extra': 'x'}":                      `unknown key "extra"`,
		"{'descr': 'a\\'b'}":                  "a text should",
		numpyDict("<f4", "False", "()") + "x": "the end should",
	} {
		_, _, err := parseNumpyHeader(numpyFile(header, nil))
		require.ErrorContains(t, err, want, header)
	}
	good := numpyFile(numpyDict("<f4", "False", "(1,)"), nil)
	for n := range good {
		_, _, err := parseNumpyHeader(good[:n])
		require.Error(t, err, n)
	}
	version2 := append([]byte("\x93NUMPY\x02\x00\x2e\x00\x00\x00"), numpyDict("<f4", "False", "(1,)")...)
	binary.LittleEndian.PutUint32(version2[8:], uint32(len(version2)-12))
	h, n, err := parseNumpyHeader(version2)
	require.NoError(t, err)
	require.Equal(t, []int{1}, h.shape)
	require.Equal(t, len(version2), n)
	binary.LittleEndian.PutUint32(version2[8:], 1<<31)
	_, _, err = parseNumpyHeader(version2)
	require.ErrorContains(t, err, "the header has 2147483648 bytes; want 65536 at most")
	version2[6] = 4
	_, _, err = parseNumpyHeader(version2)
	require.ErrorContains(t, err, "NumPy format 4.0")
}

func TestOpenNPZRefuses(t *testing.T) {
	data := make([]byte, 24)
	for _, test := range []struct {
		content []byte
		method  uint16
		want    string
	}{
		{numpyFile(numpyDict("<f4", "False", "(7,)"), data), zip.Store, `tensor "x": F32 [7] does not fill 24 bytes`},
		{numpyFile(numpyDict("<f4", "False", "(7,)"), data), zip.Deflate, `tensor "x": F32 [7] does not fill 24 bytes`},
		{numpyFile(numpyDict("<f4", "False", "(5,)"), data), zip.Store, "does not fill 24 bytes"},
		{numpyFile(numpyDict("<f4", "False", "(1073741824, 1073741824, 1073741824)"), data), zip.Store, "does not fill 24 bytes"},
		// 6 elements more than what times 4 overflows an int.
		{numpyFile(numpyDict("<f4", "False", fmt.Sprintf("(%d,)", math.MaxInt/2+1+6)), data), zip.Store, "does not fill 24 bytes"},
		{[]byte("\x93NUMPY"), zip.Store, "not a NumPy array"},
		{nil, zip.Deflate, "not a NumPy array"},
	} {
		_, err := readFormat("", zipFile(t, zipEntry{"x.npy", test.content, test.method}), "")
		require.ErrorContains(t, err, test.want)
	}

	// A flipped bit is found by the checksum.
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		good := zipFile(t, zipEntry{"x.npy", numpyFile(numpyDict("<f4", "False", "(6,)"), float32Tensor("", []int{6}, []float32{1, 2, 3, 4, 5, 6}).Data), method})
		s, err := readFormat("", good, "")
		require.NoError(t, err)
		a, _ := s.find("x")
		_, err = a.tensor()
		require.NoError(t, err)
		// The data ends before its descriptor, or before the directory.
		bad := bytes.Clone(good)
		bad[bytes.LastIndex(bad, []byte("PK\x07\x08"))-2] ^= 0x10
		s, err = readFormat("", bad, "")
		if err == nil {
			a, _ = s.find("x")
			_, err = a.tensor()
		}
		require.Error(t, err)
	}

	// Types that no weight has matter only when they are used.
	s, err := readFormat("", zipFile(t, zipEntry{"x.npy", numpyFile(numpyDict("|O", "False", "(1,)"), data), zip.Store}), "")
	require.NoError(t, err)
	a, _ := s.find("x")
	_, err = a.tensor()
	require.ErrorContains(t, err, `tensor "x": unknown dtype "|O"`)
}

// In Fortran's order the first index runs fastest.
func TestOpenNPZFortran(t *testing.T) {
	content := numpyFile(numpyDict("<f4", "True", "(2, 3)"), float32Tensor("", []int{6}, []float32{1, 2, 3, 4, 5, 6}).Data)
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		s, err := readFormat("", zipFile(t, zipEntry{"x.npy", content, method}), "")
		require.NoError(t, err)
		a, _ := s.find("x")
		require.Equal(t, []int{2, 3}, a.shape)
		v, err := a.floats()
		require.NoError(t, err)
		require.Equal(t, []float32{1, 3, 5, 2, 4, 6}, v)
	}
}
