// Package appname derives the name of one Application from that of another, for
// example that of the stage in which an image has to be proven first:
//
//	from "{{ .Service }}-prod"   payments-prod  ──► .Service is "payments"
//	to   "{{ .Service }}-stage"                 ──► payments-stage
//
// The templates are in the syntax of Go's text/template and can do nothing but name
// a field: no functions, no conditions, no loops. They are never executed as
// templates, so nothing in them can take long or fail later.
package appname

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"
)

// Bounds of Kubernetes: an Application's name is a DNS subdomain, a namespace a DNS
// label (RFC 1123).
const (
	maxName  = 253
	maxLabel = 63
	// maxTemplate bounds a template in bytes.
	maxTemplate = 512
)

var (
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

// ErrNoMatch says that an Application's name is not of the form that services are
// read from.
var ErrNoMatch = errors.New("its name is not of that form")

// The fields of a template.
const (
	fieldService     = "Service"
	fieldApplication = "Application"
)

// Rule says which Application stands for another one.
type Rule struct {
	// From has {{ .Service }} exactly once, and is the form of the names that have a
	// counterpart. Empty if To does not speak of the service.
	From string
	// To is the name of the counterpart, of {{ .Service }} and {{ .Application }},
	// the whole name of the first Application.
	To string
	// Namespace is that of the counterpart. Empty means the same.
	Namespace string
}

// Namer derives names. The zero Namer derives none; it is safe for concurrent use.
type Namer struct {
	rule   Rule
	prefix string
	suffix string
	to     []part
}

// part is either text or a field.
type part struct{ text, field string }

// New checks a rule.
func New(rule Rule) (*Namer, error) {
	n := &Namer{rule: rule}
	if rule.Namespace != "" && (len(rule.Namespace) > maxLabel || !label.MatchString(rule.Namespace)) {
		return nil, fmt.Errorf("the namespace %q is not a name of Kubernetes", rule.Namespace)
	}
	if rule.From != "" {
		from, err := parseTemplate(rule.From, fieldService)
		if err != nil {
			return nil, fmt.Errorf("the form of the service's name: %w", err)
		}
		if err := n.split(from); err != nil {
			return nil, fmt.Errorf("the form of the service's name: %w", err)
		}
	}
	fields := []string{fieldApplication}
	if rule.From != "" {
		fields = append(fields, fieldService)
	}
	var err error
	if n.to, err = parseTemplate(rule.To, fields...); err != nil {
		return nil, fmt.Errorf("the name of the other Application: %w", err)
	}
	// Whatever is not a name with the shortest fields is none with any.
	if name := n.render("a", "a"); !validName(name) {
		return nil, fmt.Errorf("the name of the other Application: %q would not be a name of Kubernetes", name)
	}
	return n, nil
}

// split takes the form apart: what stands before the service and what after it.
func (n *Namer) split(from []part) error {
	seen := false
	for _, p := range from {
		switch {
		case p.field != "" && seen:
			return errors.New("{{ .Service }} is in it more than once")
		case p.field != "":
			seen = true
		case seen:
			n.suffix += p.text
		default:
			n.prefix += p.text
		}
	}
	if !seen {
		return errors.New("{{ .Service }} is not in it")
	}
	return nil
}

// Name returns the counterpart of an Application. An error wraps ErrNoMatch if the
// Application's name does not tell its service.
func (n *Namer) Name(namespace, application string) (otherNamespace, other string, err error) {
	if n == nil || len(n.to) == 0 {
		return "", "", errors.New("name another Application: there is no rule")
	}
	service := ""
	if n.rule.From != "" {
		rest, before := strings.CutPrefix(application, n.prefix)
		rest, after := strings.CutSuffix(rest, n.suffix)
		if !before || !after || rest == "" {
			return "", "", fmt.Errorf("read the service of %q by %q: %w", application, n.rule.From, ErrNoMatch)
		}
		service = rest
	}
	otherNamespace, other = namespace, n.render(service, application)
	if n.rule.Namespace != "" {
		otherNamespace = n.rule.Namespace
	}
	if !validName(other) || !label.MatchString(otherNamespace) || len(otherNamespace) > maxLabel {
		return "", "", fmt.Errorf("name another Application for %q: %q in %q is not a name of Kubernetes", application, other, otherNamespace)
	}
	if otherNamespace == namespace && other == application {
		return "", "", fmt.Errorf("name another Application for %q: it is the same one", application)
	}
	return otherNamespace, other, nil
}

func (n *Namer) render(service, application string) string {
	var name strings.Builder
	for _, p := range n.to {
		switch p.field {
		case fieldService:
			name.WriteString(service)
		case fieldApplication:
			name.WriteString(application)
		default:
			name.WriteString(p.text)
		}
	}
	return name.String()
}

func validName(name string) bool { return len(name) <= maxName && subdomain.MatchString(name) }

// parseTemplate accepts text and the given fields.
func parseTemplate(text string, fields ...string) ([]part, error) {
	if text == "" {
		return nil, errors.New("it is empty")
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("it is longer than %d bytes", maxTemplate)
	}
	trees, err := parse.Parse("name", text, "", "", map[string]any{})
	if err != nil {
		return nil, fmt.Errorf("it is not a template: %w", err)
	}
	tree := trees["name"]
	if len(trees) != 1 || tree == nil || tree.Root == nil {
		return nil, errors.New("it defines other templates")
	}
	var parts []part
	for _, node := range tree.Root.Nodes {
		switch node := node.(type) {
		case *parse.TextNode:
			parts = append(parts, part{text: string(node.Text)})
		case *parse.ActionNode:
			field, ok := fieldOf(node)
			if !ok || !slices.Contains(fields, field) {
				return nil, fmt.Errorf("%s is not one of {{ .%s }}", node, strings.Join(fields, " }}, {{ ."))
			}
			parts = append(parts, part{field: field})
		default:
			return nil, fmt.Errorf("%s does more than name a field", node)
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("it is empty")
	}
	return parts, nil
}

// fieldOf accepts {{ .Field }} alone: no variable, no pipe, no argument, no chain.
func fieldOf(node *parse.ActionNode) (string, bool) {
	pipe := node.Pipe
	if pipe == nil || len(pipe.Decl) != 0 || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return "", false
	}
	field, ok := pipe.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok || len(field.Ident) != 1 {
		return "", false
	}
	return field.Ident[0], true
}
