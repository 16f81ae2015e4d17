package collect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
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
		return w.box.SavePush(w.t.Context(), *h.Push)
	case h.Merge != nil:
		return w.box.SaveMerge(w.t.Context(), *h.Merge)
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
		box, err := inbox.Open(w.t.Context(), w.t.TempDir()+"/inbox.db")
		require.NoError(w.t, err)
		w.t.Cleanup(func() { require.NoError(w.t, box.Close()) })
		o.Witness, o.Pushes, o.Memory = newWitness(), box, box
	})
}

// What is known of the pushes of random histories, of which some webhooks are
// lost, is what GitHub says when it is asked about everything; for a branch in a
// fork it may be nothing. Approvals count that were given after the head came last,
// by somebody without a part in it, and no others.
func TestRandomPushes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		for _, repo := range []string{repoName, "alice/env"} {
			t.Run(fmt.Sprint(repo, seed), func(t *testing.T) {
				t.Parallel()
				newHistory(t, repo, rand.New(rand.NewPCG(seed, 7))).play() //nolint:gosec // chance, not secrecy
			})
		}
	}
}

// history is one pull request that people push to, with what really happened.
type history struct {
	*world
	rng     *rand.Rand
	where   string // is the branch
	pull    standin.OpenedPull
	clock   int
	last    string              // who pushed last
	came    int                 // when
	head    string              // what
	authors map[string][]string // of each head
	votes   map[string]int      // who approved the present head, and when
}

func newHistory(t *testing.T, repo string, rng *rand.Rand) *history {
	t.Helper()
	w := newWorld(t)
	w.listen()
	if repo != repoName {
		_, err := w.gh.As("alice").Fork(repoName)
		require.NoError(t, err)
		for _, who := range []string{"bob", "carol", "mallory"} {
			require.NoError(t, w.gh.SetCollaborator(repo, who, "write"))
		}
	}
	h := &history{world: w, rng: rng, where: repo, last: "alice", votes: map[string]int{}}
	h.perhaps(func() {
		var err error
		h.pull, err = w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: repo, Branch: "topic", Change: change("prod/a.yaml", "a: 0\n")})
		require.NoError(t, err)
	})
	h.head, h.authors = h.pull.Head, map[string][]string{h.pull.Head: {"alice"}}
	return h
}

// perhaps does something of which perhaps nobody hears.
func (h *history) perhaps(do func()) {
	h.clock++
	h.settle()
	if h.rng.IntN(3) == 0 {
		h.lose(do)
	} else {
		do()
	}
	h.settle()
}

func (h *history) play() {
	for range 9 {
		who := []string{"alice", "alice", "bob", "mallory"}[h.rng.IntN(4)]
		switch h.rng.IntN(10) {
		case 0, 1: // on top
			h.perhaps(func() {
				h.moved(who, h.push(who, h.pull.Number, "prod/a.yaml", fmt.Sprintf("a: %d\n", h.clock)), h.authors[h.head])
			})
		case 2: // something else
			h.perhaps(func() {
				sha, err := h.gh.As(who).ForcePushPull(repoName, h.pull.Number, change("prod/a.yaml", fmt.Sprintf("a: %d\n", h.clock)))
				require.NoError(h.t, err)
				h.moved(who, sha, nil)
			})
		case 3, 4: // what was there before
			heads := slices.Sorted(func(yield func(string) bool) {
				for sha := range h.authors {
					if sha != h.head && !yield(sha) {
						return
					}
				}
			})
			if len(heads) == 0 {
				continue
			}
			sha := heads[h.rng.IntN(len(heads))]
			h.perhaps(func() {
				require.NoError(h.t, h.gh.As(who).SetBranch(h.where, h.pull.Branch, sha))
				h.head, h.last, h.came = sha, who, h.clock
			})
		case 5, 6, 7, 8:
			who := []string{"bob", "carol"}[h.rng.IntN(2)]
			h.perhaps(func() {
				h.review(who, h.pull.Number, "APPROVE")
				h.votes[who] = h.clock
			})
		case 9:
			h.delivered()
			h.collectPull(h.pull.Number)
			if h.rng.IntN(2) == 0 {
				h.restart()
			}
		}
	}
	h.delivered()
	open := h.collectPull(h.pull.Number).Pull
	h.perhaps(func() { h.merge(h.pull.Number, "squash") })
	h.delivered()
	if h.rng.IntN(2) == 0 {
		h.restart()
	}
	pr := h.landed()
	d := h.judged()
	h.restart()
	again := h.landed()
	require.Equal(h.t, pr.Pusher, again.Pusher)
	require.Equal(h.t, pr.HeadPushedAt, again.HeadPushedAt)
	require.Equal(h.t, d.Allowed() && d.Advances, func() bool { d := h.judged(); return d.Allowed() && d.Advances }())

	valid := false
	for who, at := range h.votes {
		valid = valid || at > h.came && who != h.last && !slices.Contains(h.authors[h.head], who)
	}
	allowed := d.Advances && d.Allowed()
	h.t.Logf("valid %v, allowed %v, pusher %v", valid, allowed, pr.Pusher)
	require.True(h.t, valid || !allowed, "%+v", d)

	if pr.Pusher != nil {
		require.Equal(h.t, h.last, pr.Pusher.Login)
	}
	h.loseMemory()
	cold := h.landed()
	require.Equal(h.t, approval.SHA(h.head), cold.Head)
	require.Equal(h.t, cold.Contributors, pr.Contributors)
	if h.where != repoName {
		return
	}
	require.Equal(h.t, valid, allowed, "%+v", d)
	require.Equal(h.t, h.last, cold.Pusher.Login)
	require.Equal(h.t, cold.Pusher, pr.Pusher)
	require.False(h.t, pr.HeadPushedAt.Before(cold.HeadPushedAt))
	require.WithinDuration(h.t, cold.HeadPushedAt, pr.HeadPushedAt, time.Second)
	if slices.ContainsFunc(open.Reviews, func(v approval.Review) bool { return v.State == approval.ReviewApproved && v.Commit == open.Head }) {
		require.Equal(h.t, cold.Pusher, open.Pusher, "somebody approved it")
	}
}

func (h *history) moved(who, sha string, authors []string) {
	h.head, h.last, h.came = sha, who, h.clock
	h.authors[sha] = append(slices.Clone(authors), who)
}
