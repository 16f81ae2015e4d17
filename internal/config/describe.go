package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Description says in words what a gate does.
type Description struct {
	Gate         string   `json:"gate"`
	Applications []string `json:"applications"`
	Repositories []string `json:"repositories"`
	Requirements []string `json:"requirements"`
	// Images are what must hold before images move; empty when that is config.
	Images []string `json:"images,omitempty"`
	// Rules are all else: who fills what, checks, exclusions, late reviews, veto.
	Rules []string `json:"rules"`
	// Warnings are what is legal but risky.
	Warnings []Warning `json:"warnings"`
}

// Warning is about a policy that is legal but risky. Codes are stable.
type Warning struct {
	Code   string `json:"code"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// Describe says in words what each gate does, in their order.
func (c Config) Describe() []Description {
	groups := map[string]Group{}
	for _, g := range c.File.Groups {
		groups[g.Name] = g
	}
	out := make([]Description, 0, len(c.Policies))
	for i, p := range c.Policies {
		g := c.File.Gates[i]
		d := Description{Gate: p.Gate, Rules: rules(p), Warnings: warnings(c.Policies, i)}
		for _, s := range p.Applications {
			d.Applications = append(d.Applications, describeSelector(s))
		}
		for _, r := range p.Repositories {
			paths := "every path"
			if len(r.Paths) > 0 {
				paths = strings.Join(r.Paths, ", ")
			}
			d.Repositories = append(d.Repositories, fmt.Sprintf("%s, branch %s after %s: %s", r.Name, r.Branch, r.EnrolledAt.Short(), paths))
		}
		for n, r := range g.Config.Requirements {
			d.Requirements = append(d.Requirements, describeRequirement(r, n > 0 && g.DistinctApprovers, groups))
		}
		if g.Image != nil {
			d.Images = describeImages(*g.Image, *p.Image, groups)
		}
		out = append(out, d)
	}
	return out
}

// describeImages says in words what must hold before images move.
func describeImages(i Image, p approval.ImagePolicy, groups map[string]Group) []string {
	var out []string
	for _, r := range i.Requirements {
		out = append(out, describeRequirement(r, false, groups))
	}
	var signers []string
	for _, s := range i.Signers {
		who := s.Name
		if s.GitHubTrusted {
			who = strings.Join(s.Users, ", ") + " as GitHub says it (" + s.Name + ")"
		}
		signers = append(signers, who)
	}
	out = append(out, "every commit signed by "+strings.Join(signers, " or "))
	out = append(out, "an older version: "+string(p.Downgrade)+"; a mutable tag: "+string(p.MutableTag))
	if p.RequireDigest {
		out = append(out, "every image has a digest")
	}
	for _, k := range p.Verify {
		out = append(out, "images of "+strings.Join(k.Repositories, ", ")+" are signed with a key of "+k.Name)
	}
	if i.ProvenIn != nil {
		out = append(out, "every image ran Healthy in "+i.ProvenIn.Application+" for "+i.ProvenIn.Soak.String())
	}
	return out
}

func describeSelector(s approval.Selector) string {
	var parts []string
	add := func(what, pattern string) {
		if pattern != "" {
			parts = append(parts, what+" "+pattern)
		}
	}
	add("project", s.Project)
	add("cluster", s.Server)
	add("namespace", s.Namespace)
	return "Applications of " + strings.Join(parts, ", ")
}

// describeRequirement is a requirement as a sentence. More is true when those who
// fill an earlier one do not fill this one.
func describeRequirement(r Requirement, more bool, groups map[string]Group) string {
	var b strings.Builder
	switch {
	case more:
		b.WriteString(strconv.Itoa(r.Approvals) + " more of ")
	case r.Approvals == 1:
		b.WriteString("1 approval of ")
	default:
		b.WriteString(strconv.Itoa(r.Approvals) + " approvals of ")
	}
	var who []string
	for _, name := range r.Groups {
		g := groups[name]
		who = append(who, name+" ("+strings.Join(slices.Concat(g.Teams, g.Users), ", ")+")")
	}
	people := strings.Join(slices.Concat(who, r.Teams, r.Users), ", ")
	role := ""
	if r.MinimumRole != "" {
		role = " with the role " + r.MinimumRole + " or higher"
	}
	switch {
	case r.CodeOwners && people != "":
		b.WriteString("the code owners of each changed path" + role + ", or of " + people + " where a path has none")
	case r.CodeOwners:
		b.WriteString("the code owners of each changed path" + role)
	case people != "":
		b.WriteString(people + role)
	default:
		b.WriteString("everybody" + role)
	}
	if len(r.Paths) > 0 {
		b.WriteString(", for changes of " + strings.Join(r.Paths, ", "))
	}
	return b.String()
}

func rules(p approval.Policy) []string {
	var out []string
	if len(p.Config.Requirements) > 1 {
		if p.DistinctApprovers {
			out = append(out, "nobody fills more than one requirement")
		} else {
			out = append(out, "one person may fill several requirements")
		}
	}
	for _, c := range p.Checks {
		out = append(out, fmt.Sprintf("the check %s of App %d must have succeeded on the reviewed head", c.Name, c.AppID))
	}
	if p.ApprovedSpec {
		out = append(out, "an Application's spec is adopted, or what an approved commit of its parent says")
	}
	x := p.Exclude
	if names := people(x.Teams, x.Users); names != "" {
		out = append(out, "never an approval of "+names)
	}
	if x.Pushers {
		out = append(out, "never an approval of somebody who ever pushed to the pull request")
	}
	if x.Rerequested {
		out = append(out, "an approval is void when that person's review is asked for again")
	}
	if x.Unwitnessed {
		out = append(out, "reviews that Gatekeeper did not see being given do not count")
	}
	if x.Late {
		out = append(out, "reviews after the merge do not count")
	} else {
		out = append(out, "reviews after the merge count")
	}
	out = append(out, operateRules(p)...)
	who := "whoever could approve"
	if p.Veto.Writers {
		who = "whoever may write"
	}
	by := "those who could approve, or an admin"
	if names := people(p.Veto.DismissTeams, p.Veto.DismissUsers); names != "" {
		by = names
	}
	return append(out, who+" can block by requesting changes; "+by+" may dismiss that", describeSync(p.Sync))
}

func people(teams []approval.TeamName, users []string) string {
	names := make([]string, 0, len(teams)+len(users))
	for _, t := range teams {
		names = append(names, string(t))
	}
	return strings.Join(append(names, users...), ", ")
}
