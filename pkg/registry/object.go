package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// object is a JSON object whose keys are compared exactly.
type object map[string]json.RawMessage

// keyLimit bounds the keys of one object that is read.
const keyLimit = 1024

// parseObject reads one JSON object and nothing after it. encoding/json alone would
// take the last of two equal keys and fold upper and lower case, and two readers
// could then see different things in the same signed bytes; here both are told apart.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	o := object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		key, ok := t.(string)
		if !ok {
			return nil, errors.New("it is not valid JSON")
		}
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("it has the key %s twice", quote(key))
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("it is not valid JSON")
		}
		if o[key] = value; len(o) > keyLimit {
			return nil, fmt.Errorf("it has more than %d keys", keyLimit)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("it is not valid JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

// object reads a member that must be an object.
func (o object) object(key string) (object, error) {
	raw, ok := o[key]
	if !ok {
		return nil, fmt.Errorf("it has no %s", key)
	}
	inner, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("its %s: %w", key, err)
	}
	return inner, nil
}

// text reads a member that must be a string; a missing one is empty.
func (o object) text(key string) (string, error) {
	raw, ok := o[key]
	if !ok {
		return "", nil
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("its %s is not a string", key)
	}
	return *s, nil
}

// list reads a member that must be an array of at most bound values.
func (o object) list(key string, bound int) ([]json.RawMessage, error) {
	var l []json.RawMessage
	if err := json.Unmarshal(o[key], &l); err != nil || l == nil {
		return nil, fmt.Errorf("its %s is not a list", key)
	}
	if len(l) > bound {
		return nil, fmt.Errorf("its %s has more than %d values", key, bound)
	}
	return l, nil
}
