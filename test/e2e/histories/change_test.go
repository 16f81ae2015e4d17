package histories

import (
	"fmt"
	"strings"
)

// twist is one thing that goes wrong in a change that is else in good order. It
// happens after the approvals.
type twist struct {
	name string
	// do says who did it.
	do func(w *world, c *change) (string, error)
}

// change is a pull request as it should be, apart from its twist: exactly as many
// people approve as the gate asks for.
type change struct {
	*pullRecord
	approvers []string
}

// The twists that are made before the pull request is proposed have nothing to do
// later.
var twists = []twist{
	{"an approver wrote a commit", nil},
	{"an approver is a co-author", nil},
	{"an approver pushed it", nil},
	{"approved for another base", func(w *world, c *change) (string, error) {
		return c.author, w.gh.As(c.author).EditPull(repoName, c.number, "", "", "main", "")
	}},
	{"pushed to after the approval", func(w *world, c *change) (string, error) { return acted(w.pushToIt(c.pullRecord)) }},
	{"force-pushed after the approval", func(w *world, c *change) (string, error) { return acted(w.forcePushIt(c.pullRecord)) }},
	{"updated with more than the base", func(w *world, c *change) (string, error) {
		if _, _, err := w.pushDirectly(); err != nil {
			return c.author, err
		}
		return acted(w.mergeIntoIt(c.pullRecord, "main", 90))
	}},
	{"updated from the base", func(w *world, c *change) (string, error) {
		if _, _, err := w.pushDirectly(); err != nil {
			return c.author, err
		}
		_, err := w.gh.As(c.author).UpdateBranch(repoName, c.number)
		return c.author, err
	}},
	{"vetoed", func(w *world, c *change) (string, error) {
		return c.author, w.submit(c.pullRecord, pick(w, []string{"bob", "carol", "dave"}), "REQUEST_CHANGES")
	}},
	{"vetoed, and the author dismisses it", func(w *world, c *change) (string, error) {
		if err := w.submit(c.pullRecord, pick(w, []string{"bob", "carol", "dave"}), "REQUEST_CHANGES"); err != nil {
			return c.author, err
		}
		return w.dismissLast(c)
	}},
	{"an approval is dismissed", (*world).dismissLast},
	{"merged by hand", func(w *world, c *change) (string, error) { return acted(w.mergeItByHand(c.pullRecord)) }},
	{"merged by hand", func(w *world, c *change) (string, error) { return acted(w.mergeItByHand(c.pullRecord)) }},
}

// updates are the twists in which an approved head becomes another by a merge, the
// good ones included.
var updates = []twist{
	{"updated from a base that moved", (*world).update},
	{"updated from a base that moved, twice", func(w *world, c *change) (string, error) {
		who, err := w.update(c)
		if err != nil {
			return who, err
		}
		if err := w.settle(who); err != nil {
			return who, err
		}
		w.pass()
		w.log.seq++
		return w.update(c)
	}},
	{approverPushed, (*world).update},
	{"updated from a base that moved, with a byte more", func(w *world, c *change) (string, error) {
		if err := w.moveBase(); err != nil {
			return c.author, err
		}
		return acted(w.mergeIntoIt(c.pullRecord, "main", 100))
	}},
	{"updated from what is not the base", func(w *world, c *change) (string, error) {
		who, tip := w.one(), w.git.tip("main")
		w.commits++
		by := who + " <" + who + "@example.com>"
		sha, err := w.git.commit(newCommit{parents: []string{tip}, edits: []edit{put("prod/side.yaml", fmt.Sprintf("side: %d\n", w.commits))},
			author: by, committer: by, message: "Side", at: 1_700_000_000 + w.commits})
		if err != nil {
			return who, err
		}
		side := fmt.Sprintf("side-%d", w.commits)
		if err := w.gh.As(who).SetBranch(repoName, side, sha); err != nil {
			return who, err
		}
		return acted(w.mergeIntoIt(c.pullRecord, side, 0))
	}},
	{"mended, and an update brings back what was approved", func(w *world, c *change) (string, error) {
		approved := c.head()
		who, _, err := w.pushToIt(c.pullRecord)
		if err != nil {
			return who, err
		}
		if err := w.settle(who); err != nil {
			return who, err
		}
		w.pass()
		w.log.seq++
		if err := w.moveBase(); err != nil {
			return c.author, err
		}
		tree := w.git.mergeTree(approved, w.git.tip("main"))
		if tree == "" {
			return c.author, nil
		}
		sha, err := w.write(c.author, tree, []edit{}, approved, w.git.tip("main"))
		if err != nil {
			return c.author, err
		}
		return c.author, w.move(c.pullRecord, c.author, sha)
	}},
}

const approverPushed = "an approver pushed it, and another updates it"

// moveBase pushes something outside of the scope to the branch.
func (w *world) moveBase() error {
	who := w.one()
	w.commits++
	sha, err := w.write(who, "", []edit{put("stage/moved.yaml", fmt.Sprintf("moved: %d\n", w.commits))}, w.git.tip("main"))
	if err != nil {
		return err
	}
	return w.gh.As(who).SetBranch(repoName, "main", sha)
}

// update presses "Update branch" after the base moved.
func (w *world) update(c *change) (string, error) {
	who := pick(w, []string{c.author, c.author, w.one()})
	if err := w.moveBase(); err != nil {
		return who, err
	}
	_, err := w.gh.As(who).UpdateBranch(repoName, c.number)
	return who, err
}

func acted(who, _ string, err error) (string, error) { return who, err }

func (w *world) dismissLast(c *change) (string, error) {
	if len(c.reviews) == 0 {
		return c.author, nil
	}
	r := c.reviews[len(c.reviews)-1]
	err := w.gh.As(c.author).Dismiss(repoName, c.number, r.id, "no longer")
	if err == nil {
		r.dismissed, r.dismissedBy = true, c.author
	}
	return c.author, err
}

// goodChange proposes, approves and lands a change, in half of the cases with a
// twist.
func (w *world) goodChange() (string, string, error) {
	if w.often(50) {
		return w.change(pick(w, twists))
	}
	return w.change(twist{name: "nothing"})
}

// updatedChange proposes, approves, updates and lands a change.
func (w *world) updatedChange() (string, string, error) { return w.change(pick(w, updates)) }

func (w *world) change(t twist) (string, string, error) {
	author, tip, base := pick(w, []string{"alice", "erin", "mallory"}), w.git.tip("main"), "main"
	c := change{}
	for _, who := range []string{"dave", "carol", "bob"} {
		if w.log.team[who] && (len(c.approvers) == 0 || w.often(50)) {
			c.approvers = append(c.approvers, who)
		}
	}
	for _, who := range people {
		if len(c.approvers) < w.rules.approvals && w.log.team[who] && who != author && !strings.Contains(strings.Join(c.approvers, " "), who) {
			c.approvers = append(c.approvers, who)
		}
	}
	if c.approvers = c.approvers[:min(len(c.approvers), w.rules.approvals)]; len(c.approvers) == 0 {
		return "", "", nil
	}
	writer, pusher, message := author, author, "Change"
	switch t.name {
	case twists[0].name:
		writer = c.approvers[0]
	case twists[1].name:
		message += "\n\nCo-authored-by: X <" + c.approvers[0] + "@example.com>"
	case twists[2].name, approverPushed:
		pusher = c.approvers[0]
	case twists[3].name:
		base = "elsewhere"
		if err := w.gh.As(author).SetBranch(repoName, base, tip); err != nil {
			return author, "makes a branch", err
		}
	}
	var done []string
	for range 1 + w.rng.IntN(3) {
		edits := w.edits(w.git.tree(tip))
		w.commits++
		sha, err := w.git.commit(newCommit{parents: []string{tip}, edits: edits, author: writer + " <" + writer + "@example.com>",
			committer: author + " <" + author + "@example.com>", message: message, at: 1_700_000_000 + w.commits})
		if err != nil {
			return "", "", err
		}
		tip, done = sha, append(done, describe(edits))
	}
	words := fmt.Sprintf("approves and lands a change of %s; what is wrong: %s; it %s", author, t.name, strings.Join(done, "; "))
	if err := w.propose(author, pusher, base, tip, ""); err != nil {
		return "", words, err
	}
	c.pullRecord = w.log.pulls[len(w.log.pulls)-1]
	return strings.Join(c.approvers, ", "), words, w.seeThrough(&c, t)
}

func (w *world) seeThrough(c *change, t twist) error {
	late := t.do == nil && w.often(30)
	approve := func() error {
		w.ticks.Add(int64(1 + w.rng.IntN(6))) // in the same second it could be about another head
		for _, who := range c.approvers {
			if err := w.submit(c.pullRecord, who, "APPROVE"); err != nil {
				return err
			}
		}
		return nil
	}
	if !late {
		if err := approve(); err != nil {
			return err
		}
	}
	if t.do != nil {
		w.pass()
		w.log.seq++
		who, err := t.do(w, c)
		if err != nil {
			return err
		}
		if err := w.settle(who); err != nil {
			return err
		}
	}
	w.pass()
	if c.open {
		if _, _, err := w.landIt(c.pullRecord); err != nil {
			return err
		}
	}
	if late {
		return approve()
	}
	return nil
}
