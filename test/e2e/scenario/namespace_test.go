package scenario

import (
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// teamNamespaces are those beside Argo CD's own that may hold Applications.
const teamNamespaces = "team-*"

// namespacePayload is what an intent says about its Application.
type namespacePayload struct{ Application, InitiatedBy string }

// anotherNamespace: an Application that a team has in a namespace of its own is adopted,
// synced, refused and recorded by its whole name, and people see it there.
func anotherNamespace(t *testing.T, s *story) {
	name := s.Key("prod", payments.Ledger)
	require.Equal(t, "team-a/another-namespace-ledger-prod", name)
	s.run()
	s.verdict(payments.Ledger, "blocked", "spec.not_adopted")
	s.finds(payments.Ledger, "spec.not_adopted", "gatekeeper adopt "+name)
	out, err := s.Adopt(s.ctx, name, "--reason", "begin with the gate")
	require.NoError(t, err)
	require.Contains(t, out, name)

	revision := s.approved(payments.Ledger, "2000")
	live := s.runs(payments.Ledger, revision, "2000", 2)
	require.Contains(t, live.InitiatedBy, "gatekeeper: PR #")
	intent := decode[namespacePayload](s, s.carried(payments.Ledger, 1)[0])
	require.Equal(t, namespacePayload{Application: name, InitiatedBy: live.InitiatedBy}, intent)
	require.Contains(t, s.explain(name), "✓ "+name+": ALLOWED by gate prod")

	pull := s.propose(payments.Alice, payments.Ledger, "3000")
	s.approve(payments.Bob, pull.Number)
	sha := s.merge(pull.Number, "merge")
	s.on(payments.Ledger, sha, "quorum.missing")
	s.argocdRefused([]string{"app", "sync", name, "--revision", sha}, "PermissionDenied", "gate prod: "+sha[:7]+" is not approved", "1 more of acme/sre")
	err = s.patch(payments.Ledger, `{"operation":{"sync":{"revision":"`+sha+`"}},"status":{"operationState":null}}`)
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	s.denied(payments.Ledger, "argocd-server", "gate prod: "+sha[:7]+" is not approved")
	s.denied(payments.Ledger, "developer@sandbox", "gate prod: "+sha[:7]+" is not approved")
	s.stays(payments.Ledger, revision, "2000", 2)

	s.CutArgoCD(true) // Gatekeeper would be faster
	s.approve(payments.Carol, pull.Number)
	s.mayBe(payments.Ledger, sha)
	s.argocdAgain("app", "sync", name, "--revision", sha, "--async")
	live = s.runs(payments.Ledger, sha, "3000", 3)
	require.Equal(t, developer, live.InitiatedBy)
	s.admitted(payments.Ledger, 2, developer, sha)
	s.CutArgoCD(false)
	s.says(pull.Number, "synced", name)
	s.stays(payments.Ledger, sha, "3000", 3)
}

// enrolledAgain: while something unapproved waits, a person syncs what the gate was
// enrolled at, which is live, and nothing newer.
func enrolledAgain(t *testing.T, s *story) {
	s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "9000")
	sha := s.merge(pull.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")
	name := s.Application("prod", payments.Ledger)
	s.argocdAgain("app", "sync", name, "--revision", s.Enrolled, "--async")
	s.admitted(payments.Ledger, 1, developer, s.Enrolled)
	live := s.runs(payments.Ledger, s.Enrolled, payments.FirstLimit, 2)
	require.Equal(t, developer, live.InitiatedBy)
	s.argocdRefused([]string{"app", "sync", name, "--revision", sha}, "gate prod: "+sha[:7]+" is not approved")
	out, err := s.Gatekeeper(s.ctx, "ledger", "verify", "--config", s.Config)
	require.NoError(t, err)
	require.Contains(t, out, "intact: ")
	s.stays(payments.Ledger, s.Enrolled, payments.FirstLimit, 2)
}
