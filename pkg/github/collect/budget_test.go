package collect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const ofRepository = "/repos/acme/env/"

// counted are the calls that the budget counts: everything that is asked of the
// repository, what is asked once for all its pull requests included. Not counted
// are the installation's ID and token, once an hour, and what is asked about
// people by their names: members of a team and named users, once for all
// repositories, and the role of each reviewer, once for all pull requests.
func counted(calls []string) []string {
	var out []string
	for _, c := range calls {
		path, ok := strings.CutPrefix(c, "GET "+ofRepository)
		if ok && path != "installation" && !strings.HasPrefix(path, "collaborators/") {
			out = append(out, path)
		}
		if c == "GET /repos/acme/env" {
			out = append(out, "the repository")
		}
	}
	return out
}

// The calls of a pull request.
const (
	thePull, itsReviews, itsBranch = "pulls/1", "pulls/1/reviews", "activity?ref"
	itsCommits, itsTimeline        = "pulls/1/commits", "issues/1/timeline"
	// Once for a repository and process.
	theList, theActivity = "pulls", "activity"
)

// What an open pull request costs a process that sees it for the first time, in
// a repository that it sees for the first time.
func TestBudgetOpen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(w *world)
		want []string
	}{
		"opened, by somebody never seen": {func(w *world) {
			w.listen()
			w.opened("")
		}, []string{thePull, itsReviews}},
		"with a commit of somebody else": {func(w *world) {
			w.listen()
			w.opened("dora")
		}, []string{thePull, itsReviews, itsCommits}},
		"pushed to": {func(w *world) {
			w.listen()
			w.pushed(w.opened(""), "")
		}, []string{thePull, itsReviews}},
		"approved": {func(w *world) {
			w.listen()
			w.approved(w.opened(""))
		}, []string{thePull, itsReviews, itsBranch}},
		"changes requested": {func(w *world) {
			w.listen()
			w.review("bob", w.opened("").Number, "REQUEST_CHANGES")
		}, []string{thePull, itsReviews}},
		"approved, and pushed to with a commit of somebody else": {func(w *world) {
			w.listen()
			p := w.opened("")
			w.approved(p)
			w.pushed(p, "dora")
		}, []string{thePull, itsReviews, itsCommits}},
		"approved, and brought up to date": {func(w *world) {
			w.listen()
			p := w.opened("")
			w.approved(p)
			w.update("erin", p.Number)
		}, []string{thePull, itsReviews, itsBranch}},
		"with a commit of somebody else, approved once that was seen": {func(w *world) {
			w.listen()
			p := w.opened("dora")
			w.delivered()
			w.collectPull(p.Number)
			w.approved(p)
		}, []string{thePull, itsReviews, itsBranch}},
		"from a fork, approved once that was seen": {func(w *world) {
			w.listen()
			_, err := w.gh.As("alice").Fork(repoName)
			require.NoError(w.t, err)
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: "alice/env", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(w.t, err)
			w.delivered()
			w.resetCalls()
			w.collectPull(p.Number)
			require.ElementsMatch(w.t, []string{thePull, itsReviews, itsCommits}, counted(w.apiCalls()), "opened")
			w.approved(p)
		}, []string{thePull, itsReviews, itsTimeline}},
		"approved while webhooks were lost": {func(w *world) {
			w.listen()
			p := w.opened("")
			w.pushed(p, "")
			w.lose(func() { w.approved(p) })
		}, []string{thePull, itsReviews, itsTimeline}},
		// Nobody listened when what it would have told was to be heard.
		"opened before we were": {func(w *world) {
			w.opened("")
		}, []string{thePull, itsReviews, itsBranch, itsCommits}},
		"approved while webhooks were lost, its only head as well": {func(w *world) {
			p := w.opened("")
			w.listen()
			w.lose(func() { w.approved(p) })
		}, []string{thePull, itsReviews, itsBranch, itsTimeline, itsCommits}},
		"approved while nobody looked, with a commit of somebody else": {func(w *world) {
			w.listen()
			w.approved(w.opened("dora"))
		}, []string{thePull, itsReviews, itsBranch, itsCommits}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erin(true)
			tt.make(w)
			w.delivered()
			w.restart()
			w.resetCalls()
			w.collectPull(1)
			require.ElementsMatch(t, tt.want, counted(w.apiCalls()))
		})
	}
}

// What a landing costs a process that has just begun, in a repository where
// nothing else landed after the baseline.
func TestBudgetLanded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(w *world) standin.OpenedPull
		// heard: of the merge.
		heard bool
		want  []string
		// waits: for an approval.
		waits bool
	}{
		"seen landed before": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("dora")
			w.approved(p)
			w.merge(p.Number, "merge")
			w.delivered()
			w.collect(w.repo.Head)
			return p
		}, true, []string{theList, itsReviews}, false},
		"seen landed before, of which nothing was heard": {func(w *world) standin.OpenedPull {
			p := w.opened("dora")
			w.approved(p)
			w.merge(p.Number, "rebase")
			w.collect(w.repo.Head)
			return p
		}, true, []string{theList, itsReviews, itsTimeline}, false},
		"seen while it was open": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("dora")
			w.delivered()
			w.collectPull(p.Number)
			w.approved(p)
			return p
		}, true, []string{theList, itsReviews, itsBranch}, false},
		"never seen": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.approved(p)
			return p
		}, true, []string{theList, itsReviews, itsBranch}, false},
		"not approved": {func(w *world) standin.OpenedPull {
			w.listen()
			return w.opened("")
		}, true, []string{theList, itsReviews, itsBranch}, true},
		"brought up to date": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.approved(p)
			w.update("erin", p.Number)
			return p
		}, true, []string{theList, itsReviews, itsBranch}, false},
		"the merge was not heard": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.approved(p)
			return p
		}, false, []string{theList, itsReviews, theActivity}, false},
		"the approval was not heard": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.pushed(p, "")
			w.lose(func() { w.approved(p) })
			return p
		}, true, []string{theList, itsReviews, itsTimeline}, false},
		"the approval was not heard, of a head that was force-pushed": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.settle()
			_, err := w.gh.As("erin").ForcePushPull(repoName, p.Number, change("prod/a.yaml", "a: 2\n"))
			require.NoError(w.t, err)
			w.lose(func() { w.approved(p) })
			return p
		}, true, []string{theList, itsReviews, itsTimeline}, false},
		// Neither of these is less than what GitHub has to be asked for.
		"the approval was not heard, of the head with which it was opened": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("")
			w.lose(func() { w.approved(p) })
			return p
		}, true, []string{theList, itsReviews, itsTimeline, itsBranch}, false},
		"never seen, with a commit of somebody else": {func(w *world) standin.OpenedPull {
			w.listen()
			p := w.opened("dora")
			w.approved(p)
			return p
		}, true, []string{theList, itsReviews, itsBranch, itsCommits}, false},
		"nothing was heard": {func(w *world) standin.OpenedPull {
			p := w.opened("dora")
			w.approved(p)
			return p
		}, false, []string{theList, itsReviews, theActivity, itsTimeline, itsCommits}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erin(true)
			p := tt.make(w)
			if info, err := w.gh.Pull(repoName, p.Number); err == nil && !info.Merged {
				if tt.heard {
					w.merge(p.Number, "merge")
				} else {
					w.lose(func() { w.merge(p.Number, "merge") })
				}
			}
			w.delivered()
			w.restart()
			w.resetCalls()
			base := w.repo.Head
			if w.moves > 0 {
				base = w.git("rev-parse", w.tip("main")+"^1")
			}
			d := w.decide(w.collect(base))
			require.Equal(t, !tt.waits, d.Allowed(), "%+v", d.Findings)
			require.ElementsMatch(t, tt.want, counted(w.apiCalls()))

			w.resetCalls()
			w.collect(base)
			require.Equal(t, []string{"GET " + ofRepository + itsReviews}, w.apiCalls(), "and nothing about people either")
		})
	}
}

// A process that runs sees a pull request open, approved and merged.
func TestBudgetRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erin(true)
	w.listen()
	w.collect(w.repo.Head) // it has begun
	step := func(what string, want ...string) {
		w.delivered()
		w.resetCalls()
		w.collectPull(1)
		require.ElementsMatch(t, want, counted(w.apiCalls()), what)
	}
	p := w.opened("dora")
	step("opened", thePull, itsReviews, itsCommits)
	w.settle()
	w.pushed(p, "frank")
	step("pushed to", thePull, itsReviews, itsCommits)
	w.settle()
	w.pushed(p, "frank")
	step("pushed to again", thePull, itsReviews)
	w.approved(p)
	step("approved", thePull, itsReviews, itsBranch)
	sha := w.merge(p.Number, "squash")
	w.delivered()
	w.resetCalls()
	w.allowed(sha)
	require.ElementsMatch(t, []string{thePull, itsReviews, itsBranch}, counted(w.apiCalls()), "merged")
	w.restart()
	w.resetCalls()
	w.allowed(sha)
	require.ElementsMatch(t, []string{theList, itsReviews}, counted(w.apiCalls()), "after a restart")
}

// opened is a pull request of erin's, with a commit of her own or of somebody
// else's.
func (w *world) opened(author string) standin.OpenedPull {
	w.t.Helper()
	p, err := w.gh.As("erin").OpenPull(repoName, standin.PullOptions{Title: "Change", Change: w.commitOf("a: 1\n", author)})
	require.NoError(w.t, err)
	return p
}

func (w *world) pushed(p standin.OpenedPull, author string) {
	w.t.Helper()
	w.settle()
	w.edits++
	_, err := w.gh.As("erin").PushToPull(repoName, p.Number, w.commitOf(fmt.Sprintf("a: %d\n", 1+w.edits), author))
	require.NoError(w.t, err)
}

func (w *world) approved(p standin.OpenedPull) {
	w.t.Helper()
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.settle()
}

// commitOf is a change of a person who is made for it.
func (w *world) commitOf(content, author string) standin.Change {
	w.t.Helper()
	c := change("prod/a.yaml", content)
	if author != "" {
		_, _ = w.gh.CreateUser(author, author, author+"@example.com") // there already, the second time
		c.Author = &standin.Identity{Name: author, Email: author + "@example.com"}
		c.Committer = c.Author
	}
	return c
}

// erin is somebody of whom nothing is known.
func (w *world) erin(address bool) {
	w.t.Helper()
	var addresses []string
	if address {
		addresses = append(addresses, "erin@example.com")
	}
	_, err := w.gh.CreateUser("erin", "Erin", addresses...)
	require.NoError(w.t, err)
	require.NoError(w.t, w.gh.SetCollaborator(repoName, "erin", "write"))
}
