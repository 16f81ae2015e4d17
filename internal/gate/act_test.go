package gate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func decisionOf(landings ...approval.LandingDecision) approval.Decision {
	d := approval.LineDecision{Repository: repository, Target: landings[len(landings)-1].Commit, Landings: landings}
	return approval.Decision{Verdict: approval.Allowed, Lines: []approval.LineDecision{d}}
}

func landed(n int, by ...approval.User) approval.LandingDecision {
	return approval.LandingDecision{Commit: sha(n), Class: approval.ClassConfig, Pull: n, Verdict: approval.Allowed, Approvers: by}
}

func TestInitiatedBy(t *testing.T) {
	t.Parallel()
	require.Equal(t, "gatekeeper: PR #2 (alice, bob), PR #1 (bob)", initiatedBy(decisionOf(landed(1, bob), landed(2, alice, bob))))

	outside, undone, direct := landed(3), landed(4, alice), landed(5)
	outside.Class, undone.Verdict, direct.Pull = approval.ClassNone, approval.Blocked, 0
	require.Equal(t, "gatekeeper: PR #1 (bob)", initiatedBy(decisionOf(landed(1, bob), outside, undone, direct)))

	waiting := decisionOf(landed(1, bob), landed(2, alice))
	waiting.Lines[0].Target = sha(1)
	require.Equal(t, "gatekeeper: PR #1 (bob)", initiatedBy(waiting), "what is not shipped is not named")

	var many []approval.LandingDecision
	for n := range 30 {
		many = append(many, landed(n+1, alice))
	}
	require.Equal(t, "gatekeeper: PR #30 (alice) and 29 more", initiatedBy(decisionOf(many...)))

	var crowd []approval.User
	for n := range 30 {
		crowd = append(crowd, person(n+1, strings.Repeat("ü", 19)))
	}
	for _, d := range []approval.Decision{decisionOf(landed(1, crowd...)), decisionOf(landed(1, crowd...), landed(2, crowd...))} {
		text := initiatedBy(d)
		require.LessOrEqual(t, len(text), initiatedByLimit)
		require.Equal(t, strings.ToValidUTF8(text, "?"), text)
		require.True(t, strings.HasSuffix(text, "…"))
	}
}

func TestApprovers(t *testing.T) {
	t.Parallel()
	undone := landed(3, dave)
	undone.Verdict = approval.Blocked
	d := decisionOf(landed(1, bob, alice), landed(2, alice), undone, landed(4, bob))
	require.Equal(t, []approval.User{bob, alice}, approvers(d))
	d.Lines[0].Target = ""
	require.Empty(t, approvers(d))
}
