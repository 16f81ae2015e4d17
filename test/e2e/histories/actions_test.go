package histories

import (
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// action is something that somebody may do. It returns who did what in words; no
// words mean that there was no occasion.
type action struct {
	weight int
	do     func(w *world) (who, words string, err error)
}

// actions are chosen by their weight. The good life comes often enough for
// histories to get somewhere.
var actions = []action{
	{24, (*world).goodChange}, {12, (*world).updatedChange},
	{14, (*world).openPull}, {16, (*world).approveAsIs}, {5, (*world).review}, {14, (*world).land}, {5, (*world).pushToPull},
	{4, (*world).forcePush}, {4, (*world).updateBranch}, {2, (*world).evilUpdate}, {2, (*world).mergeOther}, {2, (*world).dismiss},
	{3, (*world).mergeByHand}, {4, (*world).pushDirectly}, {3, (*world).restoreDirectly}, {3, (*world).revertPull}, {2, (*world).restoreByPull},
	{1, (*world).forceBranch}, {1, (*world).restoreBranch}, {2, (*world).retarget}, {3, (*world).queue}, {2, (*world).changeTeam},
	{1, (*world).pushHead}, {1, (*world).oldHeadAgain}, {1, (*world).forgedReview}, {4, (*world).adopt}, {1, (*world).rebaseByHand},
}

// chosen is the action that a byte stands for.
func chosen(b byte) action {
	var slots []action
	for _, a := range actions {
		for range a.weight {
			slots = append(slots, a)
		}
	}
	return slots[int(b)%len(slots)]
}

func (w *world) openPull() (string, string, error) {
	author, base, from, stacked := w.one(), "main", "main", ""
	if p := w.open(); p != nil && w.often(25) {
		from, stacked = p.branch, ", stacked on "+p.name()
		if w.often(60) {
			base = p.branch
		}
	}
	pusher := author
	if w.often(12) {
		pusher = w.one()
	}
	tip := w.git.tip(from)
	if tip == "" {
		return "", "", nil
	}
	var done []string
	for range 1 + w.rng.IntN(5)/3 {
		who := pusher
		if w.often(15) {
			who = w.one()
		}
		edits := w.edits(w.git.tree(tip))
		sha, err := w.write(who, "", edits, tip)
		if err != nil {
			return "", "", err
		}
		done, tip = append(done, describe(edits)), sha
	}
	return author, strings.Join(done, "; "), w.propose(author, pusher, base, tip, stacked+" by commits of "+pusher)
}

// propose pushes a commit to a new branch and opens a pull request.
func (w *world) propose(author, pusher, base, tip, how string) error {
	branch := fmt.Sprintf("topic-%d", len(w.log.pulls)+1)
	if err := w.gh.As(pusher).SetBranch(repoName, branch, tip); err != nil {
		return err
	}
	w.pass()
	o, err := w.gh.As(author).OpenPull(repoName, standin.PullOptions{Branch: branch, Base: base, Title: "Pull of " + author})
	if err != nil {
		return err
	}
	w.log.say("%s opens #%d into %s%s", author, o.Number, base, how)
	w.log.pulls = append(w.log.pulls, &pullRecord{number: o.Number, author: author, branch: branch, base: base, open: true,
		heads: []headRecord{{tip, pusher, w.log.seq}}})
	return nil
}

func (w *world) submit(p *pullRecord, who, event string, commit ...string) error {
	w.log.seq++
	at := p.head()
	if len(commit) > 0 {
		at = commit[0]
	}
	id, err := w.gh.As(who).Review(repoName, p.number, event, "see above", commit...)
	if err == nil {
		p.reviews = append(p.reviews, &reviewRecord{id: id, who: who, state: event, commit: at, base: p.base, seq: w.log.seq, second: w.second()})
	}
	return err
}

// approveAsIs is what reviewers do most: one or two of the team approve the head.
func (w *world) approveAsIs() (string, string, error) {
	p := w.some(func(p *pullRecord) bool { return p.open || w.often(30) })
	if p == nil {
		return "", "", nil
	}
	var done []string
	for _, who := range []string{"bob", "carol", "dave"} {
		if who == p.author || w.often(35) {
			continue
		}
		if err := w.submit(p, who, "APPROVE"); err != nil {
			return who, "approves " + p.name(), err
		}
		done = append(done, who)
	}
	return "some", "approve " + p.name() + ": " + strings.Join(done, ", "), nil
}

func (w *world) review() (string, string, error) {
	p := w.some(func(*pullRecord) bool { return true })
	if p == nil {
		return "", "", nil
	}
	who, event := w.one(), pick(w, []string{"APPROVE", "REQUEST_CHANGES", "COMMENT"})
	var commit []string
	at := ""
	if h := pick(w, p.heads); w.often(40) && h.sha != p.head() {
		commit, at = []string{h.sha}, " at the former head "+h.sha[:10]
	}
	return who, "reviews " + p.name() + " with " + event + at, w.submit(p, who, event, commit...)
}

// forgedReview is a review that GitHub's own checks would not let through.
func (w *world) forgedReview() (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	who := pick(w, []string{p.author, w.one()})
	commit := pick(w, append([]string{w.git.tip("main")}, p.head()))
	id, err := w.gh.ForceReview(repoName, p.number, who, "APPROVED", "", commit)
	p.reviews = append(p.reviews, &reviewRecord{id: id, who: who, state: "APPROVE", commit: commit, base: p.base, seq: w.log.seq, second: w.second()})
	return who, "approves " + p.name() + " at " + commit[:10] + " although GitHub forbids it", err
}

func (w *world) dismiss() (string, string, error) {
	p := w.some(func(p *pullRecord) bool { return len(p.reviews) > 0 })
	if p == nil {
		return "", "", nil
	}
	r, who := pick(w, p.reviews), w.one()
	err := w.gh.As(who).Dismiss(repoName, p.number, r.id, "no longer")
	if err == nil {
		r.dismissed, r.dismissedBy = true, who
	}
	return who, "dismisses the " + r.state + " of " + r.who + " on " + p.name(), err
}

func (w *world) land() (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	return w.landIt(p)
}

func (w *world) landIt(p *pullRecord) (string, string, error) {
	who, method, before, head := w.one(), pick(w, []string{"merge", "squash", "rebase"}), w.git.tip(p.base), p.head()
	after, err := w.gh.As(who).Merge(repoName, p.number, method)
	if err == nil && p.base == "main" {
		w.landed(&landing{pull: p, before: before, after: after, head: head, method: method})
	}
	return who, "lands " + p.name() + " on " + p.base + " by " + method, err
}

func (w *world) landed(l *landing) {
	w.log.seq++
	l.seq, l.second = w.log.seq, w.second()
	w.log.landings[l.after] = l
}

// mergeByHand merges outside of GitHub, more often than not with something added.
func (w *world) mergeByHand() (string, string, error) {
	p := w.open()
	if p == nil || p.base != "main" {
		return "", "", nil
	}
	return w.mergeItByHand(p)
}

func (w *world) mergeItByHand(p *pullRecord) (string, string, error) {
	who, before, head := w.one(), w.git.tip("main"), p.head()
	name := w.git.mergeTree(before, head)
	if name == "" {
		return "", "", nil
	}
	var edits []edit
	if w.often(70) {
		edits = w.edits(w.git.tree(name))
	}
	parents := []string{before, head}
	if w.often(30) { // a squash of one's own
		parents = parents[:1]
	}
	after, err := w.write(who, name, append([]edit{}, edits...), parents...)
	if err != nil {
		return "", "", err
	}
	if err = w.gh.As(who).SetBranch(repoName, "main", after); err == nil && len(parents) == 2 {
		w.landed(&landing{pull: p, before: before, after: after, head: head, method: "hand"})
	}
	return who, fmt.Sprintf("merges %s by hand with %d parents: %s", p.name(), len(parents), describe(edits)), err
}

// rebaseByHand replays a pull request on the branch outside of GitHub, in part or
// with other content.
func (w *world) rebaseByHand() (string, string, error) {
	p := w.open()
	if p == nil || p.base != "main" {
		return "", "", nil
	}
	who, tip := w.one(), w.git.tip("main")
	commits := strings.Fields(w.git.must("rev-list", "--reverse", "--no-merges", p.head(), "^"+tip))
	if len(commits) == 0 {
		return "", "", nil
	}
	for _, c := range commits[:1+w.rng.IntN(len(commits))] {
		name := w.git.mergeTree(tip, c)
		if name == "" {
			return "", "", nil
		}
		var err error
		if tip, err = w.write(who, name, []edit{}, tip); err != nil {
			return "", "", err
		}
	}
	return who, "pushes commits of " + p.name() + " replayed by hand", w.gh.As(who).SetBranch(repoName, "main", tip)
}

func (w *world) pushDirectly() (string, string, error) {
	who, tip := w.one(), w.git.tip("main")
	edits := w.edits(w.git.tree(tip))
	sha, err := w.write(who, "", edits, tip)
	if err != nil {
		return "", "", err
	}
	return who, "pushes to main directly: " + describe(edits), w.gh.As(who).SetBranch(repoName, "main", sha)
}

// earlier is the tree of a commit of the branch some steps back.
func (w *world) earlier() string {
	line := w.git.line("refs/heads/main")
	return strings.TrimSpace(w.git.must("rev-parse", line[min(len(line)-1, 1+w.rng.IntN(3))]+"^{tree}"))
}

func (w *world) restoreDirectly() (string, string, error) {
	who, tip := w.one(), w.git.tip("main")
	sha, err := w.write(who, w.earlier(), []edit{}, tip)
	if err != nil {
		return "", "", err
	}
	return who, "pushes to main what was there before", w.gh.As(who).SetBranch(repoName, "main", sha)
}

func (w *world) restoreByPull() (string, string, error) {
	who, tip := w.one(), w.git.tip("main")
	sha, err := w.write(who, w.earlier(), []edit{}, tip)
	if err != nil {
		return "", "", err
	}
	return who, "proposes what was there before", w.propose(who, who, "main", sha, " to restore")
}

func (w *world) revertPull() (string, string, error) {
	p := w.some(func(p *pullRecord) bool { return p.merged && p.base == "main" })
	if p == nil {
		return "", "", nil
	}
	who := w.one()
	o, err := w.gh.As(who).RevertPull(repoName, p.number)
	if err == nil {
		w.log.pulls = append(w.log.pulls, &pullRecord{number: o.Number, author: who, branch: o.Branch, base: "main", open: true,
			heads: []headRecord{{o.Head, who, w.log.seq}}})
	}
	return who, fmt.Sprintf("reverts %s by #%d", p.name(), o.Number), err
}

// move pushes a commit to the branch of a pull request.
func (w *world) move(p *pullRecord, who, sha string) error {
	return w.gh.As(who).SetBranch(repoName, p.branch, sha)
}

func (w *world) pushToPull() (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	return w.pushToIt(p)
}

func (w *world) pushToIt(p *pullRecord) (string, string, error) {
	who := pick(w, []string{p.author, p.author, w.one()})
	edits := w.edits(w.git.tree(p.head()))
	sha, err := w.write(who, "", edits, p.head())
	if err != nil {
		return "", "", err
	}
	return who, "pushes to " + p.name() + ": " + describe(edits), w.move(p, who, sha)
}

func (w *world) forcePush() (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	return w.forcePushIt(p)
}

func (w *world) forcePushIt(p *pullRecord) (string, string, error) {
	who, head := pick(w, []string{p.author, w.one()}), p.head()
	parent := w.git.must("rev-list", "-1", "--parents", head)
	parents := strings.Fields(parent)[1:]
	if len(parents) == 0 {
		return "", "", nil
	}
	var edits []edit
	if w.often(50) { // else only the message is another
		edits = w.edits(w.git.tree(head))
	}
	name := strings.TrimSpace(w.git.must("rev-parse", head+"^{tree}"))
	sha, err := w.write(who, name, append([]edit{}, edits...), parents...)
	if err != nil {
		return "", "", err
	}
	return who, "force-pushes " + p.name() + ": " + describe(edits), w.move(p, who, sha)
}

// oldHeadAgain brings back a head that the pull request had before.
func (w *world) oldHeadAgain() (string, string, error) {
	p := w.some(func(p *pullRecord) bool { return p.open && len(p.heads) > 1 })
	if p == nil {
		return "", "", nil
	}
	who, h := pick(w, []string{p.author, w.one()}), pick(w, p.heads)
	return who, "force-pushes the former head " + h.sha[:10] + " to " + p.name(), w.move(p, who, h.sha)
}

func (w *world) updateBranch() (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	who := pick(w, []string{p.author, w.one()})
	_, err := w.gh.As(who).UpdateBranch(repoName, p.number)
	return who, "updates the branch of " + p.name(), err
}

// evilUpdate looks like an update of the branch and changes more.
func (w *world) evilUpdate() (string, string, error) {
	return w.mergeInto(func(*pullRecord) string { return "main" }, 80)
}

// mergeOther brings the commits of another pull request in behind a second parent.
func (w *world) mergeOther() (string, string, error) {
	return w.mergeInto(func(p *pullRecord) string {
		if o := w.some(func(o *pullRecord) bool { return o.open && o != p }); o != nil {
			return o.branch
		}
		return ""
	}, 20)
}

func (w *world) mergeInto(other func(*pullRecord) string, evil int) (string, string, error) {
	p := w.open()
	if p == nil {
		return "", "", nil
	}
	return w.mergeIntoIt(p, other(p), evil)
}

func (w *world) mergeIntoIt(p *pullRecord, branch string, evil int) (string, string, error) {
	who := pick(w, []string{p.author, w.one()})
	if branch == "" {
		return "", "", nil
	}
	theirs := w.git.tip(branch)
	name := w.git.mergeTree(p.head(), theirs)
	if name == "" {
		return "", "", nil
	}
	var edits []edit
	if w.often(evil) {
		edits = w.edits(w.git.tree(name))
	}
	sha, err := w.write(who, name, append([]edit{}, edits...), p.head(), theirs)
	if err != nil {
		return "", "", err
	}
	return who, "merges " + branch + " into " + p.name() + ": " + describe(edits), w.move(p, who, sha)
}

func (w *world) forceBranch() (string, string, error) {
	line := w.git.line("refs/heads/main")
	if len(line) < 2 {
		return "", "", nil
	}
	who, to := pick(w, []string{"bob", "carol"}), line[min(len(line)-1, 1+w.rng.IntN(3))]
	w.former = append(w.former, line[0])
	return who, "force-pushes main back to " + to[:10], w.gh.As(who).SetBranch(repoName, "main", to)
}

func (w *world) restoreBranch() (string, string, error) {
	if len(w.former) == 0 {
		return "", "", nil
	}
	who, to := w.one(), w.former[len(w.former)-1]
	w.former[len(w.former)-1] = w.git.tip("main")
	return who, "force-pushes main to the former " + to[:10], w.gh.As(who).SetBranch(repoName, "main", to)
}

func (w *world) retarget() (string, string, error) {
	p := w.some(func(p *pullRecord) bool { return p.open && (p.base != "main" || w.often(20)) })
	if p == nil {
		return "", "", nil
	}
	to := "main"
	if o := w.some(func(o *pullRecord) bool { return o != p && w.git.tip(o.branch) != "" }); p.base == "main" && o != nil {
		to = o.branch
	}
	return p.author, "retargets " + p.name() + " to " + to, w.gh.As(p.author).EditPull(repoName, p.number, "", "", to, "")
}

// queue lands up to three pull requests as one merge group.
func (w *world) queue() (string, string, error) {
	method := pick(w, []string{"merge", "squash", "rebase"})
	if err := w.gh.EnableMergeQueue(repoName, "main", method); err != nil {
		return "", "", err
	}
	words := "the queue lands by " + method
	waiting := map[int]*pullRecord{}
	var refused error
	for _, p := range w.log.pulls {
		if p.open && p.base == "main" && len(waiting) < 3 {
			if err := w.gh.As("bob").Enqueue(repoName, p.number); err != nil {
				refused = err
				continue
			}
			waiting[p.number] = p
		}
	}
	entries, err := w.gh.MergeQueue(repoName, "main")
	if err == nil {
		if err = w.gh.FinishGroup(repoName, "main"); err == nil {
			for _, e := range entries {
				words += fmt.Sprintf(" #%d", e.Number)
				p := waiting[e.Number]
				w.landed(&landing{pull: p, before: e.BaseSHA, after: e.HeadSHA, head: p.head(), method: "queue " + method})
			}
		}
	}
	if off := w.gh.DisableMergeQueue(repoName, "main"); err == nil {
		err = off
	}
	if len(waiting) == 0 && err == nil {
		return "", "", refused
	}
	return "bob", words, err
}

func (w *world) changeTeam() (string, string, error) {
	who := pick(w, []string{"bob", "dave", "erin", "mallory"})
	if w.log.team[who] {
		delete(w.log.team, who)
		return "carol", "takes " + who + " out of the team", w.gh.RemoveTeamMember("acme", "sre", who)
	}
	w.log.team[who] = true
	return "carol", "takes " + who + " into the team", w.gh.AddTeamMember("acme", "sre", who)
}

// pushHead pushes the head of a pull request to the branch as it is.
func (w *world) pushHead() (string, string, error) {
	p := w.open()
	if p == nil || p.base != "main" || !slices.Contains(w.git.line(p.head()), w.git.tip("main")) {
		return "", "", nil
	}
	who := w.one()
	return who, "pushes the head of " + p.name() + " to main", w.gh.As(who).SetBranch(repoName, "main", p.head())
}

// adopt makes some commit of the line the baseline, as when a gate is enrolled
// there, the middle of a rebased run included.
func (w *world) adopt() (string, string, error) {
	line := w.git.line("refs/heads/main")
	to := line[0]
	if w.often(50) {
		to = line[min(len(line)-1, w.rng.IntN(12))]
	}
	w.baseline = to
	return "carol", "enrols the gate at " + to[:10], nil
}
