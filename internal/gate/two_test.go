package gate

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// once runs an action at the first of the calls that are named, and not within
// itself.
func once(call string, action func()) func(string) error {
	done := false
	return func(now string) error {
		if !done && now == call {
			done = true
			action()
		}
		return nil
	}
}

// first runs an action at the first call, also when it calls itself.
func first(action func()) func() {
	done := false
	return func() {
		if !done {
			done = true
			action()
		}
	}
}

// TestTwoGates: another process does all its work between two steps of ours, at
// each of them. One sync results, and no untrue entry.
func TestTwoGates(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"get", "head", "open", "deployed", "append", "sync", "collect"} {
		for _, ends := range []bool{false, true} {
			name := at
			if ends {
				name += ", and the sync ends"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSetup(t)
				s.hub.land(1)
				s.hub.approve(1, alice)
				second := s.newGate()
				other := func() {
					_, err := second.reconcile(t.Context(), Key{Application: payments})
					require.NoError(t, err)
					if ends {
						s.argo.run(payments, phaseSucceeded)
						_, err := second.reconcile(t.Context(), Key{Application: payments})
						require.NoError(t, err)
					}
				}
				other = first(other)
				switch at {
				case "get":
					s.argo.onGet = other
				case "collect":
					s.hub.onAnswer = other
				case "sync":
					s.argo.onSync = func(store func() error, _ func()) error {
						other()
						return store()
					}
				default:
					s.record.before = once(at, other)
				}
				_, err := s.reconcile()
				if err != nil {
					require.True(t, isRaced(err), "%v", err)
				}
				s.argo.run(payments, phaseSucceeded)
				for range 3 {
					s.reconciled()
				}
				require.Len(t, s.argo.stored(), 1)
				require.Len(t, s.outcomes(), 1)
				for _, a := range s.abandoned() {
					require.NotEqual(t, s.argo.last().intent, a.Intent, "given up although it was stored")
				}
				report, err := history.Verify(t.Context(), s.store)
				require.NoError(t, err)
				require.True(t, report.Intact())
				require.Zero(t, report.Open)
			})
		}
	}
}

func isRaced(err error) bool { return errors.Is(err, errRaced) || errors.Is(err, approval.ErrStale) }

// TestNewsAfterSettling: another process acts right after we have recorded an
// outcome. What we decide next rests on what we knew before that.
func TestNewsAfterSettling(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.hub.land(2)
	s.hub.approve(2, alice)
	second := s.newGate()
	s.record.after = once("append", func() {
		_, err := second.reconcile(t.Context(), Key{Application: payments})
		require.NoError(t, err)
	})
	_, err := s.reconcile()
	require.ErrorIs(t, err, errRaced)
	require.Len(t, s.intents(), 2)
	require.Len(t, s.argo.stored(), 2)
}

// TestTwoGatesAtOnce runs both for real, many times.
func TestTwoGatesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	gates := []*Gate{s.gate, s.newGate()}
	for n := 1; n <= 15; n++ {
		s.hub.land(n)
		s.hub.approve(n, alice)
		for len(s.argo.stored()) < n || len(s.outcomes()) < n {
			var group sync.WaitGroup
			for _, g := range gates {
				group.Go(func() {
					if _, err := g.reconcile(t.Context(), Key{Application: payments}); err != nil && !isRaced(err) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			s.argo.run(payments, phaseSucceeded)
		}
		require.Len(t, s.argo.stored(), n)
		require.Equal(t, sha(n), s.argo.last().revision())
	}
	require.Len(t, s.outcomes(), 15)
}

// TestOthersDoNotDisturb: entries of other Applications come in between at every
// append, more than one page of them.
func TestOthersDoNotDisturb(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	other := application("shop")
	facts := approval.Facts{Application: other}
	d := approval.Decide(gatePolicy("prod"), facts)
	decided, err := history.NewDecision(gatePolicy("prod"), facts, d)
	require.NoError(t, err)
	var drafts []history.Draft
	for range 501 {
		drafts = append(drafts, history.Draft{Time: start, Application: other.UID, Payload: decided})
	}
	s.record.before = once("append", func() {
		head, err := s.store.Head(t.Context())
		require.NoError(t, err)
		_, err = s.store.Append(t.Context(), head, drafts...)
		require.NoError(t, err)
	})
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
	intent := s.intents()[0]
	entries, err := s.store.Entries(t.Context(), intent.DecisionSequence, 1)
	require.NoError(t, err)
	require.Equal(t, "uid-payments", entries[0].Application, "the intent names its own decision")
}

// TestConflictWithoutNews: a head that is not the expected one, with nothing
// after it, is a record that was cut off. Nothing is done.
func TestConflictWithoutNews(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.record.before = func(call string) error {
		if call == "append" {
			return history.ErrConflict
		}
		return nil
	}
	_, err := s.reconcile()
	require.ErrorIs(t, err, errRaced)
	require.Empty(t, s.argo.stored())
}

// TestNotRecordedNotDone: a sync is not requested when its intent cannot be
// recorded, and one whose record's answer was lost is given up.
func TestNotRecordedNotDone(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.hub.approve(1, alice)
	failing := true
	s.record.after = func(string) error {
		if failing {
			return errDown
		}
		return nil
	}
	_, err := s.reconcile()
	require.ErrorIs(t, err, errDown)
	require.Empty(t, s.argo.stored())
	require.Len(t, s.intents(), 1, "written all the same")
	failing = false
	s.reconciled()
	require.Len(t, s.argo.stored(), 1)
	require.Equal(t, s.intents()[1].ID, s.argo.last().intent)
	require.Equal(t, s.intents()[0].ID, s.abandoned()[0].Intent)
}
