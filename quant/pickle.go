package quant

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A pickle is a program for a stack machine (Python's Lib/pickletools.py). Its
// opcodes build numbers, texts, tuples, lists and dictionaries, and call Python
// functions by name. This machine builds the former and calls nothing: the few
// functions that PyTorch needs are compiled in (see [callables]), every other
// name stands for an object that does nothing (see [pickledObject]). Memory and
// time are proportional to the length of the program, which is bounded.
const (
	maxPickle = 64 << 20 // bytes; PyTorch's are some hundred KB
	maxOps    = 2 << 20  // opcodes
)

// The values of the machine are nil, bool, int64, float64, string (also for
// Python's bytes), and these.
type (
	pickledTuple []any
	pickledList  struct{ items []any }
	pickledDict  struct {
		keys, values []any
		index        map[string]int // of the keys that are text, once one was looked for
	}

	// pickledGlobal is a Python class or function, by name.
	pickledGlobal struct{ module, name string }

	// pickledObject is what a foreign function would have returned: the call,
	// never made, and the state that was meant for the result.
	pickledObject struct {
		class pickledGlobal
		args  any
		state any
	}

	// bigInt is an integer beyond 64 bits, as pickled.
	bigInt string
)

// get finds the value of a text key, the last one as Python would.
func (d *pickledDict) get(key string) (any, bool) {
	if d.index == nil {
		d.index = map[string]int{}
		for i, k := range d.keys {
			if k, ok := k.(string); ok {
				d.index[k] = i
			}
		}
	}
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// unpickler runs one pickle.
type unpickler struct {
	in    []byte
	at    int // in in
	stack []any
	marks []int // heights of the stack
	memo  map[uint64]any
	ops   int

	// persistent resolves the reference to an object beyond the pickle.
	persistent func(id any) (any, error)
}

// unpickle runs the pickle at the start of in and returns its result and length.
func unpickle(in []byte, persistent func(id any) (any, error)) (value any, length int, err error) {
	u := unpickler{in: in[:min(len(in), maxPickle)], memo: map[uint64]any{}, persistent: persistent}
	if err := u.run(); err != nil {
		return nil, 0, fmt.Errorf("pickle: byte %d: %w", u.at, err)
	}
	value, err = u.pop()
	if err != nil {
		return nil, 0, fmt.Errorf("pickle: byte %d: %w", u.at, err)
	}
	return value, u.at, nil
}

var (
	errCutShort  = errors.New("the pickle is cut short, or longer than any of PyTorch's")
	errUnderflow = errors.New("an opcode wants more values than there are")
)

func (u *unpickler) run() error {
	for {
		if u.ops++; u.ops > maxOps {
			return fmt.Errorf("more than %d opcodes", maxOps)
		}
		op, err := u.take(1)
		if err != nil {
			return err
		}
		if op[0] == opStop {
			return nil
		}
		if err := u.step(op[0]); err != nil {
			return err
		}
	}
}

// take reads n bytes of the program.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.in)-u.at) {
		return nil, errCutShort
	}
	b := u.in[u.at : u.at+int(n)]
	u.at += int(n)
	return b, nil
}

// number reads a little-endian unsigned number of 1, 2, 4 or 8 bytes.
func (u *unpickler) number(size uint64) (uint64, error) {
	b, err := u.take(size)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// text reads a length of the given size and as many bytes.
func (u *unpickler) text(size uint64) (string, error) {
	n, err := u.number(size)
	if err != nil {
		return "", err
	}
	b, err := u.take(n)
	return string(b), err
}

// line reads up to the next newline.
func (u *unpickler) line() (string, error) {
	n := bytes.IndexByte(u.in[u.at:min(len(u.in), u.at+1024)], '\n')
	if n < 0 {
		return "", errCutShort
	}
	line := string(u.in[u.at : u.at+n])
	u.at += n + 1
	return line, nil
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

// floor is how deep an opcode may reach: down to the last mark.
func (u *unpickler) floor() int {
	if n := len(u.marks); n > 0 {
		return u.marks[n-1]
	}
	return 0
}

func (u *unpickler) pop() (any, error) {
	if len(u.stack) <= u.floor() {
		return nil, errUnderflow
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v, nil
}

// top is the value that the next opcodes go on with.
func (u *unpickler) top() (any, error) {
	if len(u.stack) <= u.floor() {
		return nil, errUnderflow
	}
	return u.stack[len(u.stack)-1], nil
}

// popMark takes what was pushed since the last mark. The slice is good until
// the next push.
func (u *unpickler) popMark() ([]any, error) {
	n := len(u.marks)
	if n == 0 {
		return nil, errUnderflow
	}
	items := u.stack[u.marks[n-1]:]
	u.stack, u.marks = u.stack[:u.marks[n-1]], u.marks[:n-1]
	return items, nil
}

// popTuple replaces the last n values by a tuple of them.
func (u *unpickler) popTuple(n int) error {
	if len(u.stack)-n < u.floor() {
		return errUnderflow
	}
	at := len(u.stack) - n
	t := append(pickledTuple{}, u.stack[at:]...)
	u.stack = u.stack[:at]
	u.push(t)
	return nil
}

// extend appends to a list or, item by item, to a foreign collection, which
// ignores it.
func (u *unpickler) extend(items []any) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *pickledList:
		v.items = append(v.items, items...)
	case *pickledObject:
	default:
		return fmt.Errorf("%T is no list to append to", v)
	}
	return nil
}

// set stores key, value, key, value, ... in a dictionary.
func (u *unpickler) set(items []any) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return errUnderflow
	}
	switch v := v.(type) {
	case *pickledDict:
		for i := 0; i < len(items); i += 2 {
			v.keys, v.values = append(v.keys, items[i]), append(v.values, items[i+1])
		}
		v.index = nil
	case *pickledObject:
	default:
		return fmt.Errorf("%T is no dictionary to fill", v)
	}
	return nil
}

// call is what stands for calling a Python function.
func (u *unpickler) call() error {
	args, err := u.pop()
	if err != nil {
		return err
	}
	callee, err := u.pop()
	if err != nil {
		return err
	}
	class, _ := callee.(pickledGlobal) // the result of a call can be called, too: inert, both
	if f, ok := callables[class]; ok {
		t, ok := args.(pickledTuple)
		if !ok {
			return fmt.Errorf("%s.%s is called without a tuple", class.module, class.name)
		}
		v, err := f(t)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", class.module, class.name, err)
		}
		u.push(v)
		return nil
	}
	u.push(&pickledObject{class: class, args: args})
	return nil
}

// build hands a state to an object.
func (u *unpickler) build() error {
	state, err := u.pop()
	if err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	if o, ok := v.(*pickledObject); ok {
		o.state = state
	}
	return nil // what a dictionary or a tensor gets this way matters to Python alone
}

// integer is a two's complement number of any length.
func integer(b []byte) any {
	if len(b) > 8 {
		return bigInt(b)
	}
	var wide [8]byte
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		for i := range wide {
			wide[i] = 0xff
		}
	}
	copy(wide[:], b)
	return int64(binary.LittleEndian.Uint64(wide[:]))
}

// toInt is a pickled size, offset or count.
func toInt(v any) (int, error) {
	n, ok := v.(int64)
	if !ok || n < 0 || n > math.MaxInt {
		return 0, fmt.Errorf("%v stands where a size should", short(v))
	}
	return int(n), nil
}

// short describes a value of any size and shape in a few words.
func short(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v
	case string:
		return fmt.Sprintf("%.40q", v)
	case *pickledObject:
		return "a " + v.class.String()
	case pickledGlobal:
		return v
	case pickledTuple:
		return "a tuple"
	case *pickledList:
		return "a list"
	case *pickledDict:
		return "a dictionary"
	case *torchTensor:
		return "a tensor"
	case *torchStorage:
		return "a storage"
	}
	return "a number of more than 64 bits"
}

func (g pickledGlobal) String() string { return fmt.Sprintf("%.80s.%.80s", g.module, g.name) }
