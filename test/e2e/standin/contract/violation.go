package contract

import (
	"cmp"
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

// Missing is what is said of something that must be there and is not.
const Missing = "is missing"

const undocumented = "is not in the description"

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

// leaf is a violation and how much it says against the alternative that it was found in.
type leaf struct {
	Violation
	weight int // 0 when an amendment allows it
	// leftOver is the object whose property no part of a composition has. When a part failed, its properties
	// are left over as well, so this means something only where nothing else is wrong.
	leftOver string
}

// report makes the violations of one check out of a validator's error.
type report struct {
	of, where string
	tolerated tolerated
}

// violations are the leaves of the error that no amendment allows.
func (r report) violations(err *jsonschema.ValidationError) Violations {
	var out Violations
	leaves := slices.DeleteFunc(meant(r.leaves(err)), func(l leaf) bool { return l.weight == 0 })
	slices.SortFunc(leaves, func(a, b leaf) int { // the validator visits properties in no order
		return cmp.Or(strings.Compare(a.Where, b.Where), strings.Compare(a.What, b.What))
	})
	for _, l := range leaves {
		if len(out) == mostViolations {
			break
		}
		out = append(out, l.Violation)
	}
	return out
}

// leaves of alternatives are those of the one that fits best.
func (r report) leaves(err *jsonschema.ValidationError) []leaf {
	if len(err.Causes) == 0 {
		out := r.leaf(err)
		for i := range out {
			if r.tolerated.has(out[i].Violation) {
				out[i].weight = 0
			}
		}
		return out
	}
	var each [][]leaf
	for _, cause := range err.Causes {
		each = append(each, r.leaves(cause))
	}
	switch err.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		for i := range each {
			each[i] = meant(each[i])
		}
		return slices.MinFunc(each, func(a, b []leaf) int { return weight(a) - weight(b) })
	}
	return slices.Concat(each...)
}

// meant leaves out what is left over because something else is wrong.
func meant(all []leaf) []leaf {
	return slices.DeleteFunc(slices.Clone(all), func(l leaf) bool {
		return l.leftOver != "" && slices.ContainsFunc(all, func(other leaf) bool {
			return other.leftOver == "" && strings.HasPrefix(other.Where, l.leftOver+"/")
		})
	})
}

func weight(leaves []leaf) (total int) {
	for _, l := range leaves {
		total += l.weight
	}
	return total
}

func (r report) leaf(err *jsonschema.ValidationError) (out []leaf) {
	at := r.where
	below := at + " /"
	if len(err.InstanceLocation) > 0 {
		at += " /" + strings.Join(err.InstanceLocation, "/")
		below = at + "/"
	}
	switch k := err.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			out = append(out, leaf{Violation{Unknown, r.of, below + name, undocumented}, 3, ""})
		}
	case *kind.Required:
		for _, name := range k.Missing {
			out = append(out, leaf{Violation{Wrong, r.of, below + name, Missing}, 2, ""})
		}
	case *kind.FalseSchema: // of unevaluatedProperties
		out = []leaf{{Violation{Unknown, r.of, at, undocumented}, 3, at[:strings.LastIndexByte(at, '/')]}}
	case *kind.Type:
		// An alternative of another type, null above all, is not what was meant.
		out = []leaf{{Violation{Wrong, r.of, at, sentence(err.ErrorKind)}, 100, ""}}
	case *kind.Enum:
		out = []leaf{{Violation{Wrong, r.of, at, sentence(err.ErrorKind)}, 5, ""}}
		if len(k.Want) == 1 { // the one value names the alternative
			out[0].weight = 50
		}
	default:
		out = []leaf{{Violation{Wrong, r.of, at, sentence(err.ErrorKind)}, 5, ""}}
	}
	return out
}

// sentence words the errors that occur; the validator's own words need a printer for a language.
func sentence(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("is %s, not %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return fmt.Sprintf("%q is not a member of %q", fmt.Sprint(k.Got), k.Want)
	case *kind.Format:
		return fmt.Sprintf("%q is no %s: %v", fmt.Sprint(k.Got), k.Want, k.Err)
	case *kind.OneOf:
		return fmt.Sprintf("fits %d alternatives of which it may fit one", len(k.Subschemas))
	}
	return fmt.Sprintf("breaks %s: %+v", strings.Join(k.KeywordPath(), "."), k)
}
