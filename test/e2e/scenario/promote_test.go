package scenario

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// promotedByComment: a version that runs in stage is brought to production by a comment.
// Gatekeeper opens the pull request, who asked for it cannot approve it, and what its
// quorum approved is synced.
func promotedByComment(t *testing.T, s *story) {
	s.run()
	const repository = "registry.example.com/payments/" + payments.Ledger
	stage, prod := "argocd/"+s.Application("stage", payments.Ledger), "argocd/"+s.Application("prod", payments.Ledger)
	values := strings.Replace(payments.Values("stage", payments.Ledger, payments.FirstLimit), `tag: "1.4.2"`, `tag: "1.5.0"`, 1)
	bump, err := s.ProposeFile(payments.Alice, payments.ValuesFile("stage", payments.Ledger), values, "Try 1.5.0 in stage")
	require.NoError(t, err)
	sha := s.merge(bump.Number, "squash")
	require.NoError(t, s.SyncByHand(s.ctx, "stage", payments.Ledger, sha))
	_, err = s.AwaitImage(s.ctx, "stage", payments.Ledger, sha, repository+":1.5.0")
	require.NoError(t, err)
	s.looksHealthy("stage", payments.Ledger, repository+":1.5.0")

	require.NoError(t, s.GitHub.SetCollaborator(payments.Repository, payments.Mallory, "read"))
	s.asks(payments.Mallory, bump.Number, false, "/gk promote "+prod+" --from "+stage, "mallory may not use promote")
	s.asks(payments.Alice, bump.Number, false, "/gk promote "+prod+" --from argocd/none", "no Application argocd/none reads from this repository")
	next := bump.Number + 1
	_, err = s.GitHub.Pull(payments.Repository, next)
	require.Error(t, err, "nothing was opened")

	s.asks(payments.Alice, bump.Number, true, "It runs well.\n\n/gk promote "+prod+" --from "+stage,
		fmt.Sprintf("#%d of %s was opened", next, payments.Repository), "1.4.2 → 1.5.0", "alice asked for it and cannot")
	// Whoever asks as well can approve it as little.
	s.asks(payments.Carol, bump.Number, true, "/gk promote "+prod+" --from "+stage,
		fmt.Sprintf("#%d of %s was updated", next, payments.Repository), "carol asked for it and cannot")
	pr, err := s.GitHub.Pull(payments.Repository, next)
	require.NoError(t, err)
	require.Equal(t, "main", pr.Base)
	s.check(pr.Head, "config 0 of 2")
	s.approve(payments.Carol, next)
	s.approve(payments.Bob, next)
	s.says(next, "1 of 2", "not counted: carol had a part in its commits")
	s.approve(payments.Dave, next)
	s.says(next, "2 of 2")
	landed := s.merge(next, "merge")
	live, err := s.AwaitImage(s.ctx, "prod", payments.Ledger, landed, repository+":1.5.0")
	require.NoError(t, err)
	require.Contains(t, live.InitiatedBy, fmt.Sprintf("PR #%d", next))
	require.Contains(t, live.InitiatedBy, "bob")
	require.NotContains(t, live.InitiatedBy, "alice")
	s.says(next, "merged and synced")
}
