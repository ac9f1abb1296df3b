package config

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written 65536, 64KiB or 1MiB.
type Size int

var sizeUnits = []struct {
	suffix string
	bytes  int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes s with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if int(s) >= u.bytes && int(s)%u.bytes == 0 && u.bytes > 1 {
			return strconv.Itoa(int(s)/u.bytes) + u.suffix
		}
	}
	return strconv.Itoa(int(s))
}

func parseSize(text string) (Size, error) {
	number, unit := text, 1
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > math.MaxInt32/unit {
		return 0, fmt.Errorf("is %q; want a number of bytes such as 65536 or 64KiB, less than 2GiB", text)
	}
	return Size(n * unit), nil
}

// setText parses text into the scalar or list v. The error says what is wanted
// and starts with a verb, to follow the name of the key.
func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *bool:
		switch text {
		case "true":
			*p = true
		case "false":
			*p = false
		default:
			return fmt.Errorf("is %q; want true or false", text)
		}
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("is %q; want a whole number", text)
		}
		*p = n
	case *float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("is %q; want a number", text)
		}
		*p = f
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("is %q; want a duration such as 500ms, 10s or 5m", text)
		}
		*p = d
	case *Size:
		s, err := parseSize(text)
		if err != nil {
			return err
		}
		*p = s
	case *[]string:
		*p = parts(text)
	case *[]float64:
		*p = nil
		for _, part := range parts(text) {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("has %q in its list; want numbers", part)
			}
			*p = append(*p, f)
		}
	case *map[string]int:
		*p = nil
		for _, part := range parts(text) {
			name, value, _ := strings.Cut(part, "=")
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return fmt.Errorf("has %q in its list; want names and whole numbers, such as brightness=10", part)
			}
			if *p == nil {
				*p = make(map[string]int)
			}
			(*p)[strings.TrimSpace(name)] = n
		}
	default:
		panic(fmt.Sprintf("config: no parser for %s", v.Type()))
	}
	return nil
}

// parts splits a list that is written in one text.
func parts(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// text writes a scalar or list as setText reads it.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return shortDuration(x)
	case []string:
		return strings.Join(x, ",")
	case []float64:
		list := make([]string, len(x))
		for i, f := range x {
			list[i] = strconv.FormatFloat(f, 'g', -1, 64)
		}
		return strings.Join(list, ",")
	case map[string]int:
		var list []string
		for _, name := range slices.Sorted(maps.Keys(x)) {
			list = append(list, fmt.Sprintf("%s=%d", name, x[name]))
		}
		return strings.Join(list, ",")
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
}

// shortDuration leaves out the zero units that time.Duration writes: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
