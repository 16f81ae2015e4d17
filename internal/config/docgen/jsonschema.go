package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"reflect"
	"regexp"
	"strings"
)

// schemaID is where the schema is published.
const schemaID = "https://raw.githubusercontent.com/argo-gatekeeper/gatekeeper/main/docs/configuration.schema.json"

// durations are what time.ParseDuration reads: it is what the configuration is read with.
const durations = `^([+-]?0|[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

// object keeps the keys of a JSON object in the order in which they were put.
type object struct {
	keys   []string
	values map[string]any
}

func (o *object) put(key string, value any) *object {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, known := o.values[key]; !known {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
	return o
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(key)
		if err != nil {
			return nil, fmt.Errorf("write the schema: %w", err)
		}
		b.Write(name)
		b.WriteByte(':')
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(o.values[key]); err != nil {
			return nil, fmt.Errorf("write the schema: %w", err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonSchema renders the structs as a JSON Schema, draft 2020-12, for editors. It knows the
// shape: keys, kinds, words and durations. What the values mean together is for
// "gatekeeper config check".
func jsonSchema(decls []ast.Decl) ([]byte, error) {
	var root *object
	definitions := &object{}
	for _, decl := range decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			s, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			described, err := structSchema(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name.Name, err)
			}
			described = (&object{}).put("description", plain(gen.Doc)).with(described)
			if t.Name.Name == "File" {
				root = described
				continue
			}
			definitions.put(t.Name.Name, described)
		}
	}
	if root == nil {
		return nil, fmt.Errorf("there is no struct File")
	}
	all := (&object{}).put("$schema", "https://json-schema.org/draft/2020-12/schema").put("$id", schemaID).
		put("title", "Configuration of Gatekeeper for Argo CD").with(root).put("$defs", definitions)
	text, err := all.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// with adds the keys of another one.
func (o *object) with(more *object) *object {
	for _, key := range more.keys {
		o.put(key, more.values[key])
	}
	return o
}

// several is how the comments say that a list has entries.
var several = regexp.MustCompile(`(?i)\bat least one[.;]`)

func structSchema(s *ast.StructType) (*object, error) {
	properties, required := &object{}, []string{}
	var doc string
	for _, f := range s.Fields.List {
		if f.Doc != nil {
			doc = plain(f.Doc)
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		key := tag.Get("yaml")
		field, err := fieldSchema(f.Type, tag)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		_, list := f.Type.(*ast.ArrayType)
		if list && several.MatchString(doc) {
			field.put("minItems", 1)
		}
		if list && several.MatchString(doc) || strings.HasSuffix(doc, "Required.") || strings.Contains(doc, ". Required. ") || strings.Contains(doc, "Required: ") {
			required = append(required, key)
		}
		properties.put(key, (&object{}).put("description", doc).with(field))
	}
	out := (&object{}).put("type", "object").put("properties", properties)
	if len(required) > 0 {
		out.put("required", required)
	}
	return out.put("additionalProperties", false), nil
}

func fieldSchema(e ast.Expr, tag reflect.StructTag) (*object, error) {
	switch e := e.(type) {
	case *ast.ArrayType:
		items, err := fieldSchema(e.Elt, tag)
		if err != nil {
			return nil, err
		}
		return (&object{}).put("type", "array").put("items", items), nil
	case *ast.StarExpr:
		return fieldSchema(e.X, tag)
	case *ast.SelectorExpr:
		if e.Sel.Name != "Duration" {
			return nil, fmt.Errorf("nothing is known of the type %s", e.Sel.Name)
		}
		return (&object{}).put("type", "string").put("pattern", durations), nil
	case *ast.Ident:
		switch e.Name {
		case "string":
			out := (&object{}).put("type", "string")
			if words := tag.Get("enum"); words != "" {
				out.put("enum", strings.Split(words, ","))
			}
			return out, nil
		case "int", "int64":
			return (&object{}).put("type", "integer"), nil
		case "bool":
			return (&object{}).put("type", "boolean"), nil
		case "float64":
			return (&object{}).put("type", "number"), nil
		default:
			return (&object{}).put("$ref", "#/$defs/"+e.Name), nil
		}
	default:
		return nil, fmt.Errorf("nothing is known of the type %T", e)
	}
}

// plain is a comment as one line.
func plain(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
