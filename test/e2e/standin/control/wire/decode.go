package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and lists may nest.
const maxDepth = 32

// reader reads one JSON text.
type reader struct {
	dec  *json.Decoder
	open bool // keys that are not known are skipped
}

// Unmarshal reads a JSON value strictly into the struct, list or map that into points to.
func Unmarshal(data []byte, into any) error { return unmarshal(data, into, false) }

// UnmarshalOpen is Unmarshal for answers of another version: keys that are not known are skipped.
func UnmarshalOpen(data []byte, into any) error { return unmarshal(data, into, true) }

func unmarshal(data []byte, into any, open bool) error {
	if !utf8.Valid(data) {
		return wrong("", "the text is not UTF-8")
	}
	r := &reader{dec: json.NewDecoder(bytes.NewReader(data)), open: open}
	r.dec.UseNumber()
	if err := r.value("", reflect.ValueOf(into).Elem(), 0); err != nil {
		return err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return wrong("", "something follows the value")
	}
	return nil
}

func (r *reader) token(place string) (json.Token, error) {
	t, err := r.dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, wrong(place, "the JSON ends too early")
	}
	if err != nil {
		return nil, wrong(place, "not JSON: %s", strings.TrimPrefix(err.Error(), "invalid character "))
	}
	return t, nil
}

func (r *reader) value(place string, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return wrong(place, "nested deeper than %d", maxDepth)
	}
	if v.Type() == rawType {
		var raw json.RawMessage
		if err := r.dec.Decode(&raw); err != nil {
			return wrong(place, "not JSON: %v", err)
		}
		v.SetBytes(raw)
		return nil
	}
	t, err := r.token(place)
	if err != nil {
		return err
	}
	return r.take(place, t, v, depth)
}

// take stores a value whose first token was read.
func (r *reader) take(place string, t json.Token, v reflect.Value, depth int) error {
	if t == nil {
		switch {
		case v.Kind() == reflect.Pointer || v.Type() == timeType || (r.open && (v.Kind() == reflect.Slice || v.Kind() == reflect.Map)):
			v.SetZero()
			return nil
		default:
			return wrong(place, "null where %s is needed; leave the key out instead", TypeName(v.Type()))
		}
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return r.take(place, t, v.Elem(), depth)
	}
	switch x := t.(type) {
	case json.Delim:
		switch {
		case x == '{' && v.Kind() == reflect.Struct && v.Type() != timeType:
			return r.object(place, v, depth)
		case x == '{' && v.Kind() == reflect.Map:
			return r.dictionary(place, v, depth)
		case x == '[' && v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
			return r.list(place, v, depth)
		case x == '{':
			return wrong(place, "an object where %s is needed", TypeName(v.Type()))
		default:
			return wrong(place, "a list where %s is needed", TypeName(v.Type()))
		}
	case string:
		return SetText(place, v, x, false)
	case json.Number:
		return number(place, v, x.String())
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(x)
			return nil
		}
	}
	return wrong(place, "%v where %s is needed", t, TypeName(v.Type()))
}

func number(place string, v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		return wrong(place, `a number where a duration is needed: write it with a unit, like "1.5s"`)
	case v.Kind() == reflect.Int || v.Kind() == reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return wrong(place, "%s is not a whole number, or too large", text)
		}
		v.SetInt(n)
		return nil
	case v.Kind() == reflect.String:
		return wrong(place, "the number %s where text is needed: put it in quotes", text)
	}
	return wrong(place, "the number %s where %s is needed", text, TypeName(v.Type()))
}

// SetText stores a text. From an address (loose) it may also be a number, or true or false.
func SetText(place string, v reflect.Value, text string, loose bool) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return wrong(place, `%q is not a duration: write it like "500ms", "13s" or "2m"`, text)
		}
		v.SetInt(int64(d))
		return nil
	case v.Type() == timeType:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return wrong(place, `%q is not a time: write it like "2026-11-21T09:00:00Z"`, text)
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(text))
		return nil
	case loose && v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return wrong(place, "%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
		return nil
	case loose:
		return number(place, v, text)
	}
	return wrong(place, "the text %q where %s is needed", text, TypeName(v.Type()))
}

func (r *reader) object(place string, v reflect.Value, depth int) error {
	fields := Fields(v.Type())
	known := map[string]Field{}
	names := make([]string, len(fields))
	for i, f := range fields {
		known[f.Name], names[i] = f, f.Name
	}
	seen := map[string]bool{}
	for r.dec.More() {
		name, err := r.key(place, seen)
		if err != nil {
			return err
		}
		f, ok := known[name]
		if !ok && !r.open {
			return wrong(join(place, name), "unknown key; the keys here are: %s", strings.Join(names, ", "))
		}
		if !ok {
			var skip json.RawMessage
			if err := r.dec.Decode(&skip); err != nil {
				return wrong(join(place, name), "not JSON: %v", err)
			}
			continue
		}
		if err := r.value(join(place, name), f.In(v), depth+1); err != nil {
			return err
		}
	}
	if _, err := r.token(place); err != nil {
		return err
	}
	for _, f := range fields {
		if f.Required && !seen[f.Name] && !r.open {
			return wrong(join(place, f.Name), "is needed%s", describe(f))
		}
	}
	return nil
}

func describe(f Field) string {
	if f.Doc == "" {
		return ": " + TypeName(f.Type)
	}
	return ": " + f.Doc
}

func (r *reader) key(place string, seen map[string]bool) (string, error) {
	t, err := r.token(place)
	if err != nil {
		return "", err
	}
	name, ok := t.(string)
	if !ok {
		return "", wrong(place, "a key is needed")
	}
	if seen[name] {
		return "", wrong(join(place, name), "the key appears twice")
	}
	seen[name] = true
	return name, nil
}

func (r *reader) dictionary(place string, v reflect.Value, depth int) error {
	out := reflect.MakeMap(v.Type())
	seen := map[string]bool{}
	for r.dec.More() {
		name, err := r.key(place, seen)
		if err != nil {
			return err
		}
		one := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(join(place, name), one, depth+1); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(name), one)
	}
	v.Set(out)
	_, err := r.token(place)
	return err
}

func (r *reader) list(place string, v reflect.Value, depth int) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i := 0; r.dec.More(); i++ {
		one := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(fmt.Sprintf("%s[%d]", place, i), one, depth+1); err != nil {
			return err
		}
		v.Set(reflect.Append(v, one))
	}
	_, err := r.token(place)
	return err
}

func join(place, key string) string {
	if place == "" {
		return key
	}
	return place + "." + key
}
