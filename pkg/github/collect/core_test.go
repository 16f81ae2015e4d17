package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// decide lets the core judge what was collected, for an Application that is
// rendered from prod/ and a gate that wants one approval of acme/sre.
func (w *world) decide(a approval.Answer) approval.Decision {
	return explain(w.policy(), w.facts(a))
}

// explain decides as the reconcile loop does: what the candidate is rendered
// from is in scope.
func explain(p approval.Policy, f approval.Facts) approval.Decision {
	if c, ok := approval.Prospect(p, f); ok {
		f.Closure = &approval.Closure{Revisions: c.Revisions, Reads: []approval.Read{{Repository: repoName, Path: "prod/"}}}
	}
	return approval.Explain(p, f)
}

func (w *world) policy() approval.Policy {
	return approval.Policy{
		Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
		Repositories: []approval.ProtectedRepository{{
			Name: repoName, Branch: "main", EnrolledAt: approval.SHA(w.repo.Head), Paths: []string{"prod/**"},
		}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Teams: []approval.TeamName{"acme/sre"}}}},
	}
}

func (w *world) facts(a approval.Answer) approval.Facts {
	return approval.Facts{
		Application: approval.Application{
			UID: "1", Namespace: "argocd", Name: "shop", Project: "prod", ResourceVersion: "1", SpecDigest: "d",
			Server: "https://kubernetes.default.svc", DestinationNamespace: "shop",
			Sources: []approval.Source{{
				Kind: approval.SourceGit, RepoURL: w.repo.CloneURL, Repository: repoName, TargetRevision: "main",
				Reads: []approval.Read{{Repository: repoName, Path: "prod/"}},
			}},
		},
		Lines: a.Lines, Directory: a.Directory,
	}
}

// What is collected satisfies the core: approved landings are allowed up to the
// newest, and every attack on the way stops there.
func TestTheCoreJudgesWhatIsCollected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	target := func() (approval.SHA, approval.Decision) {
		t.Helper()
		w.delivered()
		d := w.decide(w.collect(w.repo.Head))
		require.Len(t, d.Lines, 1)
		return d.Lines[0].Target, d
	}

	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.push("alice", p.Number, "prod/b.yaml", "b: 1\n")
	rebased := w.merge(p.Number, "rebase")
	sha, d := target()
	require.Equal(t, approval.SHA(w.repo.Head), sha, "nobody approved")
	require.Equal(t, approval.Blocked, d.Verdict, d.Findings)

	w.review("bob", p.Number, "APPROVE")
	sha, d = target()
	require.Equal(t, approval.SHA(rebased), sha, d.Findings)
	require.True(t, d.Allowed())

	for _, method := range []string{"merge", "squash"} {
		next := w.pull("alice", "prod/"+method+".yaml", "x: 1\n")
		w.review("carol", next.Number, "APPROVE")
		landed := w.merge(next.Number, method)
		sha, d = target()
		require.Equal(t, approval.SHA(landed), sha, d.Findings)
	}

	// Outside of prod/ nobody needs to approve.
	outside, err := w.gh.As("mallory").PushBranch(repoName, "main", change("docs/readme.md", "hello\n"))
	require.NoError(t, err)
	sha, d = target()
	require.Equal(t, approval.SHA(outside), sha, d.Findings)

	hijack := w.pull("alice", "prod/h.yaml", "h: 1\n")
	w.push("bob", hijack.Number, "prod/h.yaml", "h: 2\n")
	w.review("bob", hijack.Number, "APPROVE")
	w.merge(hijack.Number, "squash")
	sha, d = target()
	require.Equal(t, approval.SHA(outside), sha, "bob pushed what he approves")
	require.Equal(t, approval.Blocked, d.Lines[0].Landings[len(d.Lines[0].Landings)-1].Verdict)

	w.review("carol", hijack.Number, "APPROVE")
	sha, d = target()
	require.NotEqual(t, approval.SHA(outside), sha, d.Findings)
	approved := sha

	evil := w.pull("alice", "prod/e.yaml", "e: 1\n")
	w.review("carol", evil.Number, "APPROVE")
	_, err = w.gh.As("mallory").MergeByHand(repoName, evil.Number, standin.Change{Files: map[string]string{"prod/evil.yaml": "x\n"}})
	require.NoError(t, err)
	sha, d = target()
	require.Equal(t, approved, sha)
	require.Equal(t, approval.Blocked, d.Lines[0].Landings[len(d.Lines[0].Landings)-1].Verdict, d.Findings)
}

// A commit that changes nothing is a landing like any other.
func TestEmptyCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.gh.As("mallory").PushBranch(repoName, "main", standin.Change{Message: "Nothing"})
	require.NoError(t, err)
	a, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.NoError(t, err)
	require.Len(t, a.Lines[0].Landings, 1)
	require.Empty(t, a.Lines[0].Landings[0].Changes)
	require.Equal(t, a.Lines[0].Landings[0].Tree, a.Lines[0].Landings[0].ParentTree)
	require.Equal(t, a.Lines[0].Head, w.decide(a).Lines[0].Target)
}
