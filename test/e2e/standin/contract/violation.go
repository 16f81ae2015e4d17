package contract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Kind says what a violation means.
type Kind string

// The kinds of violations.
const (
	// Wrong contradicts the description: a type, a missing field, a value, a status.
	Wrong Kind = "wrong"
	// Unknown is not in the description: a field or a query parameter. GitHub ignores unknown query
	// parameters, and refuses unknown fields at some endpoints only.
	Unknown Kind = "unknown"
	// Unchecked could not be compared with the description.
	Unchecked Kind = "unchecked"
)

// Violation is one difference from the description.
type Violation struct {
	Kind Kind
	// Of is what was checked: "GET /repos/{owner}/{repo}", or "event push".
	Of string
	// Where is the place: "body /pull_request/user", "query state", "path pull_number", "status 418".
	Where string
	What  string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: %s (%s)", v.Of, v.Where, v.What, v.Kind)
}

// Violations is the error of every check; errors.As finds it. It is never empty.
type Violations []Violation

func (v Violations) Error() string {
	lines := make([]string, len(v))
	for i, one := range v {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// err keeps an empty list from becoming an error that is not nil.
func (v Violations) err() error {
	if len(v) == 0 {
		return nil
	}
	return v
}

// mostViolations bounds what one check reports.
const mostViolations = 20

// violations are the leaves of a validator's error. Of alternatives, the one that fits best is reported.
func violations(of, where string, err *jsonschema.ValidationError) Violations {
	var out Violations
	for _, leaf := range leaves(err) {
		if len(out) == mostViolations {
			break
		}
		at := where + " /" + strings.Join(leaf.InstanceLocation, "/")
		switch k := leaf.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			for _, name := range k.Properties {
				out = append(out, Violation{Unknown, of, strings.TrimSuffix(at, "/") + "/" + name, "is not in the description"})
			}
		case *kind.FalseSchema: // of unevaluatedProperties
			out = append(out, Violation{Unknown, of, at, "is not in the description"})
		default:
			out = append(out, Violation{Wrong, of, at, sentence(leaf.ErrorKind)})
		}
	}
	return out
}

func leaves(err *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(err.Causes) == 0 {
		return []*jsonschema.ValidationError{err}
	}
	var each [][]*jsonschema.ValidationError
	for _, cause := range err.Causes {
		each = append(each, leaves(cause))
	}
	switch err.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		return slices.MinFunc(each, func(a, b []*jsonschema.ValidationError) int { return distance(a) - distance(b) })
	}
	return slices.Concat(each...)
}

// distance orders alternatives: one that fails at its root, by being another type, says the least.
func distance(found []*jsonschema.ValidationError) int {
	n := 0
	for _, leaf := range found {
		n++
		if k, ok := leaf.ErrorKind.(*kind.Type); ok && slices.Equal(k.Want, []string{"null"}) {
			n += 1000
		}
		if k, ok := leaf.ErrorKind.(*kind.Required); ok {
			n += len(k.Missing)
		}
		if k, ok := leaf.ErrorKind.(*kind.AdditionalProperties); ok {
			n += len(k.Properties)
		}
	}
	return n
}

// sentence words the errors that occur; the validator's own words need a printer for a language.
func sentence(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("is %s, not %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Required:
		return fmt.Sprintf("lacks %s", strings.Join(k.Missing, ", "))
	case *kind.Enum:
		return fmt.Sprintf("is %q, not one of %v", fmt.Sprint(k.Got), k.Want)
	case *kind.Format:
		return fmt.Sprintf("%q is no %s: %v", fmt.Sprint(k.Got), k.Want, k.Err)
	case *kind.OneOf:
		return fmt.Sprintf("fits %d alternatives of which it may fit one", len(k.Subschemas))
	}
	return fmt.Sprintf("breaks %s: %+v", strings.Join(k.KeywordPath(), "."), k)
}
