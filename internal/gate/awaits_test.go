package gate

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// newAskPair is a pair whose gate syncs on command, with something that waits.
func newAskPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{setup: newSetup(t), post: &post{all: map[string]Current{}}}
	p.policies = []approval.Policy{onCommandPolicy()}
	p.first, p.second = &seat{p.post}, &seat{p.post}
	p.post.leader = p.first
	of := func(s *seat) *Gate {
		g := p.newGate()
		g.leadership, g.shared = s, p.post
		return g
	}
	p.leader, p.follower = of(p.first), of(p.second)
	p.gate = p.leader
	p.approves(1)
	p.waitsFor(0)
	return p
}

func (p *pair) awaits() approval.Awaited {
	p.t.Helper()
	all := p.follower.Awaits(p.t.Context(), []string{payments})
	require.Len(p.t, all, 1)
	require.Equal(p.t, payments, all[0].Application)
	return all[0]
}

// TestFollowerAwaits: any replica says what waits for somebody's word, and the word that is
// given on it is carried out by the one that leads.
func TestFollowerAwaits(t *testing.T) {
	p := newAskPair(t)
	w := p.awaits()
	require.True(t, w.Waits, w.State)
	require.Equal(t, "uid-payments", w.UID)
	require.Equal(t, sha(1), w.Candidate.Revisions[0].SHA)
	require.Contains(t, w.State, stateAwaits)

	p.order(history.ActPayload{Verb: history.VerbSync, Application: payments, Expires: p.clock.now().Add(time.Hour), Candidate: &w.Candidate})
	p.gate = p.leader
	p.reconciled()
	require.Equal(t, sha(1), p.argo.last().revision())
	w = p.awaits()
	require.False(t, w.Waits)
	require.Contains(t, w.State, "under way")
	p.argo.run(payments, phaseSucceeded)
	p.reconciled()
	require.False(t, p.awaits().Waits)
}

// TestFollowerAwaitsNothing: what a follower does not know for certain does not wait.
func TestFollowerAwaitsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(p *pair)
		text  string
	}{
		"nobody leads":        {func(p *pair) { p.post.edit(func(p *post) { p.nobody = true }) }, errNobody.Error()},
		"a webhook waits":     {func(p *pair) { p.post.edit(func(p *post) { p.waits = true }) }, stateJudging},
		"nothing is known":    {func(p *pair) { p.post.edit(func(p *post) { clear(p.all) }) }, stateJudging},
		"it cannot be read":   {func(p *pair) { p.post.edit(func(p *post) { p.fails = errors.New("the database is gone") }) }, "the database is gone"},
		"another Application": {func(p *pair) { p.spoil(func(c *Current) { c.UID = "another" }) }, stateJudging},
		"another state":       {func(p *pair) { p.spoil(func(c *Current) { c.State = "not synced" }) }, "not synced"},
		"too old": {func(p *pair) {
			p.spoil(func(c *Current) { c.Judged = c.Judged.Add(-decisionsKept*p.follower.resync - time.Second) })
		}, "for too long"},
		"somebody's sync runs": {func(p *pair) { p.argo.foreign(payments, sha(1)) }, stateUnderWay},
		"a zombie has written what was decided before": {func(p *pair) {
			before := p.post.all[payments]
			p.hub.dismiss(1)
			p.reconciled()
			p.post.edit(func(p *post) { p.all[payments] = before })
		}, stateJudging},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newAskPair(t)
				c.spoil(p)
				w := p.awaits()
				require.False(t, w.Waits)
				require.Contains(t, w.State, c.text)
			})
		})
	}
	p := newAskPair(t)
	w := p.follower.Awaits(t.Context(), []string{"argocd/none"})
	require.False(t, w[0].Waits)
	require.Contains(t, w[0].State, "ask again")
}
