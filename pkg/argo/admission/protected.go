package admission

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// The in-cluster destination by its two names, as in package argo.
const (
	inClusterName   = "in-cluster"
	inClusterServer = "https://kubernetes.default.svc"
)

// selects is a CEL expression that says whether one of the selectors matches the
// Application that the expression object yields, which must not be null. It agrees
// with approval.Policy.Protects on the facts that argo.Parser reads.
//
// With certain, what is not known is no match; without, it is one.
func selects(selectors []approval.Selector, object string, certain bool) string {
	var any []string
	for _, s := range selectors {
		var all []string
		if s.Project != "" {
			all = append(all, matches("d.project", s.Project, false))
		}
		if s.Server != "" {
			all = append(all, known("d.server", matches("d.server", s.Server, true), certain))
		}
		if s.Namespace != "" {
			all = append(all, known("d.namespace", matches("d.namespace", s.Namespace, false), certain))
		}
		if len(all) == 0 {
			return "true"
		}
		any = append(any, "("+strings.Join(all, " && ")+")")
	}
	if len(any) == 0 {
		return "false"
	}
	return strings.NewReplacer("$object", object, "$any", strings.Join(any, " || "),
		"$name", strconv.Quote(inClusterName), "$local", strconv.Quote(inClusterServer)).Replace(destination)
}

// destination puts what selectors look at under the name d. A server and a name at once
// or neither, or another name than in-cluster, leave the server unknown (empty). Slashes
// at the end of a server mean nothing.
const destination = `[$object].exists(o, [{"project": o.?spec.?project.orValue(""), "namespace": o.?spec.?destination.?namespace.orValue(""), ` +
	`"server": o.?spec.?destination.?server.orValue(""), "name": o.?spec.?destination.?name.orValue("")}].map(d, {` +
	`"project": d.project == "" ? "default" : d.project, "namespace": d.namespace, ` +
	`"server": d.server.matches("[^/]") ? (d.name == "" ? d.server : "") : (d.name == $name ? $local : "")}).exists(d, $any))`

func known(value, expression string, certain bool) string {
	if certain {
		return "(" + value + ` != "" && ` + expression + ")"
	}
	return "(" + value + ` == "" || ` + expression + ")"
}

// matches is a CEL expression for a pattern in which "*" stands for any run of
// characters. With slashes, the value is taken without the slashes at its end.
func matches(value, pattern string, slashes bool) string {
	if !strings.Contains(pattern, "*") && !slashes {
		return value + " == " + strconv.Quote(pattern)
	}
	return value + ".matches(" + strconv.Quote(expression(pattern, slashes)) + ")"
}

func expression(pattern string, slashes bool) string {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	if !slashes {
		return "(?s)^" + strings.Join(parts, ".*") + "$"
	}
	if last := len(parts) - 1; last > 0 && parts[last] == "" {
		text := "(?s)^" + strings.Join(parts[:last], ".*")
		if strings.HasSuffix(strings.TrimRight(pattern, "*"), "/") {
			// The value without its last slashes never ends in one, so the "*" at the end
			// stands for something more.
			return text + ".*[^/]/*$"
		}
		return text + ".*$"
	}
	if strings.HasSuffix(pattern, "/") {
		return "[^\\s\\S]" // matches nothing
	}
	return "(?s)^" + strings.Join(parts, ".*") + "/*$"
}
