package quant

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// PyTorch stores a pickle and, apart from it, the storages that its tensors
// are views of. Since release 1.6 that is a zip file,
//
//	NAME/data.pkl    the pickle; a storage is the persistent id
//	                 ("storage", type, key, device, number of elements)
//	NAME/data/KEY    the elements of a storage, not compressed
//	NAME/byteorder   "little" or "big"; newer releases
//
// and before it was five pickles in a row, for a magic number, the version, the
// machine, the object and the keys of its storages, then for each key the number
// of elements, int64, and the elements. There a class of a module is a persistent id
// ("module", class, file, source), too. Source: torch/serialization.py.

// torchStorage is a block of elements that tensors share.
type torchStorage struct {
	key   string
	n     int // elements
	data  block
	dtype DType // an unknown one is as PyTorch names it
}

// torchTensor is a view of a storage.
type torchTensor struct {
	storage       *torchStorage
	shape, stride []int
	offset        int
}

// array names the tensor.
func (t *torchTensor) array(name string) array {
	return array{
		name: name, dtype: t.storage.dtype, shape: t.shape, stride: t.stride, offset: t.offset,
		data: t.storage.data.data, deflated: t.storage.data.deflated,
	}
}

// torchTypes are the storages' types by the name of their classes.
var torchTypes = map[string]DType{
	"DoubleStorage": F64, "FloatStorage": F32, "HalfStorage": F16, "BFloat16Storage": BF16,
	"LongStorage": I64, "IntStorage": I32, "ShortStorage": I16, "CharStorage": I8,
	"ByteStorage": U8, "BoolStorage": Bool,
}

// callables are the functions that a pickle may call. They are ours: none of
// them is Python's.
var callables = map[pickledGlobal]func(pickledTuple) (any, error){
	{"collections", "OrderedDict"}:                    orderedDict,
	{"torch", "Size"}:                                 firstArgument,
	{"torch._utils", "_rebuild_tensor"}:               rebuildTensor,
	{"torch._utils", "_rebuild_tensor_v2"}:            rebuildTensor,
	{"torch._utils", "_rebuild_parameter"}:            firstArgument,
	{"torch._utils", "_rebuild_parameter_with_state"}: firstArgument,
	{"torch._tensor", "_rebuild_from_type_v2"}:        rebuildFromType,
}

func firstArgument(args pickledTuple) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("called without arguments")
	}
	return args[0], nil
}

// orderedDict makes an empty one; what belongs in it follows.
func orderedDict(args pickledTuple) (any, error) {
	if len(args) != 0 {
		return nil, errors.New("called with arguments, as Python 2 did; load the file and save it again")
	}
	return &pickledDict{}, nil
}

// rebuildTensor takes storage, offset, size and stride; what follows matters to
// training.
func rebuildTensor(args pickledTuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments; want 4", len(args))
	}
	storage, ok := args[0].(*torchStorage)
	if !ok {
		return nil, fmt.Errorf("%v is no storage", short(args[0]))
	}
	t := &torchTensor{storage: storage}
	var err error
	if t.offset, err = toInt(args[1]); err != nil {
		return nil, err
	}
	for i, dst := range []*[]int{&t.shape, &t.stride} {
		sizes, ok := args[2+i].(pickledTuple)
		if !ok || len(sizes) > 8 {
			return nil, fmt.Errorf("%v is no shape of 8 dimensions at most", short(args[2+i]))
		}
		for _, v := range sizes {
			n, err := toInt(v)
			if err != nil {
				return nil, err
			}
			*dst = append(*dst, n)
		}
	}
	return t, extent(t.shape, t.stride, t.offset, storage.n)
}

// rebuildFromType takes function, class, arguments and state of a tensor to which
// somebody has given attributes.
func rebuildFromType(args pickledTuple) (any, error) {
	if len(args) > 2 && args[0] == any(pickledGlobal{"torch._utils", "_rebuild_tensor_v2"}) {
		if args, ok := args[2].(pickledTuple); ok {
			return rebuildTensor(args)
		}
	}
	return &pickledObject{class: pickledGlobal{"torch._tensor", "_rebuild_from_type_v2"}, args: args}, nil
}

// torchStorages resolves the persistent ids of a file.
type torchStorages struct {
	byKey map[string]*torchStorage
	order []*torchStorage
	// locate finds the content of a storage; nil where it comes after the
	// pickles.
	locate func(*torchStorage) error
}

func (s *torchStorages) resolve(id any) (any, error) {
	t, ok := id.(pickledTuple)
	if ok && len(t) == 4 && t[0] == "module" {
		return t[1], nil
	}
	if !ok || len(t) < 5 || t[0] != "storage" {
		return nil, fmt.Errorf("persistent id %v is none of a storage", short(id))
	}
	class, ok1 := t[1].(pickledGlobal)
	key, ok2 := t[2].(string)
	n, err := toInt(t[4])
	if !ok1 || !ok2 || err != nil {
		return nil, errors.New("persistent id of a storage: want type, key, device and number of elements")
	}
	if len(t) > 5 && t[5] != nil {
		return nil, fmt.Errorf("storage %.40q is a part of another, as PyTorch wrote before 0.4; load it and save it again", key)
	}
	dtype, ok := torchTypes[class.name]
	if !ok {
		dtype = DType(class.String())
	}
	if old := s.byKey[key]; old != nil {
		if old.dtype != dtype || old.n != n {
			return nil, fmt.Errorf("storage %.40q is %d times %s here and %d times %s elsewhere", key, n, dtype, old.n, old.dtype)
		}
		return old, nil
	}
	storage := &torchStorage{key: key, n: n, dtype: dtype}
	s.byKey[key] = storage
	if s.locate != nil && ok {
		if err := s.locate(storage); err != nil {
			return nil, err
		}
	}
	return storage, nil
}

// fits checks that a storage's elements are as many bytes.
func (s *torchStorage) fits(bytes uint64) error {
	if size := uint64(s.dtype.Size()); uint64(s.n) > bytes/size {
		return fmt.Errorf("storage %.40q has %d bytes, fewer than %d times %s", s.key, bytes, s.n, s.dtype)
	}
	return nil
}

// openTorch reads what torch.save wrote into a zip file.
func openTorch(a *archive, key string) (*source, error) {
	root := ""
	for _, f := range a.files {
		if dir, ok := strings.CutSuffix(f.Name, "data.pkl"); ok {
			root = dir
		}
	}
	if a.index[root+"constants.pkl"] != nil {
		return nil, errors.New("a TorchScript program; save the model's state_dict() with torch.save instead")
	}
	if f := a.index[root+"byteorder"]; f != nil && f.UncompressedSize64 < 100 {
		if order, err := inflate(f, f.UncompressedSize64); err != nil || string(order) != "little" {
			return nil, fmt.Errorf("byte order is %q; want little-endian", order)
		}
	}
	pkl := a.index[root+"data.pkl"]
	if pkl.UncompressedSize64 > maxPickle {
		return nil, fmt.Errorf("zip entry %q: a pickle of %d bytes; PyTorch's have %d at most", pkl.Name, pkl.UncompressedSize64, maxPickle)
	}
	b, err := a.entry(pkl)
	if err != nil {
		return nil, err
	}
	if err := a.checksum(pkl, b); err != nil {
		return nil, err
	}
	program, err := b.bytes()
	if err != nil {
		return nil, err
	}
	storages := &torchStorages{byKey: map[string]*torchStorage{}}
	storages.locate = func(s *torchStorage) error {
		f := a.index[root+"data/"+s.key]
		if f == nil {
			return fmt.Errorf("zip entry %q is missing", root+"data/"+s.key)
		}
		if err := s.fits(f.UncompressedSize64); err != nil {
			return err
		}
		if s.data, err = a.entry(f); err != nil {
			return err
		}
		return a.checksum(f, s.data)
	}
	object, _, err := unpickle(program, storages.resolve)
	if err != nil {
		return nil, err
	}
	s, err := stateDict(object, key)
	if err != nil {
		return nil, err
	}
	s.size = uint64(len(a.data)) + a.inflated()
	return s, nil
}

// torchMagic starts every file of the older form, behind the protocol: the
// pickled integer 0x1950a86a20f9469cfc6c.
const torchMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

// cutTorchMagic returns what follows the magic number of the older form. From
// protocol 4 on a frame of 9 bytes may stand around it.
func cutTorchMagic(data []byte) (rest []byte, ok bool) {
	at := bytes.Index(data[:min(len(data), 2+9+len(torchMagic))], []byte(torchMagic))
	if at < 2 || data[0] != 0x80 {
		return nil, false
	}
	return data[at+len(torchMagic):], true
}

// openTorchLegacy reads what torch.save wrote before release 1.6, behind its magic
// number.
func openTorchLegacy(data, rest []byte, key string) (*source, error) {
	storages := &torchStorages{byKey: map[string]*torchStorage{}}
	next := func() (v any, err error) {
		v, n, err := unpickle(rest, storages.resolve)
		rest = rest[n:]
		return v, err
	}
	version, err := next()
	if err != nil {
		return nil, err
	}
	if version != int64(1001) {
		return nil, fmt.Errorf("PyTorch's format version is %v; want 1001", short(version))
	}
	machine, err := next()
	if err != nil {
		return nil, err
	}
	if d, ok := machine.(*pickledDict); ok {
		if little, ok := d.get("little_endian"); ok && little != true {
			return nil, errors.New("byte order is that of a big-endian machine; want little-endian")
		}
	}
	object, err := next()
	if err != nil {
		return nil, err
	}
	keys, err := next()
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*pickledList)
	if !ok {
		return nil, fmt.Errorf("the list of storages is %v", short(keys))
	}
	for _, k := range list.items {
		if rest, err = storages.attach(k, rest); err != nil {
			return nil, err
		}
	}
	for key, s := range storages.byKey {
		if s.data.data == nil {
			return nil, fmt.Errorf("storage %.40q is missing", key)
		}
	}
	s, err := stateDict(object, key)
	if err != nil {
		return nil, err
	}
	s.size = uint64(len(data))
	return s, nil
}

// attach gives the storage of a key the elements at the start of data.
func (s *torchStorages) attach(key any, data []byte) (rest []byte, err error) {
	text, _ := key.(string)
	storage := s.byKey[text]
	if storage == nil || storage.data.data != nil {
		return nil, fmt.Errorf("storage %v is listed, but no tensor's or listed twice", short(key))
	}
	size := storage.dtype.Size()
	if size == 0 {
		return nil, fmt.Errorf("storage %.40q has elements of an unknown type, %s", text, storage.dtype)
	}
	if len(data) < 8 || binary.LittleEndian.Uint64(data) != uint64(storage.n) {
		return nil, fmt.Errorf("storage %.40q does not start with its number of elements, %d; the file may be cut short", text, storage.n)
	}
	data = data[8:]
	if err := storage.fits(uint64(len(data))); err != nil {
		return nil, err
	}
	n := storage.n * size
	storage.data.data = data[:n:n]
	return data[n:], nil
}
