package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Marshal writes a value as indented JSON with a line end. Keys of maps are sorted.
func Marshal(v any) ([]byte, error) {
	var flat, out bytes.Buffer
	if err := write(&flat, reflect.ValueOf(v)); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	if err := json.Indent(&out, flat.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func write(b *bytes.Buffer, v reflect.Value) error {
	if !v.IsValid() {
		b.WriteString("null")
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		if x.IsZero() {
			b.WriteString("null")
			return nil
		}
		return scalar(b, x.UTC().Format(time.RFC3339Nano))
	case time.Duration:
		return scalar(b, x.String())
	case json.RawMessage:
		if len(x) == 0 {
			b.WriteString("null")
			return nil
		}
		b.Write(x)
		return nil
	case []byte:
		return scalar(b, string(x))
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return write(b, v.Elem())
	case reflect.Struct:
		return writeStruct(b, v)
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := write(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case reflect.Map:
		return writeMap(b, v)
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return scalar(b, v.Interface())
	default:
		return fmt.Errorf("type %s does not travel", v.Type())
	}
}

func writeStruct(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	for i, f := range Fields(v.Type()) {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := scalar(b, f.Name); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := write(b, f.In(v)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func writeMap(b *bytes.Buffer, v reflect.Value) error {
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("type %s does not travel", v.Type())
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := scalar(b, k.String()); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := write(b, v.MapIndex(k)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func scalar(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line end
	return nil
}
