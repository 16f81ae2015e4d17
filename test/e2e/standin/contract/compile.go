package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// scheme begins the addresses of schemas: contract:///api/strict/pull-request is a component,
// contract:///api/inline/7 the schema of one body.
const scheme = "contract:///"

// compiler turns published schemas into validators, one at a time.
type compiler struct {
	mu     sync.Mutex
	lib    *jsonschema.Compiler
	inline int

	tolerated tolerated
}

// schema is a validator that is compiled when it is first used.
type schema struct {
	compile   func() (*jsonschema.Schema, error)
	tolerated tolerated
}

func newCompiler(p *published) (*compiler, error) {
	c := &compiler{lib: jsonschema.NewCompiler()}
	var err error
	if c.tolerated, err = newTolerated(); err != nil {
		return nil, fmt.Errorf("read amendments: %w", err)
	}
	c.lib.DefaultDraft(jsonschema.Draft2020)
	c.lib.AssertFormat()
	// RFC 6570 templates are not what the library takes for a uri-template; GitHub uses {/name} and {?a,b}.
	c.lib.RegisterFormat(&jsonschema.Format{Name: "uri-template", Validate: validTemplate})
	// The addresses of Apps, 1007+app[bot]@users.noreply.github.com, have brackets, which RFC 5321 forbids.
	c.lib.RegisterFormat(&jsonschema.Format{Name: "email", Validate: validEmail})
	c.lib.UseLoader(components{p})
	return c, nil
}

// schema prepares an inline schema of a document; a nil node accepts everything.
func (c *compiler) schema(document string, node map[string]any) *schema {
	if node == nil {
		node = map[string]any{}
	}
	c.mu.Lock()
	c.inline++
	address := scheme + document + "/inline/" + strconv.Itoa(c.inline)
	c.mu.Unlock()
	return &schema{tolerated: c.tolerated, compile: sync.OnceValues(func() (*jsonschema.Schema, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.lib.AddResource(address, convert(document, node, false)); err != nil {
			return nil, fmt.Errorf("add schema: %w", err)
		}
		compiled, err := c.lib.Compile(address)
		if err != nil {
			return nil, fmt.Errorf("compile schema: %w", err)
		}
		return compiled, nil
	})}
}

// check compares a decoded value with the schema.
func (s *schema) check(of, where string, value any) Violations {
	compiled, err := s.compile()
	if err != nil {
		return Violations{{Unchecked, of, where, err.Error()}}
	}
	err = compiled.Validate(value)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return report{of, where, s.tolerated}.violations(wrong)
	}
	return Violations{{Unchecked, of, where, err.Error()}}
}

// decode reads one JSON value. Numbers keep their digits.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something follows the JSON value")
	}
	return value, nil
}

// components loads contract:///DOCUMENT/strict/NAME and contract:///DOCUMENT/loose/NAME.
type components struct{ p *published }

// Load implements jsonschema.URLLoader. Nothing is read from anywhere else.
func (l components) Load(address string) (any, error) {
	rest, ok := strings.CutPrefix(address, scheme)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 {
		return nil, fmt.Errorf("%q is no schema", address)
	}
	from := &l.p.api
	if parts[0] == "webhooks" {
		from = &l.p.hooks
	}
	text, ok := from.Components.Schemas[parts[2]]
	if !ok {
		return nil, fmt.Errorf("there is no schema %q", address)
	}
	node, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read schema %q: %w", address, err)
	}
	object, ok := node.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("schema %q is no object", address)
	}
	return convert(parts[0], object, parts[1] == "loose"), nil
}

// convert turns an OpenAPI schema into JSON Schema 2020-12: nullable becomes a type, references point to
// strict or loose components, and objects with listed properties take no others. A loose schema is part
// of a composition, whose whole says what is unknown.
func convert(document string, node map[string]any, loose bool) map[string]any {
	out := map[string]any{}
	has := func(key string) bool { _, ok := node[key]; return ok }
	own := has("properties") || has("allOf") || (has("anyOf") && has("oneOf"))
	each := func(list any, loose bool) []any {
		var out []any
		all, _ := list.([]any)
		for _, child := range all {
			object, _ := child.(map[string]any)
			out = append(out, convert(document, object, loose))
		}
		return out
	}
	for k, v := range node {
		switch k {
		case "nullable", "x-multi-segment":
		case "$ref":
			ref, _ := v.(string)
			view := "/strict/"
			if loose {
				view = "/loose/"
			}
			out[k] = scheme + document + view + base(ref)
		case "properties":
			properties := map[string]any{}
			of, _ := v.(map[string]any)
			for name, child := range of {
				object, _ := child.(map[string]any)
				properties[name] = convert(document, object, false)
			}
			out[k] = properties
		case "items", "additionalProperties", "not":
			out[k] = v
			if object, ok := v.(map[string]any); ok {
				out[k] = convert(document, object, false)
			}
		case "allOf":
			out[k] = each(v, true)
		case "anyOf", "oneOf":
			out[k] = each(v, loose || own)
		default:
			out[k] = v
		}
	}
	if !loose && !has("additionalProperties") {
		switch {
		case has("allOf") || (own && (has("anyOf") || has("oneOf"))):
			out["unevaluatedProperties"] = false
		case has("properties"):
			out["additionalProperties"] = false
		}
	}
	if node["nullable"] == true {
		return orNull(out)
	}
	return out
}

// orNull is a schema that takes null, too.
func orNull(node map[string]any) map[string]any {
	name, ok := node["type"].(string)
	_, ref := node["$ref"]
	_, all := node["allOf"]
	_, any1 := node["anyOf"]
	_, one := node["oneOf"]
	if !ok || ref || all || any1 || one {
		return map[string]any{"anyOf": []any{node, map[string]any{"type": "null"}}}
	}
	node["type"] = []any{name, "null"}
	if enum, ok := node["enum"].([]any); ok {
		node["enum"] = append(append([]any{}, enum...), nil)
	}
	return node
}

// validEmail takes an address as git writes them.
func validEmail(value any) error {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	if name, host, _ := strings.Cut(text, "@"); name == "" || host == "" || strings.ContainsAny(text, " <>\t\r\n") {
		return errors.New("name@host is wanted")
	}
	return nil
}

// validTemplate takes an address with balanced braces.
func validTemplate(value any) error {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	open := false
	for _, r := range text {
		switch {
		case r == '{' && open, r == '}' && !open, r <= ' ':
			return fmt.Errorf("%q is no place for %q", text, r)
		case r == '{', r == '}':
			open = !open
		}
	}
	if open || !strings.Contains(text, "://") {
		return fmt.Errorf("%q is no template of an address", text)
	}
	return nil
}
