package quant

import (
	"bytes"
	"encoding/json"
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

// id2label is the labels as transformers writes them: an object whose keys are the
// class numbers as text, here in their order.
func id2label(labels []string) json.RawMessage {
	if labels == nil {
		return nil
	}
	b := []byte{'{'}
	for i, label := range labels {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(strconv.AppendInt(b, int64(i), 10), '"', ':')
		b = appendJSON(b, label)
	}
	return append(b, '}')
}

// takeLabels takes the labels that a config has under key, as an object like
// id2label or as a list. They are not looked at where others go before them: those
// are there because these are wrong.
func (c *Checkpoint) takeLabels(text json.RawMessage, key string, s sidecars) error {
	if isNull(text) || c.Labels != nil || s.noLabels {
		return nil
	}
	var labels []string
	if json.Unmarshal(text, &labels) != nil {
		var byClass map[string]string
		if err := unmarshalJSON(text, &byClass); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		labels = make([]string, len(byClass))
		for i := range labels {
			label, ok := byClass[strconv.Itoa(i)]
			if !ok {
				return fmt.Errorf("%s has %d labels, but none for class %d", key, len(byClass), i)
			}
			labels[i] = label
		}
	}
	if len(labels) > 0 {
		c.setLabels(labels, s.configFrom)
	}
	return nil
}
