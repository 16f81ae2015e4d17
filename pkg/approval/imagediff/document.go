package imagediff

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	sigs "sigs.k8s.io/yaml"
)

// text is one version of a file, read by both parsers.
type text struct {
	data []byte
	docs []document
	// lines are the offsets at which lines begin.
	lines []int
	nodes int
	// doubts are what programs may read differently, and first is the first of them
	// with its position.
	doubts map[string]int
	first  string
}

// document is one document of a file. What has only comments is none.
type document struct {
	line  int // lines of the file before it
	root  *yaml.Node
	value any // as sigs.k8s.io/yaml reads it
}

// The doubts.
const (
	doubtAlias     = "an anchor or alias"
	doubtDocument  = "more documents than one where only the first is read"
	doubtDuplicate = "a duplicate key"
	doubtEscape    = "an escaped key"
	doubtKey       = "a key that is no text"
	doubtMarker    = "an unusual document marker or directive"
	doubtMerge     = "a merge key"
	doubtParsers   = "a value that two parsers read differently"
	doubtSame      = "two documents of the same object"
	doubtTag       = "an explicit tag"
	doubtBreak     = "a line break that is none everywhere"
)

// errTooMuch is returned for a document that exceeds a bound.
var errTooMuch = errors.New("there is too much in it")

// readText reads one version of a file. Doubts are no error.
func readText(data []byte) (*text, error) {
	t := &text{data: data, lines: lineStarts(data), doubts: map[string]int{}}
	if hasOddBreaks(data) {
		t.doubt(doubtBreak, "")
	}
	begin, line := 0, 0
	add := func(end, nextLine int) error {
		d := document{line: line}
		line = nextLine
		if onlyComments(data[begin:end]) {
			return nil
		}
		if err := d.read(data[begin:end]); err != nil {
			return err
		}
		t.docs = append(t.docs, d)
		if len(t.docs) > maxDocuments {
			return errTooMuch
		}
		return nil
	}
	for i, start := range t.lines {
		end := len(data)
		if i+1 < len(t.lines) {
			end = t.lines[i+1]
		}
		switch {
		case !bytes.HasPrefix(data[start:], []byte("---")):
			if start < end && data[start] == '%' || bytes.HasPrefix(data[start:], []byte("...")) {
				t.doubt(doubtMarker, fmt.Sprintf("line %d", i+1))
			}
			continue
		case !isSeparator(data[start:end]):
			t.doubt(doubtMarker, fmt.Sprintf("line %d", i+1))
			continue
		}
		// Helm reads the whole file at once, and Argo CD what is between the lines
		// (gitops-engine, pkg/utils/kube, SplitYAML).
		if err := add(start, i+1); err != nil {
			return nil, err
		}
		begin = end
	}
	if err := add(len(data), 0); err != nil {
		return nil, err
	}
	return t, t.checkAll()
}

// readReduced reads what reduce left of one version of a file. It is false when
// that has to be read as a whole after all.
func readReduced(data, reduced []byte, left map[string]bool) (*text, bool) {
	t := &text{data: data, lines: lineStarts(data), doubts: map[string]int{}}
	d := document{}
	if onlyComments(reduced) || d.read(reduced) != nil {
		return nil, false
	}
	// What was left out has to be of the same mapping.
	if d.root.Kind != yaml.MappingNode || d.root.Style&yaml.FlowStyle != 0 || d.root.Column != 1 {
		return nil, false
	}
	for i := 0; i < len(d.root.Content); i += 2 {
		if left[d.root.Content[i].Value] {
			return nil, false
		}
	}
	t.docs = []document{d}
	return t, t.checkAll() == nil && len(t.doubts) == 0 && !hasOddBreaks(reduced)
}

// checkAll looks for doubts in all documents.
func (t *text) checkAll() error {
	for i := range t.docs {
		d := &t.docs[i]
		if err := t.check(d, d.root, d.value, 0); err != nil {
			return err
		}
	}
	t.checkDocuments()
	return nil
}

// read parses one document with both parsers. What they make of it is compared
// later.
func (d *document) read(data []byte) error {
	var n yaml.Node
	// Without an option, more than one document is an error.
	if err := yaml.Load(data, &n); err != nil {
		return fmt.Errorf("read it as YAML 1.2: %w", err)
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
		return errors.New("read it as YAML 1.2: there is no document")
	}
	d.root = n.Content[0]
	if err := sigs.Unmarshal(data, &d.value); err != nil {
		return fmt.Errorf("read it as Helm and Argo CD do: %w", err)
	}
	return nil
}

func isSeparator(line []byte) bool {
	rest := bytes.TrimRight(line[3:], "\r\n")
	trimmed := bytes.TrimLeft(rest, " ")
	return len(trimmed) == 0 || trimmed[0] == '#' && len(trimmed) < len(rest)
}

// onlyComments says whether there is no document between two markers.
func onlyComments(data []byte) bool {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

func lineStarts(data []byte) []int {
	starts := make([]int, 1, 1+bytes.Count(data, []byte{'\n'}))
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// hasOddBreaks finds line breaks of YAML 1.1 that are none in YAML 1.2, and a lone
// carriage return, which is one for parsers but not for people.
func hasOddBreaks(data []byte) bool {
	for _, odd := range []string{"\u0085", "\u2028", "\u2029"} {
		if bytes.Contains(data, []byte(odd)) {
			return true
		}
	}
	return bytes.Count(data, []byte{'\r'}) != bytes.Count(data, []byte("\r\n"))
}

func (t *text) doubt(what, where string) {
	// That parsers disagree follows from most of the others, which say why.
	if t.first == "" || what != doubtParsers && strings.HasPrefix(t.first, doubtParsers) {
		t.first = what
		if where != "" {
			t.first += " at " + where
		}
	}
	t.doubts[what]++
}

func (t *text) doubtAt(what string, d *document, n *yaml.Node) {
	t.doubt(what, fmt.Sprintf("%d:%d", d.line+n.Line, n.Column))
}

// check looks for doubts, and compares the node with what the other parser read.
func (t *text) check(d *document, n *yaml.Node, v any, depth int) error {
	if t.nodes++; t.nodes > maxNodes || depth > maxDepth {
		return errTooMuch
	}
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		t.doubtAt(doubtAlias, d, n)
	}
	if n.Style&yaml.TaggedStyle != 0 || !knownTag(n) {
		t.doubtAt(doubtTag, d, n)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return t.checkMapping(d, n, v, depth)
	case yaml.SequenceNode:
		list, ok := v.([]any)
		if !ok || len(list) != len(n.Content) {
			t.doubtAt(doubtParsers, d, n)
			list = make([]any, len(n.Content))
		}
		for i, c := range n.Content {
			if err := t.check(d, c, list[i], depth+1); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		// Types may differ: what matters of a value that does not change is that it
		// stays the same for each program. Those that change are compared by judge.
		switch v := v.(type) {
		case map[string]any, []any:
			t.doubtAt(doubtParsers, d, n)
		case string:
			if n.ShortTag() == "!!str" && n.Value != v {
				t.doubtAt(doubtParsers, d, n)
			}
		}
	default:
	}
	return nil
}

func (t *text) checkMapping(d *document, n *yaml.Node, v any, depth int) error {
	values, ok := v.(map[string]any)
	duplicate := duplicateKey(n)
	if duplicate != nil {
		t.doubtAt(doubtDuplicate, d, duplicate)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if err := t.check(d, key, key.Value, depth+1); err != nil {
			return err
		}
		switch {
		case key.Value == "<<" && key.Kind == yaml.ScalarNode:
			t.doubtAt(doubtMerge, d, key)
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" && key.ShortTag() != "!!int":
			t.doubtAt(doubtKey, d, key)
		case !t.written(d, key):
			t.doubtAt(doubtEscape, d, key)
		}
		value, found := values[key.Value]
		if !found && ok {
			t.doubtAt(doubtParsers, d, key)
		}
		if err := t.check(d, n.Content[i+1], value, depth+1); err != nil {
			return err
		}
	}
	if duplicate == nil && (!ok || len(values)*2 != len(n.Content)) {
		t.doubtAt(doubtParsers, d, n)
	}
	return nil
}

// duplicateKey finds a key that a mapping has twice.
func duplicateKey(n *yaml.Node) *yaml.Node {
	if len(n.Content) <= 32 {
		for i := 0; i+1 < len(n.Content); i += 2 {
			for j := 0; j < i; j += 2 {
				if n.Content[i].Value == n.Content[j].Value {
					return n.Content[i]
				}
			}
		}
		return nil
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if seen[n.Content[i].Value] {
			return n.Content[i]
		}
		seen[n.Content[i].Value] = true
	}
	return nil
}

func knownTag(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.MappingNode:
		return n.Tag == "!!map"
	case yaml.SequenceNode:
		return n.Tag == "!!seq"
	case yaml.ScalarNode:
		return slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge"}, n.Tag)
	default:
		return true
	}
}

// checkDocuments: Helm and kustomize read one document of a file, and of two
// manifests of one object the last one counts.
func (t *text) checkDocuments() {
	seen := map[string]bool{}
	count, plain := 0, false
	for i := range t.docs {
		root := t.docs[i].root
		count++
		o, ok := objectOf(root)
		if !ok || o.group == kustomizeGroup {
			plain = true
			continue
		}
		id := strings.Join([]string{o.group, o.kind, o.namespace, o.name}, "\x00")
		if o.name != "" && seen[id] {
			t.doubtAt(doubtSame, &t.docs[i], root)
		}
		seen[id] = true
	}
	if plain && count > 1 {
		t.doubt(doubtDocument, "")
	}
}

// offset is where a node begins in the file.
func (t *text) offset(d *document, n *yaml.Node) (int, bool) {
	line := d.line + n.Line - 1
	if n.Line < 1 || n.Column < 1 || line >= len(t.lines) {
		return 0, false
	}
	at := t.lines[line]
	for range n.Column - 1 {
		if at >= len(t.data) {
			return 0, false
		}
		if t.data[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(t.data[at:])
		at += size
	}
	return at, at < len(t.data)
}

// span is where a scalar is in the file, quotes included. It is false unless the
// value is there literally: no escapes, no folding, no block.
func (t *text) span(d *document, n *yaml.Node) (start, end int, ok bool) {
	start, ok = t.offset(d, n)
	if !ok || n.Kind != yaml.ScalarNode {
		return 0, 0, false
	}
	want := n.Value
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		want = `"` + want + `"`
	case yaml.SingleQuotedStyle:
		want = "'" + want + "'"
	case 0:
	default:
		return 0, 0, false
	}
	end = start + len(want)
	return start, end, end <= len(t.data) && string(t.data[start:end]) == want
}

// written says whether a key is in the file as it reads. Only quoted keys can
// differ.
func (t *text) written(d *document, key *yaml.Node) bool {
	if key.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		return key.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
	}
	_, _, ok := t.span(d, key)
	return ok
}
