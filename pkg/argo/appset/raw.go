package appset

import (
	"fmt"
	"maps"
	"slices"
)

// The readers of raw JSON return the zero value for what is absent or null, and an
// error for what is of another type.

func object(m map[string]any, key, path string) (map[string]any, error) {
	switch v := m[key].(type) {
	case nil:
		return nil, nil //nolint:nilnil // an absent object is an empty one
	case map[string]any:
		return v, nil
	default:
		return nil, fmt.Errorf("%s is not an object", path)
	}
}

func list(m map[string]any, key, path string) ([]any, error) {
	switch v := m[key].(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	default:
		return nil, fmt.Errorf("%s is not a list", path)
	}
}

func text(m map[string]any, key, path string) (string, error) {
	switch v := m[key].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", fmt.Errorf("%s is not a text", path)
	}
}

func boolean(m map[string]any, key, path string) (bool, error) {
	switch v := m[key].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	default:
		return false, fmt.Errorf("%s is not true or false", path)
	}
}

// known refuses every field that is not listed: it could change what is generated.
func known(m map[string]any, path string, keys ...string) error {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if m[key] != nil && !slices.Contains(keys, key) {
			return fmt.Errorf("%s.%s is not a field that Gatekeeper knows", path, shorten(key))
		}
	}
	return nil
}

// shorten keeps what somebody chose freely to a readable length.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
