package contract

import (
	"encoding/json"
	"fmt"
)

// amendment is a place where GitHub contradicts its own description. Patch is a JSON merge patch
// (RFC 7396) of the component.
type amendment struct {
	document  string // api or webhooks
	component string
	patch     string
	reason    string // with the date it was looked at
}

// amendments is every such place. What is here is no longer checked: a line needs evidence from GitHub.
func amendments() []amendment {
	return []amendment{
		{"api", "validation-error", `{"properties":{"status":{"type":"string"}}}`,
			"2026-11-21: GitHub sends status with every error, as basic-error says; the shapes of 422 lack it"},
		{"api", "validation-error-simple", `{"properties":{"status":{"type":"string"}}}`,
			"2026-11-21: the same"},
	}
}

func amend(document, component string, node map[string]any) (map[string]any, error) {
	for _, a := range amendments() {
		if a.document != document || a.component != component {
			continue
		}
		var patch map[string]any
		if err := json.Unmarshal([]byte(a.patch), &patch); err != nil {
			return nil, fmt.Errorf("amendment of %s: %w", component, err)
		}
		node = merge(node, patch)
	}
	return node, nil
}

// merge applies a merge patch to a copy.
func merge(node, patch map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range node {
		out[k] = v
	}
	for k, v := range patch {
		if v == nil {
			delete(out, k)
			continue
		}
		if object, ok := v.(map[string]any); ok {
			old, _ := out[k].(map[string]any)
			out[k] = merge(old, object)
			continue
		}
		out[k] = v
	}
	return out
}
