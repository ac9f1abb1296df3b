package quant

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// container is a safetensors file of this header and this many bytes of data.
func container(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// writeTemp puts a file into the test's folder.
func writeTemp(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func TestOpenFile(t *testing.T) {
	path := writeTemp(t, "m.safetensors", container(
		`{"b":{"data_offsets":[6,8],"dtype":"I8","shape":[2,1]}, "__metadata__":{"k":"v"},`+
			`"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"scalar":{"dtype":"F32","shape":[],"data_offsets":[8,12]},`+
			`"empty":{"dtype":"F64","shape":[0,5],"data_offsets":[8,8]}}   `, 12))
	f, err := OpenFile(path)
	require.NoError(t, err)
	var order []string
	for _, tensor := range f.Tensors() {
		order = append(order, tensor.Name)
	}
	require.Equal(t, []string{"a", "b", "empty", "scalar"}, order)
	require.Equal(t, map[string]string{"k": "v"}, f.Metadata())
	b, ok := f.Tensor("b")
	require.True(t, ok)
	require.Equal(t, Tensor{Name: "b", DType: I8, Shape: []int{2, 1}, Data: []byte{0, 0}}, b)
	_, ok = f.Tensor("c")
	require.False(t, ok)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
}

func TestOpenFileEmptyModel(t *testing.T) {
	f, err := OpenFile(writeTemp(t, "m.safetensors", container(`{}`, 0)))
	require.NoError(t, err)
	require.Empty(t, f.Tensors())
	require.NoError(t, f.Close())
}

func TestOpenFileRefuses(t *testing.T) {
	one := func(entry string, data int) []byte { return container(`{"x":`+entry+`}`, data) }
	many := func(format string) string { // entries, one more than may be
		var list []string
		for i := range maxEntries + 1 {
			list = append(list, fmt.Sprintf(format, i))
		}
		return strings.Join(list, ",")
	}
	length := func(n uint64, rest string) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), rest...) }
	for _, test := range []struct {
		name string
		file []byte
		want string // each part of it, between "…"
	}{
		{"empty", nil, "0 bytes"},
		{"seven bytes", []byte("7 bytes"), "not a safetensors file…7 bytes"},
		{"jpeg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), "not a safetensors file…header length"},
		{"header of 2^60", length(1<<60, "{}"), "header length 1152921504606846976 is more than 100000000"},
		{"header of 2^64-1", length(1<<64-1, "{}"), "header length 18446744073709551615"},
		{"header over the cap", length(100_000_001, "{}"), "100000001"},
		{"header beyond the file", length(3, "{}"), "cut short…3 bytes…2"},
		{"header of nothing", length(0, ""), `starts with ""`},
		{"many tensors", container("{"+many(`"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`)+"}", 0), "safetensors header: more than 131072 tensors or keys"},
		{"much metadata", container(`{"__metadata__":{`+many(`"%d":""`)+"}}", 0), "safetensors header: more than 131072 tensors or keys"},
		{"dimensions", one(`{"dtype":"U8","shape":[1`+strings.Repeat(",1", 64)+`],"data_offsets":[0,1]}`, 1), `tensor "x": more than 64 dimensions`},
		{"leading space", container(` {}`, 0), `starts with " {}"`},
		{"byte order mark", container("\ufeff{}", 0), "starts with"},
		{"array", container(`[]`, 0), `starts with "[]"`},
		{"not UTF-8", container("{\"\xff\":{}}", 0), "not UTF-8"},
		{"cut JSON", container(`{"x":{"dtype":"F32"`, 0), "unexpected EOF"},
		{"two objects", container(`{}{}`, 0), "follows the closing"},
		{"text behind the object", container(`{}x`, 0), "follows the closing"},
		{"trailing comma", container(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}`, 0), "header"},
		{"missing colon", container(`{"x" {"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), "header"},
		{"null tensor", one(`null`, 0), `"x"…stands where`},
		{"duplicate tensor", container(`{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0078":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, 0), `"x" stands there twice`},
		{"duplicate field", one(`{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}`, 1), `tensor "x"…"dtype" stands there twice`},
		{"duplicate metadata", container(`{"__metadata__":{"a":"1","a":"2"}}`, 0), `"a" stands there twice`},
		{"metadata number", container(`{"__metadata__":{"a":1}}`, 0), "1 stands where a string should"},
		{"unknown field", one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]}`, 1), `tensor "x"…"strides"`},
		{"missing dtype", one(`{"shape":[1],"data_offsets":[0,1]}`, 1), `tensor "x"…must have dtype`},
		{"unknown dtype", one(`{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}`, 1), `tensor "x"…"F8_E4M3"`},
		{"dtype in lower case", one(`{"dtype":"f32","shape":[1],"data_offsets":[0,4]}`, 4), `"f32"`},
		{"dtype number", one(`{"dtype":4,"shape":[1],"data_offsets":[0,4]}`, 4), `4 stands where a string should`},
		{"negative dimension", one(`{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}`, 1), `-1 is not a whole number`},
		{"fraction", one(`{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}`, 1), `1.0 is not a whole number`},
		{"exponent", one(`{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}`, 1), `1e0 is not a whole number`},
		{"dimension as text", one(`{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}`, 1), `stands where a number should`},
		{"dimension of 2^64", one(`{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}`, 1), `18446744073709551616`},
		{"dimension of 2^63", one(`{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}`, 1), `dimension 9223372036854775808 of the shape is too large`},
		{"shape that overflows to 0", one(`{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`, 0), `tensor "x"`},
		{"bytes that overflow to 0", one(`{"dtype":"F32","shape":[2305843009213693952,2],"data_offsets":[0,0]}`, 0), `tensor "x"`},
		{"tensor of 2^60 bytes", one(`{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]}`, 1), `tensor "x"…1152921504606846976`},
		{"shape too small", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,8]}`, 8), `tensor "x"…F32 [1] does not fill 8 bytes`},
		{"shape too large", one(`{"dtype":"F32","shape":[2,2],"data_offsets":[0,8]}`, 8), `F32 [2 2] does not fill 8 bytes`},
		{"one offset", one(`{"dtype":"U8","shape":[1],"data_offsets":[0]}`, 1), `1 numbers; want 2`},
		{"three offsets", one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}`, 1), `more than 2`},
		{"offsets backwards", one(`{"dtype":"U8","shape":[1],"data_offsets":[1,0]}`, 1), `[1, 0] run backwards`},
		{"beyond the file", one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, 7), `tensor "x"…[0, 8]…7 data bytes…cut short`},
		{"hole at the start", one(`{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`, 2), `tensor "x"…hole of 1 bytes`},
		{"hole", container(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}`, 4), `tensor "y"…hole of 2 bytes`},
		{"overlap", container(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), `tensor "y"…[1, 3] overlap tensor "x"`},
		{"same bytes twice", container(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2), `overlap`},
		{"trailing data", one(`{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`, 3), `2 bytes of data follow`},
		{"data without tensors", container(`{}`, 1), `1 bytes of data follow`},
		{"deep nesting", container(`{"x":`+strings.Repeat("[", 100_000), 0), "header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := writeTemp(t, "bad.safetensors", test.file)
			f, err := OpenFile(path)
			require.Error(t, err)
			require.Nil(t, f)
			for part := range strings.SplitSeq(test.want, "…") {
				require.ErrorContains(t, err, part)
			}
			require.Equal(t, 1, strings.Count(err.Error(), path), "the error names the file once: %s", err)
		})
	}
}

func TestOpenFileRefusesWhatIsNoFile(t *testing.T) {
	_, err := OpenFile(t.TempDir())
	require.ErrorContains(t, err, "not a regular file")
	_, err = OpenFile(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestHeaderMemory makes sure that a header costs memory in proportion to
// itself: it may hold a great many tensors, but no number in it is believed.
func TestHeaderMemory(t *testing.T) {
	var header strings.Builder
	header.WriteString("{")
	for i := range 2000 {
		fmt.Fprintf(&header, `"%d":{"dtype":"U8","shape":[0,1073741824],"data_offsets":[0,0]},`, i)
	}
	text := strings.TrimSuffix(header.String(), ",") + "}"
	file := container(text, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := parse(file)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(40*len(file)))
}
