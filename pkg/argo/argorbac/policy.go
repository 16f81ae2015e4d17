package argorbac

import (
	"encoding/csv"
	"regexp"
	"slices"
	"strings"

	"github.com/argoproj/argo-cd/v2/util/glob"
	"github.com/argoproj/argo-cd/v2/util/rbac"
)

// line is one line of a policy and where it is from.
type line struct {
	text   string
	source string // for people: "policy.csv", "AppProject payments", "built-in"
	fields []string
}

func (l line) grants() bool { return len(l.fields) == 6 && l.fields[0] == "p" }
func (l line) groups() bool { return len(l.fields) >= 3 && l.fields[0] == "g" }

// parse splits a policy as Argo CD does (util/rbac/rbac.go, loadPolicyLine). Lines
// that are no CSV are left to the enforcer, which refuses the whole policy.
func parse(source, policy string) []line {
	var out []line
	for text := range strings.Lines(policy) {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		r := csv.NewReader(strings.NewReader(text))
		r.TrimLeadingSpace = true
		fields, err := r.Read()
		if err != nil {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		out = append(out, line{text, source, fields})
	}
	return out
}

// roleLike says whether a name stands for a role and not for a person or a group.
func roleLike(name string) bool {
	return strings.HasPrefix(name, "role:") || strings.HasPrefix(name, "proj:")
}

// leaves are the people and groups that the lines name.
func leaves(lines []line) []string {
	var out []string
	for _, l := range lines {
		if (l.grants() || l.groups()) && !roleLike(l.fields[1]) && l.fields[1] != "" {
			out = append(out, l.fields[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reach are a name and all roles that it has, directly or through others.
func reach(lines []line, name string) []string {
	out := []string{name}
	for i := 0; i < len(out); i++ {
		for _, l := range lines {
			if l.groups() && l.fields[1] == out[i] && !slices.Contains(out, l.fields[2]) {
				out = append(out, l.fields[2])
			}
		}
	}
	return out
}

// request is one question to the enforcer.
type request struct{ resource, action, object string }

// matcher compares as the enforcer does in the given mode.
type matcher func(pattern, value string) bool

func matcherOf(mode string) matcher {
	if mode == rbac.RegexMatchMode {
		return func(pattern, value string) bool {
			matched, err := regexp.MatchString(pattern, value)
			return err == nil && matched
		}
	}
	return func(pattern, value string) bool { return glob.Match(pattern, value) }
}

// because are the lines that allow the request to one of the names, as people would
// look for them.
func because(lines []line, names []string, q request, match matcher) []line {
	var out []line
	for _, l := range lines {
		if l.grants() && l.fields[5] == "allow" && slices.Contains(names, l.fields[1]) &&
			match(l.fields[2], q.resource) && match(l.fields[3], q.action) && match(l.fields[4], q.object) {
			out = append(out, l)
		}
	}
	return out
}
