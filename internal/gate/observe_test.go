package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// foreignRun lets somebody sync a revision without asking the gate, and moves the clock so
// that operations can be told apart.
func (s *setup) foreignRun(revision approval.SHA, phase string) {
	s.clock.advance(time.Minute)
	s.argo.foreign(payments, revision)
	s.argo.run(payments, phase)
}

func entriesOf[P history.ObservedPayload | history.HealthPayload](s *setup, kind history.Kind) []P {
	s.t.Helper()
	var out []P
	for _, e := range s.entries() {
		if e.Kind != kind {
			continue
		}
		var payload any
		var err error
		if kind == history.KindObserved {
			payload, err = history.Decode[history.ObservedPayload](e)
		} else {
			payload, err = history.Decode[history.HealthPayload](e)
		}
		require.NoError(s.t, err)
		typed, ok := payload.(P)
		require.True(s.t, ok)
		out = append(out, typed)
	}
	return out
}

func (s *setup) observed() []history.ObservedPayload {
	return entriesOf[history.ObservedPayload](s, history.KindObserved)
}

func (s *setup) health() []history.HealthPayload {
	return entriesOf[history.HealthPayload](s, history.KindHealth)
}

// ungated are the counts of syncs without the gate, by their labels.
func (s *setup) ungated() map[string]float64 {
	s.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.gate.metrics)
	families, err := registry.Gather()
	require.NoError(s.t, err)
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != "gatekeeper_ungated_syncs_total" {
				continue
			}
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			counts[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return counts
}

// TestMet: what was there before the gate is recorded once, and accuses nobody.
func TestMet(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.foreignRun(sha(7), phaseSucceeded)
	s.foreignRun(sha(0), phaseSucceeded)
	s.foreignRun(sha(0), "Failed")
	s.clock.advance(time.Minute)
	s.reconciled()
	app := s.argo.live(payments)
	require.True(t, s.gate.operations.knows(app.UID, seenOperations(app)), "what was recorded need not be read again")
	s.reconciled()
	seen := s.observed()
	require.Len(t, seen, 2, "the one that is live, and what came after it")
	require.Equal(t, []string{string(sha(0))}, seen[0].Revisions)
	require.Equal(t, []string{phaseSucceeded, "Failed"}, []string{seen[0].Phase, seen[1].Phase})
	require.True(t, seen[0].Before && seen[1].Before)
	require.NotContains(t, s.state(), "NOT let through")
	s.restart()
	s.reconciled()
	require.Len(t, s.observed(), 2)
	require.Empty(t, s.ungated())

	// Its own are not seen as somebody else's.
	s.clock.advance(time.Minute)
	s.deploy(1)
	s.restart()
	s.reconciled()
	require.Len(t, s.observed(), 2)
}

// TestUngated: a sync without an intent is recorded and said aloud while Gatekeeper runs,
// and found when it was down.
func TestUngated(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.foreignRun(sha(2), phaseSucceeded)
	s.reconciled()
	s.reconciled()
	seen := s.observed()
	require.Len(t, seen, 1)
	require.Equal(t, history.ObservedPayload{
		Gate: "prod", Application: payments, Phase: phaseSucceeded, Revisions: []string{string(sha(2))},
		StartedAt: start.Add(time.Minute), FinishedAt: start.Add(time.Minute), InitiatedBy: "mallory", Health: "Healthy",
		Decision: seen[0].Decision,
	}, seen[0])
	require.Equal(t, history.KindDecision, s.entries()[seen[0].Decision-1].Kind)
	require.True(t, strings.HasPrefix(s.state(), "NOT let through by the gate: 0000002 was synced by mallory on 2026-11-21 08:01 UTC; "), s.state())
	require.Contains(t, s.live(), approval.CodeSyncUngated, "a finding of the decision")

	// While it is down: two, of which one is in Argo CD's history alone.
	s.foreignRun(sha(1), phaseSucceeded)
	s.foreignRun(sha(2), "Failed")
	s.clock.advance(time.Minute)
	s.restart()
	s.reconciled()
	s.reconciled()
	seen = s.observed()[1:]
	require.Len(t, seen, 2)
	require.True(t, seen[0].Late && seen[1].Late)
	require.Equal(t, []string{string(sha(1))}, seen[0].Revisions)
	require.NotZero(t, seen[0].Covers, "it was approved, and deployed before")
	require.Empty(t, seen[0].Health, "the health of now is of what came after it")
	require.Equal(t, "Failed", seen[1].Phase)
	require.Zero(t, seen[1].Covers)
	require.NotContains(t, s.state(), "NOT let through", "what was approved is live again")
	require.NotContains(t, s.live(), approval.CodeSyncUngated)
	require.Equal(t, map[string]float64{"approved=false gate=prod late=true": 1, "approved=true gate=prod late=true": 1}, s.ungated())

	// The next one of its own is none of them, nor is what a test run would do.
	s.clock.advance(time.Minute)
	s.hub.approve(2, alice)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.clock.advance(time.Minute)
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, DryRun: true, Revisions: []string{string(sha(9))}}
	})
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Len(t, s.observed(), 3)
}

// TestUngatedFromNothing: an Application that had never been synced when the gate saw it
// first owes an approval for its first sync.
func TestUngatedFromNothing(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	s.foreignRun(sha(3), phaseSucceeded)
	s.clock.advance(time.Minute)
	s.restart()
	s.reconciled()
	require.Len(t, s.observed(), 1)
	require.True(t, s.observed()[0].Late)
	require.False(t, s.observed()[0].Before)
}

// TestUngatedUnderWay: Argo CD's history has a sync before it has ended. It is nobody's yet.
func TestUngatedUnderWay(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	s.clock.advance(time.Minute)
	s.argo.pick(payments)
	s.argo.edit(payments, func(app *approval.Application) {
		app.Deployed = append(app.Deployed, approval.DeployedRevision{
			Revisions: app.Operation.Revisions, StartedAt: app.Operation.StartedAt, DeployedAt: s.clock.now(), InitiatedBy: app.Operation.InitiatedBy,
		})
	})
	s.reconciled()
	require.Empty(t, s.observed())
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation.Phase, app.Operation.Requested, app.Operation.FinishedAt = phaseSucceeded, false, s.clock.now()
	})
	s.reconciled()
	require.Len(t, s.outcomes(), 1)
	require.Empty(t, s.observed())
}

// TestSelfHeal: automatic syncs that do what the one before did are recorded once.
func TestSelfHeal(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.deploy(1)
	heal := func(revision approval.SHA) {
		s.foreignRun(revision, phaseSucceeded)
		s.argo.edit(payments, func(app *approval.Application) {
			app.Operation.InitiatedBy = automatedSync
			app.Deployed[len(app.Deployed)-1].InitiatedBy = automatedSync
		})
		s.reconciled()
	}
	heal(sha(4))
	heal(sha(4))
	s.restart()
	heal(sha(4))
	require.Len(t, s.observed(), 1)
	heal(sha(5))
	heal(sha(4))
	heal(sha(4))
	require.Len(t, s.observed(), 3)
}

// healthIs changes the Application's health after a while.
func (s *setup) healthIs(after time.Duration, health string) time.Duration {
	s.clock.advance(after)
	s.argo.edit(payments, func(app *approval.Application) { app.Health = health })
	return s.reconciled()
}

// TestHealth: changes of health are recorded while a deployment is watched.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.reconciled()
	require.Empty(t, s.health(), "nothing was deployed")
	s.deploy(1)
	of := s.entries()[len(s.entries())-2].Sequence
	require.Equal(t, history.KindOutcome, s.entries()[of-1].Kind)
	require.Empty(t, s.health(), "the first one is in the outcome")

	require.Equal(t, 5*time.Second, s.healthIs(5*time.Second, "Progressing"), "too soon to tell")
	s.healthIs(2*time.Second, "Healthy")
	s.healthIs(time.Minute, "Healthy")
	require.Empty(t, s.health(), "it flickered")
	s.healthIs(time.Minute, "Degraded")
	s.healthIs(time.Minute, "Degraded")
	s.healthIs(time.Minute, "Healthy")
	want := []history.HealthPayload{
		{Of: of, Health: "Degraded", At: start.Add(127 * time.Second)},
		{Of: of, Health: "Healthy", At: start.Add(247 * time.Second)},
	}
	require.Equal(t, want, s.health())

	// Nobody watched during a restart, and that is said once.
	s.clock.advance(time.Minute)
	s.restart()
	s.healthIs(time.Minute, "Healthy")
	s.healthIs(time.Minute, "Healthy")
	want = append(want, history.HealthPayload{Of: of, Health: "Healthy", At: start.Add(367 * time.Second), Late: true})
	require.Equal(t, want, s.health())

	// The time is over.
	s.healthIs(time.Hour, "Missing")
	s.healthIs(time.Hour, "Healthy")
	require.Len(t, s.health(), 4)
	require.True(t, s.health()[3].End)

	// The next deployment is watched anew, and not for ever if it flaps.
	s.clock.advance(time.Minute)
	s.deploy(2)
	for range 2 * healthMost {
		s.healthIs(15*time.Second, "Degraded")
		s.healthIs(15*time.Second, "Healthy")
	}
	flapped := s.health()[4:]
	require.Len(t, flapped, healthMost)
	require.True(t, flapped[healthMost-1].End)
	require.False(t, flapped[healthMost-2].End)
	require.Equal(t, s.outcomes()[1].Intent, s.entries()[flapped[0].Of-1].Intent)
}

// live are the codes of what is found about the Application now.
func (s *setup) live() []approval.Code {
	known, _ := s.gate.memory.get(payments)
	var codes []approval.Code
	for _, f := range known.decision.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}
