package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document writes the kept parts, with the components they refer to, one part on a line.
func document(from *source, key string, parts map[string]any, headers any) ([]byte, error) {
	components, err := reachable(from.doc, parts)
	if err != nil {
		return nil, err
	}
	parts, components = share(parts, components)
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n\"openapi\":%s,\n\"source\":%s,\n", canonical(from.doc["openapi"]), canonical(from))
	if headers != nil {
		fmt.Fprintf(&b, "\"headers\":%s,\n", canonical(headers))
	}
	fmt.Fprintf(&b, "%s:", canonical(key))
	lines(&b, parts)
	b.WriteString(",\n\"components\":{\n")
	for i, kind := range slices.Sorted(maps.Keys(components)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "%s:", canonical(kind))
		lines(&b, components[kind])
	}
	b.WriteString("}\n}\n")
	return b.Bytes(), nil
}

func lines(b *bytes.Buffer, parts map[string]any) {
	b.WriteString("{\n")
	for i, name := range slices.Sorted(maps.Keys(parts)) {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(b, "%s:%s", canonical(name), canonical(parts[name]))
	}
	b.WriteString("}")
}

// reachable are the components that the parts refer to, and those that these refer to.
func reachable(doc, parts map[string]any) (map[string]map[string]any, error) {
	all, _ := doc["components"].(map[string]any)
	found := map[string]map[string]any{}
	queue := references(parts, nil)
	for len(queue) > 0 {
		ref := queue[0]
		queue = queue[1:]
		words := strings.Split(ref, "/") // #/components/KIND/NAME
		if len(words) != 4 || words[0] != "#" || words[1] != "components" {
			return nil, fmt.Errorf("%q refers to no component", ref)
		}
		kind, name := words[2], words[3]
		if found[kind][name] != nil {
			continue
		}
		of, _ := all[kind].(map[string]any)
		component, ok := of[name]
		if !ok {
			return nil, fmt.Errorf("there is no component %q", ref)
		}
		component = withoutProse(component, false)
		if found[kind] == nil {
			found[kind] = map[string]any{}
		}
		found[kind][name] = component
		queue = references(component, queue)
	}
	return found, nil
}

func references(node any, found []string) []string {
	switch node := node.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(node)) {
			if ref, ok := node[k].(string); ok && k == "$ref" {
				found = append(found, ref)
				continue
			}
			found = references(node[k], found)
		}
	case []any:
		for _, v := range node {
			found = references(v, found)
		}
	}
	return found
}

// shortest is the size below which a repeated schema stays where it is.
const shortest = 120

// share gives schemas that are written more than once a component of their own, named after their
// content: the descriptions of events repeat a pull request dozens of times.
func share(parts map[string]any, components map[string]map[string]any) (map[string]any, map[string]map[string]any) {
	s := sharing{times: map[string]int{}, names: map[string]string{}, made: map[string]any{}}
	for _, name := range slices.Sorted(maps.Keys(components["schemas"])) {
		schema := components["schemas"][name]
		if text := string(canonical(schema)); s.names[text] == "" && len(text) >= shortest {
			s.names[text] = name
			s.times[text]++
		}
	}
	s.count(parts, false)
	for _, kind := range slices.Sorted(maps.Keys(components)) {
		for _, name := range slices.Sorted(maps.Keys(components[kind])) {
			s.countBelow(components[kind][name], false)
		}
	}
	out := map[string]map[string]any{}
	for kind, of := range components {
		out[kind] = map[string]any{}
		for name, component := range of {
			out[kind][name] = s.below(component, false)
		}
	}
	replaced, _ := s.below(parts, false).(map[string]any)
	maps.Copy(out["schemas"], s.made)
	return replaced, out
}

type sharing struct {
	times map[string]int    // by canonical form; what is inside a repeated schema counts once
	names map[string]string // of the component that is such a schema
	made  map[string]any
}

// schema tells whether a node is a schema worth sharing, and gives its canonical form.
func (s *sharing) schema(node map[string]any) (string, bool) {
	_, properties := node["properties"].(map[string]any)
	_, anyOf := node["anyOf"].([]any)
	_, oneOf := node["oneOf"].([]any)
	_, allOf := node["allOf"].([]any)
	_, enum := node["enum"].([]any)
	if !properties && !anyOf && !oneOf && !allOf && !enum {
		return "", false
	}
	text := string(canonical(node))
	return text, len(text) >= shortest
}

func (s *sharing) count(node any, names bool) {
	if object, ok := node.(map[string]any); ok && !names {
		if text, ok := s.schema(object); ok {
			s.times[text]++
			if s.times[text] > 1 {
				return
			}
		}
	}
	s.countBelow(node, names)
}

// countBelow counts in the children. names says that the node's keys are names of properties.
func (s *sharing) countBelow(node any, names bool) {
	switch node := node.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(node)) {
			s.count(node[k], !names && k == "properties")
		}
	case []any:
		for _, v := range node {
			s.count(v, false)
		}
	}
}

// replace is a node with repeated schemas replaced by references.
func (s *sharing) replace(node any, names bool) any {
	object, ok := node.(map[string]any)
	if !ok || names {
		return s.below(node, names)
	}
	text, ok := s.schema(object)
	if !ok || s.times[text] < 2 {
		return s.below(node, names)
	}
	name, ok := s.names[text]
	if !ok {
		sum := sha256.Sum256([]byte(text))
		name = "shared-" + hex.EncodeToString(sum[:5])
		s.names[text] = name
		s.made[name] = s.below(node, names)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// below is a node whose children were replaced.
func (s *sharing) below(node any, names bool) any {
	switch node := node.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range node {
			out[k] = s.replace(v, !names && k == "properties")
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i, v := range node {
			out[i] = s.replace(v, false)
		}
		return out
	}
	return node
}
