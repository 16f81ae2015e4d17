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
type Error struct{ Mistakes []Mistake }

func (e *Error) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return "the configuration is refused:\n  " + strings.Join(lines, "\n  ")
}

// checker collects mistakes of one file.
type checker struct {
	people   map[string]named // of groups, by name
	file     string
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
	return &Error{Mistakes: c.mistakes}
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
	case t.Kind() == reflect.Struct:
		c.mapping(n, t, path)
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
		c.add(n, "%s must hold keys: %s", orTop(path), strings.Join(keys(t), ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := fieldByKey(t, key.Value)
		switch {
		case !ok:
			c.add(key, "unknown key %q in %s; %s", key.Value, orTop(path), suggest(key.Value, keys(t)))
			continue
		case seen[key.Value] > 0:
			c.add(key, "key %q in %s was already given in line %d; keep one of them", key.Value, orTop(path), seen[key.Value])
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
	default:
		return t.String()
	}
}

func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keys(t reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		out = append(out, f.Tag.Get("yaml"))
	}
	return out
}

// suggest names the key that was probably meant, or all that are possible.
func suggest(got string, possible []string) string {
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

func orTop(path string) string {
	if path == "" {
		return "the configuration"
	}
	return path
}
