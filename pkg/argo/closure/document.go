package closure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// parse decodes a YAML document as kustomize, Helm and Argo CD do, which all use
// sigs.k8s.io/yaml: the first document, anchors and merge keys included. A key that
// stands twice is an error here, because they do not agree on which one counts; so is
// what is no object.
func parse(content []byte) (map[string]any, error) {
	converted, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	if bytes.Equal(bytes.TrimSpace(converted), []byte("null")) {
		return map[string]any{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(converted))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("it is not an object: %w", err)
	}
	return fields, nil
}

// list reads a list; false when it is none. Nothing is an empty list.
func list(value any) ([]any, bool) {
	if value == nil {
		return nil, true
	}
	items, ok := value.([]any)
	return items, ok
}

// isEmpty says whether a field says nothing.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}
