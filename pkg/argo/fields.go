package argo

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bounds of Fields, so that an Application with thousands of parameters does not
// fill the record.
const (
	maxFields     = 200
	maxFieldDepth = 8
	maxFieldPath  = 200
	maxFieldValue = 200
)

// Fields takes what the spec digest covers apart into named fields, sorted by path.
// A spec with more than 200 of them is taken apart less deeply, so that together they
// always cover everything that the digest does, but for the order of lists whose
// items have names.
func Fields(object map[string]any) []approval.SpecField {
	canonical := canonicalSpec(node{fields: object, problems: &problems{}})
	for depth := maxFieldDepth; depth > 0; depth-- {
		f := flattener{depth: depth}
		f.spec(canonical)
		if len(f.fields) <= maxFields {
			slices.SortFunc(f.fields, func(a, b approval.SpecField) int { return strings.Compare(a.Path, b.Path) })
			return f.fields
		}
	}
	return []approval.SpecField{{Path: approval.SpecUnnamed, Digest: fieldDigest(canonical)}}
}

type flattener struct {
	depth  int
	fields []approval.SpecField
}

// spec names the parts of the canonical object as the Application does.
func (f *flattener) spec(canonical map[string]any) {
	multi := canonical["multiSource"] == true
	for _, key := range slices.Sorted(maps.Keys(canonical)) {
		switch value := canonical[key]; key {
		case "format", "multiSource":
		case "generatePaths":
			f.add(`metadata.annotations["`+generatePathsAnnotation+`"]`, value)
		case "other":
			others, _ := value.(map[string]any)
			for name, other := range others {
				f.walk(quoteKey(name), other, f.depth-1)
			}
		case "sources":
			sources, _ := value.([]any)
			for i, source := range sources {
				path := "sources[" + strconv.Itoa(i) + "]"
				if !multi && len(sources) == 1 {
					path = "source"
				}
				f.walk(path, source, f.depth-1)
			}
		case "syncPolicy":
			policy, _ := value.(map[string]any)
			for name, v := range policy {
				path := "syncPolicy." + quoteKey(name)
				if name == "prune" {
					path = "syncPolicy.automated.prune"
				}
				f.walk(path, v, f.depth-2)
			}
			if policy == nil && value != nil {
				f.add("syncPolicy", value)
			}
		default:
			f.walk(key, value, f.depth-1)
		}
	}
}

func (f *flattener) walk(path string, value any, depth int) {
	switch v := value.(type) {
	case map[string]any:
		if depth <= 0 || len(v) == 0 {
			break
		}
		for key, item := range v {
			f.walk(path+"."+quoteKey(key), item, depth-1)
		}
		return
	case []any:
		if depth <= 0 || len(v) == 0 {
			break
		}
		names, named := itemNames(v)
		for i, item := range v {
			if named {
				// One line for a parameter, whatever else it holds.
				f.add(path+"["+names[i]+"]", item)
				continue
			}
			f.walk(path+"["+strconv.Itoa(i)+"]", item, depth-1)
		}
		return
	}
	f.add(path, value)
}

func (f *flattener) add(path string, value any) {
	if value == nil && !strings.Contains(path, ".valuesObject") {
		return // what is not there
	}
	field := approval.SpecField{Path: path, Digest: fieldDigest(value), Value: shownValue(path, value)}
	if len(path) > maxFieldPath {
		// The digest keeps long paths with one beginning apart.
		field.Path = strings.ToValidUTF8(path[:maxFieldPath], "") + "… (" + fieldDigest(path)[:8] + ")"
	}
	f.fields = append(f.fields, field)
}

// itemNames are the names of a list's items, if all have one of their own.
func itemNames(items []any) (names []string, ok bool) {
	seen := map[string]bool{}
	for _, item := range items {
		object, _ := item.(map[string]any)
		name, _ := object["name"].(string)
		if name == "" || seen[name] {
			return nil, false
		}
		seen[name] = true
		names = append(names, quoteKey(name))
	}
	return names, true
}

// quoteKey quotes a key that could be taken for a part of a path. A dot in the name of
// a parameter, which is in brackets, cannot.
func quoteKey(key string) string {
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if key != "" && !strings.ContainsFunc(key, func(r rune) bool { return !plain(r) }) {
		return key
	}
	return strconv.Quote(key)
}

func fieldDigest(value any) string {
	sum := sha256.Sum256(canonicalJSON(value))
	return hex.EncodeToString(sum[:16])
}

// shownValue is the value of a field that says where content comes from or goes.
func shownValue(path string, value any) string {
	text, ok := value.(string)
	if !ok || text == "" {
		return ""
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	parent := strings.TrimSuffix(path, "."+last)
	source := parent == "source" || strings.HasPrefix(parent, "sources[") && strings.Count(parent, ".") == 0
	switch {
	case path == "project", parent == "destination":
	case source && last == "repoURL":
		text = withoutCredentials(text)
	case source && (last == "path" || last == "targetRevision" || last == "chart" || last == "ref"):
	default:
		return ""
	}
	if len(text) > maxFieldValue {
		return strings.ToValidUTF8(text[:maxFieldValue], "") + "…"
	}
	return text
}
