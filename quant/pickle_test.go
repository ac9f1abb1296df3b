package quant

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pickler writes pickles, opcode by opcode.
type pickler struct{ bytes.Buffer }

func newPickler() *pickler {
	p := &pickler{}
	p.WriteString("\x80\x02")
	return p
}

func (p *pickler) text(s string) *pickler {
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
	return p
}

func (p *pickler) number(n int) *pickler {
	p.WriteByte('J')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	return p
}

func (p *pickler) tuple(numbers []int) *pickler {
	p.WriteByte('(')
	for _, n := range numbers {
		p.number(n)
	}
	p.WriteByte('t')
	return p
}

// raw writes opcodes as they are.
func (p *pickler) raw(s string) *pickler {
	p.WriteString(s)
	return p
}

// dict writes {key: value, ...}; value writes the i-th value.
func (p *pickler) dict(keys []string, value func(i int)) *pickler {
	p.raw("}(")
	for i, key := range keys {
		p.text(key)
		value(i)
	}
	return p.raw("u")
}

// torchView is how a tensor lies in its storage.
type torchView struct {
	class         string // of the storage
	key           string
	n             int // elements of the storage
	offset        int
	shape, stride []int
}

// tensor writes what torch.save writes for a tensor.
func (p *pickler) tensor(v torchView) *pickler {
	return p.raw("ctorch._utils\n_rebuild_tensor_v2\n").arguments(v).raw("R")
}

// arguments writes those of _rebuild_tensor_v2.
func (p *pickler) arguments(v torchView) *pickler {
	p.raw("((").text("storage").raw("ctorch\n" + v.class + "\n").text(v.key).text("cpu").number(v.n)
	p.raw("tQ").number(v.offset).tuple(v.shape).tuple(v.stride)
	return p.raw("\x89ccollections\nOrderedDict\n)Rt")
}

// opened runs a pickle that refers to no storage.
func opened(t *testing.T, program string) (any, error) {
	t.Helper()
	v, n, err := unpickle([]byte(program), func(id any) (any, error) { return id, nil })
	if err == nil {
		require.LessOrEqual(t, n, len(program))
	}
	return v, err
}

func TestUnpickle(t *testing.T) {
	tuple := func(v ...any) pickledTuple { return append(pickledTuple{}, v...) }
	object := func(module, name string, args, state any) *pickledObject {
		return &pickledObject{pickledGlobal{module, name}, args, state}
	}
	for program, want := range map[string]any{
		"N.": nil,
		"\x80\x05\x95\x01\x00\x00\x00\x00\x00\x00\x00\x88.": true,
		"\x89.":              false,
		"J\xff\xff\xff\xff.": int64(-1),
		"K\xff.":             int64(255),
		"M\x01\x02.":         int64(513),
		"\x8a\x00.":          int64(0),
		"\x8a\x01\xff.":      int64(-1),
		"\x8a\x02\xff\x00.":  int64(255),
		"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.": bigInt("\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
		"\x8b\x02\x00\x00\x00\x00\x80.":                 int64(-32768),
		"G\x3f\xf8\x00\x00\x00\x00\x00\x00.":            1.5,
		"X\x02\x00\x00\x00hi.":                          "hi",
		"\x8c\x02hi.":                                   "hi",
		"\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi.":       "hi",
		"C\x02hi.":             "hi",
		"B\x02\x00\x00\x00hi.": "hi",
		"\x8e\x02\x00\x00\x00\x00\x00\x00\x00hi.": "hi",
		"\x96\x02\x00\x00\x00\x00\x00\x00\x00hi.": "hi",
		"T\x02\x00\x00\x00hi.":                    "hi",
		"U\x02hi.":                                "hi",
		").":                                      tuple(),
		"(K\x01K\x02t.":                           tuple(int64(1), int64(2)),
		"K\x01\x85.":                              tuple(int64(1)),
		"K\x01K\x02\x86.":                         tuple(int64(1), int64(2)),
		"K\x01K\x02K\x03\x87.":                    tuple(int64(1), int64(2), int64(3)),
		"].":                                      &pickledList{},
		"]K\x01a.":                                &pickledList{[]any{int64(1)}},
		"](K\x01K\x02e.":                          &pickledList{[]any{int64(1), int64(2)}},
		"(K\x01l.":                                &pickledList{[]any{int64(1)}},
		"}.":                                      &pickledDict{},
		"}K\x01Ns.":                               &pickledDict{keys: []any{int64(1)}, values: []any{nil}},
		"}(K\x01NK\x02Nu.":                        &pickledDict{keys: []any{int64(1), int64(2)}, values: []any{nil, nil}},
		"(K\x01Nd.":                               &pickledDict{keys: []any{int64(1)}, values: []any{nil}},
		"\x8f(K\x01\x90.":                         object("builtins", "set", nil, nil),
		"(K\x01\x91.":                             object("builtins", "frozenset", nil, nil),
		"K\x01q\x05h\x05\x86.":                    tuple(int64(1), int64(1)),
		"K\x01r\x05\x00\x00\x00j\x05\x00\x00\x00\x86.": tuple(int64(1), int64(1)),
		"K\x01\x94h\x00\x86.":                          tuple(int64(1), int64(1)),
		"K\x01K\x020.":                                 int64(1),
		"K\x01(K\x020K\x031.":                          int64(1),
		"K\x01(0.":                                     int64(1),
		"cos\nsystem\n.":                               pickledGlobal{"os", "system"},
		"\x8c\x02os\x8c\x06system\x93.":                pickledGlobal{"os", "system"},
		"cos\nsystem\nX\x02\x00\x00\x00rm\x85R.":       object("os", "system", tuple("rm"), nil),
		"cargparse\nNamespace\n)\x81}K\x01Nsb.":        object("argparse", "Namespace", tuple(), &pickledDict{keys: []any{int64(1)}, values: []any{nil}}),
		"cx\ny\n)}\x92.":                               object("x", "y", tuple(), nil),
		"cx\ny\n)R)R.":                                 object("", "", tuple(), nil), // the result of a call, called
		"ccollections\nOrderedDict\n)R(K\x01Nu}b.":     &pickledDict{keys: []any{int64(1)}, values: []any{nil}},
		"ctorch\nSize\n(K\x02t\x85R.":                  tuple(int64(2)),
		"K\x07Q.":                                      int64(7),
	} {
		got, err := opened(t, program)
		require.NoError(t, err, "%q", program)
		require.Equal(t, want, got, "%q", program)
	}
}

func TestUnpickleRefuses(t *testing.T) {
	for program, want := range map[string]string{
		"":                                       "cut short",
		"N":                                      "byte 1: the pickle is cut short",
		".":                                      "more values than there are",
		"\x80\x01N.":                             "protocol is 1; want 2 to 5",
		"I1\n.":                                  "opcode 0x49 is not one that PyTorch writes",
		"ios\nsystem\n.":                         "opcode 0x69",
		"\x82\x01.":                              "opcode 0x82",
		"0.":                                     "more values",
		"K\x01(K\x02\x86.":                       "more values", // a tuple across a mark
		"K\x01(0(R.":                             "more values",
		"t.":                                     "more values",
		"K\x01K\x02a.":                           "is no list to append to",
		"K\x01NNs.":                              "is no dictionary to fill",
		"}(Nu.":                                  "more values",
		"h\x01.":                                 "memo 1 was never set",
		"q\x01.":                                 "more values",
		"X\xff\xff\xff\x7fx.":                    "cut short",
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.": "cut short",
		"\x8d\x00\x00\x00\x00\x00\x00\x00\x10x.": "cut short",
		"\x8b\xff\xff\xff\xff.":                  "cut short",
		"cos\nsystem":                            "cut short",
		"c" + strings.Repeat("x", 2000) + "\ny\n.": "cut short",
		"K\x01K\x02\x93.":                          "a global's name is no text",
		"K\x01\x93.":                               "more values",
		"cx\ny\nR.":                                "more values",
		"b.":                                       "more values",
		"K\x01b.":                                  "more values",
		"ccollections\nOrderedDict\nNR.":           "called without a tuple",
		"ccollections\nOrderedDict\n]\x85R.":       "called with arguments",
		"ctorch\nSize\n)R.":                        "torch.Size: called without arguments",
		"ctorch._utils\n_rebuild_tensor\n)R.":      "0 arguments; want 4",
		"ctorch._utils\n_rebuild_tensor\n(NNNNtR.": "is no storage",
		strings.Repeat("N0", maxOps/2+1) + "N.":    "more than 2097152 opcodes",
		strings.Repeat("(", 3000) + "N.":           "", // marks alone cost nothing
	} {
		_, err := opened(t, program)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want, "%.60q", program)
		require.ErrorContains(t, err, "pickle: byte ")
	}
}

// A list may contain itself, and a module, too: nothing follows the circle.
func TestUnpickleCircles(t *testing.T) {
	v, err := opened(t, "]q\x00h\x00a.")
	require.NoError(t, err)
	list := v.(*pickledList)
	require.Same(t, list, list.items[0])

	// A module that is its own children a and b, 2^32 deep.
	program := "\x80\x02cm\nM\n)\x81q\x00}X\x08\x00\x00\x00_modules}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00usb."
	v, err = opened(t, program)
	require.NoError(t, err)
	require.Empty(t, moduleTensors(v))

	// A dictionary that is its own weights under every key.
	program = "\x80\x02}q\x00("
	for _, key := range wrappers {
		program += string(newPickler().text(key).Bytes()[2:]) + "h\x00"
	}
	v, err = opened(t, program+"u.")
	require.NoError(t, err)
	_, err = stateDict(v, "")
	require.ErrorContains(t, err, "no weights found; the file has")
}

// What contains itself many times over costs no more than its length: a dictionary
// under every key of training scripts beside 100,000 others, and modules that have
// 1,000 tensors each.
func TestUnpickleUnfolds(t *testing.T) {
	d := &pickledDict{}
	for _, key := range wrappers {
		d.keys, d.values = append(d.keys, key), append(d.values, d)
	}
	for i := range 100_000 {
		d.keys, d.values = append(d.keys, int64(i)), append(d.values, nil)
	}
	_, err := stateDict(d, "")
	require.ErrorContains(t, err, "no weights found")

	parameters, modules := &pickledDict{}, &pickledDict{}
	module := &pickledObject{state: &pickledDict{keys: []any{"_parameters", "_modules"}, values: []any{parameters, modules}}}
	tensor := &torchTensor{storage: &torchStorage{n: 1, dtype: F32}}
	for i := range 1000 {
		parameters.keys, parameters.values = append(parameters.keys, fmt.Sprint(i)), append(parameters.values, tensor)
		modules.keys, modules.values = append(modules.keys, fmt.Sprint(i)), append(modules.values, module)
	}
	require.LessOrEqual(t, len(moduleTensors(module)), maxWalk)
	modules.keys[0] = strings.Repeat("x", maxName)
	longest := 0
	for _, tensor := range moduleTensors(module) {
		longest = max(longest, len(tensor.name))
	}
	require.LessOrEqual(t, longest, maxName)
}

// FuzzUnpickle runs arbitrary programs. Whatever they are, they cost memory in
// proportion to their length, and what they build can be searched for weights.
func FuzzUnpickle(f *testing.F) {
	f.Add(newPickler().tensor(torchView{"FloatStorage", "0", 6, 0, []int{2, 3}, []int{3, 1}}).raw(".").Bytes())
	f.Add([]byte("\x80\x02]q\x00h\x00a."))
	f.Add([]byte("\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R."))
	f.Add([]byte("\x80\x02cm\nM\n)\x81q\x00}X\x08\x00\x00\x00_modules}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00usb."))
	paths, err := filepath.Glob("../testdata/reference/*/*.pth")
	require.NoError(f, err)
	for _, path := range paths {
		if z, err := zip.OpenReader(path); err == nil {
			for _, e := range z.File {
				if strings.HasSuffix(e.Name, "data.pkl") {
					b, err := inflate(e, e.UncompressedSize64)
					require.NoError(f, err)
					f.Add(b)
				}
			}
			z.Close()
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		storages := &torchStorages{byKey: map[string]*torchStorage{}}
		v, _, err := unpickle(program, storages.resolve)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+500*len(program)))
		if err == nil {
			_, _ = stateDict(v, "")
			_ = fmt.Sprint(short(v))
			runtime.ReadMemStats(&before)
			// The names of maxWalk tensors, of maxName bytes each.
			require.Less(t, before.TotalAlloc-after.TotalAlloc, uint64(128<<20+500*len(program)))
		}
	})
}

// Real files from PyTorch, cut anywhere, give an error and nothing else.
func TestUnpickleCutShort(t *testing.T) {
	b, err := os.ReadFile("../testdata/reference/deit3-pth/deit_3_small_224_1k.pth")
	require.NoError(t, err)
	for n := 0; n < len(b); n += 1 + n/20 {
		_, err := readFormat("", b[:n:n], "")
		require.Error(t, err, n)
	}
}
