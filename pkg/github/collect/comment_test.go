package collect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func withComments(w *world, o *collect.Options) { o.Comments = w.box }

// approves has somebody approve the head by a comment, as the processor keeps it.
func (w *world) approves(who string, number int, head string) int64 {
	w.t.Helper()
	const body = "Fine.\n\n/gk approve"
	id, err := w.gh.As(who).Comment(repoName, number, body)
	require.NoError(w.t, err)
	comments, err := w.gh.Comments(repoName, number)
	require.NoError(w.t, err)
	require.NoError(w.t, w.box.SaveComment(w.t.Context(), approval.WitnessedComment{
		RepositoryID: w.repo.ID, Pull: number, Comment: id, Person: w.account(who), Commit: approval.SHA(head), Base: "main",
		At: comments[len(comments)-1].Created.Truncate(time.Second), Body: approval.TextDigest(body),
	}))
	return id
}

func (w *world) account(login string) approval.User {
	for _, a := range w.gh.Accounts() {
		if a.Login == login {
			return approval.User{ID: approval.UserID(a.ID), Login: login, Type: approval.UserTypePerson}
		}
	}
	w.t.Fatalf("no account %s", login)
	return approval.User{}
}

func (w *world) commented(number int) ([]approval.Review, error) {
	q := w.query(w.repo.Head)
	q.Needs.Comments = true
	answer, err := w.collector.CollectPull(w.t.Context(), repoName, number, q)
	return answer.Pull.Reviews, err
}

func TestApprovalsByComment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withComments)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.delivered()
	id := w.approves("bob", p.Number, p.Head)
	w.approves("carol", p.Number, p.Head)
	got, err := w.commented(p.Number)
	require.NoError(t, err)
	require.Len(t, got, 2)
	bob := w.account("bob")
	require.Equal(t, []any{-id, &bob, approval.ReviewApproved, approval.SHA(p.Head), "main", approval.MethodComment, true, false},
		[]any{got[0].ID, got[0].User, got[0].State, got[0].Commit, got[0].Base, got[0].Method, got[0].Witnessed, got[0].Edited})

	// Nobody asks for them, and nothing is read.
	w.resetCalls()
	answer, err := w.collector.CollectPull(t.Context(), repoName, p.Number, w.query(w.repo.Head))
	require.NoError(t, err)
	require.Empty(t, answer.Pull.Reviews)
	for _, call := range w.apiCalls() {
		require.NotContains(t, call, "comments")
	}

	// Edited, taken back, deleted.
	require.NoError(t, w.gh.As("bob").EditComment(repoName, id, "Not fine."))
	got, err = w.commented(p.Number)
	require.NoError(t, err)
	require.True(t, got[0].Edited)
	_, err = w.box.Withdraw(t.Context(), w.repo.ID, p.Number, w.account("carol").ID, time.Now().Add(time.Minute))
	require.NoError(t, err)
	got, err = w.commented(p.Number)
	require.NoError(t, err)
	require.Equal(t, approval.ReviewDismissed, got[1].State)
	require.Equal(t, approval.ReviewApproved, got[1].Dismissed.Was)
	require.NoError(t, w.gh.As("bob").EditComment(repoName, id, ""))
	got, err = w.commented(p.Number)
	require.NoError(t, err)
	require.Len(t, got, 1, "bob's is gone")
}

// TestWithdrawnCommentIsNoNewerWord: what is taken back was said when it was written, so a
// request for changes that came in between is the last word.
func TestWithdrawnCommentIsNoNewerWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withComments)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.delivered()
	w.approves("bob", p.Number, p.Head)
	w.settle()
	w.review("bob", p.Number, "REQUEST_CHANGES")
	_, err := w.box.Withdraw(t.Context(), w.repo.ID, p.Number, w.account("bob").ID, time.Now().Add(time.Minute))
	require.NoError(t, err)
	got, err := w.commented(p.Number)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, []approval.ReviewState{approval.ReviewChangesRequested, approval.ReviewDismissed}, []approval.ReviewState{got[0].State, got[1].State})
	require.True(t, got[1].SubmittedAt.Before(got[0].SubmittedAt), "%s, %s", got[1].SubmittedAt, got[0].SubmittedAt)
}

// TestRetargetedAfterTheComment: the base branch is read when a comment is heard of, so it
// is that of the comment only if it was not changed in between.
func TestRetargetedAfterTheComment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		retargets []string
		base      string
	}{
		"never":          {nil, "main"},
		"there and back": {[]string{"dev", "main"}, ""},
		"away":           {[]string{"dev"}, "main"}, // which is not its base any more
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withComments)
			w.listen()
			w.branch("dev")
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			w.delivered()
			w.settle()
			w.approves("bob", p.Number, p.Head)
			for _, base := range test.retargets {
				w.retarget(p.Number, base)
			}
			w.delivered()
			w.resetCalls()
			got, err := w.commented(p.Number)
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, test.base, got[0].Base)
			if len(test.retargets) > 0 {
				return
			}
			require.Equal(t, 1, w.countCalls("/timeline"), "%v", w.apiCalls())

			// Before the comment it may have been for any branch.
			w.settle()
			w.approves("bob", p.Number, p.Head)
			got, err = w.commented(p.Number)
			require.NoError(t, err)
			require.Equal(t, "main", got[0].Base)
			w.merge(p.Number, "squash")
			w.delivered()
			_, err = w.commented(p.Number)
			require.NoError(t, err)
			w.resetCalls()
			got, err = w.commented(p.Number)
			require.NoError(t, err)
			require.Equal(t, "main", got[0].Base)
			require.Zero(t, w.countCalls("/timeline"), "after the merge it is read once: %v", w.apiCalls())
		})
	}
}

func (w *world) countCalls(match string) int {
	n := 0
	for _, call := range w.apiCalls() {
		if strings.Contains(call, match) {
			n++
		}
	}
	return n
}

// TestApprovalsByCommentFailClosed: what cannot be read, and what nobody remembers, is an
// error and not a "no".
func TestApprovalsByCommentFailClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	_, err := w.commented(p.Number)
	require.ErrorContains(t, err, "nothing here remembers them")

	w.restart(withComments)
	w.approves("bob", p.Number, p.Head)
	w.fails("GET /repos/acme/env/issues/comments/")
	_, err = w.commented(p.Number)
	require.Error(t, err)
}

func (w *world) fails(match string) {
	w.t.Helper()
	_, err := w.gh.AddFault(standin.Fault{Match: match, Status: 502})
	require.NoError(w.t, err)
}
