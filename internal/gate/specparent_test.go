package gate

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// family is a parent whose child is payments.
func family(t *testing.T) (*setup, *catalogue) {
	t.Helper()
	s, c := specSetup(t)
	root := parent()
	s.argo.apps[apps] = &root
	s.adopt(root)
	c.live[payments] = approval.LiveSpec{Parent: apps}
	c.rendered[sha(1)] = []approval.RenderedSpec{{Application: "argocd/other", Digest: "5bec"}, {Application: payments, Digest: "5bec"}}
	s.gate.WakeApplication(root)
	s.clock.advance(settledAfter)
	s.reconcileApp(apps) // #1 is approved, and synced
	require.Len(t, s.intents(), 1)
	return s, c
}

// approvedThroughParent approves #2, which gives the child another spec: it is woken by
// its parent, and synced.
func (s *setup) approvedThroughParent() {
	s.t.Helper()
	s.hub.approve(2, alice)
	s.queued()
	s.reconcileApp(apps)
	require.Contains(s.t, s.queued(), Key{Application: payments})
	s.reconciled()
	require.Equal(s.t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Equal(s.t, "6bec", s.argo.last().candidate.SpecDigest)
}

func TestSpecOfApprovedCommit(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	s.reconciled()
	f := s.finding(payments)
	require.Equal(t, approval.CodeSpecApproved, f.Code)
	require.Contains(t, f.Text, "what an approved commit says: "+sha(1).Short()+" of acme/deploy, which argocd/apps renders")
	require.Len(t, s.intents(), 2)
	require.Equal(t, 1, c.counted())
	s.reconciled()
	require.Equal(t, 1, c.counted(), "the answer is remembered")

	s.argo.run(apps, phaseSucceeded)
	s.reconcileApp(apps)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()

	// The next commit changes the child, and nobody has approved it yet.
	s.hub.land(2)
	c.rendered[sha(2)] = []approval.RenderedSpec{{Application: payments, Digest: "6bec"}}
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "6bec" })
	s.reconcileApp(apps)
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecNotAdopted, f.Code)
	require.Contains(t, f.Text, "it carries the mark of argocd/apps, but is not what that renders at "+sha(1).Short())
	require.Contains(t, f.Remedy, "commit it to what argocd/apps is rendered from")

	// The approval wakes the child by way of the parent.
	s.approvedThroughParent()

	// An older adoption does not bring back the spec from before.
	s.argo.run(payments, phaseSucceeded)
	s.argo.run(apps, phaseSucceeded)
	s.reconciled()
	s.reconcileApp(apps)
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "5bec" })
	s.reconciled()
	require.Equal(t, approval.Blocked, s.finding(payments).Verdict)
}

// TestApprovedSpecIsSynced: a spec that is approved without a new commit is synced once,
// unless somebody rolled back to the one before.
func TestApprovedSpecIsSynced(t *testing.T) {
	t.Parallel()
	s, _ := specSetup(t)
	app := application("payments")
	s.adopt(app)
	s.reconciled()
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()
	require.Len(t, s.intents(), 1)

	app.SpecDigest = "6bec"
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "6bec" })
	s.reconciled()
	require.Equal(t, approval.CodeSpecChanged, s.finding(payments).Code)
	require.Len(t, s.intents(), 1)
	s.adopt(app)
	s.reconciled()
	require.Len(t, s.intents(), 2)
	require.Equal(t, sha(1), s.argo.last().revision())
	s.argo.run(payments, phaseSucceeded)
	for range 3 {
		s.reconciled()
	}
	require.Len(t, s.intents(), 2, "once")

	last, err := s.gate.lastDeployed(t.Context(), app, standing{})
	require.NoError(t, err)
	known, _ := s.gate.memory.get(payments)
	d := known.decision
	d.Candidate.SpecDigest = "7bec"
	require.True(t, respecified(last, d))
	last.intent.Admitted = &history.Admission{User: "ada", Rollback: true}
	require.False(t, respecified(last, d))
	last.intent.Admitted, last.intent.Act = nil, "order"
	require.False(t, respecified(last, d))
	last.intent.Act, d.Findings = "", nil
	require.False(t, respecified(last, d), "a gate that does not judge specs")
	require.False(t, respecified(nil, known.decision))
}

// TestNewChildIsWoken: an Application that an approved sync of its parent has just
// marked changed in nothing that is a fact, and is judged again all the same.
func TestNewChildIsWoken(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.live[payments] = approval.LiveSpec{}
	s.reconciled()
	require.Equal(t, approval.CodeSpecNotAdopted, s.finding(payments).Code)
	s.queued()
	c.live[payments] = approval.LiveSpec{Parent: apps}
	s.argo.run(apps, phaseSucceeded)
	s.reconcileApp(apps)
	require.Contains(t, s.queued(), Key{Application: payments})
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
}

// TestParentsThatProveNothing: only an approved commit of a parent of the same gate
// counts, and only if it says exactly this.
func TestParentsThatProveNothing(t *testing.T) {
	t.Parallel()
	provingNothing(t, family, map[string]unproven{
		"a forged mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{Parent: "argocd/none"}
		}, "which does not exist"},
		"its own mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{Parent: payments}
		}, "its own mark"},
		"no mark": {func(_ *setup, c *catalogue) {
			c.live[payments] = approval.LiveSpec{}
		}, "never adopted"},
		"a parent that the gate does not protect": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Project = "sandbox" })
		}, "gate prod does not protect"},
		"a parent of another gate": {func(s *setup, c *catalogue) {
			s.gate.queue.ShutDown()
			other := gatePolicy("other")
			other.Applications = []approval.Selector{{Project: "platform"}}
			s.gate = s.newGate(specPolicy(), other)
			s.gate.specs = c
			s.argo.edit(apps, func(a *approval.Application) { a.Project = "platform" })
		}, "gate prod does not protect"},
		"a parent of another cluster": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Server = "https://prod.example" })
		}, "deploys elsewhere"},
		"a parent of several sources": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.MultiSource = true })
		}, "which has several sources"},
		"a parent that cannot be judged": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Unsupported = []string{"manifest-generate-paths"} })
		}, "cannot be judged"},
		"a parent whose spec was edited": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = "bad0" })
		}, "of which nothing was approved with the spec that it has"},
		"a parent that was made again": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.UID = "uid-2" })
		}, "of which nothing was approved"},
		"another spec": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: payments, Digest: "6bec"}}
		}, "but is not what that renders"},
		"another name": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: "argocd/payment", Digest: "5bec"}}
		}, "but is not what that renders"},
		"rendered twice": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Application: payments, Digest: "5bec"}, {Application: payments, Digest: "6bec"}}
		}, "but is not what that renders"},
		"a policy that has changed since": {func(s *setup, c *catalogue) {
			s.gate.queue.ShutDown()
			p := specPolicy()
			p.Config.Requirements[0].Approvals = 2
			s.gate = s.newGate(p)
			s.gate.specs = c
		}, "of which nothing was approved"},
	})
}

// unproven is a change after which the parent does not prove what its child is, and what the
// finding says then.
type unproven struct {
	change func(s *setup, c *catalogue)
	text   string
}

func provingNothing(t *testing.T, begin func(*testing.T) (*setup, *catalogue), doubts map[string]unproven) {
	t.Helper()
	for name, test := range doubts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := begin(t)
			test.change(s, c)
			s.clock.advance(settledAfter)
			s.reconciled()
			require.Equal(t, approval.CodeSpecNotAdopted, s.finding(payments).Code)
			require.Contains(t, s.finding(payments).Text, test.text)
			require.Len(t, s.intents(), 1, "that of the parent")
		})
	}
}

// TestParentEditedMeanwhile: what was rendered while the parent's spec was another one
// counts for nothing, and neither does what was rendered just after.
func TestParentEditedMeanwhile(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.onRender = func() { s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = "bad0" }) }
	_, err := s.reconcile()
	require.ErrorIs(t, err, approval.ErrStale)
	require.Len(t, s.intents(), 1)
	c.onRender = nil

	edited, back := parent(), parent()
	edited.SpecDigest = "bad0"
	s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = back.SpecDigest })
	s.gate.WakeApplication(edited)
	s.gate.WakeApplication(back)
	before := len(s.decisions())
	require.Equal(t, settledAfter, s.reconciled())
	require.Len(t, s.decisions(), before, "nothing is decided until then")
	require.Equal(t, 1, c.counted())
	s.clock.advance(settledAfter)
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
}

// TestParentCannotBeRendered: the children do not ask one after the other.
func TestParentCannotBeRendered(t *testing.T) {
	t.Parallel()
	s, c := family(t)
	c.failure = errors.New("repo-server is down")
	for range 3 {
		_, err := s.reconcile()
		require.ErrorIs(t, err, c.failure)
		known, _ := s.gate.memory.get(payments)
		require.Equal(t, approval.Unknown, known.decision.Verdict)
	}
	require.Equal(t, 1, c.counted())
	c.failure = nil
	s.clock.advance(renderFailedFor)
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
}
