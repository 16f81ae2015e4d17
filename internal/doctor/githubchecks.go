package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/access"
)

func gitHubChecks() []Check {
	return []Check{
		{
			Code: "github.app", Area: GitHub, Severity: Critical, slow: true,
			Title: "GitHub accepts the App's key",
			Explain: `Reads the App with a token that its private key signed. A refusal means another key, another
App ID, or a clock that is wrong; see github.clock.`,
			run: gitHubApp,
		},
		{
			Code: "github.permissions", Area: GitHub, Severity: Critical, slow: true,
			Title: "the App has every permission that Gatekeeper needs",
			Explain: "The permissions are:\n\n" + permissionTable() + `
Permissions that are added to the App count only once an owner of each account that it is
installed on accepted them, so the installations of the gates' repositories are looked at.`,
			run: gitHubPermissions,
		},
		{
			Code: "github.permissions-extra", Area: GitHub, Severity: Warning, slow: true,
			Title: "the App has no permission that Gatekeeper does not need",
			Explain: `Whoever gets hold of the App's key has all of its permissions. With contents:write that is the
protected branch, with administration:write its protection. Promoting images with
Gatekeeper needs contents:write; doctor is told of that by --promotes.`,
			run: gitHubExcess,
		},
		{
			Code: "github.events", Area: GitHub, Severity: Critical, slow: true,
			Title: "the App receives the events that decisions need",
			Explain: "The events are:\n\n" + eventTable(true) + `
GitHub tells who pushed a head from a fork, and on which commit a review was submitted, in
webhooks alone.`,
			run: gitHubEvents(true),
		},
		{
			Code: "github.events-late", Area: GitHub, Severity: Warning, slow: true,
			Title: "the App receives the events that make Gatekeeper quick",
			Explain: "The events are:\n\n" + eventTable(false) + `
Without them a change is noticed late: when the configuration's membershipTTL is over,
or when something else happens.`,
			run: gitHubEvents(false),
		},
		{
			Code: "github.repositories", Area: GitHub, Severity: Critical, slow: true,
			Title: "the App is installed on every repository of the gates, and not suspended",
			Explain: `Without access nothing of a gate can be judged, and so nothing is synced. Looked at are the
installation that covers each repository, whether its owner suspended it, and whether the
gate's branch exists.`,
			run: gitHubRepositories,
		},
		{
			Code: "github.teams", Area: GitHub, Severity: Critical, slow: true,
			Title: "the teams that approve exist and are large enough",
			Explain: `A team that was renamed or deleted, or that the App may not see, leaves a requirement that
nobody can fill. A team with fewer members than approvals, too; one with just as many can
never approve a change of one of its own.`,
			run: gitHubTeams,
		},
		{
			Code: "github.protection", Area: GitHub, Severity: Warning, slow: true,
			Title: "GitHub protects the branches: pull requests, no force pushes, no deletion",
			Explain: `Gatekeeper does not rest on branch protection: it proves what landed, and a direct push is never
covered by a review. But a direct push blocks everything after it until somebody deals with
it, and a rewritten branch leaves no baseline. Rulesets of the repository and the
organisation count, and classic protection as far as the App may see it.`,
			run: gitHubProtection,
		},
		{
			Code: "github.bypass", Area: GitHub, Severity: Warning, slow: true,
			Title: "nobody may bypass the protection of the branches",
			Explain: `Names who need not follow a ruleset or the classic protection. GitHub shows the bypass list
of a ruleset only to those who may change the ruleset, so with the permissions that Gatekeeper
needs this is unknown for rulesets, and the page to look at is named.`,
			run: gitHubBypass,
		},
		{
			Code: "github.deliveries", Area: GitHub, Severity: Warning, slow: true,
			Title: "webhooks arrive",
			Explain: `Looks at the App's deliveries of the last 24 hours. One that failed and was delivered later
counts as arrived. GitHub does not repeat by itself; Gatekeeper asks for what it missed
every few minutes while it runs, so failures that stay say that its address, its secret
or the way there is wrong.`,
			run: gitHubDeliveries,
		},
		clockCheck("github.clock", GitHub, "GitHub", `Compares this machine's clock with the Date header of GitHub's API. GitHub refuses the App's
tokens when the clock is more than 30 seconds ahead or 90 seconds behind.`),
	}
}

func permissionTable() string {
	var b strings.Builder
	for _, n := range access.Permissions() {
		fmt.Fprintf(&b, "    %-24s %s\n", n.Name+":"+n.Level, n.For+map[bool]string{true: " (optional)"}[n.Optional])
	}
	return b.String()
}

func eventTable(only bool) string {
	var b strings.Builder
	for _, e := range access.Events() {
		if e.Only == only {
			fmt.Fprintf(&b, "    %-24s %s\n", e.Name, e.For)
		}
	}
	return b.String()
}

func gitHubApp(ctx context.Context, p *probe) (outcome, error) {
	app, err := p.app.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	return good("it is " + app.Slug + " of " + app.Owner.Login)
}

// appSettings is where the App's permissions and events are changed.
func appSettings(a access.App) string {
	base := a.HTMLURL
	if i := strings.Index(base, "/apps/"); i > 0 {
		base = base[:i]
	}
	if a.Owner.Type == "Organization" {
		return base + "/organizations/" + a.Owner.Login + "/settings/apps/" + a.Slug + "/permissions"
	}
	return base + "/settings/apps/" + a.Slug + "/permissions"
}

// owners are the accounts of the gates' repositories, with one repository of each.
func (p *probe) owners() []approval.RepositoryName {
	var out []approval.RepositoryName
	for _, b := range p.branches() {
		if !slices.ContainsFunc(out, func(r approval.RepositoryName) bool { return strings.EqualFold(r.Owner(), b.repository.Owner()) }) {
			out = append(out, b.repository)
		}
	}
	return out
}

func gitHubPermissions(ctx context.Context, p *probe) (outcome, error) {
	app, err := p.app.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	lacks := map[string]bool{}
	for _, n := range access.Lacking(app.Permissions) {
		if n.Optional {
			continue
		}
		lacks[n.Name] = true
		o.find(note{about: "App " + app.Slug, reason: "it has no " + n.Name + ":" + n.Level + ", for " + n.For, fix: "add the permission on this page, and accept it for each installation", command: appSettings(app)})
	}
	for _, r := range p.owners() {
		in, err := p.installs[r].get(ctx)
		if err != nil {
			if !errors.Is(err, approval.ErrNotFound) { // else it is in github.repositories
				o.doubt(r.Owner(), err)
			}
			continue
		}
		for _, n := range access.Lacking(in.Permissions) {
			if n.Optional || lacks[n.Name] {
				continue
			}
			o.find(note{about: "installation on " + r.Owner(), reason: "nobody accepted " + n.Name + ":" + n.Level + ", for " + n.For, fix: "let an owner of " + r.Owner() + " accept the new permissions on this page", command: in.HTMLURL})
		}
	}
	return o, nil
}

func gitHubExcess(ctx context.Context, p *probe) (outcome, error) {
	app, err := p.app.get(ctx)
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	// issues:write is another way to the same comments as pull_requests:write.
	excess := slices.DeleteFunc(access.Excess(app.Permissions, p.Promotes), func(s string) bool { return s == "issues:write" })
	if len(excess) > 0 {
		o.find(note{about: "App " + app.Slug, reason: "it has " + sorted(excess), fix: "take these away on this page", command: appSettings(app)})
	}
	return o, nil
}

func gitHubEvents(only bool) func(context.Context, *probe) (outcome, error) {
	return func(ctx context.Context, p *probe) (outcome, error) {
		app, err := p.app.get(ctx)
		if err != nil {
			return outcome{}, err
		}
		var o outcome
		for _, e := range access.Unsubscribed(app.Events) {
			if e.Only == only {
				o.find(note{about: "App " + app.Slug, reason: "it is not subscribed to " + e.Name + ": " + e.For, fix: "subscribe to it on this page", command: appSettings(app)})
			}
		}
		return o, nil
	}
}

func gitHubRepositories(ctx context.Context, p *probe) (outcome, error) {
	var o outcome
	for _, b := range p.branches() {
		in, err := p.installs[b.repository].get(ctx)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			o.find(note{about: string(b.repository), reason: "the App is not installed there, or there is no such repository", fix: "add the repository to the App's installation on " + b.repository.Owner()})
			continue
		case err != nil:
			o.doubt(string(b.repository), err)
			continue
		case in.SuspendedAt != nil:
			o.find(note{about: string(b.repository), reason: "the App's installation on " + b.repository.Owner() + " is suspended", fix: "end the suspension on this page", command: in.HTMLURL})
			continue
		}
		_, err = p.protections[b].get(ctx)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			o.find(note{about: string(b.repository), reason: "it has no branch " + b.name + " that the App can see", fix: "correct the gate's repositories.branch"})
		case err != nil:
			o.doubt(string(b.repository), err)
		}
	}
	o.good = plural(len(p.branches()), "branch") + " of the gates can be read"
	return o, nil
}

// needed is how many approvals are asked of a team alone.
func (p *probe) needed() map[approval.TeamName]int {
	out := map[approval.TeamName]int{}
	add := func(q approval.Quorum) {
		for _, r := range q.Requirements {
			for _, t := range r.Teams {
				n := 1
				if len(r.Teams) == 1 && len(r.Users) == 0 && !r.CodeOwners {
					n = r.Approvals
				}
				out[t] = max(out[t], n)
			}
		}
	}
	for _, policy := range p.Policies {
		add(policy.Config)
		if policy.Image != nil {
			add(approval.Quorum{Requirements: policy.Image.Requirements})
		}
	}
	return out
}

func gitHubTeams(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("Hub", p.Hub != nil); err != nil {
		return outcome{}, err
	}
	var o outcome
	needed := p.needed()
	for team, n := range needed {
		members, err := p.Hub.Team(ctx, team)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			o.find(note{about: string(team), reason: "there is no such team, or the App may not see it", fix: "correct the team in the configuration"})
		case err != nil:
			o.doubt(string(team), err)
		case members < n:
			o.find(note{about: string(team), reason: fmt.Sprintf("it has %s, and %d have to approve", plural(members, "member"), n), fix: "add members to the team"})
		}
	}
	o.good = plural(len(needed), "team") + " can fill the quorums"
	return o, nil
}

func gitHubProtection(ctx context.Context, p *probe) (outcome, error) {
	var o outcome
	for _, b := range p.branches() {
		about := string(b.repository) + ", branch " + b.name
		got, err := p.protections[b].get(ctx)
		if err != nil {
			o.doubt(about, err)
			continue
		}
		var lacks []string
		if !got.Pulls {
			lacks = append(lacks, "direct pushes are allowed")
		}
		if !got.NoForcePush {
			lacks = append(lacks, "it can be force-pushed")
		}
		if !got.NoDeletion {
			lacks = append(lacks, "it can be deleted")
		}
		switch {
		case len(lacks) == 0:
		case len(got.Hidden) > 0 && slices.ContainsFunc(got.Hidden, func(h access.Hidden) bool { return strings.Contains(h.What, "classic") }):
			o.unknown = append(o.unknown, note{about: about, reason: "could not be checked: GitHub does not show " + got.Hidden[0].What, fix: got.Hidden[0].Remedy})
		default:
			o.find(note{about: about, reason: strings.Join(lacks, ", "), fix: "add a ruleset for the branch: restrict deletions, block force pushes, require a pull request"})
		}
	}
	return o, nil
}

func gitHubBypass(ctx context.Context, p *probe) (outcome, error) {
	var o outcome
	bare := 0
	for _, b := range p.branches() {
		about := string(b.repository) + ", branch " + b.name
		got, err := p.protections[b].get(ctx)
		if err != nil {
			o.doubt(about, err)
			continue
		}
		if !got.Pulls && !got.NoForcePush && !got.NoDeletion {
			bare++
		}
		if len(got.Bypass) > 0 {
			o.find(note{about: about, reason: "may bypass it: " + sorted(got.Bypass), fix: "empty the bypass list, or include administrators"})
		}
		for _, h := range got.Hidden {
			o.unknown = append(o.unknown, note{about: about, reason: "could not be checked: " + h.What, fix: h.Remedy})
		}
	}
	if bare > 0 {
		o.good = "there is no protection to bypass on " + plural(bare, "branch") + ", see github.protection"
	}
	return o, nil
}

// deliveryPeriod is how far back deliveries are looked at.
const deliveryPeriod = 24 * time.Hour

func gitHubDeliveries(ctx context.Context, p *probe) (outcome, error) {
	if err := p.need("Hub", p.Hub != nil); err != nil {
		return outcome{}, err
	}
	got, err := p.Hub.Deliveries(ctx, time.Now().Add(-deliveryPeriod))
	if err != nil {
		return outcome{}, err
	}
	var o outcome
	if got.Failed > 0 {
		fix := "see that GitHub reaches Gatekeeper's /webhooks/github"
		if strings.HasPrefix(got.Status, "401") || strings.HasPrefix(got.Status, "403") {
			fix = "write the webhook's secret to a file of github.webhookSecretFiles"
		}
		o.find(note{reason: fmt.Sprintf("%d of %s in 24 hours did not arrive, the newest at %s (%s): %s",
			got.Failed, plural(got.Seen, "webhook"), got.At.UTC().Format(time.RFC3339), got.Event, got.Status), fix: fix})
	}
	o.good = plural(got.Seen, "webhook") + " in 24 hours, all arrived"
	if got.Seen == 0 {
		o.good = "there was no webhook in 24 hours"
	}
	return o, nil
}
