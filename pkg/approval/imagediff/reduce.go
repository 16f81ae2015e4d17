package imagediff

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxReduced bounds the size of files that are reduced: up to it a file cannot have
// more than maxNodes values.
const maxReduced = maxNodes

// reduce empties the lines of the unchanged top-level entries of Helm values, since
// four complete parses take most of the time for a file of thousands of lines. Only
// entries in which all lines are of a small, plain part of YAML are left out, which
// no parser can read in another way; the numbers of lines stay the same. It returns
// the keys that were left out, and false when nothing can be.
//
// What is concluded from reduced versions counts only when it is image; else the
// file is read again, as it is. FuzzReduce holds the two against each other.
func reduce(before, after []byte) (b, a []byte, left map[string]bool, ok bool) {
	if max(len(before), len(after)) > maxReduced || bytes.IndexByte(before, '\r') >= 0 || bytes.IndexByte(after, '\r') >= 0 {
		return nil, nil, nil, false
	}
	prefix := commonPrefix(before, after)
	suffix := commonSuffix(before[prefix:], after[prefix:])
	// The entry in which the first difference is stays, and so does everything up to
	// the first entry that begins after the last one.
	first := firstEntry(before[:prefix])
	head := max(first, lastEntry(before[:prefix]))
	tail := len(before) - suffix
	if next := firstEntry(before[tail:]); next < suffix {
		tail += next
	} else {
		tail = len(before)
	}
	s := shape{left: map[string]bool{}}
	if first > head || tail < head || !plainHead(before[:first]) || !s.entries(before[first:head]) || !s.entries(before[tail:]) {
		return nil, nil, nil, false
	}
	if hasMarker(before[head:tail]) || hasMarker(after[head:len(after)-(len(before)-tail)]) || len(s.left) == 0 {
		return nil, nil, nil, false
	}
	end := len(after) - (len(before) - tail)
	return emptied(before, first, head, tail), emptied(after, first, head, end), s.left, true
}

// emptied is a text of which only the line breaks are left from first to head, and
// nothing from tail on.
func emptied(data []byte, first, head, tail int) []byte {
	out := make([]byte, 0, first+tail-head+bytes.Count(data[first:head], []byte{'\n'}))
	out = append(out, data[:first]...)
	for range bytes.Count(data[first:head], []byte{'\n'}) {
		out = append(out, '\n')
	}
	return append(out, data[head:tail]...)
}

// commonPrefix is the length of the equal lines at the beginning.
func commonPrefix(a, b []byte) int {
	n, line := min(len(a), len(b)), 0
	for i := range n {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line = i + 1
		}
	}
	return line
}

// commonSuffix is the length of the equal lines at the end.
func commonSuffix(a, b []byte) int {
	n, line := min(len(a), len(b)), 0
	for i := 0; i < n && a[len(a)-1-i] == b[len(b)-1-i]; i++ {
		// What follows a line break begins a line in both.
		if a[len(a)-1-i] == '\n' {
			line = i
		}
	}
	return line
}

func beginsEntry(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// firstEntry is where the first line begins that has a key in its first column.
func firstEntry(data []byte) int {
	for i := 0; i < len(data); {
		if beginsEntry(data[i]) {
			return i
		}
		next := bytes.IndexByte(data[i:], '\n')
		if next < 0 {
			break
		}
		i += next + 1
	}
	return len(data)
}

// lastEntry is where the last such line begins; 0 without one.
func lastEntry(data []byte) int {
	for end := len(data); end > 0; {
		start := bytes.LastIndexByte(data[:end-1], '\n') + 1
		if beginsEntry(data[start]) {
			return start
		}
		end = start
	}
	return 0
}

// plainHead accepts comments and one marker before the first entry.
func plainHead(data []byte) bool {
	markers := 0
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte{'\n'})
		switch {
		case len(line) == 0 || line[0] == '#' && plainText(string(line)):
		case string(line) == "---":
			markers++
		default:
			return false
		}
	}
	return markers <= 1
}

// hasMarker says whether a line begins as a marker or directive does.
func hasMarker(data []byte) bool {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")) || line[0] == '%' {
			return true
		}
	}
	return false
}

// shape follows the nesting of plain lines.
type shape struct {
	left   map[string]bool
	levels []level
	// open says that the last line is a key whose value may follow.
	open bool
	// block is the indent that lines of a block of text have more than; -1 outside of
	// one. text is the indent of its first line, 0 before that.
	block, text int
}

type level struct {
	indent int
	list   bool
	keys   []string
}

// entries accepts complete top-level entries.
func (s *shape) entries(data []byte) bool {
	s.levels, s.open, s.block = nil, false, -1
	if len(data) > 0 && data[len(data)-1] != '\n' {
		return false
	}
	for line := range bytes.Lines(data) {
		if !s.line(string(line[:len(line)-1])) {
			return false
		}
	}
	return true
}

func (s *shape) line(line string) bool {
	if len(line) > 1_000 || !plainText(line) {
		return false
	}
	rest := strings.TrimLeft(line, " ")
	indent := len(line) - len(rest)
	if s.block >= 0 {
		switch {
		case line == "":
			return true
		case rest == "":
			return false
		case indent > s.block && s.text == 0:
			s.text = indent
			return true
		case indent > s.block:
			return indent >= s.text
		}
		s.block = -1
	}
	if rest == "" || rest[0] == '#' {
		return true
	}
	if item, ok := strings.CutPrefix(rest, "- "); ok {
		if !s.enter(indent, true) {
			return false
		}
		rest = strings.TrimLeft(item, " ")
		indent = len(line) - len(rest)
		s.open = false
		if key, value, ok := cutKey(rest); ok {
			s.levels = append(s.levels, level{indent: indent})
			return s.entry(indent, key, value)
		}
		return plainValue(rest)
	}
	key, value, ok := cutKey(rest)
	return ok && s.enter(indent, false) && s.entry(indent, key, value)
}

// enter goes to the level of a line, and opens one where it may.
func (s *shape) enter(indent int, list bool) bool {
	popped := false
	top := func() *level { return &s.levels[len(s.levels)-1] }
	for len(s.levels) > 0 && (top().indent > indent || top().indent == indent && top().list && !list) {
		s.levels = s.levels[:len(s.levels)-1]
		popped = true
	}
	switch {
	case len(s.levels) == 0:
		if indent > 0 || list {
			return false
		}
	case top().indent == indent && top().list == list:
		return true
	case popped || !s.open || top().indent == indent && !list || top().list:
		return false
	}
	s.levels = append(s.levels, level{indent: indent, list: list})
	return len(s.levels) < maxDepth/2
}

// entry takes a key and its value in at the current level.
func (s *shape) entry(indent int, key, value string) bool {
	top := &s.levels[len(s.levels)-1]
	if len(s.levels) == 1 {
		if s.left[key] || key == "apiVersion" || key == "kind" || key == "sops" {
			return false
		}
		s.left[key] = true
	} else {
		if len(top.keys) >= 64 || slices.Contains(top.keys, key) {
			return false
		}
		top.keys = append(top.keys, key)
	}
	s.open = false
	switch {
	case value == "" || value[0] == '#':
		s.open = true
		return true
	case value == "|" || value == "|-" || value == ">" || value == ">-":
		s.block, s.text = indent, 0
		return true
	default:
		return plainValue(value)
	}
}

// cutKey cuts "key: value" and "key:". Keys that are no text everywhere are left
// out.
func cutKey(s string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(s, ":")
	if !ok || key == "" || len(key) > 128 || !beginsEntry(key[0]) || strings.Trim(key, tagChars+"./-") != "" || value != "" && value[0] != ' ' {
		return "", "", false
	}
	switch strings.ToLower(key) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return "", "", false
	}
	return key, strings.TrimLeft(value, " "), true
}

// plainValue accepts a value that is complete on its line, with a comment or not.
func plainValue(s string) bool {
	if s[0] == '"' || s[0] == '\'' {
		end := strings.IndexByte(s[1:], s[0]) + 1
		return end > 0 && strings.IndexByte(s[:end], '\\') < 0 && onlyComment(s[end+1:])
	}
	value, comment, found := strings.Cut(s, " #")
	if found && !onlyComment(" #"+comment) {
		return false
	}
	value = strings.TrimRight(value, " ")
	if value == "{}" || value == "[]" {
		return true
	}
	if inside, ok := strings.CutPrefix(value, "["); ok {
		inside, ok = strings.CutSuffix(inside, "]")
		return ok && !slices.ContainsFunc(strings.Split(inside, ", "), func(item string) bool { return !word(item) })
	}
	if inside, ok := strings.CutPrefix(value, "{"); ok {
		inside, ok = strings.CutSuffix(inside, "}")
		return ok && plainMapping(inside)
	}
	if !beginsEntry(value[0]) && !digit(value[0]) && value[0] != '/' || strings.HasSuffix(value, ":") || strings.Contains(value, ": ") {
		return false
	}
	return strings.Trim(value, tagChars+"-./:@+=,%~^()$; ") == ""
}

func plainMapping(inside string) bool {
	var keys []string
	for item := range strings.SplitSeq(inside, ", ") {
		key, value, ok := cutKey(item)
		if !ok || !word(value) || slices.Contains(keys, key) {
			return false
		}
		keys = append(keys, key)
	}
	return true
}

// word accepts a value in brackets, in quotes or not.
func word(s string) bool {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
		return strings.Trim(s, tagChars+"-./") == ""
	}
	return s != "" && (beginsEntry(s[0]) || digit(s[0])) && strings.Trim(s, tagChars+"-./") == ""
}

func onlyComment(s string) bool {
	trimmed := strings.TrimLeft(s, " ")
	return trimmed == "" || trimmed[0] == '#' && len(trimmed) < len(s)
}

// plainText accepts characters that every reader of YAML accepts as text.
func plainText(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' && r < 0xa0 || r > 0x1fff || r == utf8.RuneError {
			return false
		}
	}
	return true
}
