package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is every fault of a configuration, in the order of the file.
type Error struct {
	Problems []Problem
}

// Problem is one fault: where it was written, which key, and what is wrong.
type Problem struct {
	Where string // "vitedge.yaml:12", "VITEDGE_MQTT_URL", "--set"; empty for a default
	Line  int    // in the file, 0 for another origin
	Key   string // dotted, "mqtt.url"; may be empty
	Text  string
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + " ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error lists the problems one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Has reports whether err is a configuration error about key.
func Has(err error, key string) bool {
	var e *Error
	return errors.As(err, &e) && slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Key == key })
}

// problems collects faults on the way.
type problems []Problem

func (ps *problems) add(o origin, key, format string, args ...any) {
	*ps = append(*ps, Problem{Where: o.where, Line: o.line, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
	return &Error{Problems: ps}
}

// origin is where a value was written.
type origin struct {
	where string
	line  int
}

// nearest is the candidate that word is most likely a slip of, or "".
func nearest(word string, candidates []string) string {
	best, bestDistance := "", 1+min(2, max(1, len(word)/3))
	if len(word) > 64 { // no slip of any key
		return ""
	}
	for _, c := range candidates {
		if d := distance(word, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the edit distance of Damerau and Levenshtein in its restricted
// form: insertions, deletions, substitutions and swaps of neighbors.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
