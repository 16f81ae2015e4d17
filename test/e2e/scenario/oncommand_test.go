package scenario

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// onCommand: a gate that waits until somebody says sync, by a comment, by the button, on
// the command line, or in Argo CD itself. Each word is for what waits then.
func onCommand(t *testing.T, s *story) {
	require.NoError(t, s.ConfigureGate("    sync: {onCommand: true}\n"))
	s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	land := func(limit string) (payments.Pull, string) {
		pr := s.propose(payments.Alice, payments.Ledger, limit)
		s.approve(payments.Bob, pr.Number)
		s.approve(payments.Carol, pr.Number)
		s.check(pr.Head, "config approved")
		return pr, s.merge(pr.Number, "merge")
	}

	first, revision := land("2000")
	s.finds(payments.Ledger, "sync.waits", "approved; waits for somebody to say sync", "/gk sync", "gatekeeper sync "+name)
	s.says(first.Number, "2 of 2", "waits for somebody to say sync", "`/gatekeeper sync`")
	s.check(first.Head, "waits for somebody to say sync")
	require.Contains(t, s.explain(name, "--live"), "approved; waits for somebody to say sync")
	require.NoError(t, s.GitHub.SetCollaborator(payments.Repository, payments.Mallory, "read"))
	s.asks(payments.Mallory, first.Number, false, "/gk sync", "mallory may not use sync", "the role write")
	s.untouched(payments.Ledger)
	require.Empty(t, s.orders())

	s.asks(payments.Alice, first.Number, true, "It is announced.\n\n/gk sync", "**Asked for.**", "`"+name+"` to `"+revision[:7]+"`")
	live, before := s.runs(payments.Ledger, revision, "2000", 2), revision
	require.Contains(t, live.InitiatedBy, "bob")
	require.Contains(t, live.InitiatedBy, "; sync said by alice")
	require.Equal(t, []string{fmt.Sprintf("sync by alice on #%d", first.Number)}, s.orders())
	s.says(first.Number, "merged and synced")
	s.asks(payments.Alice, first.Number, false, "/gk sync", "nothing that is approved waits to be synced", "synced to "+revision[:7])

	// The next one waits again, for the button.
	second, revision := land("3000")
	s.says(second.Number, "waits for somebody to say sync")
	s.stays(payments.Ledger, before, "2000", 2)
	s.press(payments.Bob, second, "sync", "**Asked for.**")
	s.runs(payments.Ledger, revision, "3000", 3)
	before = revision

	// For an operator.
	third, revision := land("4000")
	s.says(third.Number, "waits for somebody to say sync")
	s.stays(payments.Ledger, before, "3000", 3)
	require.Contains(t, s.order(payments.Dave, "the night is over", "sync", name), name+" is synced to "+revision[:7])
	s.runs(payments.Ledger, revision, "4000", 4)
	s.refuses("nothing that is approved waits to be synced", payments.Dave, "sync", name)

	// And for somebody who syncs in Argo CD.
	fourth, revision := land("5000")
	s.says(fourth.Number, "waits for somebody to say sync")
	s.argocdAgain("app", "sync", s.Application("prod", payments.Ledger), "--async")
	s.runs(payments.Ledger, revision, "5000", 5)
	s.admitted(payments.Ledger, 4, developer, revision)
	s.says(fourth.Number, "merged and synced")
	require.Len(t, s.orders(), 2)
}
