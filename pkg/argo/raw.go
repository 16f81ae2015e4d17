package argo

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// maxProblems bounds Application.Unsupported: whoever writes an Application with
// thousands of unknown keys is told of some of them.
const maxProblems = 20

// problems collects, in words, what cannot be judged.
type problems struct {
	lines   []string
	dropped int
}

func (p *problems) addf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if slices.Contains(p.lines, line) {
		return
	}
	if len(p.lines) == maxProblems {
		p.dropped++
		return
	}
	p.lines = append(p.lines, line)
}

func (p *problems) list() []string {
	if p.dropped > 0 {
		return append(slices.Clip(p.lines), fmt.Sprintf("and %d more", p.dropped))
	}
	return p.lines
}

// node is one object of the raw JSON with its path, for example
// "spec.source.helm". Its methods return the zero value for a field that is absent
// or null, as Argo CD's own decoder does, and report a field of another type. A nil
// fields map is an absent object.
type node struct {
	fields   map[string]any
	path     string
	problems *problems
}

func (n node) exists() bool { return n.fields != nil }

func (n node) at(key string) string {
	if n.path == "" {
		return key
	}
	return n.path + "." + key
}

func (n node) wrong(key, want string) {
	n.problems.addf("%s is not %s", n.at(key), want)
}

// object returns the object under key. An empty object exists, null does not.
func (n node) object(key string) node {
	child := node{path: n.at(key), problems: n.problems}
	switch value := n.fields[key].(type) {
	case nil:
	case map[string]any:
		if value == nil {
			value = map[string]any{}
		}
		child.fields = value
	default:
		n.wrong(key, "an object")
	}
	return child
}

func (n node) list(key string) []any {
	switch value := n.fields[key].(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		n.wrong(key, "a list")
		return nil
	}
}

// objects returns the list under key, whose items must all be objects.
func (n node) objects(key string) []node {
	var result []node
	for i, item := range n.list(key) {
		path := n.at(key) + "[" + strconv.Itoa(i) + "]"
		fields, ok := item.(map[string]any)
		if !ok || fields == nil {
			n.problems.addf("%s is not an object", path)
			fields = map[string]any{}
		}
		result = append(result, node{fields: fields, path: path, problems: n.problems})
	}
	return result
}

func (n node) strings(key string) []string {
	var result []string
	for i, item := range n.list(key) {
		text, ok := item.(string)
		if !ok {
			n.problems.addf("%s[%d] is not a string", n.at(key), i)
		}
		result = append(result, text)
	}
	return result
}

func (n node) text(key string) string {
	switch value := n.fields[key].(type) {
	case nil:
		return ""
	case string:
		return value
	default:
		n.wrong(key, "a string")
		return ""
	}
}

func (n node) boolean(key string) bool {
	switch value := n.fields[key].(type) {
	case nil:
		return false
	case bool:
		return value
	default:
		n.wrong(key, "a boolean")
		return false
	}
}

func (n node) integer(key string) int64 {
	switch value := n.fields[key].(type) {
	case nil:
		return 0
	case int64:
		return value
	default:
		n.wrong(key, "an integer")
		return 0
	}
}

func (n node) time(key string) time.Time {
	text := n.text(key)
	if text == "" {
		return time.Time{}
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		n.wrong(key, "a time")
		return time.Time{}
	}
	return parsed.UTC()
}

// known reports every key that is not listed. A field that this version of
// Gatekeeper has never heard of could make the content float or come from
// elsewhere, so it is not guessed at.
func (n node) known(keys ...string) {
	var unknown []string
	for key, value := range n.fields {
		if value != nil && !slices.Contains(keys, key) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	for _, key := range unknown {
		n.problems.addf("%s is not a field that Gatekeeper knows", n.at(shorten(key)))
	}
}

// shorten keeps what an Application's author chose freely to a readable length.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
