package histories

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rules are what the gate of a history asks for.
type rules struct {
	approvals   int
	pushers     bool // nobody who ever pushed may approve
	late        bool // reviews after the second of the merge do not count
	unwitnessed bool // only for the product: it may take approvals away, never add any
}

// oracle answers from the journal and from git alone.
type oracle struct {
	git      *repo
	log      *journal
	rules    rules
	lenient  bool // see approved and trusted
	deaf     bool // some deliveries are lost
	baseline string
	line     []string // after the baseline, oldest first
}

// onLine prepares an oracle for a baseline. False when the branch does not
// descend from it.
func (o *oracle) onLine(tip string) bool {
	for _, sha := range o.git.line(tip) {
		if sha == o.baseline {
			slices.Reverse(o.line)
			return true
		}
		o.line = append(o.line, sha)
	}
	return false
}

// inScope repeats the paths of the gate by hand: prod/** and shared/common.yaml,
// and links in the place of one of their folders.
func inScope(path string, entries ...string) bool {
	if strings.HasPrefix(path, "prod/") || path == "shared/common.yaml" {
		return true
	}
	return (path == "prod" || path == "shared") && slices.ContainsFunc(entries, func(e string) bool {
		return strings.HasPrefix(e, "120000 ") || strings.HasPrefix(e, "160000 ")
	})
}

// objection says why a commit must not be deployed; "" when it may be.
func (o *oracle) objection(target string) string {
	at := slices.Index(o.line, target)
	if at < 0 && target != o.baseline {
		return target[:10] + " is not on the branch after the baseline"
	}
	is, was := o.git.tree(target), o.git.tree(o.baseline)
	for _, path := range union(is, was) {
		if inScope(path, is[path], was[path]) && !o.trusted(path, is[path], at) {
			return fmt.Sprintf("%s is %q at %s, which is neither the baseline's (%q) nor what approvers saw", path, is[path], target[:10], was[path])
		}
	}
	return ""
}

func union(a, b tree) []string {
	var out []string
	for path := range a {
		out = append(out, path)
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// trusted says whether this content of a path is the baseline's, or was put there
// by an approved landing at or before the given place of the line, on top of
// content of which the same holds. The lenient oracle also takes content that
// stood as a whole in the approved head, whatever it replaced.
func (o *oracle) trusted(path, entry string, at int) bool {
	if entry == o.git.tree(o.baseline)[path] {
		return true
	}
	for i := at; i >= 0; i-- {
		l := o.log.landings[o.line[i]]
		if l == nil || !o.approved(l) {
			continue
		}
		want := o.git.merged(l.before, l.head)
		if want == nil || want[path] != entry || o.git.tree(l.after)[path] != entry {
			continue
		}
		before := slices.Index(o.line, l.before) // -1: the baseline, or inside of this landing
		on := o.baseline
		if before >= 0 {
			on = l.before
		}
		replaced := o.git.tree(on)[path]
		if replaced == entry {
			continue // it was there before
		}
		if o.lenient && o.git.tree(l.head)[path] == entry {
			return true
		}
		if o.trusted(path, replaced, before) {
			return true
		}
	}
	return false
}

var coAuthor = regexp.MustCompile(`(?mi)^co-authored-by:[^<\n]*<([^>\n]*)>`)

// participants are those who had a hand in what landed. False when an address
// belongs to nobody.
func (o *oracle) participants(l *landing) (map[string]bool, bool) {
	out, known := map[string]bool{l.pull.author: true}, true
	for i, h := range l.pull.heads {
		last := i == len(l.pull.heads)-1 || l.pull.heads[i+1].seq >= l.seq
		if h.seq < l.seq && (last || o.rules.pushers) {
			out[h.pusher] = true
		}
	}
	if !o.deaf {
		for _, h := range o.kept(l) {
			out[h.pusher] = true
		}
	}
	add := func(address string) {
		if who := ownerOf(address); who != "" {
			out[who] = true
		} else {
			known = false
		}
	}
	for sha := range strings.FieldsSeq(o.git.about("rev-list", l.head, "^"+l.before)) {
		about := strings.SplitN(o.git.about("show", "-s", "--format=%ae%n%ce%n%B", sha), "\n", 3)
		add(about[0])
		if about[1] != "noreply@github.com" {
			add(about[1])
		}
		for _, m := range coAuthor.FindAllStringSubmatch(about[2], -1) {
			add(m[1])
		}
	}
	return out, known
}

// ownerOf says whose an address is; "" for nobody's.
func ownerOf(address string) string {
	name, host, _ := strings.Cut(strings.ToLower(address), "@")
	switch host {
	case "example.com":
	case "users.noreply.github.com":
		_, name, _ = strings.Cut(name, "+")
	default:
		return ""
	}
	if !slices.Contains(people, name) {
		return ""
	}
	return name
}

// approved says whether enough eligible people saw exactly the head that landed,
// or one of which it is an update, and approved it, and nobody who may has asked
// for changes. The lenient oracle lets approvals stand over any clean merges, and
// does not mind addresses that belong to nobody.
func (o *oracle) approved(l *landing) bool {
	part, known := o.participants(l)
	if !known && !o.lenient {
		return false
	}
	last := map[string]*reviewRecord{}
	for _, r := range l.pull.reviews {
		if r.state != "COMMENT" {
			last[r.who] = r
		}
	}
	counted := 0
	for who, r := range last {
		if !o.log.team[who] {
			continue
		}
		switch {
		case r.state == "REQUEST_CHANGES" && !r.dismissed:
			return false
		case r.state == "REQUEST_CHANGES":
			// Whoever approves, and carol, who is an admin, may dismiss it, unless it is about their own work.
			by := r.dismissedBy
			if by != who && (part[by] || (!o.log.team[by] && by != "carol")) {
				return false
			}
		case r.dismissed, part[who], r.base != "main", o.rules.late && r.second > l.second: // GitHub tells no more than the second
		case r.commit == l.head, o.ofKept(l, r), o.lenient && o.onlyUpdated(r.commit, l.head):
			counted++
		}
	}
	return counted >= o.rules.approvals
}

// kept are the heads before the last one, newest first, since which everything
// that was pushed was an update of it from the branch.
func (o *oracle) kept(l *landing) []headRecord {
	var heads, out []headRecord
	for _, h := range l.pull.heads {
		if h.seq < l.seq {
			heads = append(heads, h)
		}
	}
	for i := len(heads) - 2; i >= 0 && o.updated(heads[i].sha, heads[i+1].sha, l.before); i-- {
		out = append(out, heads[i])
	}
	return out
}

// ofKept says whether a review is of a kept head, and was given after that arrived.
// It must have been told of. Where deliveries are lost, nobody can say which of
// several arrivals of one head was the last, and so what came in between.
func (o *oracle) ofKept(l *landing, r *reviewRecord) bool {
	if r.lost {
		return false
	}
	if o.deaf {
		return slices.ContainsFunc(l.pull.heads, func(h headRecord) bool {
			return h.sha == r.commit && h.seq < min(r.seq, l.seq) && o.updated(h.sha, l.head, l.before)
		})
	}
	return slices.ContainsFunc(o.kept(l), func(h headRecord) bool { return h.sha == r.commit && h.seq < r.seq })
}

// updated says whether a head became another by merges of commits of the branch
// that added nothing else. The branch is looked at as it was before the landing.
func (o *oracle) updated(from, to, before string) bool {
	for at := to; at != from; {
		parents := strings.Fields(o.git.about("rev-list", "-1", "--parents", at))[1:]
		if len(parents) != 2 || !slices.Contains(o.git.line(before), parents[1]) ||
			o.git.mergeTree(parents[0], parents[1]) != o.git.about("rev-parse", at+"^{tree}") {
			return false
		}
		at = parents[0]
	}
	return true
}

// onlyUpdated says whether a head became another by clean merges alone.
func (o *oracle) onlyUpdated(from, to string) bool {
	for at := to; at != from; {
		parents := strings.Fields(o.git.about("rev-list", "-1", "--parents", at))[1:]
		if len(parents) != 2 || o.git.mergeTree(parents[0], parents[1]) != o.git.about("rev-parse", at+"^{tree}") {
			return false
		}
		at = parents[0]
	}
	return true
}
