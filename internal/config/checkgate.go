package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// gateRules checks what a gate says beside its quorum, and whether the whole can
// be fulfilled.
func (c *checker) gateRules(g Gate, n *yaml.Node, p *approval.Policy) {
	p.DistinctApprovers = g.DistinctApprovers
	for i, check := range g.Checks {
		at := at(n, "checks", i)
		switch {
		case check.Name == "":
			c.add(at, "this check has no name; write the name that GitHub shows on the pull request")
		case check.AppID <= 0:
			c.add(at, "check %q has no appID, so anybody who may push could write it; write the number of the App, 15368 for GitHub Actions", check.Name)
		case slices.Contains(p.Checks, approval.RequiredCheck{Name: check.Name, AppID: check.AppID}):
			c.add(at, "check %q is listed twice", check.Name)
		}
		p.Checks = append(p.Checks, approval.RequiredCheck{Name: check.Name, AppID: check.AppID})
	}
	excluded := c.named(People{g.Exclude.Groups, g.Exclude.Teams, g.Exclude.Users}, at(n, "exclude"))
	p.Exclude = approval.Exclusions{
		Teams: excluded.teams, Users: excluded.users,
		Pushers: g.Exclude.Pushers, Rerequested: g.Exclude.Rerequested, Unwitnessed: g.Exclude.Unwitnessed,
	}
	switch g.LateReviews {
	case "", "count":
	case "ignore":
		p.Exclude.Late = true
	default:
		c.add(at(n, "lateReviews"), "lateReviews %q is none of count, ignore", g.LateReviews)
	}
	switch g.Veto.Who {
	case "", "approvers":
	case "writers":
		p.Veto.Writers = true
	default:
		c.add(at(n, "veto", "who"), "veto.who %q is none of approvers, writers", g.Veto.Who)
	}
	switch g.Spec {
	case "", "adopted":
		p.ApprovedSpec = true
	case "any":
	default:
		c.add(at(n, "spec"), "spec %q is none of adopted, any", g.Spec)
		p.ApprovedSpec = true
	}
	dismissers := c.named(g.Veto.DismissedBy, at(n, "veto", "dismissedBy"))
	p.Veto.DismissTeams, p.Veto.DismissUsers = dismissers.teams, dismissers.users
	p.Sync = c.syncRules(g.Sync, at(n, "sync"))
	c.operate(g, n, p)
	c.pulls(g, n)
	c.reachable(g, n, p)
}

// reachable refuses a gate whose quorum nobody can ever meet, as far as the file
// alone tells.
func (c *checker) reachable(g Gate, n *yaml.Node, p *approval.Policy) {
	if len(p.Config.Requirements) > 0 && !slices.ContainsFunc(p.Config.Requirements, func(r approval.Requirement) bool { return len(r.Paths) == 0 }) {
		c.add(at(n, "config", "requirements"), "every requirement of gate %q is limited to paths, so other changes in its scope could never be approved; add one without paths", g.Name)
	}
	fixed, known := 0, true
	people := map[string]bool{}
	for i, r := range p.Config.Requirements {
		left := 0
		for _, u := range r.Users {
			people[strings.ToLower(u)] = true
			if !slices.ContainsFunc(p.Exclude.Users, func(x string) bool { return strings.EqualFold(x, u) }) {
				left++
			}
		}
		allTeams := !slices.ContainsFunc(r.Teams, func(t approval.TeamName) bool {
			return !slices.ContainsFunc(p.Exclude.Teams, func(x approval.TeamName) bool { return strings.EqualFold(string(x), string(t)) })
		})
		named := len(r.Teams)+len(r.Users) > 0 && !r.CodeOwners
		if named && allTeams && left < r.Approvals && (len(r.Teams) > 0 || left < len(r.Users)) {
			c.add(at(n, "config", "requirements", i), "those who are left after exclude cannot give %d approvals; name more people or exclude fewer", r.Approvals)
		}
		if len(r.Paths) == 0 {
			fixed += r.Approvals
		}
		known = known && named && len(r.Teams) == 0
	}
	if p.DistinctApprovers && known && fixed > len(people) {
		c.add(at(n, "distinctApprovers"), "%d approvals by different people are needed, but gate %q names no more than %d", fixed, g.Name, len(people))
	}
}
