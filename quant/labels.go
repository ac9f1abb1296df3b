package quant

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ReadLabels reads a text file of class names, one a line, in class order.
func ReadLabels(path string) ([]string, error) {
	text, err := ReadText(path)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: not UTF-8", path)
	}
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
		if lines[i] == "" {
			return nil, fmt.Errorf("%s:%d: empty label", path, i+1)
		}
	}
	return lines, nil
}

// maxSidecar bounds the text files beside the weights, in bytes.
const maxSidecar = 64 << 20

// ReadText reads a regular file of at most 64 MiB, without the byte order mark
// that editors on Windows put before UTF-8.
func ReadText(path string) ([]byte, error) {
	size, err := regularSize(path)
	if err != nil {
		return nil, err
	}
	if size > maxSidecar {
		return nil, fmt.Errorf("%s: %d bytes are more than %d", path, size, maxSidecar)
	}
	text, err := os.ReadFile(path)
	return bytes.TrimPrefix(text, []byte("\ufeff")), err
}

// labelMap is id2label: an object whose keys are the class numbers as text.
type labelMap []string

// MarshalJSON writes the classes in their order.
func (l labelMap) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, label := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(strconv.AppendInt(b, int64(i), 10), '"', ':')
		b = appendJSON(b, label)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON wants every class from 0 exactly once.
func (l *labelMap) UnmarshalJSON(text []byte) error {
	var m map[string]string
	if err := unmarshalJSON(text, &m); err != nil {
		return fmt.Errorf("id2label: %w", err)
	}
	if m == nil {
		return nil // null
	}
	labels := make(labelMap, len(m))
	for i := range labels {
		label, ok := m[strconv.Itoa(i)]
		if !ok {
			return fmt.Errorf("id2label has %d labels, but none for class %d", len(m), i)
		}
		labels[i] = label
	}
	*l = labels
	return nil
}
