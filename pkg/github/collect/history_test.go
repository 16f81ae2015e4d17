package collect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

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
				newHistory(t, repo, rand.New(rand.NewPCG(seed, 7))).play()
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

	// Who pushed to a fork is asked about when somebody approved the head; before that
	// nothing rests on it.
	approved := slices.ContainsFunc(pr.Reviews, func(v approval.Review) bool { return v.State == approval.ReviewApproved && v.Commit == pr.Head })
	if pr.Pusher != nil && (h.where == repoName || approved) {
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
