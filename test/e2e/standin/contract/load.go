package contract

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

//go:embed api.json
var apiJSON []byte

//go:embed webhooks.json
var webhooksJSON []byte

// Source is the published package that a description was cut from.
type Source struct {
	Package string `json:"package"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Licence string `json:"licence"`
}

// parameter is a path, query or header parameter of an operation.
type parameter struct {
	Ref      string         `json:"$ref"`
	Name     string         `json:"name"`
	In       string         `json:"in"`
	Required bool           `json:"required"`
	Schema   map[string]any `json:"schema"`
}

type content map[string]struct {
	Schema map[string]any `json:"schema"`
}

type response struct {
	Ref     string  `json:"$ref"`
	Content content `json:"content"`
}

type operationJSON struct {
	Parameters  []parameter `json:"parameters"`
	RequestBody *struct {
		Required bool    `json:"required"`
		Content  content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]response `json:"responses"`
}

// description is one of the two files. Schemas stay text until they are compiled: most runs need few.
type description struct {
	Source     Source                              `json:"source"`
	Headers    []parameter                         `json:"headers"`
	Paths      map[string]map[string]operationJSON `json:"paths"`
	Webhooks   map[string]map[string]operationJSON `json:"webhooks"`
	Components struct {
		Parameters map[string]parameter       `json:"parameters"`
		Responses  map[string]response        `json:"responses"`
		Schemas    map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

// published are both descriptions, ready for use; it is immutable but for the schemas compiled so far.
type published struct {
	api, hooks description
	operations []*Operation
	byShape    map[string]*Operation // by method and path without the names of parameters
	events     map[string]*schema    // by operation ID, "pull-request/opened"
	compiler   *compiler
	otherError *schema // of statuses that are not documented
}

// load is shared by all Checkers of a process: the descriptions cannot change, and compiling a schema
// again for each of a test's many stand-ins would cost more than the test.
var load = sync.OnceValues(read)

func read() (*published, error) {
	p := &published{byShape: map[string]*Operation{}, events: map[string]*schema{}}
	for name, file := range map[string]struct {
		text []byte
		into *description
	}{"api.json": {apiJSON, &p.api}, "webhooks.json": {webhooksJSON, &p.hooks}} {
		if err := json.Unmarshal(file.text, file.into); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	var err error
	if p.compiler, err = newCompiler(p); err != nil {
		return nil, err
	}
	p.otherError = p.compiler.schema("api", map[string]any{"anyOf": errorShapes()})
	for path, methods := range p.api.Paths {
		for method, o := range methods {
			operation, err := p.operation(strings.ToUpper(method), path, o)
			if err != nil {
				return nil, fmt.Errorf("read %s %s: %w", method, path, err)
			}
			p.operations = append(p.operations, operation)
			p.byShape[shape(operation.Method, path)] = operation
		}
	}
	for id, hook := range p.hooks.Webhooks {
		post, ok := hook["post"]
		if !ok || post.RequestBody == nil {
			return nil, fmt.Errorf("read event %s: it has no payload", id)
		}
		p.events[id] = p.compiler.schema("webhooks", post.RequestBody.Content["application/json"].Schema)
	}
	return p, nil
}

// operation resolves the references of an operation and prepares its schemas.
func (p *published) operation(method, path string, from operationJSON) (*Operation, error) {
	o := &Operation{Method: method, Path: path, query: map[string]*schema{}, answers: map[string]*answer{}, names: names(path)}
	if err := o.addPath(path); err != nil {
		return nil, err
	}
	for _, param := range from.Parameters {
		if param.Ref != "" {
			found, ok := p.api.Components.Parameters[base(param.Ref)]
			if !ok {
				return nil, fmt.Errorf("no parameter %s", param.Ref)
			}
			param = found
		}
		switch param.In {
		case "query":
			o.query[param.Name] = p.compiler.schema("api", param.Schema)
			if param.Required {
				o.required = append(o.required, param.Name)
			}
		case "path":
			o.params = append(o.params, pathParam{param.Name, p.compiler.schema("api", param.Schema)})
		}
	}
	if b := from.RequestBody; b != nil {
		o.takesBody, o.needsBody = true, b.Required
		o.body = p.compiler.schema("api", b.Content["application/json"].Schema)
	}
	for status, r := range from.Responses {
		if r.Ref != "" {
			found, ok := p.api.Components.Responses[base(r.Ref)]
			if !ok {
				return nil, fmt.Errorf("no response %s", r.Ref)
			}
			r = found
		}
		o.answers[status] = p.answer(status, r)
	}
	o.otherError = p.otherError
	return o, nil
}

// errorShapes are the bodies that GitHub sends with errors, documented at the endpoint or not.
func errorShapes() []any {
	var out []any
	for _, name := range []string{"basic-error", "validation-error", "validation-error-simple"} {
		out = append(out, map[string]any{"$ref": "#/components/schemas/" + name})
	}
	return out
}

func (p *published) answer(status string, r response) *answer {
	a := &answer{documented: len(r.Content) > 0}
	for mediaType := range r.Content {
		a.media = append(a.media, mediaType)
	}
	json := r.Content["application/json"]
	if object, ok := r.Content["application/vnd.github.object"]; ok { // sent as application/json, too
		json.Schema = map[string]any{"anyOf": []any{json.Schema, object.Schema}}
	}
	switch {
	case strings.HasPrefix(status, "4"):
		alternatives := errorShapes()
		if json.Schema != nil {
			alternatives = append(alternatives, json.Schema)
		}
		a.documented = true
		a.body = p.compiler.schema("api", map[string]any{"anyOf": alternatives})
	case json.Schema != nil:
		a.body = p.compiler.schema("api", json.Schema)
	}
	return a
}

// base is the name at the end of a reference.
func base(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
