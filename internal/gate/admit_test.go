package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

const server = "system:serviceaccount:argocd:argocd-server"

// open lets people do whatever they may be permitted.
func openPolicy() approval.Policy {
	p := gatePolicy("prod")
	p.Sync = approval.SyncRules{Rollback: true, Partial: true, Prune: true}
	return p
}

func newAdmitSetup(t *testing.T, policies ...approval.Policy) *setup {
	t.Helper()
	s := newSetup(t)
	if len(policies) == 0 {
		policies = []approval.Policy{openPolicy()}
	}
	s.gate = s.newGate(policies...)
	return s
}

// asks is the request of carol, in Argo CD's UI, to sync to a landing.
func (s *setup) asks(pull int, edits ...func(*AdmissionRequest)) AdmissionRequest {
	before := s.argo.live(payments)
	after := clone(before)
	r := AdmissionRequest{
		Verb: VerbUpdate, Before: &before, After: &after, User: server,
		Start: &Start{InitiatedBy: "carol", Candidate: approval.Candidate{
			UID: after.UID, SpecDigest: after.SpecDigest,
			Revisions: []approval.Revision{{Repository: "Acme/Deploy", SHA: sha(pull)}},
		}},
	}
	for _, edit := range edits {
		edit(&r)
	}
	return r
}

// syncs stores carol's operation, as the API server does after it was admitted. No two
// operations begin within one second.
func (s *setup) syncs(pull int) {
	s.clock.advance(time.Second)
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, InitiatedBy: "carol", Revisions: []string{string(sha(pull))}}
	})
}

func (s *setup) admits(r AdmissionRequest) {
	s.t.Helper()
	require.Equal(s.t, Admission{Allowed: true, Gate: "prod"}, s.gate.Admit(s.t.Context(), r))
}

func (s *setup) refuses(r AdmissionRequest, code string, texts ...string) {
	s.t.Helper()
	got := s.gate.Admit(s.t.Context(), r)
	require.False(s.t, got.Allowed)
	require.Equal(s.t, code, got.Code, got.Text)
	require.LessOrEqual(s.t, len(got.Text), refusalLimit)
	for _, text := range texts {
		require.Contains(s.t, got.Text, text)
	}
}

// held brings the gate to an allowed decision that it does not act on by itself.
func (s *setup) held(pull int) {
	s.t.Helper()
	s.argo.window = "closed by a test"
	s.hub.land(pull)
	s.hub.approve(pull, alice)
	s.reconciled()
}

func TestAdmitPerson(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1))
	intent := s.intents()[0]
	require.Equal(t, &history.Admission{User: server}, intent.Admitted)
	require.Equal(t, "carol", intent.InitiatedBy)
	require.Equal(t, []approval.User{alice}, intent.Approvers)

	s.syncs(1)
	s.argo.pick(payments)
	require.Equal(t, againSyncing, s.reconciled(), "under way")
	s.clock.advance(time.Minute)
	s.argo.finish(payments, phaseSucceeded)
	s.argo.window = ""
	s.reconciled()
	require.Equal(t, history.ResultSucceeded, s.outcomes()[0].Result)
	require.Equal(t, intent.ID, s.outcomes()[0].Intent)
	require.Empty(t, s.argo.stored(), "Gatekeeper does not sync what a person did")
	require.Equal(t, "synced to "+sha(1).Short(), s.state())

	// It is the baseline of what comes.
	s.deploy(2)
	last := s.intents()[len(s.intents())-1]
	for _, e := range s.entries() {
		if e.Sequence == last.DecisionSequence {
			require.Equal(t, sha(1), decode[history.DecisionPayload](t, e).Facts.Lines[0].Baseline)
		}
	}
}

// TestAdmitSaysWhenToTryAgain: what is not known yet may be known soon, which people and
// programs that are refused can act on.
func TestAdmitSaysWhenToTryAgain(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.hub.index(2, false)
	s.reconciled()
	s.refuses(s.asks(2), string(approval.CodeLandingUnsettled), "has not indexed it yet; try again in a moment")
	s.hub.index(2, true)
	s.reconciled()
	s.refuses(s.asks(2), "quorum.missing")
	require.NotContains(t, s.gate.Admit(t.Context(), s.asks(2)).Text, "try again")
}

func TestAdmitRefusesWhatIsNotApproved(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.hub.land(2)
	s.reconciled()
	entries := len(s.entries())
	s.refuses(s.asks(2), "quorum.missing", "gate prod: "+sha(2).Short()+" is not approved", "#2", "acme/sre")
	s.refuses(s.asks(7), "quorum.missing")
	require.Len(t, s.entries(), entries, "nothing is recorded before the answer")

	s.hub.approve(2, alice)
	s.argo.window = "closed by a test"
	s.reconciled()
	s.refuses(s.asks(7), refusedCandidate, "is not on the protected branch", "approved: "+sha(2).Short())
	s.refuses(s.asks(2, func(r *AdmissionRequest) { r.Start.Candidate.SpecDigest = "other" }), refusedCandidate, "its sources are not those")
	s.refuses(s.asks(2, func(r *AdmissionRequest) { r.Start.Candidate.UID = "other" }), refusedCandidate)
	s.refuses(s.asks(2, func(r *AdmissionRequest) { r.Start.Candidate.Revisions = nil }), refusedCandidate)
	s.refuses(s.asks(2, func(r *AdmissionRequest) {
		r.Start.Candidate.Revisions = append(r.Start.Candidate.Revisions, r.Start.Candidate.Revisions[0])
	}), refusedCandidate)
	s.refuses(s.asks(2, func(r *AdmissionRequest) { r.Start.Candidate.Revisions[0].Repository = "acme/fork" }), refusedCandidate)
	s.admits(s.asks(2))
}

func TestAdmitUnknown(t *testing.T) {
	s := newAdmitSetup(t)
	refused := func(why string) {
		t.Helper()
		got := s.gate.Admit(t.Context(), s.asks(1))
		require.Equal(t, refusedUnknown, got.Code, why)
		require.Contains(t, got.Text, "try again")
	}
	refused("nothing was decided yet")
	s.held(1)
	s.gate.memory.begin(payments, s.clock.now())
	refused("it is being judged")
	s.gate.memory.end(payments)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.DryRun = true }))
	s.argo.edit(payments, func(app *approval.Application) { app.UID = "recreated" })
	refused("another Application of that name")
	s.hub.fail(errDown)
	_, err := s.reconcile()
	require.Error(t, err)
	s.refuses(s.asks(1), string(approval.CodeFactsMissing))
}

func TestAdmitRollback(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	s.deploy(3)
	s.hub.fail(errDown)
	_, err := s.reconcile()
	require.Error(t, err, "GitHub is down")
	s.admits(s.asks(1))
	intent := s.intents()[3]
	require.True(t, intent.Admitted.Rollback)
	require.Equal(t, s.intents()[0].DecisionSequence, intent.DecisionSequence)
	s.refuses(s.asks(0), string(approval.CodeFactsMissing))

	strict := openPolicy()
	strict.Sync.Rollback = false
	s.gate = s.newGate(strict)
	s.hub.fail(nil)
	s.clock.advance(admittedGrace) // the first was never stored
	s.reconciled()
	s.refuses(s.asks(1), refusedOption, "gatekeeper rollback argocd/payments --to "+sha(1).Short())
	s.admits(s.asks(3))
}

func TestAdmitRollbackOfAnotherGate(t *testing.T) {
	s := newAdmitSetup(t)
	s.deploy(1)
	s.deploy(2)
	other := openPolicy()
	other.Gate = "bank"
	s.gate = s.newGate(other)
	s.reconciled()
	s.refuses(s.asks(1), refusedCandidate)
}

func TestAdmitOwn(t *testing.T) {
	s := newAdmitSetup(t)
	own := func(edits ...func(*AdmissionRequest)) AdmissionRequest {
		r := s.asks(1, func(r *AdmissionRequest) { r.Start.Intent = s.intents()[0].ID })
		for _, edit := range edits {
			edit(&r)
		}
		return r
	}
	admitted := false
	s.argo.onSync = func(store func() error, _ func()) error {
		s.admits(own())
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Candidate.Revisions[0].SHA = sha(2) }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Partial = true }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Force = true }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Automated = true }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Options = []string{"Replace=true"} }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Start.Intent = "made up" }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.Before.ResourceVersion = "77" }), refusedIntent)
		s.refuses(own(func(r *AdmissionRequest) { r.After.UID, r.Start.Candidate.UID = "other", "other" }), refusedIntent)
		admitted = true
		return store()
	}
	s.hub.land(1)
	s.hub.approve(1, alice)
	s.reconciled()
	require.True(t, admitted)
	require.Len(t, s.intents(), 1, "the answer adds nothing to the record")
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	s.refuses(own(), refusedIntent, "not on record")
}

func TestAdmitPartial(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start.Partial = true }))
	s.syncs(1)
	s.argo.edit(payments, func(app *approval.Application) { app.Operation.Partial = true })
	s.argo.run(payments, phaseSucceeded)
	s.argo.window = ""
	s.reconciled()
	require.Equal(t, history.ResultPartial, s.outcomes()[0].Result)
	_, _, found, err := s.store.LastDeployed(t.Context(), "uid-payments")
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, sha(1), s.argo.last().revision(), "Gatekeeper still deploys the whole")
}

func TestAdmitOptions(t *testing.T) {
	strict := gatePolicy("prod")
	strict.Sync.Options = []string{"ApplyOutOfSyncOnly=true"}
	s := newAdmitSetup(t, strict)
	s.held(1)
	for what, edit := range map[string]func(*AdmissionRequest){
		"automatic": func(r *AdmissionRequest) { r.Start.Automated = true },
		"single":    func(r *AdmissionRequest) { r.Start.Partial = true },
		"pruning":   func(r *AdmissionRequest) { r.Start.Prune = true },
		"force":     func(r *AdmissionRequest) { r.Start.Force = true },
		"Replace":   func(r *AdmissionRequest) { r.Start.Options = []string{"ApplyOutOfSyncOnly=true", "Replace=true"} },
		"Very":      func(r *AdmissionRequest) { r.Start.Options = []string{"Very" + strings.Repeat("long", 200) + "=true"} },
	} {
		s.refuses(s.asks(1, edit), refusedOption, what)
	}
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start.Options = strict.Sync.Options }))
}

func TestAdmitAutomated(t *testing.T) {
	gated := openPolicy()
	gated.Sync.Automated = true
	s := newAdmitSetup(t, gated)
	s.argo.edit(payments, func(app *approval.Application) { app.Automated = true })
	s.held(1)
	automatic := func(r *AdmissionRequest) { r.Start.Automated, r.Start.InitiatedBy = true, "" }
	s.admits(s.asks(1, automatic))
	require.Equal(t, automatedSync, s.intents()[0].InitiatedBy)
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, InitiatedBy: automatedSync, Revisions: []string{string(sha(1))}}
	})
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, history.ResultSucceeded, s.outcomes()[0].Result)
}

func TestAdmitDryRun(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	entries := len(s.entries())
	s.admits(s.asks(9, func(r *AdmissionRequest) { r.Start.DryRun = true }))
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.DryRun = true }))
	s.refuses(s.asks(9, func(r *AdmissionRequest) { r.DryRun = true }), refusedCandidate)
	require.Empty(t, s.gate.denials.pending, "a trial is no attempt")
	require.Len(t, s.entries(), entries)
}

func TestAdmitShape(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.refuses(s.asks(1, func(r *AdmissionRequest) { r.Refused = []Refusal{{"operation.manifests", "no local manifests"}} }), "operation.manifests", "no local manifests")
	s.refuses(AdmissionRequest{Verb: VerbUpdate, After: s.asks(1).After}, refusedUnknown)
	s.refuses(AdmissionRequest{Verb: VerbDelete, After: s.asks(1).After}, refusedUnknown)
	s.refuses(AdmissionRequest{Verb: "connect", Before: s.asks(1).Before}, refusedUnknown)
	s.admits(AdmissionRequest{Verb: VerbCreate, After: s.asks(1).After, User: "dev"})
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start = nil }))
}

func TestAdmitUnprotected(t *testing.T) {
	s := newAdmitSetup(t)
	app := application("stage")
	app.Project = "stage"
	start := s.asks(9).Start
	require.Equal(t, Admission{Allowed: true}, s.gate.Admit(t.Context(), AdmissionRequest{Verb: VerbUpdate, Before: &app, After: &app, Start: start}))
	// One that comes under protection with the same write is protected.
	after := app
	after.Project = "payments"
	require.Equal(t, refusedUnknown, s.gate.Admit(t.Context(), AdmissionRequest{Verb: VerbUpdate, Before: &app, After: &after, Start: start}).Code)
}

func TestAdmitSeveralGates(t *testing.T) {
	second := openPolicy()
	second.Gate = "bank"
	s := newAdmitSetup(t, openPolicy(), second)
	s.refuses(s.asks(1), refusedAmbiguous, "prod, bank")
}

func TestAdmitPermits(t *testing.T) {
	s := newAdmitSetup(t)
	before := s.argo.live(payments)
	remove := AdmissionRequest{Verb: VerbDelete, Before: &before, User: "dev"}
	leave := s.asks(1, func(r *AdmissionRequest) { r.Start, r.After.Project = nil, "stage" })
	s.refuses(remove, refusedDelete, "gatekeeper permit argocd/payments delete")
	s.refuses(leave, refusedLeave, "gatekeeper permit argocd/payments leave")
	permit := func(id, gate, uid, what string) {
		head, err := s.store.Head(t.Context())
		require.NoError(t, err)
		_, err = s.store.Append(t.Context(), head, history.Draft{Time: s.clock.now(), Application: uid, Payload: history.ActPayload{
			ID: id, Verb: history.VerbPermit, Gate: gate, Application: payments, Reason: "moves away",
			Person: history.Person{Name: "ada", Via: history.ViaConsole}, Permit: what, Expires: s.clock.now().Add(time.Hour),
		}})
		require.NoError(t, err)
	}
	permit("1", "bank", before.UID, history.PermitDelete)
	permit("2", "prod", "another", history.PermitDelete)
	s.refuses(remove, refusedDelete)
	permit("3", "prod", before.UID, history.PermitDelete)
	s.admits(remove)
	s.refuses(leave, refusedLeave)
	permit("4", "prod", before.UID, history.PermitLeave)
	s.admits(leave)
	s.clock.advance(time.Hour)
	s.refuses(remove, refusedDelete)
	s.refuses(leave, refusedLeave)
}

func TestAdmitCreatedWithOperation(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.refuses(s.asks(1, func(r *AdmissionRequest) { r.Verb, r.Before = VerbCreate, nil }), refusedUnknown, "not created with an operation")
}

func TestAdmitAnonymous(t *testing.T) {
	s := newAdmitSetup(t)
	s.held(1)
	s.admits(s.asks(1, func(r *AdmissionRequest) { r.Start.InitiatedBy = "" }))
	require.Equal(t, server, s.intents()[0].InitiatedBy)
	s.argo.edit(payments, func(app *approval.Application) {
		app.Operation = &approval.Operation{Requested: true, Revisions: []string{string(sha(1))}}
	})
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Equal(t, history.ResultSucceeded, s.outcomes()[0].Result)
}
