package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Mistake is one thing that is wrong in a configuration file.
type Mistake struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Text says what is wrong and what to write instead.
	Text string `json:"text"`
}

func (m Mistake) String() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Text) }

// Error is a refused configuration: every mistake that was found, by line.
type Error struct {
	Mistakes []Mistake
	what     string // what is refused; empty for the configuration
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return orTop(e.what) + " is refused:\n  " + strings.Join(lines, "\n  ")
}

// checker collects mistakes of one file.
type checker struct {
	people   map[string]named // of groups, by name
	file     string
	what     string // what the file holds; empty for the configuration
	mistakes []Mistake
}

func (c *checker) add(n *yaml.Node, format string, args ...any) {
	line := 1
	if n != nil && n.Line > 0 {
		line = n.Line
	}
	c.mistakes = append(c.mistakes, Mistake{File: c.file, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) err() error {
	if len(c.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(c.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
	return &Error{Mistakes: c.mistakes, what: c.what}
}

// shape compares a node with the type that it is to be decoded into. The YAML
// library refuses unknown keys and wrong kinds too, but cannot say what would
// be right.
func (c *checker) shape(n *yaml.Node, t reflect.Type, path string) {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		c.add(n, "%s uses an anchor or an alias; write the value out", path)
		return
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(n.Value); n.Kind != yaml.ScalarNode || err != nil {
			c.add(n, "%s must be a duration such as 30s or 5m", path)
		}
	case t.Kind() == reflect.Pointer:
		c.shape(n, t.Elem(), path)
	case t.Kind() == reflect.Struct:
		c.mapping(n, t, path)
	case t.Kind() == reflect.Map:
		c.freeMapping(n, t, path)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			c.add(n, "%s must be a list; write each entry on a line of its own that begins with \"- \"", path)
			return
		}
		for i, item := range n.Content {
			c.shape(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case n.Kind != yaml.ScalarNode:
		c.add(n, "%s must be a single value (%s)", path, kindName(t))
	case !scalarFits(n, t):
		c.add(n, "%s must be %s, but is %q", path, kindName(t), n.Value)
	}
}

func (c *checker) mapping(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		c.add(n, "%s must hold keys: %s", c.name(path), strings.Join(keys(t), ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := fieldByKey(t, key.Value)
		switch {
		case !ok:
			c.add(key, "unknown key %q in %s; %s", key.Value, c.name(path), Suggest(key.Value, keys(t)))
			continue
		case seen[key.Value] > 0:
			c.add(key, "key %q in %s was already given in line %d; keep one of them", key.Value, c.name(path), seen[key.Value])
			continue
		}
		seen[key.Value] = key.Line
		c.shape(value, field.Type, join(path, key.Value))
	}
}

func scalarFits(n *yaml.Node, t reflect.Type) bool {
	switch tag := n.ShortTag(); t.Kind() {
	case reflect.String:
		return tag == "!!str"
	case reflect.Bool:
		return tag == "!!bool"
	case reflect.Int, reflect.Int64:
		return tag == "!!int"
	case reflect.Float64:
		return tag == "!!int" || tag == "!!float"
	default:
		return false
	}
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text (put it in quotes)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number such as 0.5"
	default:
		return t.String()
	}
}

// freeMapping checks a mapping whose keys are names that the file chooses.
func (c *checker) freeMapping(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		c.add(n, "%s must hold names, each followed by \": \" and what it stands for", c.name(path))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || !scalarFits(key, t.Key()) || key.Value == "":
			c.add(key, "a name in %s must be text (put it in quotes)", c.name(path))
			continue
		case seen[key.Value] > 0:
			c.add(key, "key %q in %s was already given in line %d; keep one of them", key.Value, c.name(path), seen[key.Value])
			continue
		}
		seen[key.Value] = key.Line
		c.shape(value, t.Elem(), join(path, key.Value))
	}
}

// fields are the fields of a struct, those of inlined structs in their place.
func fields(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == ",inline" {
			out = append(out, fields(f.Type)...)
			continue
		}
		out = append(out, f)
	}
	return out
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for _, f := range fields(t) {
		if f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keys(t reflect.Type) []string {
	var out []string
	for _, f := range fields(t) {
		out = append(out, f.Tag.Get("yaml"))
	}
	return out
}

// Suggest names the word that was probably meant, or all that are possible.
func Suggest(got string, possible []string) string {
	best, distance := "", 3
	for _, p := range possible {
		if d := editDistance(strings.ToLower(got), strings.ToLower(p)); d < distance {
			best, distance = p, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "possible are: " + strings.Join(possible, ", ")
}

// editDistance is the Levenshtein distance of two short words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// name is what a path of the file is called; the empty one is the whole.
func (c *checker) name(path string) string {
	if path == "" {
		return orTop(c.what)
	}
	return path
}

func orTop(path string) string {
	if path == "" {
		return "the configuration"
	}
	return path
}
