package imagediff

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// step is a key of a mapping, or with key empty and index >= 0 an index of a
// sequence.
type step struct {
	key   string
	index int // -1 for a key
}

func key(k string) step { return step{key: k, index: -1} }
func index(i int) step  { return step{index: i} }

func (s step) isKey() bool { return s.index < 0 }

// pathText writes a path as Pattern reads it: "spec.containers[0].image".
func pathText(path []step) string {
	var b strings.Builder
	for i, s := range path {
		switch {
		case !s.isKey():
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if plainKey(s.key) {
			b.WriteString(s.key)
		} else {
			b.WriteString(quote(s.key))
		}
		if b.Len() > 4*maxText {
			return b.String()[:4*maxText] + "..."
		}
	}
	return b.String()
}

// pathKey tells a path from all others, of whatever length.
func pathKey(path []step) string {
	var b strings.Builder
	for _, s := range path {
		if s.isKey() {
			b.WriteString(strconv.Quote(s.key))
		} else {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}

func plainKey(k string) bool { return k != "" && strings.Trim(k, tagChars+"-/") == "" }

// at is the node at a path, nil when there is none.
func at(n *yaml.Node, path []step) *yaml.Node {
	for _, s := range path {
		switch {
		case n == nil:
			return nil
		case s.isKey():
			n = child(n, s.key)
		case n.Kind == yaml.SequenceNode && s.index < len(n.Content):
			n = n.Content[s.index]
		default:
			return nil
		}
	}
	return n
}

// valueAt is the same for what sigs.k8s.io/yaml read.
func valueAt(v any, path []step) any {
	for _, s := range path {
		if s.isKey() {
			m, _ := v.(map[string]any)
			v = m[s.key]
			continue
		}
		list, _ := v.([]any)
		if s.index >= len(list) {
			return nil
		}
		v = list[s.index]
	}
	return v
}
