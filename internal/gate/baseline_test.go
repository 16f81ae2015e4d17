package gate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// library is a second repository of which nothing lands in these tests.
const library = approval.RepositoryName("acme/library")

// twoSources are a policy and an edit of the Application for two repositories, of which
// the hub has the same line.
func twoSources(p approval.Policy) (approval.Policy, func(*approval.Application)) {
	p.Repositories = append(p.Repositories, approval.ProtectedRepository{
		Name: library, Branch: "main", EnrolledAt: sha(0), Paths: []string{"apps/prod/**"},
	})
	return p, func(app *approval.Application) {
		second := app.Sources[0]
		second.RepoURL, second.Repository = "https://github.com/acme/library", library
		second.Reads = []approval.Read{{Repository: library, Path: "apps/prod/"}}
		app.Sources, app.MultiSource = append(app.Sources, second), true
	}
}

func revisionsAt(first, second int) func(*AdmissionRequest) {
	return func(r *AdmissionRequest) {
		r.Start.Candidate.Revisions = []approval.Revision{{Repository: repository, SHA: sha(first)}, {Repository: library, SHA: sha(second)}}
	}
}

// TestAdmitEnrolled: something unapproved landed since the gate was enrolled, and a person
// asks for what is live.
func TestAdmitEnrolled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy approval.Policy
		// both gives the Application a second source.
		both   bool
		before func(s *setup)
		ask    func(r *AdmissionRequest)
		code   string
	}{
		"as it was adopted": {policy: gatePolicy("prod")},
		"the spec of another time": {
			policy: gatePolicy("prod"), ask: func(r *AdmissionRequest) { r.Start.Candidate.SpecDigest = "0ther" }, code: refusedCandidate,
		},
		"the spec was changed": {
			policy: gatePolicy("prod"), before: func(s *setup) {
				s.argo.edit(payments, func(app *approval.Application) { app.SpecDigest = "0ther" })
			}, code: "spec.changed",
		},
		"another Application of the name": {
			policy: gatePolicy("prod"), before: func(s *setup) {
				s.argo.edit(payments, func(app *approval.Application) { app.UID = "recreated" })
			}, code: "spec.not_adopted",
		},
		"for another Application": {
			policy: gatePolicy("prod"), ask: func(r *AdmissionRequest) { r.Start.Candidate.UID = "another" }, code: "quorum.missing",
		},
		"of another repository": {
			policy: gatePolicy("prod"), ask: func(r *AdmissionRequest) { r.Start.Candidate.Revisions[0].Repository = "acme/fork" }, code: "quorum.missing",
		},
		"no revision": {
			policy: gatePolicy("prod"), ask: func(r *AdmissionRequest) { r.Start.Candidate.Revisions = nil }, code: "quorum.missing",
		},
		"both sources":    {policy: gatePolicy("prod"), both: true, ask: revisionsAt(0, 0)},
		"one source only": {policy: gatePolicy("prod"), both: true, ask: revisionsAt(0, 1), code: "quorum.missing"},
		"the other only":  {policy: gatePolicy("prod"), both: true, ask: revisionsAt(1, 0), code: "quorum.missing"},
		"held": {
			policy: gatePolicy("prod"), before: func(s *setup) {
				s.order(history.ActPayload{Verb: history.VerbHold, Application: payments})
			}, code: "hold.active",
		},
		"facts are missing": {
			policy: gatePolicy("prod"), before: func(s *setup) { s.hub.fail(errDown) }, code: string(approval.CodeFactsMissing),
		},
		"it is not known what it is rendered from": {
			policy: gatePolicy("prod"), before: func(s *setup) { s.hub.closureErr = errDown }, code: "quorum.missing",
		},
		"an option that is not permitted": {
			policy: gatePolicy("prod"), ask: func(r *AdmissionRequest) { r.Start.Force = true }, code: refusedOption,
		},
		"outside of the windows": {
			policy: func() approval.Policy {
				p := gatePolicy("prod")
				p.Windows = []approval.Window{{Name: "night", Kind: approval.WindowAllow, Schedule: "timezone=UTC rrule=FREQ=DAILY;BYHOUR=22 duration=4h0m0s"}}
				return p
			}(), code: "window.closed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.policy
			p.ApprovedSpec = true
			var edit func(*approval.Application)
			if c.both {
				p, edit = twoSources(p)
			}
			s := newAdmitSetup(t, p)
			s.gate.specs = &catalogue{apps: s.argo, live: map[string]approval.LiveSpec{}}
			if edit != nil {
				s.argo.edit(payments, edit)
			}
			s.adopt(s.argo.live(payments))
			s.hub.land(1)
			if c.before != nil {
				c.before(s)
			}
			_, _ = s.reconcile() // fails where facts are missing
			edits := []func(*AdmissionRequest){}
			if c.ask != nil {
				edits = append(edits, c.ask)
			}
			if c.code != "" {
				s.refuses(s.asks(0, edits...), c.code)
				require.Empty(t, s.intents())
				return
			}
			s.admits(s.asks(0, edits...))
			intent := s.intents()[0]
			require.False(t, intent.Admitted.Rollback, "it is no way back")
			require.Empty(t, intent.Approvers, "nobody approved it by a review")
			require.Equal(t, approval.Blocked, s.decisions()[len(s.decisions())-1].Decision.Verdict)
		})
	}
}

// TestAdmitEnrolledIsCarriedOut: what was let through is a deployment, and the same
// baseline as before; what waits goes on waiting.
func TestAdmitEnrolledIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t, gatePolicy("prod"))
	s.hub.land(1)
	s.reconciled()
	for range 2 { // the second time it rests on the deployment
		s.admits(s.asks(0))
		s.syncs(0)
		s.argo.run(payments, phaseSucceeded)
		s.reconciled()
		s.clock.advance(time.Minute)
	}
	require.Len(t, s.outcomes(), 2)
	require.Equal(t, history.ResultSucceeded, s.outcomes()[0].Result)
	require.Empty(t, s.argo.stored(), "Gatekeeper synced nothing")
	s.refuses(s.asks(1), "quorum.missing")
	report, err := history.Verify(t.Context(), s.store)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)

	s.hub.approve(1, alice)
	s.reconciled()
	require.Equal(t, sha(1), s.argo.last().revision())
}

// TestAdmitEnrolledWhileApproved: what is newer is approved and not synced yet, so both
// may be.
func TestAdmitEnrolledWhileApproved(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t, gatePolicy("prod"))
	s.held(1)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.DryRun = true }))
	s.admits(s.asks(0))
}

// TestAdmitEnrolledBehindNewer: once something newer was deployed, what the gate was
// enrolled at is no baseline any more.
func TestAdmitEnrolledBehindNewer(t *testing.T) {
	t.Parallel()
	s := newAdmitSetup(t, gatePolicy("prod"))
	s.deploy(1)
	s.hub.land(2)
	s.reconciled()
	s.refuses(s.asks(0), "quorum.missing")
}

// TestAdmitEnrolledBehindBrokenGlass: what break-glass deployed is no baseline before
// somebody reviewed it. To sync what was there before is going back all the same.
func TestAdmitEnrolledBehindBrokenGlass(t *testing.T) {
	t.Parallel()
	past := []history.Deployment{{Intent: history.IntentPayload{Candidate: enrolledCandidate(1)}}}
	for _, c := range []struct {
		past            []history.Deployment
		rollback        bool
		allowed, isBack bool
	}{
		{past: past, rollback: false},
		{past: past, rollback: true, allowed: true, isBack: true},
		{rollback: false, allowed: true},
		{past: []history.Deployment{{Intent: history.IntentPayload{Candidate: enrolledCandidate(0)}}}, allowed: true},
	} {
		p := gatePolicy("prod")
		p.Sync.Rollback = c.rollback
		known := remembered{decision: approval.Decision{Baseline: enrolledCandidate(0)}, grounds: grounds{sequence: 7, approvers: []approval.User{alice}, act: "X"}}
		on, back, answer := baselineGrounds(p, application("payments"), known, c.past)
		require.Equal(t, c.allowed, answer.Allowed)
		require.Equal(t, c.isBack, back)
		if c.allowed {
			require.Equal(t, grounds{sequence: 7, candidate: enrolledCandidate(0)}, on)
		} else {
			require.Contains(t, answer.Text, "does not permit going back to "+sha(0).Short())
		}
	}
}

func enrolledCandidate(pull int) approval.Candidate {
	return approval.Candidate{UID: "uid-payments", SpecDigest: "5bec", Revisions: []approval.Revision{{Repository: repository, SHA: sha(pull)}}}
}
