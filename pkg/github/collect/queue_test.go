package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// The entries of a merge queue land with one push. Each is a landing of its own,
// proven on the one before it, and needs its own quorum.
func TestMergeQueue(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			require.NoError(t, w.gh.EnableMergeQueue(repoName, "main", method))
			var pulls []standin.OpenedPull
			for _, name := range []string{"a", "b", "c"} {
				p := w.pull("alice", "prod/"+name+".yaml", name+": 1\n")
				// With two commits each, a run of one could reach over another.
				p.Head = w.push("alice", p.Number, "prod/"+name+"2.yaml", name+": 2\n")
				w.settle()
				if name != "b" {
					w.review("bob", p.Number, "APPROVE")
				}
				require.NoError(t, w.gh.As("bob").Enqueue(repoName, p.Number))
				pulls = append(pulls, p)
			}
			require.NoError(t, w.gh.FinishGroup(repoName, "main")) // one push for all
			w.delivered()
			for _, again := range []string{"told by webhooks", "cold"} {
				a := w.collect(w.repo.Head)
				require.Len(t, a.Lines[0].Landings, len(pulls), again)
				for i, l := range a.Lines[0].Landings {
					require.Empty(t, l.Unsettled)
					require.Equal(t, approval.KindQueue, l.Kind)
					require.Equal(t, approval.Proven, l.Proof.Result, l.Proof.Detail)
					require.Equal(t, pulls[i].Number, l.Pull.Number)
					require.Equal(t, approval.SHA(pulls[i].Head), l.Pull.Head)
					require.Len(t, l.Changes, 2, "its own and no other's")
					require.Equal(t, "alice", l.Pull.Pusher.Login, "the queue does not push to the pull request")
				}
				d := w.decide(a)
				require.Equal(t, a.Lines[0].Landings[0].Commit, d.Lines[0].Target, "the second one waits for its quorum, and the third behind it")
				w.witness = newWitness()
				w.restart()
			}
			w.settle()
			w.review("bob", pulls[1].Number, "APPROVE")
			head, err := w.gh.Branch(repoName, "main")
			require.NoError(t, err)
			w.allowed(head)
		})
	}
}

// That a queue merged it excuses nothing: a dismissal while it was in line counts.
func TestDismissedInTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	require.NoError(t, w.gh.EnableMergeQueue(repoName, "main", "squash"))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	id := w.review("bob", p.Number, "APPROVE")
	require.NoError(t, w.gh.As("bob").Enqueue(repoName, p.Number))
	require.NoError(t, w.gh.As("carol").Dismiss(repoName, p.Number, id, "wait"))
	require.NoError(t, w.gh.FinishGroup(repoName, "main"))
	w.blocked(approval.CodeApprovalDismissed)
}

// A pull request that was closed and not merged approves nothing, whatever its
// head and its number say.
func TestClosedWithoutAMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	require.NoError(t, w.gh.As("alice").EditPull(repoName, p.Number, "", "", "", "closed"))
	c := change("prod/a.yaml", "a: 1\n")
	c.Message = "Change prod/a.yaml (#1)"
	sha, err := w.gh.As("mallory").PushBranch(repoName, "main", c)
	require.NoError(t, err)
	l := w.collect(w.repo.Head).Lines[0].Landings[0]
	require.Equal(t, approval.KindDirect, l.Kind)
	require.Nil(t, l.Pull)
	w.blocked(approval.CodeLandingDirect)
	// A webhook that claims the merge is believed only once GitHub says so.
	w.witness.merges[approval.SHA(sha)] = p.Number
	w.blocked(approval.CodeLandingUnsettled)
}

// A repository that is transferred stays the one it was, by its number; one of
// the former name is another.
func TestTransferredRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	_, err := w.gh.CreateOrganization("newco", "carol")
	require.NoError(t, err)
	_, err = w.gh.Install(w.app.ID, "newco")
	require.NoError(t, err)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	w.allowed(sha)
	require.NoError(t, w.gh.TransferRepository(repoName, "newco"))
	_, err = w.gh.CreateRepository("acme", "env", standin.RepositoryOptions{Files: map[string]string{"prod/values.yaml": "evil\n"}, Author: "mallory"})
	require.NoError(t, err)
	for _, how := range []string{"warm", "cold"} {
		a, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
		if err == nil {
			d := w.decide(a)
			require.False(t, d.Allowed(), "%s: %+v", how, d)
		}
		w.restart()
	}
}
