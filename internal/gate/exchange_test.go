package gate

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestExchangeAdmit: what a person syncs is judged by the policy of now, also when it is
// exchanged while the answer is made.
func TestExchangeAdmit(t *testing.T) {
	t.Parallel()
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		s := newRuled(t, needing(1))
		s.held(1)
		s.exchange("2", needing(2))
		s.refuses(s.asks(1), refusedUnknown, "judging it right now")
		s.reconciled()
		s.refuses(s.asks(1), "quorum.missing")
		s.hub.approve(1, bob)
		s.reconciled()
		s.admits(s.asks(1))
		s.byTheirPolicy()
	})
	for _, at := range []string{"head", "append"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			s := newRuled(t, needing(1))
			s.held(1)
			s.record.before = once(at, func() { s.exchange("2", needing(2)) })
			answer := s.gate.Admit(t.Context(), s.asks(1))
			require.False(t, answer.Allowed)
			require.Contains(t, []string{refusedPolicy, refusedUnknown}, answer.Code)
			require.Empty(t, s.intents())
			s.byTheirPolicy()
		})
	}
	t.Run("appended", func(t *testing.T) {
		t.Parallel()
		s := newRuled(t, needing(1))
		s.held(1)
		s.record.after = once("append", func() { s.exchange("2", needing(2)) })
		s.refuses(s.asks(1), refusedPolicy)
		s.byTheirPolicy()
	})
	t.Run("newly protected", func(t *testing.T) {
		t.Parallel()
		s := newRuled(t, other())
		require.True(t, s.gate.Admit(t.Context(), s.asks(1)).Allowed)
		s.exchange("2", other(), needing(1))
		s.refuses(s.asks(1), refusedUnknown)
	})
}

// TestExchangeOwnSync: the API server asks about a sync of ours after the policy changed.
func TestExchangeOwnSync(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.refusedOnItsWay(func(ask func()) {
		s.exchange("2", needing(2))
		ask()
	})
}

// refusedOnItsWay begins a sync of ours that the API server asks about before and after
// something happens: it allows it at first, and never again.
func (s *setup) refusedOnItsWay(happens func(ask func())) {
	s.t.Helper()
	s.hub.land(1)
	s.hub.approve(1, alice)
	var answers []Admission
	ask := func() {
		i := s.intents()[0]
		app := s.argo.live(payments)
		answers = append(answers, s.gate.Admit(s.t.Context(), AdmissionRequest{
			Verb: VerbUpdate, Before: &app, After: &app, User: "gatekeeper", Start: &Start{Intent: i.ID, Candidate: i.Candidate},
		}))
	}
	s.argo.onSync = func(func() error, func()) error {
		ask()
		happens(ask)
		return errDown
	}
	_, err := s.reconcile()
	require.ErrorIs(s.t, err, errDown)
	require.Greater(s.t, len(answers), 1)
	require.True(s.t, answers[0].Allowed, answers[0].Text)
	for _, answer := range answers[1:] {
		require.False(s.t, answer.Allowed)
		require.Equal(s.t, refusedPolicy, answer.Code)
	}
}

// TestExchangeOwnSyncKeys: a key is taken away while a sync of ours is on its way, and the policy
// is the same. What rests on the key is refused, also while the record is not told yet.
func TestExchangeOwnSyncKeys(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	trusting := func(key string) Rules {
		r := rulesOf("1", needing(1))
		r.Keys = map[string]history.Digest{"prod": fileOf(key)}
		return r
	}
	require.NoError(t, s.gate.Exchange(t.Context(), trusting("a")))
	s.refusedOnItsWay(func(ask func()) {
		s.gate.running.Store(false)
		require.NoError(t, s.gate.Exchange(t.Context(), trusting("b")))
		ask()
		s.gate.running.Store(true)
		require.NoError(t, s.gate.enactAll(t.Context()))
		ask()
	})
	s.argo.onSync = nil
	s.reconciled()
	require.Len(t, s.argo.stored(), 1, "decided on anew, by the other key")
}

// TestExchangeWakes: everything is judged anew, open pull requests too.
func TestExchangeWakes(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.hub.land(1)
	s.reconciled()
	key := Key{Repository: repository, Pull: 7}
	s.hub.pullOf[7] = approval.PullAnswer{Pull: approval.PullRequest{Repository: repository, Number: 7, Base: "main"}, Open: true}
	_, err := s.gate.reconcile(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, s.gate.Outdated())
	s.queued()
	_, _, forgets := s.hub.counts()

	s.exchange("2", needing(2))
	require.Equal(t, 1, s.gate.Outdated())
	_, _, again := s.hub.counts()
	require.Greater(t, again, forgets)
	require.Equal(t, []Key{{Application: payments}}, s.queued())
	_, err = s.gate.reconcile(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, s.gate.Outdated())

	elsewhere := other()
	elsewhere.Repositories[0].Branch = "release"
	s.exchange("3", elsewhere)
	require.Zero(t, s.gate.Outdated(), "its branch is not protected any more")
	require.Equal(t, map[inbox.Scope]bool{{Repository: repository, Branch: "release"}: true}, keysOf(s.gate.open.protected()))
}

func keysOf(m map[inbox.Scope]string) map[inbox.Scope]bool {
	out := map[inbox.Scope]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// TestExchangeWhilePullIsJudged: what was found by the policies before is not told.
func TestExchangeWhilePullIsJudged(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.hub.land(1)
	s.record.before = once("head", func() { s.exchange("2", needing(2)) })
	_, err := s.gate.reconcile(t.Context(), Key{Repository: repository, Pull: 1})
	require.ErrorIs(t, err, errRaced)
	require.Zero(t, s.reports.count())
}

// TestExchangeAtOnce exchanges policies all the time while everything else goes on.
func TestExchangeAtOnce(t *testing.T) {
	t.Parallel()
	s := newRuled(t, needing(1))
	s.gate.running.Store(false)
	s.hub.approve(1, alice)
	s.hub.land(1)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.gate.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		for ctx.Err() == nil {
			s.gate.Admit(ctx, s.asks(1))
			s.gate.WakeAll()
		}
	})
	require.Eventually(t, s.gate.running.Load, 10*time.Second, time.Millisecond)
	for n := range 40 {
		digit := string("0123456789"[n%10])
		require.NoError(t, s.gate.Exchange(ctx, rulesOf(digit, needing(1+n%2))))
	}
	// Each exchange may have come in the middle of a decision.
	require.Eventually(t, func() bool {
		entries, err := s.store.Entries(ctx, 1, 100_000)
		return err == nil && slices.ContainsFunc(entries, func(e history.Entry) bool { return e.Kind == history.KindDecision })
	}, time.Minute, 5*time.Millisecond)
	stop()
	group.Wait()
	s.byTheirPolicy()
	require.Greater(t, len(s.changes()), 3)
	require.NotEmpty(t, s.decisions())
}

// TestExchangeEndsWord: somebody said that what is approved is to be synced, the gate then asks
// for more, and that comes. What was said before the policy is no word under it.
func TestExchangeEndsWord(t *testing.T) {
	t.Parallel()
	waiting := func(approvals int) approval.Policy {
		p := needing(approvals)
		p.Sync.OnCommand = true
		return p
	}
	s := newRuled(t, waiting(1))
	s.approves(1)
	s.waitsFor(0)
	s.says(1)
	s.exchange("2", waiting(2))
	s.reconciled()
	require.Empty(t, s.argo.stored())
	s.hub.approve(1, bob)
	s.waitsFor(0)
	s.says(1)
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
	s.byTheirPolicy()
}
