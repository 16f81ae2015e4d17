package gate

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// onCommandPolicy is a gate that waits for somebody to say sync.
func onCommandPolicy() approval.Policy {
	p := gatePolicy("prod")
	p.Sync.OnCommand = true
	return p
}

func newAskSetup(t testing.TB) *setup {
	t.Helper()
	s := newSetup(t)
	s.policies = []approval.Policy{onCommandPolicy()}
	shutDown(s.gate)
	s.gate = s.newGate()
	return s
}

// approves lands a pull request with its approval.
func (s *setup) approves(pull int) {
	s.hub.land(pull)
	s.hub.approve(pull, alice)
}

// says is somebody's word to sync what a pull request landed as.
func (s *setup) says(pull int) history.ActPayload {
	s.t.Helper()
	return s.order(history.ActPayload{
		Verb: history.VerbSync, Application: payments, Expires: s.clock.now().Add(time.Hour),
		Candidate: &approval.Candidate{UID: "uid-payments", SpecDigest: "5bec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(pull)}}},
	})
}

// waitsFor makes sure that nothing more was synced, and that people are told why.
func (s *setup) waitsFor(syncs int) {
	s.t.Helper()
	s.reconciled()
	require.Len(s.t, s.argo.stored(), syncs)
	require.Contains(s.t, s.state(), stateAwaits)
}

// TestOnCommand: what is approved waits until somebody says so, is synced once, and what
// comes next waits again.
func TestOnCommand(t *testing.T) {
	s := newAskSetup(t)
	s.approves(1)
	s.waitsFor(0)
	s.waitsFor(0)
	require.Contains(t, s.findings(), approval.CodeSyncWaits)
	require.Empty(t, s.intents())

	order := s.says(1)
	require.Equal(t, againSyncing, s.reconciled())
	require.Equal(t, sha(1), s.argo.last().revision())
	require.Equal(t, "gatekeeper: PR #1 (alice); sync said by alice", s.argo.last().by)
	require.Equal(t, order.ID, s.intents()[0].Asked)
	require.Empty(t, s.intents()[0].Act)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, stateSynced+sha(1).Short(), s.state())

	s.approves(2)
	s.waitsFor(1)
	s.says(2)
	s.reconciled()
	require.Equal(t, sha(2), s.argo.last().revision())
}

// TestOnCommandReport: the pull request says that it waits.
func TestOnCommandReport(t *testing.T) {
	s := newAskSetup(t)
	s.approves(1)
	s.reconciled()
	s.work()
	report, ok := s.reports.last(1)
	require.True(t, ok)
	require.True(t, report.Gates[0].SyncsOnCommand)
	require.True(t, report.Gates[0].Applications[0].Awaits)
	s.says(1)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.work()
	report, _ = s.reports.last(1)
	require.False(t, report.Gates[0].Applications[0].Awaits)
}

// TestOnCommandInUI: people sync what is approved themselves, without another word.
func TestOnCommandInUI(t *testing.T) {
	s := newAskSetup(t)
	s.approves(1)
	s.waitsFor(0)
	s.admits(s.asks(1))
	require.NotNil(t, s.intents()[0].Admitted)
	s.syncs(1)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, stateSynced+sha(1).Short(), s.state())
	s.hub.land(2)
	s.reconciled()
	s.refuses(s.asks(2), string(approval.CodeQuorumMissing))
}

// TestOnCommandFails: one word is for one sync. After a failure somebody has to say it
// again, and then does not wait for the back-off.
func TestOnCommandFails(t *testing.T) {
	s := newAskSetup(t)
	s.approves(1)
	s.reconciled()
	s.says(1)
	s.reconciled()
	s.argo.run(payments, "Failed")
	for range 3 {
		s.waitsFor(1)
		s.clock.advance(10 * time.Minute)
	}
	require.Contains(t, s.state(), "failed")
	s.says(1)
	s.reconciled()
	s.argo.run(payments, "Failed")
	s.waitsFor(2)
	s.says(1)
	s.reconciled()
	require.Len(t, s.argo.stored(), 3)
}

// TestOnCommandEnds: a word is for one candidate, and ends with it.
func TestOnCommandEnds(t *testing.T) {
	for name, test := range map[string]func(s *setup){
		"newer is approved": func(s *setup) {
			s.approves(2)
			s.waitsFor(0)
			require.Contains(s.t, s.findings(), approval.CodeSyncWaits)
		},
		"newer was approved for a while": func(s *setup) {
			s.approves(2)
			s.waitsFor(0)
			s.hub.dismiss(2)
			s.waitsFor(0)
		},
		"the approval was gone for a while": func(s *setup) {
			s.hub.dismiss(1)
			s.reconciled()
			s.hub.approve(1, bob)
			s.waitsFor(0)
		},
		"it was held": func(s *setup) {
			held := s.order(history.ActPayload{Verb: history.VerbHold, Application: payments})
			s.order(history.ActPayload{Verb: history.VerbRelease, Application: payments, Of: held.ID})
			s.waitsFor(0)
		},
		"the gate was held": func(s *setup) {
			held := s.order(history.ActPayload{Verb: history.VerbHold})
			s.order(history.ActPayload{Verb: history.VerbRelease, Of: held.ID})
			s.waitsFor(0)
		},
		"its time is over": func(s *setup) {
			s.clock.advance(time.Hour)
			s.waitsFor(0)
		},
		"somebody synced past the gate": func(s *setup) {
			s.reconciled()
			s.foreignRun(sha(0), phaseSucceeded)
			s.waitsFor(0)
			require.Len(s.t, s.observed(), 1)
		},
		"it is of another spec": func(s *setup) {
			s.argo.edit(payments, func(app *approval.Application) { app.SpecDigest = "other" })
			s.waitsFor(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAskSetup(t)
			s.approves(1)
			s.waitsFor(0)
			s.says(1)
			s.argo.window = "closed by a test"
			require.Positive(t, s.reconciled())
			require.Contains(t, s.state(), "sync window")
			test(s)
			s.argo.window = ""
			s.waitsFor(0)
			s.restart()
			s.waitsFor(0)
		})
	}
	t.Run("facts were missing for a while", func(t *testing.T) {
		s := newAskSetup(t)
		s.approves(1)
		s.waitsFor(0)
		s.says(1)
		s.hub.fail(errDown)
		_, err := s.reconcile()
		require.ErrorIs(t, err, errDown)
		s.hub.fail(nil)
		s.reconciled()
		require.Equal(t, sha(1), s.argo.last().revision())
	})
	t.Run("the health of what is live changed", func(t *testing.T) {
		s := newAskSetup(t)
		s.approves(1)
		s.waitsFor(0)
		s.says(1)
		s.reconciled()
		s.argo.run(payments, phaseSucceeded)
		s.approves(2)
		s.waitsFor(1)
		s.says(2)
		var ended uint64
		for _, e := range s.entries() {
			if e.Kind == history.KindOutcome {
				ended = e.Sequence
			}
		}
		require.NoError(t, s.gate.appendAnyway(t.Context(), history.Draft{
			Time: s.clock.now(), Application: "uid-payments", Payload: history.HealthPayload{Of: ended, Health: "Degraded", At: s.clock.now()},
		}))
		s.reconciled()
		require.Equal(t, sha(2), s.argo.last().revision())
	})
	t.Run("somebody synced without the gate", func(t *testing.T) {
		s := newAskSetup(t)
		s.approves(1)
		s.waitsFor(0)
		s.says(1)
		require.NoError(t, s.gate.appendAnyway(t.Context(), history.Draft{
			Time: s.clock.now(), Application: "uid-payments", Payload: history.ObservedPayload{
				Gate: "prod", Application: payments, Phase: "Succeeded", Revisions: []string{string(sha(0))}, StartedAt: s.clock.now(),
			},
		}))
		s.waitsFor(0)
	})
	t.Run("the record cannot be read", func(t *testing.T) {
		s := newAskSetup(t)
		s.approves(1)
		s.waitsFor(0)
		s.says(1)
		shutDown(s.gate)
		s.gate = s.newGate()
		s.gate.record = &unread{Record: s.record}
		_, err := s.reconcile()
		require.ErrorIs(t, err, errDown)
		require.Empty(t, s.argo.stored())
	})
}

// unread is a record of which the entries cannot be read.
type unread struct{ history.Record }

func (unread) Entries(context.Context, uint64, int) ([]history.Entry, error) { return nil, errDown }

// TestAwaits: what waits is said of a judgement that was made after the question.
func TestAwaits(t *testing.T) {
	s := newAskSetup(t)
	s.approves(1)
	s.reconciled()
	s.hub.land(2)
	s.clock.advance(time.Second)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.gate.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	w := s.gate.Awaits(t.Context(), []string{payments, "argocd/none"})
	require.True(t, w[0].Waits)
	require.Equal(t, "uid-payments", w[0].UID)
	require.Equal(t, sha(1), w[0].Candidate.Revisions[0].SHA)
	require.False(t, w[1].Waits)
	require.Contains(t, w[1].State, "ask again")

	s.hub.approve(2, alice)
	s.clock.advance(time.Second)
	w = s.gate.Awaits(t.Context(), []string{payments})
	require.Equal(t, sha(2), w[0].Candidate.Revisions[0].SHA)

	s.argo.foreign(payments, sha(1))
	w = s.gate.Awaits(t.Context(), []string{payments})
	require.False(t, w[0].Waits)
	require.Contains(t, w[0].State, "under way")
}

// TestCrashesOnCommand plays histories like those of TestCrashes with a gate that waits
// for a word. Nothing is synced without one, and one word is for one sync at most.
func TestCrashesOnCommand(t *testing.T) {
	t.Parallel()
	playSeeds(t, 100, playOnCommand, "crash", "late", "lost", "stale", "word", "unused", "abandoned")
}

func playOnCommand(t *testing.T, seed uint64, mine tally) {
	s := &story{setup: newAskSetup(t), rng: rand.New(rand.NewPCG(seed, 11)), tally: mine, ever: map[approval.SHA]bool{}}
	s.begin()
	for range 60 {
		s.step()
		if s.pulls > 0 && s.chance(40) {
			s.tally["word"]++
			pull := 1 + s.rng.IntN(s.pulls)
			if newest := s.hub.newestAllowed(0); newest > 0 && s.chance(80) {
				pull = newest
			}
			s.says(pull)
		}
	}
	s.settleDown()
	quiet := len(s.argo.stored())
	s.reconcileWith(0)
	require.Len(t, s.argo.stored(), quiet, "the last word was carried out or is over")
	if s.pulls > 0 && (s.argo.last().revision() != sha(s.pulls) || s.argo.last().phase != phaseSucceeded) {
		s.says(s.pulls)
		for i := range s.gates {
			s.reconcileWith(i)
			s.argo.run(payments, phaseSucceeded)
		}
		require.Equal(t, sha(s.pulls), s.argo.last().revision())
		s.reconcileWith(0)
	}
	s.judge()

	words := map[string]history.ActPayload{}
	acts, err := s.store.Acts(t.Context())
	require.NoError(t, err)
	for _, e := range acts {
		act, err := history.Decode[history.ActPayload](e)
		require.NoError(t, err)
		words[act.ID] = act
	}
	asked := map[string]history.IntentPayload{}
	for _, i := range s.intents() {
		asked[i.ID] = i
	}
	for _, r := range s.argo.stored() {
		word, ok := words[asked[r.intent].Asked]
		require.True(t, ok, "%s was synced by no word, or by one that was used", r.revision().Short())
		require.Equal(t, r.revision(), word.Candidate.Revisions[0].SHA)
		delete(words, word.ID)
	}
	s.tally["unused"] += len(words)
}
