package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

var (
	errFollows = errors.New("this replica does not lead")
	errNobody  = errors.New("no replica leads")
)

// post is who leads, and what the leader has left for the others.
type post struct {
	mu     sync.Mutex
	leader *seat
	nobody bool
	all    map[string]Current
	waits  bool
	fails  error
	fresh  bool
}

// seat is one replica's place in it.
type seat struct{ *post }

func (s *seat) Leads() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leader != s {
		return errFollows
	}
	return nil
}

func (s *seat) Led() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nobody {
		return errNobody
	}
	return nil
}

func (p *post) SaveCurrent(_ context.Context, c Current) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[c.Application], p.fresh = c, true
	return p.fails
}

func (p *post) DropCurrent(_ context.Context, application string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, application)
	return p.fails
}

func (p *post) Current(_ context.Context, application string) (Current, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.all[application]
	return c, ok, p.fails
}

func (p *post) Currents(context.Context) (all []Current, fresh bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh, p.fresh = p.fresh, false
	for _, c := range p.all {
		all = append(all, c)
	}
	return all, fresh, p.fails
}

func (p *post) Waits(context.Context, time.Time) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits, p.fails
}

func (p *post) edit(do func(p *post)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do(p)
}

// pair is a leader, which is the gate of the setup, and a follower.
type pair struct {
	*setup
	post             *post
	first, second    *seat
	leader, follower *Gate
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{setup: newAdmitSetup(t), post: &post{all: map[string]Current{}}}
	p.first, p.second = &seat{p.post}, &seat{p.post}
	p.post.leader = p.first
	p.leader, p.follower = p.replica(p.first), p.replica(p.second)
	p.gate = p.leader
	return p
}

func (p *pair) replica(s *seat) *Gate {
	g := p.newGate(openPolicy())
	g.leadership, g.shared = s, p.post
	return g
}

// asFollower lets the follower answer.
func (p *pair) asFollower() { p.gate = p.follower }

// TestFollowerAdmits: a replica that does not lead lets a person's sync through by what the
// one that leads has decided, and that one settles it.
func TestFollowerAdmits(t *testing.T) {
	p := newPair(t)
	p.held(1)
	p.asFollower()
	p.admits(p.asks(1))
	require.Len(t, p.intents(), 1)
	require.Equal(t, uint64(1), p.intents()[0].DecisionSequence)
	require.Equal(t, []approval.User{alice}, p.intents()[0].Approvers)
	p.syncs(1)
	p.argo.run(payments, phaseSucceeded)
	p.gate = p.leader
	p.reconciled()
	require.Equal(t, history.ResultSucceeded, p.outcomes()[0].Result)
	p.asFollower()
	p.refuses(p.asks(2), refusedCandidate)
}

// TestFollowerOwnIntent: Gatekeeper's own sync is let through by any replica, and edits are,
// whoever leads.
func TestFollowerOwnIntent(t *testing.T) {
	p := newPair(t)
	p.hub.land(1)
	p.hub.approve(1, alice)
	p.argo.onSync = func(store func() error, _ func()) error {
		p.post.edit(func(p *post) { p.nobody = true })
		intent := p.intents()[0]
		got := p.follower.Admit(t.Context(), p.asks(1, func(r *AdmissionRequest) {
			r.Start.Intent, r.Before.ResourceVersion = intent.ID, intent.ResourceVersion
		}))
		require.True(t, got.Allowed, got.Text)
		edit := p.asks(1, func(r *AdmissionRequest) { r.Start = nil })
		require.True(t, p.follower.Admit(t.Context(), edit).Allowed)
		return store()
	}
	p.reconciled()
	require.Len(t, p.argo.stored(), 1)
}

// TestFollowerRefuses: what a follower does not know for certain it refuses.
func TestFollowerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(p *pair)
		code  string
		text  string
	}{
		"nobody leads":        {func(p *pair) { p.post.edit(func(p *post) { p.nobody = true }) }, refusedUnknown, "no replica of Gatekeeper leads"},
		"a webhook waits":     {func(p *pair) { p.post.edit(func(p *post) { p.waits = true }) }, refusedUnknown, "try again in a moment"},
		"nothing is known":    {func(p *pair) { p.post.edit(func(p *post) { clear(p.all) }) }, refusedUnknown, "try again in a moment"},
		"it cannot be read":   {func(p *pair) { p.post.edit(func(p *post) { p.fails = errors.New("the database is gone") }) }, refusedRecord, "try again"},
		"another Application": {func(p *pair) { p.spoil(func(c *Current) { c.UID = "another" }) }, refusedUnknown, "try again in a moment"},
		"another gate":        {func(p *pair) { p.spoil(func(c *Current) { c.Gate = "stage" }) }, refusedUnknown, "try again in a moment"},
		"not recorded":        {func(p *pair) { p.spoil(func(c *Current) { c.Entry = 0 }) }, refusedUnknown, "try again in a moment"},
		"too old": {
			func(p *pair) {
				p.spoil(func(c *Current) { c.Judged = c.Judged.Add(-decisionsKept*time.Hour - time.Second) })
			},
			refusedUnknown, "has not judged it for too long",
		},
		"a zombie has written what was decided before": {func(p *pair) {
			before := p.post.all[payments]
			p.hub.dismiss(1)
			p.reconciled()
			require.Len(p.t, p.decisions(), 2)
			p.post.edit(func(p *post) { p.all[payments] = before })
		}, refusedUnknown, "try again in a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				p.held(1)
				c.spoil(p)
				p.asFollower()
				p.refuses(p.asks(1), c.code, c.text)
				require.Empty(t, p.intents())
			})
		})
	}
}

func (p *pair) spoil(how func(c *Current)) {
	p.post.edit(func(po *post) {
		c := po.all[payments]
		how(&c)
		po.all[payments] = c
	})
}

// TestDeposed: a leader that was stopped and goes on as a zombie records nothing and syncs
// nothing, wherever it was stopped. What it has intended and not sent the next one settles.
func TestDeposed(t *testing.T) {
	for _, at := range []string{"get", "head", "open", "deployed", "append", "collect"} {
		t.Run(at, func(t *testing.T) {
			p := newPair(t)
			p.hub.land(1)
			p.hub.approve(1, alice)
			depose := func() {
				p.post.edit(func(po *post) { po.leader = p.second })
				p.hub.dismiss(1) // what the zombie knows is out of date
			}
			switch at {
			case "get":
				p.argo.onGet = first(depose)
			case "collect":
				p.hub.onAnswer = first(depose)
			default:
				p.record.before = once(at, depose)
			}
			_, err := p.reconcile()
			require.ErrorIs(t, err, errFollows)
			require.Empty(t, p.argo.stored(), "nothing is synced")
			require.Empty(t, p.post.all, "nothing is told to others")

			p.argo.onGet, p.record.before, p.hub.onAnswer = nil, nil, nil
			p.gate = p.follower
			p.reconciled()
			require.Empty(t, p.argo.stored())
			decisions := p.decisions()
			require.Equal(t, approval.Blocked, decisions[len(decisions)-1].Decision.Verdict)
			require.Len(t, p.abandoned(), len(p.intents()))
		})
	}
}

// TestFollowsTheRecord: what other replicas record wakes the leader, and what it has
// recorded itself does not.
func TestFollowsTheRecord(t *testing.T) {
	p := newPair(t)
	p.held(1)
	head, err := p.record.Head(t.Context())
	require.NoError(t, err)
	p.queued()

	p.asFollower()
	p.admits(p.asks(1))
	next, err := p.leader.followOnce(t.Context(), head)
	require.NoError(t, err)
	p.gate = p.leader
	require.Equal(t, []Key{{Application: payments}}, p.queued(), "the sync of a person")

	p.syncs(1)
	p.argo.run(payments, phaseSucceeded)
	p.reconciled()
	p.queued()
	own, err := p.leader.followOnce(t.Context(), next)
	require.NoError(t, err)
	require.Greater(t, own.Sequence, next.Sequence)
	require.Empty(t, p.queued(), "its own entries")

	// The next one takes the last one's place, so the follower records how that ended.
	p.syncs(1)
	p.argo.run(payments, phaseSucceeded)
	p.asFollower()
	p.admits(p.asks(1))
	p.gate = p.leader
	_, err = p.leader.followOnce(t.Context(), own)
	require.NoError(t, err)
	require.Contains(t, p.queued(), Key{Application: payments})
}

// TestFollow: a follower shows what the leader knows, until it leads itself.
func TestFollow(t *testing.T) {
	p := newPair(t)
	p.held(1)
	require.Empty(t, p.follower.Current())
	over, err := p.follower.catchUp(t.Context())
	require.NoError(t, err)
	require.False(t, over)
	require.Equal(t, p.leader.Current(), p.follower.Current())
	shown, ok := p.follower.CurrentOf(payments)
	require.True(t, ok)
	require.Equal(t, uint64(1), shown.Entry)

	p.post.edit(func(p *post) { p.fails = errors.New("the database is gone") })
	_, err = p.follower.catchUp(t.Context())
	require.ErrorContains(t, err, "the database is gone")
	p.post.edit(func(p *post) { p.fails, p.fresh = nil, true })
	p.follower.lead()
	require.Empty(t, p.follower.Current(), "it finds out by itself")
	over, err = p.follower.catchUp(t.Context())
	require.NoError(t, err)
	require.True(t, over)
	require.Empty(t, p.follower.Current())
}
