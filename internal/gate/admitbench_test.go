package gate

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// BenchmarkAdmitPerson measures what it takes to let a person's sync through, on the record in its
// file: of one Application of many, each of which ran an operation before.
func BenchmarkAdmitPerson(b *testing.B) {
	const count = 500
	s := newSetup(b)
	var apps []approval.Application
	for i := range count {
		app := application(fmt.Sprintf("app-%03d", i))
		app.Operation = &approval.Operation{Phase: phaseSucceeded, Revisions: []string{string(sha(0))}, InitiatedBy: "carol", StartedAt: start.Add(-time.Hour), FinishedAt: start.Add(-time.Hour)}
		apps = append(apps, app)
	}
	s.argo = newArgo(s.clock, apps...)
	file, err := history.DigestOf("the configuration")
	require.NoError(b, err)
	s.gate = New(Options{
		Rules: Rules{Policies: []approval.Policy{openPolicy()}, File: file}, Applications: s.argo, Collector: s.hub, Closures: s.hub, Record: s.store, Reporter: s.reports,
		Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(), Now: s.clock.now, Workers: 2, Resync: time.Hour,
	})
	b.Cleanup(func() { shutDown(s.gate) })
	require.NoError(b, s.gate.enact(b.Context()))
	for _, app := range apps {
		_, err := s.gate.reconcile(b.Context(), Key{Application: app.Key()})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i > 0 && i%count == 0 {
			b.StopTimer()
			s.abandonAll()
			b.StartTimer()
		}
		before := s.argo.live(apps[i%count].Key())
		after := clone(before)
		got := s.gate.Admit(b.Context(), AdmissionRequest{
			Verb: VerbUpdate, Before: &before, After: &after, User: server,
			Start: &Start{InitiatedBy: "carol", Candidate: approval.Candidate{
				UID: after.UID, SpecDigest: after.SpecDigest, Revisions: []approval.Revision{{Repository: "Acme/Deploy", SHA: sha(0)}},
			}},
		})
		if !got.Allowed {
			b.Fatal(got)
		}
	}
}

// abandonAll gives up all open intents.
func (s *setup) abandonAll() {
	s.t.Helper()
	open, err := s.store.OpenIntents(s.t.Context())
	require.NoError(s.t, err)
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	var drafts []history.Draft
	for _, e := range open {
		drafts = append(drafts, history.Draft{Time: s.clock.now(), Application: e.Application, Payload: history.AbandonedPayload{Intent: e.Intent, Reason: "the round is over"}})
	}
	_, err = s.store.Append(s.t.Context(), head, drafts...)
	require.NoError(s.t, err)
}
