package collect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// open opens a pull request of alice, and bob approves it.
func (w *world) approvedPull() standin.OpenedPull {
	w.t.Helper()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.settle()
	return p
}

// update brings a pull request up to date with a branch that moved, as GitHub's
// button does.
func (w *world) update(who string, number int) string {
	w.t.Helper()
	w.moves++
	w.seed("docs/a.md", string(rune('a'+w.moves))+"\n")
	w.settle()
	sha, err := w.gh.As(who).UpdateBranch(repoName, number)
	require.NoError(w.t, err)
	w.settle()
	return sha
}

// mergeTree makes a merge of two commits whose tree is that of merging two
// perhaps other ones.
func (w *world) mergeTree(ours, theirs string, tree ...string) string {
	w.t.Helper()
	if tree == nil {
		tree = []string{ours, theirs}
	}
	return w.git("commit-tree", w.git("merge-tree", "--write-tree", tree[0], tree[1]), "-p", ours, "-p", theirs, "-m", "Merge branch 'main'")
}

func (w *world) setHead(who string, p standin.OpenedPull, sha string) {
	w.t.Helper()
	require.NoError(w.t, w.gh.As(who).SetBranch(repoName, p.Branch, sha))
	w.settle()
}

func (w *world) tip(branch string) string {
	w.t.Helper()
	sha, err := w.gh.Branch(repoName, branch)
	require.NoError(w.t, err)
	return sha
}

func commitsOf(kept []approval.KeptHead) []string {
	var out []string
	for _, k := range kept {
		out = append(out, string(k.Commit)+" "+k.Pusher.Login)
	}
	return out
}

// "Update branch" keeps approvals, however often it is pressed, by whomever, and
// however the pull request lands.
func TestUpdatedBranchKeepsApprovals(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			p := w.approvedPull()
			first := w.update("alice", p.Number)
			second := w.update("mallory", p.Number)
			w.delivered()
			want := []string{first + " alice", p.Head + " alice"}

			open := w.collectPull(p.Number)
			require.Equal(t, approval.SHA(second), open.Pull.Head)
			require.Equal(t, want, commitsOf(open.Pull.Kept))
			require.True(t, open.Pull.Kept[0].PushedAt.After(open.Pull.Kept[1].PushedAt))
			require.True(t, open.Pull.HeadPushedAt.After(open.Pull.Kept[0].PushedAt))
			q := approval.JudgeQuorum(w.policy(), w.policy().Repositories[0], open.Pull, open.Changes, open.Directory, nil)
			require.Equal(t, approval.Allowed, q.Finding.Verdict, "%+v", q.Finding)
			require.Equal(t, "bob", q.Approvers[0].Login)

			w.merge(p.Number, method)
			w.allowed(w.tip("main"))
			pr := w.lastPull()
			require.Equal(t, want, commitsOf(pr.Kept))
			require.Equal(t, []string{"alice", "mallory"}, logins(pr.Contributors), "who pressed the button made a commit")
			w.restart()
			require.Equal(t, pr, w.lastPull(), "from what is kept")
		})
	}
}

func (w *world) lastPull() approval.PullRequest {
	w.t.Helper()
	w.delivered()
	landings := w.collect(w.repo.Head).Lines[0].Landings
	pr := landings[len(landings)-1].Pull
	require.NotNil(w.t, pr)
	return *pr
}

// An approval of the update itself, or of the head before it, by who pushed one of
// them, is none.
func TestUpdatesMakeNoReviewers(t *testing.T) {
	t.Parallel()
	t.Run("who pressed the button", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.listen()
		p := w.approvedPull()
		w.update("bob", p.Number)
		w.merge(p.Number, "merge")
		require.Contains(t, codesOf(w.judged().Findings), approval.CodeApprovalPusher)
		w.settle()
		w.review("carol", p.Number, "APPROVE")
		w.allowed(w.tip("main"))
	})
	t.Run("who pushed what somebody else updated", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.listen()
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		c := change("prod/a.yaml", "a: 2\n")
		c.Author = &standin.Identity{Name: "Alice", Email: "alice@example.com"}
		c.Committer = c.Author
		_, err := w.gh.As("bob").PushToPull(repoName, p.Number, c)
		require.NoError(t, err)
		w.settle()
		w.update("alice", p.Number)
		w.review("bob", p.Number, "APPROVE")
		w.merge(p.Number, "merge")
		d := w.judged()
		require.False(t, d.Advances)
		require.Contains(t, codesOf(d.Findings), approval.CodeApprovalPusher)
	})
}

// What looks like an update and is none. Each is landed, and then carol approves
// the head itself.
func TestUpdatesThatAreNone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		update func(w *world, p standin.OpenedPull)
		code   approval.Code
		method string
	}{
		"a byte more than the base": {func(w *world, p standin.OpenedPull) {
			evil, err := w.gh.As("alice").PushBranch(repoName, "scratch", change("prod/evil.yaml", "x\n"))
			require.NoError(w.t, err)
			w.setHead("alice", p, w.mergeTree(p.Head, w.tip("main"), p.Head, evil))
		}, approval.CodeApprovalStale, "squash"},
		"less than the base": {func(w *world, p standin.OpenedPull) {
			w.seed("docs/a.md", "a\n")
			w.setHead("alice", p, w.mergeTree(p.Head, w.tip("main"), p.Head, p.Head))
		}, approval.CodeApprovalStale, "squash"},
		"another branch": {func(w *world, p standin.OpenedPull) {
			evil := w.seedBranch("scratch", "prod/evil.yaml", "x\n")
			w.setHead("mallory", p, w.mergeTree(p.Head, evil))
		}, approval.CodeApprovalStale, "squash"},
		// After the merge the base has the commit of the other branch, too.
		"another branch, landed by a merge": {func(w *world, p standin.OpenedPull) {
			evil := w.seedBranch("scratch", "prod/evil.yaml", "x\n")
			w.setHead("mallory", p, w.mergeTree(p.Head, evil))
		}, approval.CodeApprovalStale, "merge"},
		"a branch that stands on the base": {func(w *world, p standin.OpenedPull) {
			w.seed("docs/a.md", "a\n")
			evil := w.seedBranch("scratch", "prod/evil.yaml", "x\n")
			w.setHead("mallory", p, w.mergeTree(p.Head, evil))
		}, approval.CodeApprovalStale, "merge"},
		"an update of what was pushed": {func(w *world, p standin.OpenedPull) {
			w.push("alice", p.Number, "prod/a.yaml", "a: 666\n")
			w.settle()
			w.update("alice", p.Number)
		}, approval.CodeApprovalStale, "squash"},
		"a push after the update": {func(w *world, p standin.OpenedPull) {
			w.update("alice", p.Number)
			w.push("alice", p.Number, "prod/a.yaml", "a: 666\n")
		}, approval.CodeApprovalStale, "squash"},
		// What bob approved was found bad and mended. An update of it brings it back.
		"an update of a head that was replaced": {func(w *world, p standin.OpenedPull) {
			w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			w.seed("docs/a.md", "a\n")
			w.setHead("alice", p, w.mergeTree(p.Head, w.tip("main")))
		}, approval.CodeApprovalStale, "squash"},
		"an update of a head that was replaced and is back": {func(w *world, p standin.OpenedPull) {
			w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
			w.settle()
			w.setHead("alice", p, p.Head)
			w.update("alice", p.Number)
		}, approval.CodeApprovalBeforePush, "squash"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			p := w.approvedPull()
			test.update(w, p)
			w.delivered()
			open := w.collectPull(p.Number)
			q := approval.JudgeQuorum(w.policy(), w.policy().Repositories[0], open.Pull, open.Changes, open.Directory, nil)
			require.Equal(t, approval.Blocked, q.Finding.Verdict, "while it is open: %+v", open.Pull.Kept)

			w.merge(p.Number, test.method)
			d := w.judged()
			require.NotEqual(t, approval.SHA(w.tip("main")), d.Lines[0].Target, "%+v", d)
			require.Contains(t, codesOf(d.Findings), test.code)
			w.settle()
			w.review("carol", p.Number, "APPROVE")
			w.allowed(w.tip("main"))
		})
	}
}

// Without webhooks nobody knows of which head an approval was.
func TestUpdateThatNobodyHeardOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.approvedPull()
	w.update("alice", p.Number)
	w.merge(p.Number, "merge")
	d := w.judged()
	require.NotEqual(t, approval.SHA(w.tip("main")), d.Lines[0].Target)
	require.Contains(t, codesOf(d.Findings), approval.CodeApprovalUnwitnessed)
	require.Equal(t, []string{p.Head + " alice"}, commitsOf(w.lastPull().Kept), "the activity log tells")
}

// The head with which the pull request was opened is looked up in the activity
// log, once.
func TestUpdateCostsOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.approvedPull()
	w.update("alice", p.Number)
	w.update("alice", p.Number)
	w.merge(p.Number, "merge")
	w.delivered()
	w.resetCalls()
	w.lastPull()
	var logs []string
	for _, call := range w.apiCalls() {
		if strings.HasPrefix(call, "GET /repos/acme/env/activity") {
			logs = append(logs, call)
		}
	}
	require.Len(t, logs, 1)
	w.resetCalls()
	w.lastPull()
	require.Equal(t, []string{"GET /repos/acme/env/pulls/1/reviews"}, w.apiCalls())
}

// Where a push was not witnessed, or its webhooks contradict each other, less is
// kept.
func TestUpdateOfWhichWebhooksWereLost(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (*world, standin.OpenedPull, string, string) {
		w := newWorld(t)
		w.listen()
		p := w.approvedPull()
		first := w.update("alice", p.Number)
		second := w.update("alice", p.Number)
		w.delivered()
		require.Len(t, w.collectPull(p.Number).Pull.Kept, 2)
		w.restart()
		return w, p, first, second
	}
	forget := func(w *world, p standin.OpenedPull, head string) {
		w.witness.mu.Lock()
		defer w.witness.mu.Unlock()
		delete(w.witness.heads, headKey(w.repo.ID, p.Number, approval.SHA(head)))
	}
	t.Run("of an update", func(t *testing.T) {
		t.Parallel()
		w, p, first, _ := begin(t)
		forget(w, p, first)
		require.Equal(t, []string{first + " alice"}, commitsOf(w.collectPull(p.Number).Pull.Kept), "the log is asked about one head")
	})
	t.Run("of the newest update", func(t *testing.T) {
		t.Parallel()
		w, p, first, second := begin(t)
		forget(w, p, second)
		require.Equal(t, []string{first + " alice", p.Head + " alice"}, commitsOf(w.collectPull(p.Number).Pull.Kept), "the log tells what it replaced")
	})
	t.Run("of what a head replaced", func(t *testing.T) {
		t.Parallel()
		w, p, first, second := begin(t)
		w.witness.mu.Lock()
		key := headKey(w.repo.ID, p.Number, approval.SHA(second))
		h := w.witness.heads[key]
		h.Before = ""
		w.witness.heads[key] = h
		w.witness.mu.Unlock()
		require.Equal(t, []string{first + " alice", p.Head + " alice"}, commitsOf(w.collectPull(p.Number).Pull.Kept), "the log tells")
	})
	t.Run("an older head came after the newest one", func(t *testing.T) {
		t.Parallel()
		w, p, first, second := begin(t)
		at := w.collectPull(p.Number).Pull.HeadPushedAt
		w.witness.keep(approval.Hint{Head: &approval.WitnessedHead{
			RepositoryID: w.repo.ID, Pull: p.Number, Head: approval.SHA(first), Before: approval.SHA(second),
			Pusher: approval.User{ID: w.userID("alice"), Login: "alice", Type: approval.UserTypePerson}, PushedAt: at.Add(1),
		}})
		require.Empty(t, w.collectPull(p.Number).Pull.Kept)
	})
}

// Bob approved a head that was replaced and came back, of which nobody heard; an
// update of it keeps nothing, although the first arrival was witnessed.
func TestUpdateOfAHeadThatCameBackUnheard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	bad := w.push("alice", p.Number, "prod/a.yaml", "a: 666\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.settle()
	w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.settle()
	w.lose(func() { w.setHead("alice", p, bad) })
	w.update("alice", p.Number)
	w.merge(p.Number, "squash")
	d := w.judged()
	require.NotEqual(t, approval.SHA(w.tip("main")), d.Lines[0].Target, "%+v", d)
	require.Contains(t, codesOf(d.Findings), approval.CodeApprovalBeforePush, "the log tells when it came back")
}
