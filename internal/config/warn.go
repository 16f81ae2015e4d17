package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// warnings are what is legal but risky about the policy at i.
func warnings(policies []approval.Policy, i int) []Warning {
	p := policies[i]
	out := []Warning{}
	add := func(code, text, remedy string) { out = append(out, Warning{Code: code, Text: text, Remedy: remedy}) }
	for _, s := range p.Applications {
		if matchesAll(s.Project) && matchesAll(s.Server) && matchesAll(s.Namespace) {
			add("every-application", "a selector matches every Application, so that all that is not in a protected repository is blocked", "name the project or the destination")
		}
	}
	for n, o := range policies {
		if n != i && overlaps(p, o) {
			add("overlap", "gate "+o.Gate+" protects some of the same Applications, and an Application of two gates is always blocked", "let each Application match one gate")
		}
	}
	for _, r := range p.Repositories {
		if len(r.Paths) == 0 {
			add("whole-repository", "every path of "+string(r.Name)+" is in scope, its documentation too", "write paths, or leave it if the repository holds nothing else")
		}
	}
	if most := mostEverywhere(p); most <= 1 {
		add("single-approval", "one approval lets a change through, so one account that is taken over does, too", "ask for approvals: 2, or for two requirements with distinctApprovers: true")
	}
	if !p.ApprovedSpec {
		add("any-spec", "the Applications' specs are not judged, so whoever may edit one deploys other parameters, or to another place, without an approval", "leave out spec: any, and run gatekeeper adopt --all")
	}
	if p.Holders.Empty() && !namesPeople(p) {
		add("nobody-holds", "holds is not given and no requirement names teams or users, so nobody can hold, release or roll back by a comment or a button; owners of code and a role alone do not count for that", "name teams or users under holds")
	}
	out = append(out, requirementWarnings(p)...)
	if !p.Exclude.Late && !p.Exclude.Unwitnessed {
		add("late-unwitnessed", "reviews after the merge count although Gatekeeper did not see them being given; for those, GitHub alone says what was reviewed", "write lateReviews: ignore, or exclude: {unwitnessed: true}")
	}
	return out
}

// namesPeople says whether a requirement names teams or users.
func namesPeople(p approval.Policy) bool {
	named := func(r approval.Requirement) bool { return len(r.Teams)+len(r.Users) > 0 }
	return slices.ContainsFunc(p.Config.Requirements, named) || p.Image != nil && slices.ContainsFunc(p.Image.Requirements, named)
}

func requirementWarnings(p approval.Policy) (out []Warning) {
	add := func(code, text, remedy string) { out = append(out, Warning{Code: code, Text: text, Remedy: remedy}) }
	for n, r := range p.Config.Requirements {
		name := r.Name
		if name == "" {
			name = "number " + strconv.Itoa(n+1)
		}
		name = "requirement " + name
		named := len(r.Teams)+len(r.Users) > 0
		if !named && !r.CodeOwners {
			add("role-alone", name+" is for everybody with the role "+r.MinimumRole+", whoever gets it", "name teams or users")
		}
		if !named && r.CodeOwners {
			add("no-stand-in", name+" leaves paths without an owner to nobody, so they can never be approved", "name teams that stand in for paths without an owner")
		}
		if len(r.Teams) == 0 && !r.CodeOwners && named && len(r.Users) == r.Approvals {
			add("nobody-spare", name+" needs all of "+strings.Join(r.Users, ", ")+": none of them can be away, or write a change", "name more people")
		}
	}
	return out
}

// mostEverywhere is how many people at least approve a change that no
// requirement with paths is about.
func mostEverywhere(p approval.Policy) int {
	sum, most := 0, 0
	for _, r := range p.Config.Requirements {
		if len(r.Paths) == 0 {
			sum, most = sum+r.Approvals, max(most, r.Approvals)
		}
	}
	if p.DistinctApprovers {
		return sum
	}
	return most
}

func matchesAll(pattern string) bool { return strings.Trim(pattern, "*") == "" }

// overlaps says whether an Application that one of the gates names could be one
// of the other, as far as the spelling of the selectors tells.
func overlaps(p, o approval.Policy) bool {
	named := func(a, b approval.Policy) bool {
		return slices.ContainsFunc(a.Applications, func(s approval.Selector) bool {
			literal := func(pattern string) string { return strings.ReplaceAll(pattern, "*", "x") }
			return b.Protects(approval.Application{
				Project: literal(s.Project), Server: literal(s.Server), DestinationNamespace: literal(s.Namespace),
			})
		})
	}
	return named(p, o) || named(o, p)
}
