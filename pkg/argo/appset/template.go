package appset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// Bounds of templates. What a template of an approved commit does was reviewed; these
// keep one that nobody understood from stopping the process.
const (
	// maxText bounds one text: a template, what it is rendered to, and what a function
	// in it takes and gives.
	maxText = 64 << 10
	// maxRendered bounds all texts of an ApplicationSet.
	maxRendered = 8 << 20
	// maxSteps bounds how often the bodies of all its loops are run.
	maxSteps = 100_000
	// maxWork bounds what all functions take, in bytes and items.
	maxWork = 4 << 20
)

// renderer fills parameters into templates, and counts what that costs.
type renderer struct {
	goTemplate bool
	options    []string

	functions template.FuncMap
	rendered  int
	steps     int
	work      int
}

// value fills parameters into every text of a JSON value, the keys of objects
// included (applicationset/utils/utils.go, deeplyReplace). Fields that are null are left
// out, as they are there.
func (r *renderer) value(v any, parameters map[string]any) (any, error) {
	switch v := v.(type) {
	case string:
		return r.text(v, parameters)
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			filled, err := r.value(item, parameters)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			items[i] = filled
		}
		return items, nil
	case map[string]any:
		filled := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if v[key] == nil {
				continue
			}
			item, err := r.value(v[key], parameters)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", shorten(key), err)
			}
			name, err := r.text(key, parameters)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", shorten(key), err)
			}
			if _, twice := filled[name]; twice {
				return nil, fmt.Errorf("two keys are both rendered to %s", shorten(name))
			}
			filled[name] = item
		}
		return filled, nil
	default:
		return v, nil
	}
}

// text fills parameters into one text (applicationset/utils/utils.go, Replace).
func (r *renderer) text(text string, parameters map[string]any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	if len(text) > maxText {
		return "", errors.New("a template is too long")
	}
	replace := simple
	if r.goTemplate {
		replace = r.execute
	}
	filled, err := replace(text, parameters)
	if err != nil {
		return "", err
	}
	if r.rendered += len(text) + len(filled); r.rendered > maxRendered || len(filled) > maxText {
		return "", errTooMuch
	}
	return filled, nil
}

// isTemplate is what Argo CD asks before it looks for parameters without Go templates.
var isTemplate = regexp.MustCompile(".*{{.*}}.*")

// simple replaces every {{name}} for which there is a text, and leaves all others.
func simple(text string, parameters map[string]any) (string, error) {
	if !isTemplate.MatchString(text) {
		return text, nil
	}
	var filled strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		filled.WriteString(before)
		if !found {
			return filled.String(), nil
		}
		tag, after, ended := strings.Cut(rest, "}}")
		if !ended {
			return "", errors.New("a {{ has no }}")
		}
		if value, ok := parameters[strings.TrimSpace(tag)].(string); ok && strings.TrimSpace(tag) != "" {
			filled.WriteString(value)
		} else {
			filled.WriteString("{{" + tag + "}}")
		}
		if filled.Len() > maxText {
			return "", errTooMuch
		}
		text = after
	}
}

var errTooMuch = errors.New("its templates give, or cost, too much")

// execute runs a Go template.
func (r *renderer) execute(text string, parameters map[string]any) (string, error) {
	if r.functions == nil {
		r.functions = functions(&r.work)
		r.functions[stepName] = r.step
	}
	program, err := template.New("").Funcs(r.functions).Parse(text)
	if err != nil {
		return "", readable(err)
	}
	if strings.Contains(text, stepName) {
		return "", fmt.Errorf("%s is not a function", stepName)
	}
	for _, t := range program.Templates() {
		if t.Name() != "" {
			return "", errNested
		}
	}
	if program.Tree == nil || program.Root == nil {
		return "", errNested
	}
	if err := counted(program.Root); err != nil {
		return "", err
	}
	program.Option(r.options...)
	out := limited{}
	if err := program.Execute(&out, parameters); err != nil {
		return "", readable(err)
	}
	return out.String(), nil
}

// stepName is the function that the body of every loop calls first.
const stepName = "gatekeeperStep"

// step counts, and stops a template that runs too long: Go has no other way to.
func (r *renderer) step() (string, error) {
	if r.steps++; r.steps > maxSteps {
		return "", errTooMuch
	}
	return "", nil
}

var errNested = errors.New("a template that defines or calls others is not followed")

// counted puts a call of step into every loop. A template that calls one could run for
// ever without any.
func counted(node parse.Node) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, item := range n.Nodes {
			if err := counted(item); err != nil {
				return err
			}
		}
		return nil
	case *parse.IfNode:
		return cmp.Or(counted(n.List), counted(n.ElseList))
	case *parse.WithNode:
		return cmp.Or(counted(n.List), counted(n.ElseList))
	case *parse.RangeNode:
		if err := cmp.Or(counted(n.List), counted(n.ElseList)); err != nil {
			return err
		}
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, stepNode())
		return nil
	case *parse.TemplateNode:
		return errNested
	default:
		return nil
	}
}

func stepNode() parse.Node {
	trees, err := parse.Parse("", "{{"+stepName+"}}", "", "", map[string]any{stepName: func() {}})
	if err != nil {
		panic(err) // a constant
	}
	return trees[""].Root.Nodes[0]
}

// limited takes so much and no more, so that a template that writes for ever ends.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, errTooMuch
	}
	n, err := l.Buffer.Write(p)
	if err != nil {
		return n, fmt.Errorf("keep what a template gives: %w", err)
	}
	return n, nil
}

var undefined = regexp.MustCompile(`function "([^"]*)" not defined`)

// readable keeps of a template's error the cause: what is around it is the template.
func readable(err error) error {
	if errors.Is(err, errTooMuch) {
		return errTooMuch
	}
	if name := undefined.FindStringSubmatch(err.Error()); name != nil {
		return fmt.Errorf("the template function %s is not followed", shorten(name[1]))
	}
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return errors.New("a template fails: " + shorten(strings.TrimPrefix(err.Error(), "template: ")))
}
