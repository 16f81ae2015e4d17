// Package wire is how Go values of the stand-in travel as JSON: in the names of their own fields, written
// merge_commit_sha for MergeCommitSHA, so that a field that a control call gains is a key of the control
// API at once.
//
// Reading is strict. Every key must be known and may appear once, at every depth; texts, numbers and
// truth values are not converted into one another; nothing may follow the value. An *Error names the
// place. Durations are texts like "1.5s", times are RFC 3339, bytes are text, lists and maps are never
// null when they are written. Embedded structs are flattened. Functions and unexported fields do not
// travel, nor do fields with a path tag, which are part of an address.
//
// Tags of a field: wire:"required" refuses an object without the key, doc:"…" describes it.
package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// Field is one key of a struct.
type Field struct {
	Name     string
	Type     reflect.Type
	Required bool
	Doc      string

	index []int
}

// In returns the field's place in a struct value.
func (f Field) In(v reflect.Value) reflect.Value { return v.FieldByIndex(f.index) }

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawType      = reflect.TypeFor[json.RawMessage]()
)

// Fields lists the keys of a struct type in order, those of embedded structs in their place. A key of an
// outer struct hides one of an embedded struct.
func Fields(t reflect.Type) []Field {
	var out []Field
	at := map[string]int{}
	depth := map[string]int{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			continue
		}
		if !f.IsExported() || f.Type.Kind() == reflect.Func || f.Tag.Get("path") != "" {
			continue
		}
		name := Key(f.Name)
		field := Field{Name: name, Type: f.Type, Required: f.Tag.Get("wire") == "required", Doc: f.Tag.Get("doc"), index: f.Index}
		if i, seen := at[name]; seen {
			if len(f.Index) < depth[name] {
				out[i], depth[name] = field, len(f.Index)
			}
			continue
		}
		at[name], depth[name] = len(out), len(f.Index)
		out = append(out, field)
	}
	return out
}

// Key writes a Go name as a key: MergeCommitSHA is merge_commit_sha.
func Key(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || (i+1 < len(runes) && unicode.IsLower(runes[i+1]))) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// TypeName describes a type to people.
func TypeName(t reflect.Type) string {
	switch t {
	case timeType:
		return "time"
	case durationType:
		return `duration, like "1.5s"`
	case rawType:
		return "any"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return TypeName(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "text"
		}
		return "list of " + TypeName(t.Elem())
	case reflect.Map:
		return "map of " + TypeName(t.Elem())
	default:
		return "object"
	}
}

// Error is a value that cannot be read.
type Error struct {
	Place string // "pulls[0].title"; "" is the whole
	What  string
}

func (e *Error) Error() string {
	if e.Place == "" {
		return e.What
	}
	return e.Place + ": " + e.What
}

func wrong(place, format string, args ...any) *Error {
	return &Error{Place: place, What: fmt.Sprintf(format, args...)}
}
