package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/contract/wanted"
)

// cut makes the kept files out of the two descriptions.
func cut(api, hooks *source) (map[string][]byte, error) {
	list, err := wanted.Read()
	if err != nil {
		return nil, fmt.Errorf("read list of endpoints: %w", err)
	}
	paths, err := operations(api.doc, list.Operations)
	if err != nil {
		return nil, err
	}
	events, headers, err := webhooks(hooks.doc, list.Events)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	if files["api.json"], err = document(api, "paths", paths, nil); err != nil {
		return nil, err
	}
	if files["webhooks.json"], err = document(hooks, "webhooks", events, headers); err != nil {
		return nil, err
	}
	return files, nil
}

func operations(doc map[string]any, keep []wanted.Operation) (map[string]any, error) {
	paths := map[string]any{}
	all, _ := doc["paths"].(map[string]any)
	for _, o := range keep {
		from, _ := all[o.Path].(map[string]any)
		operation, ok := from[strings.ToLower(o.Method)]
		if !ok {
			return nil, fmt.Errorf("the description has no %s %s", o.Method, o.Path)
		}
		to, ok := paths[o.Path].(map[string]any)
		if !ok {
			to = map[string]any{}
			paths[o.Path] = to
		}
		to[strings.ToLower(o.Method)] = withoutProse(operation, false)
	}
	return paths, nil
}

// webhooks keeps the schema of each event. The headers, which are the same for all, are kept once.
func webhooks(doc map[string]any, keep []wanted.Event) (events map[string]any, headers any, err error) {
	byID := map[string]map[string]any{}
	all, _ := doc["webhooks"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		hook, _ := all[name].(map[string]any)
		post, _ := hook["post"].(map[string]any)
		id, _ := post["operationId"].(string)
		byID[id] = post
	}
	events = map[string]any{}
	for _, e := range keep {
		id := strings.ReplaceAll(e.Name, "_", "-")
		if e.Action != "" {
			id += "/" + strings.ReplaceAll(e.Action, "_", "-")
		}
		post, ok := byID[id]
		if !ok {
			return nil, nil, fmt.Errorf("the description has no event %s", id)
		}
		post, _ = withoutProse(post, false).(map[string]any)
		if headers == nil {
			headers = post["parameters"]
		}
		if !bytes.Equal(canonical(headers), canonical(post["parameters"])) {
			return nil, nil, fmt.Errorf("event %s has other headers than the others", id)
		}
		events[id] = map[string]any{"post": map[string]any{"requestBody": post["requestBody"]}}
	}
	return events, headers, nil
}

// prose are the keywords that say nothing about what is valid.
var prose = []string{"description", "summary", "example", "examples", "externalDocs", "title", "tags", "deprecated",
	"default", "headers", "discriminator", "operationId"}

// withoutProse copies a node without its prose. names says that the keys of the node are names that
// GitHub chose, and not keywords.
func withoutProse(node any, names bool) any {
	switch node := node.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range node {
			switch {
			case names:
				out[k] = withoutProse(v, false)
			case slices.Contains(prose, k) || (strings.HasPrefix(k, "x-") && k != "x-multi-segment"):
			case k == "enum" || k == "const" || k == "required":
				out[k] = v
			default:
				out[k] = withoutProse(v, k == "properties" || k == "responses" || k == "content")
			}
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i, v := range node {
			out[i] = withoutProse(v, false)
		}
		return out
	}
	return node
}

// canonical is the one form of a node; keys are sorted.
func canonical(node any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(node); err != nil {
		panic(fmt.Sprintf("encode what was decoded before: %v", err)) // every node came out of a JSON file
	}
	return bytes.TrimSpace(b.Bytes())
}
