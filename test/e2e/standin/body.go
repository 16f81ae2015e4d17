package standin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxBody bounds request bodies; GitHub's largest useful one, a check run with two texts of 65,535
// characters, stays far below it.
const maxBody = 1 << 20

// maxGitBody bounds the bodies that carry files. GitHub takes blobs of 100 MB; this is what one may want in a test.
const maxGitBody = 48 << 20

func (rt *route) bodyLimit() int64 {
	if rt.files {
		return maxGitBody
	}
	return maxBody
}

// readBody reads the body before any lock is taken, so that a slow caller holds up nobody.
func (c *call) readBody(limit int64) (err error) {
	c.raw, err = io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return refuse(http.StatusBadRequest, "Problems reading the body")
	}
	if int64(len(c.raw)) > limit {
		return refuse(http.StatusRequestEntityTooLarge, "Payload too big: %d bytes are allowed", limit)
	}
	return nil
}

// body reads a JSON object into a struct whose fields are all the keys GitHub documents.
func (c *call) body(into any) error { return decodeObject(c.raw, into) }

// decodeObject is stricter than encoding/json: keys must match exactly and appear once, nothing may
// follow the object, and the text must be UTF-8. An empty body is an empty object.
func decodeObject(raw []byte, into any) error {
	text := bytes.TrimSpace(raw)
	if len(text) == 0 || string(text) == "null" { // ghinstallation sends null when it asks for nothing special
		return nil
	}
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	if text[0] != '{' {
		return refuse(http.StatusBadRequest, "Body should be a JSON object")
	}
	if err := checkKeys(raw, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	err := json.Unmarshal(raw, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\nFor 'properties/%s', %s is not a %s.", wrong.Field, wrong.Value, wrong.Type)
	}
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%v.", err)
	}
	return nil
}

// checkKeys refuses keys of the outermost object that the struct does not have, and repeated ones.
func checkKeys(raw []byte, t reflect.Type) error {
	known := map[string]bool{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return refuse(http.StatusBadRequest, "Problems parsing JSON")
		}
		if !known[name] || seen[name] {
			return refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n%q is not a permitted key.", name)
		}
		seen[name] = true
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return refuse(http.StatusBadRequest, "Problems parsing JSON")
		}
	}
	return nil
}
