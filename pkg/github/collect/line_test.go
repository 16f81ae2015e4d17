package collect_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestHowPullRequestsLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	baseline := w.repo.Head
	type want struct {
		kind   approval.LandingKind
		result approval.ProofResult
		pull   int
	}
	var wants []want

	merged := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(merged.Number, "merge")
	wants = append(wants, want{approval.KindMerge, approval.Proven, merged.Number})

	squashed := w.pull("alice", "prod/b.yaml", "b: 1\n")
	w.push("alice", squashed.Number, "prod/b.yaml", "b: 2\n")
	w.merge(squashed.Number, "squash")
	wants = append(wants, want{approval.KindSquash, approval.Proven, squashed.Number})

	rebased := w.pull("alice", "prod/c.yaml", "c: 1\n")
	w.push("alice", rebased.Number, "prod/c.yaml", "c: 2\n")
	w.push("mallory", rebased.Number, "prod/d.yaml", "d: 1\n")
	// The base moves, so that the rebase makes new commits.
	direct, err := w.gh.As("carol").PushBranch(repoName, "main", change("prod/direct.yaml", "x: 1\n"))
	require.NoError(t, err)
	wants = append(wants, want{approval.KindDirect, "", 0})
	w.merge(rebased.Number, "rebase")
	wants = append(wants, want{approval.KindRebase, approval.Proven, rebased.Number})

	evil := w.pull("alice", "prod/e.yaml", "e: 1\n")
	_, err = w.gh.As("mallory").MergeByHand(repoName, evil.Number, change("prod/evil.yaml", "evil: true\n"))
	require.NoError(t, err)
	wants = append(wants, want{approval.KindMerge, approval.Mismatch, evil.Number})

	marked := w.pull("alice", "prod/f.yaml", "f: 1\n")
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, "main", marked.Head))
	wants = append(wants, want{approval.KindDirect, approval.Mismatch, marked.Number})

	for _, again := range []string{"cold", "warm"} {
		a := w.collect(baseline)
		var got []want
		for _, l := range a.Lines[0].Landings {
			require.Empty(t, l.Unsettled, again)
			n := 0
			if l.Pull != nil {
				n = l.Pull.Number
				require.True(t, l.Pull.Merged)
				require.Equal(t, w.repo.ID, l.Pull.BaseRepositoryID)
				require.Equal(t, "main", l.Pull.Base)
				require.Equal(t, "alice", l.Pull.Author.Login)
			}
			got = append(got, want{l.Kind, l.Proof.Result, n})
		}
		require.Equal(t, wants, got, again)
		require.Equal(t, approval.SHA(direct), a.Lines[0].Landings[2].Commit)
		run := a.Lines[0].Landings[3]
		require.Len(t, run.Changes, 2, "a rebased run is one landing")
		require.Equal(t, []string{"alice", "mallory"}, logins(run.Pull.Contributors))
	}
	w.resetCalls()
	w.collect(baseline)
	for _, c := range w.apiCalls() {
		require.True(t, strings.HasSuffix(c, "/reviews"), "warm, but: "+c)
	}
}

func logins(contributors []approval.Contributor) []string {
	var out []string
	for _, c := range contributors {
		name := "?" + c.Email
		if c.User != nil {
			name = c.User.Login
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestIndexLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGrace(time.Hour), withTransport(empty{"pulls"}))
	w.gh.LagCommitIndex(time.Hour)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.merge(p.Number, "rebase")
	a := w.collect(w.repo.Head)
	require.Len(t, a.Lines[0].Landings, 2)
	for _, l := range a.Lines[0].Landings {
		require.Equal(t, "waiting for GitHub to index the commit", l.Unsettled)
	}

	w.gh.LagCommitIndex(0)
	a = w.collect(w.repo.Head)
	require.Len(t, a.Lines[0].Landings, 1)
	require.Equal(t, approval.KindRebase, a.Lines[0].Landings[0].Kind)
	require.Equal(t, approval.Proven, a.Lines[0].Landings[0].Proof.Result)

	// After the grace time a commit that the index does not know is a direct push.
	w.gh.LagCommitIndex(time.Hour)
	w.restart(withGrace(time.Nanosecond))
	a = w.collect(w.repo.Head)
	require.Len(t, a.Lines[0].Landings, 2)
	require.Equal(t, approval.KindDirect, a.Lines[0].Landings[0].Kind)

	// A webhook tells all the same, at once.
	w.witness.keep(approval.Hint{Merge: &approval.WitnessedMerge{RepositoryID: w.repo.ID, Pull: p.Number, Commit: a.Lines[0].Head}})
	a = w.collect(w.repo.Head)
	require.Len(t, a.Lines[0].Landings, 1)
	require.Equal(t, p.Number, a.Lines[0].Landings[0].Pull.Number)
}

func TestClaimsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(p.Number, "merge")
	forged := change("prod/b.yaml", "b: 1\n")
	forged.Message = "Innocent change (#1)"
	sha, err := w.gh.As("mallory").PushBranch(repoName, "main", forged)
	require.NoError(t, err)
	a := w.collect(w.repo.Head)
	require.Equal(t, approval.KindDirect, a.Lines[0].Landings[1].Kind)
	require.Nil(t, a.Lines[0].Landings[1].Pull)

	w.witness.merges[approval.SHA(sha)] = p.Number
	a = w.collect(w.repo.Head)
	require.Contains(t, a.Lines[0].Landings[1].Unsettled, "a webhook named #1 for this commit, but that landed at")

	w.witness.merges[approval.SHA(sha)] = 999
	a = w.collect(w.repo.Head)
	require.Contains(t, a.Lines[0].Landings[1].Unsettled, "GitHub knows no such pull request")

	open := w.pull("alice", "prod/c.yaml", "c: 1\n")
	w.witness.merges[approval.SHA(sha)] = open.Number
	a = w.collect(w.repo.Head)
	require.Contains(t, a.Lines[0].Landings[1].Unsettled, "GitHub does not say that it is merged")
}

func TestOtherBaseDoesNotLaunder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, "dev", w.repo.Head))
	p, err := w.gh.As("mallory").OpenPull(repoName, standin.PullOptions{Base: "dev", Change: change("prod/a.yaml", "a: 1\n")})
	require.NoError(t, err)
	landed := w.merge(p.Number, "squash")
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, "main", landed))
	a := w.collect(w.repo.Head)
	require.Equal(t, approval.KindDirect, a.Lines[0].Landings[0].Kind)
	require.Nil(t, a.Lines[0].Landings[0].Pull)
}

func TestStackedRebasesStayApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGrace(time.Hour), withTransport(empty{"pulls"}))
	lower := w.pull("mallory", "prod/a.yaml", "a: 1\n")
	require.NoError(t, w.gh.As("alice").SetBranch(repoName, "upper", lower.Head))
	_, err := w.gh.As("alice").PushBranch(repoName, "upper", change("prod/b.yaml", "b: 1\n"))
	require.NoError(t, err)
	upper, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Branch: "upper", Title: "Upper"})
	require.NoError(t, err)
	_, err = w.gh.As("carol").PushBranch(repoName, "main", change("prod/direct.yaml", "x: 1\n"))
	require.NoError(t, err)
	w.merge(lower.Number, "rebase")
	w.merge(upper.Number, "rebase")

	a := w.collect(w.repo.Head)
	landings := a.Lines[0].Landings
	require.Len(t, landings, 3)
	require.Equal(t, lower.Number, landings[1].Pull.Number)
	require.Equal(t, upper.Number, landings[2].Pull.Number)
	require.Equal(t, "prod/b.yaml", landings[2].Changes[0].Path)
	require.Len(t, landings[2].Changes, 1)

	// If GitHub's index does not know the lower one, the upper one must not take
	// it for a part of itself.
	w.restart(withGrace(time.Hour))
	w.gh.LagCommitIndex(time.Hour)
	w.witness.merges[a.Lines[0].Head] = upper.Number
	a = w.collect(w.repo.Head)
	last := a.Lines[0].Landings[len(a.Lines[0].Landings)-1]
	require.Contains(t, last.Unsettled, "waiting for GitHub to index the commit")
}

func TestBaselineInsideOfARebasedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.push("alice", p.Number, "prod/b.yaml", "b: 1\n")
	w.push("alice", p.Number, "prod/c.yaml", "c: 1\n")
	_, err := w.gh.As("carol").PushBranch(repoName, "main", change("prod/direct.yaml", "x: 1\n"))
	require.NoError(t, err)
	w.merge(p.Number, "rebase")
	all := w.collect(w.repo.Head)
	require.Len(t, all.Lines[0].Landings, 2)

	commits, onLine, err := w.mirror.Line(t.Context(), "main", approval.SHA(w.repo.Head))
	require.NoError(t, err)
	require.True(t, onLine)
	require.Len(t, commits, 4)
	for _, how := range []string{"warm", "cold"} {
		a := w.collect(string(commits[1].SHA))
		require.Len(t, a.Lines[0].Landings, 1, how)
		l := a.Lines[0].Landings[0]
		require.Equal(t, approval.Proven, l.Proof.Result)
		require.Len(t, l.Changes, 2)
		require.Equal(t, []string{"alice"}, logins(l.Pull.Contributors))
		w.restart()
	}
}

func TestRewrittenBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	baseline := w.merge(p.Number, "squash")
	require.NoError(t, w.gh.As("carol").SetBranch(repoName, "main", w.repo.Head))
	a, err := w.collector.Collect(t.Context(), w.query(baseline))
	require.NoError(t, err)
	require.False(t, a.Lines[0].BaselineOnLine)
	require.Equal(t, approval.SHA(w.repo.Head), a.Lines[0].Head)
	require.Empty(t, a.Lines[0].Landings)
}

func TestHeadsMustAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(p.Number, "squash")
	cmd := exec.CommandContext(t.Context(), "git", "-C", w.repo.GitDir, "update-ref", "refs/pull/1/head", w.repo.Head)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	l := w.collect(w.repo.Head).Lines[0].Landings[0]
	require.Contains(t, l.Unsettled, "GitHub's API says that the head of #1 is "+p.Head[:7])
	require.Equal(t, p.Number, l.Pull.Number)
	require.Empty(t, l.Proof.Result)

	cmd = exec.CommandContext(t.Context(), "git", "-C", w.repo.GitDir, "update-ref", "refs/pull/1/head", p.Head)
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	l = w.collect(w.repo.Head).Lines[0].Landings[0]
	require.Empty(t, l.Unsettled, "it is looked at again")
	require.Equal(t, approval.Proven, l.Proof.Result)
}

func TestSeveralRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.gh.As("alice").SetBranch(repoName, "release", w.repo.Head))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.merge(p.Number, "merge")
	other, err := w.gh.As("mallory").OpenPull(repoName, standin.PullOptions{Base: "release", Change: change("prod/b.yaml", "b: 1\n")})
	require.NoError(t, err)
	w.merge(other.Number, "squash")
	q := w.query(w.repo.Head)
	q.Ranges = append(q.Ranges, approval.Range{Repository: repoName, Branch: "release", Baseline: approval.SHA(w.repo.Head)})
	for range 3 {
		a, err := w.collector.Collect(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, a.Lines, 2)
		require.Equal(t, "main", a.Lines[0].Branch)
		require.Equal(t, p.Number, a.Lines[0].Landings[0].Pull.Number)
		require.Equal(t, "release", a.Lines[1].Branch)
		require.False(t, a.Lines[1].DefaultBranch)
		require.Equal(t, other.Number, a.Lines[1].Landings[0].Pull.Number)
	}
}
