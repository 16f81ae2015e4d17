package policytest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// pushedHead is a head of a pull request with the time at which it was pushed.
type pushedHead struct {
	name   string
	commit approval.SHA
	at     time.Time
	by     approval.User
	update bool
}

// pull is the pull request of a landing.
func (h *history) pull(r approval.ProtectedRepository, l *approval.Line, m *merged, n int, name string, changes []approval.Change, at config.At) *approval.PullRequest {
	if m.Author == "" {
		h.doc.Mistake(at, "nobody is the author; write author: LOGIN, here or under defaults")
		return nil
	}
	author := h.user(m.Author, m.where("author"))
	pusher := author
	if m.Pusher != "" {
		pusher = h.user(m.Pusher, m.where("pusher"))
	}
	heads := h.heads(m, pusher, n)
	head := heads[len(heads)-1]
	pr := &approval.PullRequest{
		Repository: r.Name, Number: n, Title: name, URL: "https://github.com/" + string(r.Name) + "/pull/" + shortNumber(n),
		BaseRepositoryID: l.RepositoryID, Base: r.Branch, Merged: true, MergedAt: head.at.Add(24 * time.Hour),
		Head: head.commit, HeadPushedAt: head.at, Author: author, Pusher: &head.by,
		Requested: []approval.UserID{},
	}
	h.clock = pr.MergedAt.Add(24 * time.Hour)
	for _, p := range heads {
		if !slices.Contains(pr.Pushers, p.by) {
			pr.Pushers = append(pr.Pushers, p.by)
		}
	}
	for i := len(heads) - 1; i > 0 && heads[i].update; i-- {
		before := heads[i-1]
		pr.Kept = append(pr.Kept, approval.KeptHead{Commit: before.commit, PushedAt: before.at, Pusher: before.by})
	}
	h.contributors(pr, m)
	for i, login := range m.Requested {
		pr.Requested = append(pr.Requested, h.user(login, m.where("requested", i)).ID)
	}
	h.reviews(pr, m, heads)
	h.checks(pr, m)
	if needs := h.policy.Needs(); needs.CodeOwners {
		pr.Owners = h.codeOwners(m, changes)
	} else if m.own.CodeOwners != nil {
		h.doc.Mistake(m.where("codeOwners"), "gate %s asks no code owners, so this would not matter", h.policy.Gate)
	}
	if h.policy.Image != nil {
		pr.Signatures = h.signatures(m, heads, at)
	} else if m.own.Signed != "" || m.Signed != "" && !slices.ContainsFunc(h.policies, func(p approval.Policy) bool { return p.Image != nil }) {
		h.doc.Mistake(m.where("signed"), "gate %s has no image quorum, so it asks for no signature", h.policy.Gate)
	}
	for _, u := range m.Unknown {
		switch u {
		case "signatures":
			pr.Signatures = nil
		case "author":
			pr.Author = approval.User{}
		case "pusher":
			pr.Pusher, pr.Kept = nil, nil // updates are known from pushes
		case "pushers":
			pr.Pushers = nil
		case "pushTime":
			pr.HeadPushedAt, pr.Kept = time.Time{}, nil // updates are known from pushes
		case "requested":
			pr.Requested = nil
		case "codeOwners":
			pr.Owners = nil
		case "mergeTime":
			pr.MergedAt = time.Time{}
		}
	}
	return pr
}

func (h *history) contributors(pr *approval.PullRequest, m *merged) {
	at := pr.Head
	add := func(u *approval.User, email, role string) {
		pr.Contributors = append(pr.Contributors, approval.Contributor{User: u, Email: email, Role: role, Commit: at})
	}
	author := pr.Author
	if n := len(pr.Kept); n > 0 { // what updates bring up to date is a commit of its own
		at = pr.Kept[n-1].Commit
		add(&author, strings.ToLower(author.Login)+"@example.com", "author")
		at = pr.Head
	}
	add(&author, strings.ToLower(author.Login)+"@example.com", "author")
	add(&author, strings.ToLower(author.Login)+"@example.com", "committer")
	for i, login := range m.CoAuthors {
		u := h.user(login, m.where("coAuthors", i))
		add(&u, strings.ToLower(login)+"@example.com", "co-author")
	}
	for i, email := range m.Strangers {
		if !strings.Contains(email, "@") {
			h.doc.Mistake(m.where("strangers", i), "%q is not an e-mail address; people with an account belong under coAuthors", email)
		}
		add(nil, email, "author")
	}
}

// heads are the heads of a pull request, a day apart.
func (h *history) heads(m *merged, pusher approval.User, n int) []pushedHead {
	said := m.Heads
	if len(said) == 0 {
		if m.Heads != nil {
			h.doc.Mistake(m.where("heads"), "heads is empty; write the names of the heads, or leave it out")
		}
		said = []Head{{Name: "old-head"}, {Name: "head"}}
	}
	first := h.clock
	var out []pushedHead
	for i, s := range said {
		p := pushedHead{name: s.Name, commit: sha("01d%02d%02d", n%100, i%100), at: first.Add(time.Duration(i) * 24 * time.Hour), by: pusher, update: s.Update}
		if i == len(said)-1 {
			p.commit = sha("ead%04d", n)
		}
		if s.PushedBy != "" {
			p.by = h.user(s.PushedBy, m.where("heads", i, "pushedBy"))
		}
		if s.Name == "" || slices.ContainsFunc(out, func(o pushedHead) bool { return o.name == s.Name }) {
			h.doc.Mistake(m.where("heads", i), "each head needs a name of its own, so that reviews can be of it")
		}
		if s.Update && i == 0 {
			h.doc.Mistake(m.where("heads", i, "update"), "the first head updates none; write the head before it above")
		}
		out = append(out, p)
	}
	if last := len(said) - 1; m.Pusher != "" && said[last].PushedBy != "" && !strings.EqualFold(m.Pusher, said[last].PushedBy) {
		h.doc.Mistake(m.where("heads", last, "pushedBy"), "the last head is pushed by %s here, and by %s under pusher; keep one of them", said[last].PushedBy, m.Pusher)
	}
	return out
}

func (h *history) checks(pr *approval.PullRequest, m *merged) {
	for _, name := range slices.Sorted(maps.Keys(m.Checks)) {
		at := m.where("checks", name)
		h.one(at, "the conclusion", m.Checks[name],
			"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required", "stale", "startup_failure", "pending", "missing")
		named := func(c approval.RequiredCheck) bool { return c.Name == name }
		asked := slices.ContainsFunc(h.policy.Checks, named)
		if m.own.Checks == nil { // said for several tests, of which some may be of other gates
			asked = slices.ContainsFunc(h.policies, func(p approval.Policy) bool { return slices.ContainsFunc(p.Checks, named) })
		}
		if !asked {
			var names []string
			for _, c := range h.policy.Checks {
				names = append(names, c.Name)
			}
			h.doc.Mistake(at, "gate %s asks for no check %q; %s", h.policy.Gate, name, config.Suggest(name, names))
		}
	}
	for _, c := range h.policy.Checks {
		conclusion, said := m.Checks[c.Name]
		switch {
		case !said:
			conclusion = "success"
		case conclusion == "missing":
			continue
		case conclusion == "pending":
			conclusion = ""
		}
		pr.Checks = append(pr.Checks, approval.Check{Name: c.Name, AppID: c.AppID, Commit: pr.Head, Conclusion: conclusion})
	}
}

// codeOwners are the owners of each changed path.
func (h *history) codeOwners(m *merged, changes []approval.Change) []approval.PathOwners {
	out := make([]approval.PathOwners, 0, len(changes))
	used := map[string]bool{}
	patterns := slices.Sorted(maps.Keys(m.CodeOwners))
	for _, p := range patterns {
		at := m.where("codeOwners", p)
		if !approval.ValidPattern(p) {
			h.doc.Mistake(at, "%q is not a pattern such as prod/db/** (no leading or trailing slash)", p)
		}
		for i, o := range m.CodeOwners[p] {
			if o = strings.TrimPrefix(o, "@"); strings.Contains(o, "/") {
				h.team(o, at.Down(i), "codeOwners names")
			} else if !h.isGone(o) {
				h.user(o, at.Down(i))
			}
		}
	}
	for _, c := range changes {
		owners := approval.PathOwners{Path: c.Path}
		by := ""
		for _, p := range patterns {
			if !(approval.ProtectedRepository{Paths: []string{p}}).Covers(c.Path) {
				continue
			}
			used[p] = true
			if by != "" {
				h.doc.Mistake(m.where("codeOwners", p), "%s has owners by %s and by %s; let one pattern match it", c.Path, by, p)
			}
			by = p
			for _, o := range m.CodeOwners[p] {
				if o = strings.TrimPrefix(o, "@"); strings.Contains(o, "/") {
					owners.Teams = append(owners.Teams, approval.TeamName(o))
				} else {
					owners.Users = append(owners.Users, o)
				}
			}
		}
		out = append(out, owners)
	}
	for p := range m.own.CodeOwners {
		if !used[p] {
			h.doc.Mistake(m.where("codeOwners", p), "%s matches no path of this change, so it would not matter", p)
		}
	}
	return out
}
