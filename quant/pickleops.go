package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const opStop = '.'

// step runs one opcode. The opcodes are those of protocols 2 to 5, by the names
// of Lib/pickletools.py; what is missing, PyTorch never wrote.
func (u *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		version, err := u.take(1)
		if err == nil && (version[0] < 2 || version[0] > 5) {
			err = fmt.Errorf("protocol is %d; want 2 to 5", version[0])
		}
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err
	case '(': // MARK
		u.marks = append(u.marks, len(u.stack))
		return nil
	case '0': // POP
		if len(u.marks) > 0 && u.floor() == len(u.stack) {
			_, err := u.popMark()
			return err
		}
		_, err := u.pop()
		return err
	case '1': // POP_MARK
		_, err := u.popMark()
		return err
	case 'N': // NONE
		u.push(nil)
		return nil
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		u.push(op == 0x88)
		return nil
	case 'J', 'K', 'M', 0x8a, 0x8b, 'G':
		return u.stepNumber(op)
	case 'X', 0x8c, 0x8d, 'C', 'B', 0x8e, 0x96, 'T', 'U':
		return u.stepText(op)
	case ']': // EMPTY_LIST
		u.push(&pickledList{})
		return nil
	case '}': // EMPTY_DICT
		u.push(&pickledDict{})
		return nil
	case ')': // EMPTY_TUPLE
		u.push(pickledTuple{})
		return nil
	case 0x8f: // EMPTY_SET
		u.push(&pickledObject{class: pickledGlobal{"builtins", "set"}})
		return nil
	case 't', 'l', 'd', 0x91, 'a', 'e', 0x90, 's', 'u', 0x85, 0x86, 0x87:
		return u.stepCollection(op)
	case 'q', 'r', 0x94, 'h', 'j':
		return u.stepMemo(op)
	}
	return u.stepObject(op)
}

func (u *unpickler) stepNumber(op byte) error {
	switch op {
	case 'J': // BININT
		n, err := u.number(4)
		u.push(int64(int32(n)))
		return err
	case 'K': // BININT1
		n, err := u.number(1)
		u.push(int64(n))
		return err
	case 'M': // BININT2
		n, err := u.number(2)
		u.push(int64(n))
		return err
	case 'G': // BINFLOAT
		b, err := u.take(8)
		if err != nil {
			return err
		}
		u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		return nil
	}
	// LONG1, LONG4
	s, err := u.text(map[byte]uint64{0x8a: 1, 0x8b: 4}[op])
	u.push(integer([]byte(s)))
	return err
}

// stepText pushes text or bytes: the length of the length is what differs.
func (u *unpickler) stepText(op byte) error {
	size := uint64(4) // BINUNICODE, BINBYTES, BINSTRING
	switch op {
	case 0x8c, 'C', 'U': // SHORT_BINUNICODE, SHORT_BINBYTES, SHORT_BINSTRING
		size = 1
	case 0x8d, 0x8e, 0x96: // BINUNICODE8, BINBYTES8, BYTEARRAY8
		size = 8
	}
	s, err := u.text(size)
	u.push(s)
	return err
}

func (u *unpickler) stepCollection(op byte) error {
	switch op {
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		return u.popTuple(int(op-0x85) + 1)
	case 'a', 's': // APPEND, SETITEM
		n := map[byte]int{'a': 1, 's': 2}[op]
		if len(u.stack)-n < u.floor() {
			return errUnderflow
		}
		items := u.stack[len(u.stack)-n:]
		u.stack = u.stack[:len(u.stack)-n]
		if op == 'a' {
			return u.extend(items)
		}
		return u.set(items)
	}
	items, err := u.popMark()
	if err != nil {
		return err
	}
	switch op {
	case 't': // TUPLE
		u.push(append(pickledTuple{}, items...))
	case 'l': // LIST
		u.push(&pickledList{append([]any{}, items...)})
	case 0x91: // FROZENSET
		u.push(&pickledObject{class: pickledGlobal{"builtins", "frozenset"}})
	case 'd': // DICT
		items = append([]any{}, items...)
		u.push(&pickledDict{})
		return u.set(items)
	case 'e', 0x90: // APPENDS, ADDITEMS
		return u.extend(items)
	case 'u': // SETITEMS
		return u.set(items)
	}
	return nil
}

func (u *unpickler) stepMemo(op byte) error {
	key, err := uint64(len(u.memo)), error(nil) // MEMOIZE
	switch op {
	case 'q', 'h': // BINPUT, BINGET
		key, err = u.number(1)
	case 'r', 'j': // LONG_BINPUT, LONG_BINGET
		key, err = u.number(4)
	}
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' {
		v, ok := u.memo[key]
		if !ok {
			return fmt.Errorf("memo %d was never set", key)
		}
		u.push(v)
		return nil
	}
	v, err := u.top()
	u.memo[key] = v
	return err
}

func (u *unpickler) stepObject(op byte) error {
	switch op {
	case 'c': // GLOBAL
		module, err := u.line()
		if err != nil {
			return err
		}
		name, err := u.line()
		u.push(pickledGlobal{module, name})
		return err
	case 0x93: // STACK_GLOBAL
		if err := u.popTuple(2); err != nil {
			return err
		}
		v, _ := u.pop()
		module, ok1 := v.(pickledTuple)[0].(string)
		name, ok2 := v.(pickledTuple)[1].(string)
		if !ok1 || !ok2 {
			return errors.New("a global's name is no text")
		}
		u.push(pickledGlobal{module, name})
		return nil
	case 'R', 0x81: // REDUCE, NEWOBJ
		return u.call()
	case 0x92: // NEWOBJ_EX
		if _, err := u.pop(); err != nil { // keyword arguments
			return err
		}
		return u.call()
	case 'b': // BUILD
		return u.build()
	case 'Q': // BINPERSID
		id, err := u.pop()
		if err != nil {
			return err
		}
		v, err := u.persistent(id)
		u.push(v)
		return err
	}
	return fmt.Errorf("opcode 0x%02x is not one that PyTorch writes", op)
}
