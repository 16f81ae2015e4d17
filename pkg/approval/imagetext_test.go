package approval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestImageTexts: a change that needs both quorums says why, and counts each apart.
func TestImageTexts(t *testing.T) {
	s := imaged()
	s.pull().Signatures[0].Key, s.pull().Signatures[0].Detail = "SHA256:abc", "signed by renovate"
	s.landing().Changes[0].Images = &approval.ImageChange{Touches: true, Why: "it changes at replicas"}
	got := s.judge(s.pull())
	require.Equal(t, 1, got.Met)
	require.Equal(t, 1+s.Config.Requirements[0].Approvals, got.Needed)
	require.Equal(t, approval.Progress{Met: 1, Needed: 1}, got.Images)
	all := texts(got.Finding.Children)
	require.Contains(t, all, "blocked quorum.missing: production: 0 of 2 approvals for configuration; waiting for 2 more of acme/sre, zoe")
	require.Contains(t, all, "allowed quorum.met: release: 1 of 1 approval for images")
	require.Contains(t, all, "allowed image.needs_both: apps/prod/web.yaml needs both quorums: it changes at replicas")
	require.Contains(t, all, "allowed signature.trusted: "+s.pull().Head.Short()+" is signed by renovate with the key SHA256:abc")

	s = imaged()
	s.landing().Changes[0].Images.Moves[0].Downgrade = true
	s.pull().Signatures[0] = approval.CommitSignature{Commit: s.pull().Head, State: approval.SignatureMissing, Detail: "the commit is not signed"}
	all = texts(s.judge(s.pull()).Finding.Children)
	require.Contains(t, all, "allowed image.needs_both: apps/prod/web.yaml needs both quorums: it moves ghcr.io/acme/web:v1@sha256:111111111111 back to ghcr.io/acme/web:v2@sha256:222222222222")
	require.Contains(t, all, "blocked signature.missing: "+s.pull().Head.Short()+" is not signed")

	s = imaged()
	require.NotContains(t, codes(s.judge(s.pull()).Finding.Children), approval.CodeImageBoth)
	s.landing().Changes[0] = config("apps/prod/web.yaml", "v1", "v2")
	require.Equal(t, "production: 0 of 2 approvals; waiting for 2 more of acme/sre, zoe", s.judge(s.pull()).Finding.Children[0].Text, "it needs one quorum alone")
}
