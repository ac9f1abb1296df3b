package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// DefaultPath is the file that is read when no other is named. It may be
// missing; a file that was named may not.
const DefaultPath = "/etc/vitedge/vitedge.yaml"

// maxFile bounds the configuration file in bytes.
const maxFile = 1 << 20

// Setting is one key given on the command line.
type Setting struct {
	Flag  string // "--broker", for errors
	Key   string // "mqtt.url"
	Value string
}

// Input is what a configuration is made of.
type Input struct {
	Path     string   // the file; empty: $VITEDGE_CONFIG, else DefaultPath if it exists
	Environ  []string // as of os.Environ
	Settings []Setting
}

// Load reads, merges and validates. The error is an *Error unless the file
// cannot be read at all. Warnings are things that look like slips but must not
// stop the daemon, such as an unknown environment variable.
func Load(in Input) (cfg *Config, warnings []string, err error) {
	l := loader{cfg: Default(), origins: make(map[string]origin)}
	env := environment(in.Environ)

	path, named := in.Path, true
	if path == "" {
		path = env["VITEDGE_CONFIG"]
	}
	if path == "" {
		path, named = DefaultPath, false
	}
	data, err := readFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && !named:
	case err != nil:
		return nil, nil, &Error{Problems: []Problem{{Where: path, Text: plain(err) + "; write one (vitedge check-config --sample prints a commented sample) or name another with --config"}}}
	default:
		l.file(path, data)
	}
	l.environ(env)
	l.settings(in.Settings)
	validate(&l)
	if err := l.problems.err(); err != nil {
		return nil, l.warnings, err
	}
	return &l.cfg, l.warnings, nil
}

// plain is the cause of a path error without the operation and path that the
// message names already.
func plain(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("more than %v", Size(maxFile))
	}
	return data, nil
}

// loader merges the origins into one Config and remembers where each value
// was written.
type loader struct {
	cfg      Config
	origins  map[string]origin
	problems problems
	warnings []string
}

// yamlLine finds the line in an error of the YAML parser.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (l *loader) file(path string, data []byte) {
	where := filepath.Base(path)
	var doc, more yaml.Node
	documents := yaml.NewDecoder(bytes.NewReader(data))
	err := documents.Decode(&doc)
	if err == nil {
		err = documents.Decode(&more)
	}
	if err != nil && err != io.EOF {
		o := origin{where: where}
		message := strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			fmt.Sscan(m[1], &o.line)
			o.where, message = where+":"+m[1], m[2]
		}
		l.problems.add(o, "", "not valid YAML: %s", message)
		return
	}
	if err == nil {
		l.problems.add(origin{where: fmt.Sprintf("%s:%d", where, more.Line), line: more.Line}, "", "another YAML document begins; want one")
	}
	if len(doc.Content) == 0 { // an empty file
		return
	}
	l.mapping(where, doc.Content[0], reflect.ValueOf(&l.cfg).Elem(), "")
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// mapping fills the struct or the map of structs v from n. key is the dotted
// name of n, empty at the root.
func (l *loader) mapping(where string, n *yaml.Node, v reflect.Value, key string) {
	at := func(n *yaml.Node) origin {
		return origin{where: fmt.Sprintf("%s:%d", where, n.Line), line: n.Line}
	}
	o := at(n)
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" { // "mqtt:" with nothing below it
		return
	}
	if n.Kind != yaml.MappingNode {
		l.problems.add(o, orFile(key), "is %s; want keys and values below it", kindName(n))
		return
	}
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type())) // naming any replaces the default
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, child := n.Content[i], n.Content[i+1]
		dotted := join(key, name.Value)
		if line, twice := seen[name.Value]; twice {
			l.problems.add(at(name), dotted, "is written twice, first on line %d", line)
			continue
		}
		seen[name.Value] = name.Line

		if v.Kind() == reflect.Map {
			camera := reflect.ValueOf(defaultCamera())
			element := reflect.New(camera.Type()).Elem()
			element.Set(camera)
			l.origins[dotted] = at(name)
			l.mapping(where, child, element, dotted)
			v.SetMapIndex(reflect.ValueOf(name.Value), element)
			continue
		}
		field, ok := fieldByKey(v, name.Value)
		if !ok {
			l.unknown(at(name), v, key, name.Value)
			continue
		}
		l.origins[dotted] = at(child)
		if isGroup(field) {
			l.mapping(where, child, field, dotted)
			continue
		}
		l.scalar(at(child), resolve(child), field, dotted)
	}
}

// isGroup reports whether v has keys below it: a struct, or the cameras.
func isGroup(v reflect.Value) bool {
	return v.Kind() == reflect.Struct || v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Struct
}

// scalar fills a value that has no keys below it. Lists may be written as YAML
// has them, or as one text with commas.
func (l *loader) scalar(o origin, n *yaml.Node, v reflect.Value, key string) {
	text, ok := n.Value, true
	switch {
	case n.Kind == yaml.SequenceNode && v.Kind() == reflect.Slice:
		text, ok = l.flatten(o, key, n, 1, ",")
	case n.Kind == yaml.MappingNode && v.Kind() == reflect.Map:
		text, ok = l.flatten(o, key, n, 2, "=")
	case n.Kind != yaml.ScalarNode:
		l.problems.add(o, key, "is %s; want one value", kindName(n))
		return
	case n.Tag == "!!null":
		if text = ""; v.Kind() != reflect.String && v.Kind() != reflect.Slice && v.Kind() != reflect.Map {
			l.problems.add(o, key, "has no value")
			return
		}
	}
	if !ok {
		return
	}
	if err := setText(v, text); err != nil {
		l.problems.add(o, key, "%s", err)
	}
}

// flatten writes the content of n as the one text that setText reads, joining
// each group of so many nodes.
func (l *loader) flatten(o origin, key string, n *yaml.Node, group int, joint string) (string, bool) {
	var items []string
	for i := 0; i+group <= len(n.Content); i += group {
		var item []string
		for _, c := range n.Content[i : i+group] {
			if c = resolve(c); c.Kind != yaml.ScalarNode {
				l.problems.add(o, key, "has %s in its list; want single values", kindName(c))
				return "", false
			}
			item = append(item, c.Value)
		}
		items = append(items, strings.Join(item, joint))
	}
	return strings.Join(items, ","), true
}

func orFile(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}

// kindName says what n is. A value may be the URL of a camera in a wrong place.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", Redacted(n.Value))
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// fieldByKey is the field of the struct v with the yaml key.
func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// unknown reports a key that does not exist, with the key that was likely
// meant: one beside it, or one of the same name elsewhere.
func (l *loader) unknown(o origin, parent reflect.Value, key, name string) {
	if name == "password" {
		l.problems.add(o, join(key, name), "is not a key; put the password into a file of its own and name it with mqtt.password_file")
		return
	}
	var siblings []string
	for i := range parent.NumField() {
		siblings = append(siblings, parent.Type().Field(i).Tag.Get("yaml"))
	}
	meant := nearest(name, siblings)
	if meant != "" {
		meant = join(key, meant)
	} else {
		for _, k := range Keys() {
			if k == name || strings.HasSuffix(k, "."+name) {
				meant = k
				break
			}
		}
	}
	hint := "; vitedge check-config --sample lists all"
	if meant != "" {
		hint = fmt.Sprintf("; did you mean %s?", meant)
	}
	l.problems.add(o, join(key, name), "is not a key%s", hint)
}

// Keys lists every key in the order of the sample file, with the default
// camera's for the cameras.
func Keys() []string {
	var keys []string
	cfg := Default()
	walk(reflect.ValueOf(&cfg).Elem(), "", func(key string, _ reflect.Value) { keys = append(keys, key) })
	return keys
}

// walk calls f for every value under the struct v.
func walk(v reflect.Value, key string, f func(key string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), join(key, v.Type().Field(i).Tag.Get("yaml")), f)
		}
	case isGroup(v):
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			element := reflect.New(v.Type().Elem()).Elem() // map elements cannot be set in place
			element.Set(v.MapIndex(name))
			walk(element, join(key, name.String()), f)
			v.SetMapIndex(name, element)
		}
	default:
		f(key, v)
	}
}
