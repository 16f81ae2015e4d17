package collect_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/collect"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// store keeps in the inbox what the collector asks it for.
func (w *world) store(h approval.Hint) error {
	w.witness.mu.Lock()
	defer w.witness.mu.Unlock()
	switch {
	case w.witness.deaf:
		return nil
	case h.Push != nil:
		return w.box.SavePush(context.WithoutCancel(w.t.Context()), *h.Push)
	case h.Merge != nil:
		return w.box.SaveMerge(context.WithoutCancel(w.t.Context()), *h.Merge)
	default:
		return nil
	}
}

// A head was approved, replaced, and pushed back by somebody, and the webhooks of
// both pushes were lost. What was witnessed of the head has no gap, and is wrong.
func TestHeadThatCameBackUnheard(t *testing.T) {
	t.Parallel()
	for _, fork := range []bool{false, true} {
		for _, review := range []string{"heard", "unheard", "after"} {
			for _, by := range []string{"alice", "mallory"} {
				t.Run(fmt.Sprintf("fork %v, review %s, back by %s", fork, review, by), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					w.listen()
					repo := repoName
					if fork {
						_, err := w.gh.As("alice").Fork(repoName)
						require.NoError(t, err)
						repo = "alice/env"
						require.NoError(t, w.gh.SetCollaborator(repo, "mallory", "write"))
					}
					p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: repo, Branch: "topic", Change: change("prod/a.yaml", "a: 1\n")})
					require.NoError(t, err)
					w.settle()
					first := w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
					approve := func() {
						w.settle()
						w.review("bob", p.Number, "APPROVE")
						w.settle()
					}
					switch review {
					case "heard":
						approve()
					case "unheard":
						w.lose(approve)
					}
					w.lose(func() {
						w.settle()
						w.push("alice", p.Number, "prod/a.yaml", "a: 3\n")
						w.settle()
						require.NoError(t, w.gh.As(by).SetBranch(repo, "topic", first))
						w.settle()
					})
					if review == "after" {
						approve()
					}
					open := w.collectPull(p.Number).Pull
					sha := w.merge(p.Number, "squash")
					pr := w.landed()
					for _, pr := range []approval.PullRequest{open, pr} {
						require.Equal(t, approval.SHA(first), pr.Head)
						require.NotNil(t, pr.Pusher)
						require.Equal(t, by, pr.Pusher.Login)
						require.Equal(t, review == "after", pr.Reviews[0].SubmittedAt.After(pr.HeadPushedAt))
					}
					if review == "after" {
						w.allowed(sha)
					} else {
						w.blocked(approval.CodeApprovalBeforePush)
					}
				})
			}
		}
	}
}

// What was read of the log is read again when a webhook tells more.
func TestHeadThatCameBackHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	first := w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.settle()
	w.review("bob", p.Number, "APPROVE")
	w.delivered()
	require.Equal(t, "alice", w.collectPull(p.Number).Pull.Pusher.Login)
	w.settle()
	w.push("alice", p.Number, "prod/a.yaml", "a: 3\n")
	w.settle()
	require.NoError(t, w.gh.As("mallory").SetBranch(repoName, p.Branch, first))
	w.delivered()
	require.Equal(t, "mallory", w.collectPull(p.Number).Pull.Pusher.Login)
}

// Whoever pushed the head back is its pusher, however it looks to the webhooks.
func TestApproverWhoPushedBackUnheard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	first := w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.lose(func() {
		w.settle()
		w.push("alice", p.Number, "prod/a.yaml", "a: 3\n")
		w.settle()
		require.NoError(t, w.gh.As("bob").SetBranch(repoName, p.Branch, first))
		w.settle()
	})
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "squash")
	w.blocked(approval.CodeApprovalPusher)
}

// An update of a head in a fork keeps its approval, unless the head was replaced
// meanwhile and came back.
func TestUpdateInAFork(t *testing.T) {
	t.Parallel()
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprintf("came back %v", back), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.listen()
			_, err := w.gh.As("alice").Fork(repoName)
			require.NoError(t, err)
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: "alice/env", Branch: "topic", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(t, err)
			w.approved(p)
			if back {
				w.lose(func() {
					w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
					w.settle()
					require.NoError(t, w.gh.As("alice").SetBranch("alice/env", "topic", p.Head))
					w.settle()
				})
			}
			w.update("alice", p.Number)
			w.merge(p.Number, "squash")
			if back {
				require.Empty(t, w.lastPull().Kept)
				require.NotEqual(t, approval.SHA(w.tip("main")), w.judged().Lines[0].Target)
				return
			}
			w.delivered()
			require.Equal(t, []string{p.Head + " alice"}, commitsOf(w.lastPull().Kept))
			w.allowed(w.tip("main"))
		})
	}
}

// While a pull request is closed a force-push leaves no trace in its timeline.
func TestHeadThatCameBackWhileClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.settle()
	first := w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
	w.settle()
	w.lose(func() {
		w.review("bob", p.Number, "APPROVE")
		w.settle()
		require.NoError(t, w.gh.As("alice").EditPull(repoName, p.Number, "", "", "", "closed"))
		_, err := w.gh.As("alice").PushBranch(repoName, p.Branch, change("prod/a.yaml", "a: 3\n"))
		require.NoError(t, err)
		require.NoError(t, w.gh.As("mallory").SetBranch(repoName, p.Branch, first))
		w.settle()
		require.NoError(t, w.gh.As("alice").EditPull(repoName, p.Number, "", "", "", "open"))
		w.settle()
	})
	w.merge(p.Number, "squash")
	pr := w.landed()
	require.Equal(t, "mallory", pr.Pusher.Login)
	w.blocked(approval.CodeApprovalBeforePush)
}

// What happens to the branch after the merge is nothing to the pull request.
func TestBranchUsedAgainAfterTheMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.approvedPull()
	sha := w.merge(p.Number, "squash")
	w.settle()
	_, err := w.gh.As("alice").PushBranch(repoName, p.Branch, change("prod/a.yaml", "a: 7\n"))
	require.NoError(t, err)
	w.settle()
	require.NoError(t, w.gh.As("bob").SetBranch(repoName, p.Branch, p.Head))
	w.settle()
	require.Equal(t, "alice", w.landed().Pusher.Login)
	w.allowed(sha)
}

// A colleague's commit is the colleague's, whoever pushed it, and whoever is asked.
func TestAccountsThatPushesTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erin(true)
	w.listen()
	p := w.opened("dora")
	w.pushed(p, "")
	w.delivered()
	told := w.collectPull(p.Number).Pull.Contributors
	require.ElementsMatch(t, []string{"dora", "erin"}, logins(told))
	w.loseMemory()
	require.Equal(t, told, w.collectPull(p.Number).Pull.Contributors)
}

// An address that belongs to nobody is asked about again, and not taken for
// somebody's later because it was nobody's.
func TestNobodyIsNotRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	c := change("prod/a.yaml", "a: 1\n")
	c.Author = &standin.Identity{Name: "Ghost", Email: "ghost@example.com"}
	p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Change: c})
	require.NoError(t, err)
	w.approved(p)
	sha := w.merge(p.Number, "squash")
	w.blocked(approval.CodeContributorUnknown)
	_, err = w.gh.CreateUser("ghost", "Ghost", "ghost@example.com")
	require.NoError(t, err)
	w.restart()
	w.allowed(sha)
	require.Contains(t, logins(w.landed().Contributors), "ghost")
}

// What an earlier process remembers of a pull request is not believed against what
// GitHub says now.
func TestMemoryIsNoAuthority(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.approvedPull()
	sha := w.merge(p.Number, "squash")
	w.allowed(sha)
	kept, found, err := w.box.Fact(t.Context(), w.repo.ID, "pull/1", "1")
	require.NoError(t, err)
	require.True(t, found)
	for _, value := range []string{
		`{`, `{}`, `{"base":"master","mergeCommit":"` + sha + `"}`,
		`{"base":"main","mergeCommit":"` + p.Head + `"}`,
	} {
		for kind, value := range map[string]string{"pull/1": value, "arrivals/1": `{"list":[{"head":"` + p.Head + `","by":null}]}`} {
			require.NoError(t, w.box.SaveFact(t.Context(), w.repo.ID, kind, "1", []byte(value)))
		}
		w.restart()
		w.allowed(sha)
		w.restart(withTransport(empty{"pulls"}))
		w.allowed(sha)
	}
	again, _, err := w.box.Fact(t.Context(), w.repo.ID, "pull/1", "1")
	require.NoError(t, err)
	require.JSONEq(t, string(kept), string(again), "what was read is kept in its place")
}

// loseMemory begins a process that remembers nothing, and that heard nothing.
func (w *world) loseMemory() {
	w.t.Helper()
	w.restart(func(_ *world, o *collect.Options) {
		box := newBox(w.t)
		o.Witness, o.Pushes, o.Memory = newWitness(), box, box
	})
}
