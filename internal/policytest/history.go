package policytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// history is what landed in one test.
type history struct {
	*builder
	policy approval.Policy
	lines  map[string]*approval.Line // by repository in lower case
	landed map[string]landed
	names  []string // of landings, oldest first
	// content is what each path holds, by repository and path.
	content map[[2]string]approval.Entry
	// running is the image of each place, as far as landings moved it.
	running map[place]approval.Image
	// images are what is known of all images that move, and said what the test says
	// of each.
	images []approval.ImageEvidence
	said   []Image
	clock  time.Time
}

type landed struct {
	repository approval.RepositoryName
	landing    approval.Landing
}

// start is when the first pull request was pushed.
var start = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func newHistory(b *builder, p approval.Policy) *history {
	h := &history{
		builder: b, policy: p, clock: start,
		lines: map[string]*approval.Line{}, landed: map[string]landed{}, content: map[[2]string]approval.Entry{}, running: map[place]approval.Image{},
	}
	for i, r := range p.Repositories {
		h.lines[strings.ToLower(string(r.Name))] = &approval.Line{
			Repository: r.Name, RepositoryID: repositoryID(i), Branch: r.Branch, DefaultBranch: r.Branch == "main" || r.Branch == "master",
			Baseline: r.EnrolledAt, BaselineOnLine: true, Head: r.EnrolledAt,
		}
	}
	return h
}

func repositoryID(i int) int64 { return int64(1001 + i) }

// repository finds the repository of a change.
func (h *history) repository(m *merged) (approval.ProtectedRepository, bool) {
	if m.Repository == "" {
		return h.policy.Repositories[0], true
	}
	if r, ok := h.policy.Repository(approval.RepositoryName(m.Repository)); ok {
		return r, true
	}
	names := make([]string, len(h.policy.Repositories))
	for i, r := range h.policy.Repositories {
		names[i] = string(r.Name)
	}
	h.doc.Mistake(m.where("repository"), "gate %s does not protect the repository %q; %s", h.policy.Gate, m.Repository, config.Suggest(m.Repository, names))
	return approval.ProtectedRepository{}, false
}

// land appends a landing to its line. After a mistake, which makes the whole table
// refused, what is appended does not matter.
func (h *history) land(name, undoes string, m *merged, at config.At) {
	var before landed
	if undoes != "" {
		if !h.one(at.Down("undoes"), "the earlier landing", undoes, h.names...) {
			return
		}
		before = h.landed[undoes]
		if m.own.Repository != "" && !before.repository.Equal(approval.RepositoryName(m.own.Repository)) {
			h.doc.Mistake(m.where("repository"), "%q landed in %s, so it is undone there", undoes, before.repository)
		}
		m.Repository = string(before.repository)
	}
	r, ok := h.repository(m)
	if !ok {
		return
	}
	line := h.lines[strings.ToLower(string(r.Name))]
	n := len(h.names) + 1
	landing := approval.Landing{
		Commit: sha("c%06d", n), Parent: line.Head, Title: name, Kind: approval.KindMerge,
		Proof: approval.Proof{Result: approval.Proven}, Tree: sha("73ee%04d", n), ParentTree: sha("73ee%04d", n-1),
		Changes: h.changes(r, m, before.landing.Changes, n, at),
	}
	direct := false
	switch landedAs := m.Landed; landedAs {
	case "", "merge":
	case "squash":
		landing.Kind = approval.KindSquash
	case "rebase":
		landing.Kind = approval.KindRebase
	case "queue":
		landing.Kind = approval.KindQueue
	case "evil":
		landing.Proof = approval.Proof{Result: approval.Mismatch, Detail: "the merge holds content that is in none of its parents"}
	case "unproven":
		landing.Proof = approval.Proof{}
	case "direct":
		direct, landing.Kind, landing.Proof = true, approval.KindDirect, approval.Proof{}
	default:
		h.one(m.where("landed"), "the way to land", landedAs, "merge", "squash", "rebase", "queue", "direct", "evil", "unproven")
	}
	if direct {
		h.refusePullKeys(m)
		h.clock = h.clock.Add(time.Hour)
	} else {
		landing.Pull = h.pull(r, line, m, n, name, landing.Changes, at)
	}
	for i, u := range m.Unknown {
		if direct && u != "settled" && u != "images" {
			h.doc.Mistake(m.where("unknown", i), "%s is about a pull request, and what landed directly has none", u)
			continue
		}
		h.one(m.where("unknown", i), "the fact", u, "author", "pusher", "pushers", "pushTime", "requested", "codeOwners", "mergeTime", "settled", "images", "signatures")
		switch {
		case u == "settled":
			landing.Unsettled = "GitHub does not know this commit yet"
		case (u == "images" || u == "signatures") && h.policy.Image == nil && m.own.Unknown != nil:
			h.doc.Mistake(m.where("unknown", i), "gate %s has no image quorum, so %s would not matter", h.policy.Gate, u)
		case u == "images":
			for k := range landing.Changes {
				landing.Changes[k].Images = nil
			}
		}
	}
	line.Head = landing.Commit
	line.Landings = append(line.Landings, landing)
	h.names = append(h.names, name)
	h.landed[name] = landed{r.Name, landing}
}

// refusePullKeys refuses what is said of the pull request of a push that has none.
func (h *history) refusePullKeys(m *merged) {
	c := m.own
	for _, k := range []struct {
		key  string
		said bool
	}{
		{"author", c.Author != ""}, {"pusher", c.Pusher != ""}, {"coAuthors", c.CoAuthors != nil}, {"strangers", c.Strangers != nil}, {"signed", c.Signed != ""},
		{"heads", c.Heads != nil}, {"reviews", c.Reviews != nil}, {"requested", c.Requested != nil}, {"checks", c.Checks != nil},
		{"codeOwners", c.CodeOwners != nil},
	} {
		if k.said {
			h.doc.Mistake(m.where(k.key), "%s is about a pull request, and what landed directly has none; remove one of the two", k.key)
		}
	}
}

// changes are what a landing changes, in the order of their paths.
func (h *history) changes(r approval.ProtectedRepository, m *merged, undone []approval.Change, n int, at config.At) []approval.Change {
	var out []approval.Change
	add := func(where config.At, name string, outside bool, after func(before approval.Entry) approval.Entry) {
		if !plainPath(name) {
			h.doc.Mistake(where, "%q is not the path of one file; write it as git does, without leading slash and without *", name)
			return
		}
		if slices.ContainsFunc(out, func(c approval.Change) bool { return c.Path == name }) {
			h.doc.Mistake(where, "%s is changed twice by this change; keep one of them", name)
			return
		}
		before, known := h.content[[2]string{string(r.Name), name}]
		if !known {
			before = blob("100644", name, 0)
		}
		c := approval.Change{Path: name, Before: before, After: after(before)}
		switch covered := r.CoversChange(c); {
		case c.Before == c.After:
			h.doc.Mistake(where, "%s would not change; it holds that already", name)
			return
		case outside && covered:
			h.doc.Mistake(where, "%s is in the scope of gate %s; write it under changed, added or deleted", name, h.policy.Gate)
		case !outside && !covered:
			h.doc.Mistake(where, "%s is outside of the paths of gate %s in %s (%s), so the test would show nothing; mend it, or write it under outside",
				name, h.policy.Gate, r.Name, strings.Join(r.Paths, ", "))
		}
		out = append(out, c)
	}
	content := func(mode string) func(name string) func(approval.Entry) approval.Entry {
		return func(name string) func(approval.Entry) approval.Entry {
			return func(approval.Entry) approval.Entry { return blob(mode, name, n) }
		}
	}
	file, link := content("100644"), content("120000")
	for i, p := range m.Changed {
		where := m.where("changed", i)
		if e, known := h.content[[2]string{string(r.Name), p}]; known && e == (approval.Entry{}) {
			h.doc.Mistake(where, "%s was deleted before; write it under added", p)
		}
		add(where, p, false, file(p))
	}
	for i, p := range m.Added {
		where, key := m.where("added", i), [2]string{string(r.Name), p}
		if _, known := h.content[key]; !known {
			h.content[key] = approval.Entry{} // it was never there
		} else if h.content[key] != (approval.Entry{}) {
			h.doc.Mistake(where, "%s is there already; write it under changed", p)
		}
		add(where, p, false, file(p))
	}
	for i, p := range m.Deleted {
		add(m.where("deleted", i), p, false, func(approval.Entry) approval.Entry { return approval.Entry{} })
	}
	for i, p := range m.Linked {
		add(m.where("linked", i), p, false, link(p))
	}
	for i, p := range m.Touched {
		add(m.where("touched", i), p, false, file(p))
	}
	for i, move := range m.Images {
		// A file can hold several images that move.
		if !slices.ContainsFunc(m.Images[:i], func(o Image) bool { return o.Path == move.Path }) {
			add(m.where("images", i, "path"), move.Path, false, file(move.Path))
		}
	}
	for i, p := range m.Outside {
		add(m.where("outside", i), p, true, file(p))
	}
	for _, c := range undone {
		if slices.ContainsFunc(out, func(o approval.Change) bool { return o.Path == c.Path }) {
			h.doc.Mistake(at.Down("undoes"), "%s is undone and changed as well; keep one of them", c.Path)
			continue
		}
		if now := h.content[[2]string{string(r.Name), c.Path}]; now != c.Before {
			out = append(out, approval.Change{Path: c.Path, Before: now, After: c.Before})
		}
	}
	if len(out) == 0 {
		h.doc.Mistake(at, "this change has no path; write changed, added, deleted, linked, images, touched or outside")
	}
	for _, c := range out {
		h.content[[2]string{string(r.Name), c.Path}] = c.After
	}
	slices.SortFunc(out, func(a, b approval.Change) int { return strings.Compare(a.Path, b.Path) })
	h.imageChanges(r, m, out, undone)
	return out
}

// plainPath says whether a path is one file as git writes it.
func plainPath(p string) bool {
	return p != "" && p != "." && p != ".." && path.Clean(p) == p && !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "../") &&
		!strings.ContainsAny(p, "*\x00")
}

// blob is the nth content of a path.
func blob(mode, name string, n int) approval.Entry {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s@%d", name, n))
	return approval.Entry{Mode: mode, SHA: approval.SHA(hex.EncodeToString(sum[:20]))}
}
