package gate

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

const shops = "argocd/shops"

// generated is a parent that deploys the ApplicationSet which owns payments.
func generated(t *testing.T) (*setup, *catalogue) {
	t.Helper()
	s, c := family(t)
	c.live[payments] = approval.LiveSpec{Set: shops}
	c.deployers = map[string][]string{shops: {apps}}
	c.rendered[sha(1)] = []approval.RenderedSpec{{Set: shops}, {Application: payments, Digest: "5bec", Set: shops}}
	return s, c
}

// TestSpecOfSet: what an ApplicationSet of an approved commit generates is approved, and
// what somebody else makes of the set is not.
func TestSpecOfSet(t *testing.T) {
	t.Parallel()
	s, c := generated(t)
	s.reconciled()
	f := s.finding(payments)
	require.Equal(t, approval.CodeSpecApproved, f.Code)
	require.Contains(t, f.Text, "what an approved commit says: "+sha(1).Short()+" of acme/deploy, which argocd/apps renders to the ApplicationSet argocd/shops")
	require.Len(t, s.intents(), 2)
	s.argo.run(apps, phaseSucceeded)
	s.reconcileApp(apps)
	s.argo.run(payments, phaseSucceeded)
	s.reconciled()

	s.hub.land(2)
	c.rendered[sha(2)] = []approval.RenderedSpec{{Set: shops}, {Application: payments, Digest: "6bec", Set: shops}}
	s.argo.edit(payments, func(a *approval.Application) { a.SpecDigest = "6bec" })
	s.reconcileApp(apps)
	s.reconciled()
	f = s.finding(payments)
	require.Equal(t, approval.CodeSpecNotAdopted, f.Code)
	require.Contains(t, f.Text, "the ApplicationSet argocd/shops writes it, which comes from argocd/apps, but is not what the set generates at "+sha(1).Short())
	require.Contains(t, f.Remedy, "commit it to what argocd/apps is rendered from")
	require.Len(t, s.intents(), 2)

	// The approval wakes the child by way of the parent, although it carries no mark.
	s.approvedThroughParent()
}

// TestSetsThatProveNothing: only what a set of an approved commit generates counts, and
// the finding names the set.
func TestSetsThatProveNothing(t *testing.T) {
	t.Parallel()
	provingNothing(t, generated, map[string]unproven{
		"no deployer": {func(_ *setup, c *catalogue) { c.deployers = nil }, "the ApplicationSet argocd/shops writes it, and no Application deploys that"},
		"too many deployers": {func(_ *setup, c *catalogue) {
			c.deployers[shops] = []string{"argocd/a", "argocd/b", "argocd/c", apps}
		}, "writes it, and 4 Applications deploy that"},
		"a deployer that is gone": {func(_ *setup, c *catalogue) { c.deployers[shops] = []string{"argocd/none"} },
			"the ApplicationSet argocd/shops writes it, which comes from argocd/none, which does not exist"},
		"a deployer of no gate": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.Project = "sandbox" })
		}, "comes from argocd/apps, which gate prod does not protect"},
		"a deployer whose spec was edited": {func(s *setup, _ *catalogue) {
			s.argo.edit(apps, func(a *approval.Application) { a.SpecDigest = "bad0" })
		}, "comes from argocd/apps, of which nothing was approved"},
		"a forged status": {func(_ *setup, c *catalogue) { c.rendered[sha(1)] = nil }, "comes from argocd/apps, but that does not render the set at " + sha(1).Short()},
		"another set": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Set: "argocd/banks"}, {Application: payments, Digest: "6bec", Set: "argocd/banks"}}
		}, "but that does not render the set at"},
		"another spec": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Set: shops}, {Application: payments, Digest: "6bec", Set: shops}}
		}, "but is not what the set generates at"},
		"generated twice": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = append(c.rendered[sha(1)], approval.RenderedSpec{Application: payments, Digest: "5bec", Set: shops})
		}, "but is not what the set generates at"},
		"not followed": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = []approval.RenderedSpec{{Set: shops, Unfollowed: "spec.generators[0].git asks a repository"}}
		}, "what that generates at " + sha(1).Short() + " is not followed: spec.generators[0].git asks a repository"},
		"two sets of that name": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = append(c.rendered[sha(1)], approval.RenderedSpec{Set: shops})
		}, "is not followed: it is rendered twice"},
		"two of that name, one not followed": {func(_ *setup, c *catalogue) {
			c.rendered[sha(1)] = append([]approval.RenderedSpec{{Set: shops, Unfollowed: "it is random"}}, c.rendered[sha(1)]...)
		}, "is not followed: it is rendered twice"},
	})
}

// TestOneOfSeveralDeployers: the one that a forged status names does not hide the other.
func TestOneOfSeveralDeployers(t *testing.T) {
	t.Parallel()
	s, c := generated(t)
	c.deployers[shops] = []string{"argocd/a", "argocd/none", apps}
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	require.Equal(t, []string{payments}, s.gate.rendered.children(apps))
}

// TestDeployersUnknown: what cannot be asked is no approval.
func TestDeployersUnknown(t *testing.T) {
	t.Parallel()
	s, c := generated(t)
	c.failure = errors.New("the API server is down")
	_, err := s.reconcile()
	require.ErrorIs(t, err, c.failure)
	known, _ := s.gate.memory.get(payments)
	require.Equal(t, approval.Unknown, known.decision.Verdict)
}

// TestNewDeployerWakes: that an Application deploys a set is no fact about it, so those
// that wait for an approval of their spec are judged again.
func TestNewDeployerWakes(t *testing.T) {
	t.Parallel()
	s, c := generated(t)
	c.deployers = nil
	s.reconciled()
	require.Equal(t, approval.CodeSpecNotAdopted, s.finding(payments).Code)
	s.queued()
	c.deployers = map[string][]string{shops: {apps}}
	s.gate.WakeDescendants(apps)
	require.Contains(t, s.queued(), Key{Application: payments})
	s.reconciled()
	require.Equal(t, approval.CodeSpecApproved, s.finding(payments).Code)
	s.queued()
	s.gate.WakeDescendants(apps)
	require.Contains(t, s.queued(), Key{Application: payments}, "it is known to come from there")
	s.gate.WakeDescendants(payments)
	require.Empty(t, s.queued())
}
