package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// configured: the configuration is changed while gatekeeper runs. A stricter policy holds at
// once for what was nearly approved, a bad file changes nothing, and secrets are replaced
// without a delivery being lost.
func configured(t *testing.T, s *story) {
	gatekeeper := s.run()
	pull := s.propose(payments.Alice, payments.Ledger, "2000")
	s.approve(payments.Bob, pull.Number)
	s.check(pull.Head, "1 of 2")
	require.NoError(t, s.EditConfig("approvals: 2", "approvals: 3"))
	s.check(pull.Head, "1 of 3")
	s.approve(payments.Carol, pull.Number)
	s.check(pull.Head, "2 of 3")
	revision := s.merge(pull.Number, "merge")
	s.finds(payments.Ledger, "quorum.missing", "2 of 3 approvals")
	s.argocdRefused([]string{"app", "sync", s.Application("prod", payments.Ledger), "--async"}, "2 of 3 approvals")
	s.untouched(payments.Ledger)

	// With a mistake, or with nobody left to approve, the policy before stays in force.
	s.metric("gatekeeper_config_last_reload_successful 1")
	require.NoError(t, s.EditConfig("approvals: 3", "approvals: 0"))
	s.metric("gatekeeper_config_last_reload_successful 0")
	s.logs(gatekeeper, `"msg":"config_rejected"`)
	s.logs(gatekeeper, filepath.Base(s.Config)+":")
	status, err := s.Ready(s.ctx)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	s.argocdRefused([]string{"app", "sync", s.Application("prod", payments.Ledger), "--async"}, "2 of 3 approvals")
	require.NoError(t, s.EditConfig("approvals: 0", "approvals: 3"))
	s.metric("gatekeeper_config_last_reload_successful 1")

	// What cannot be taken over is named, and nothing else waits for it.
	require.NoError(t, s.EditConfig("indexGrace: ", "membershipTTL: 7m\n  indexGrace: "))
	s.logs(gatekeeper, `"fields":["github.membershipTTL"]`)
	s.metric("gatekeeper_config_needs_restart 1")

	// The webhook's secret and the App's key are replaced.
	const next = "a secret of its own"
	require.NoError(t, s.WriteSecret("next-secret", next+"\n"))
	require.NoError(t, s.EditConfig("[webhook-secret]", "[webhook-secret, next-secret]"))
	s.pings(next, http.StatusAccepted)
	s.pings(payments.FirstWebhookSecret, http.StatusAccepted)
	require.NoError(t, s.SignWebhooks(next))
	require.NoError(t, s.EditConfig("[webhook-secret, next-secret]", "[next-secret]"))
	s.pings(payments.FirstWebhookSecret, http.StatusUnauthorized)
	key, err := s.ReplaceAppKey()
	require.NoError(t, err)
	require.NoError(t, s.WriteSecret("private-key.pem", key))
	s.logs(gatekeeper, `"msg":"github.key_replaced"`)
	require.NoError(t, s.Delivered(s.ctx), "GitHub could deliver everything")

	// The event of the third approval is signed with the new secret, and what it leads to is
	// done with the new key.
	s.approve(payments.Dave, pull.Number)
	s.runs(payments.Ledger, revision, "2000", 2)
	s.says(pull.Number, "merged and synced")

	// The record has by what was decided, from when on.
	entries, err := s.Record(s.ctx)
	require.NoError(t, err)
	var causes []string
	inForce := ""
	for _, e := range entries {
		if !slices.Contains([]string{"policy", "decision", "intent"}, e.Kind) {
			continue
		}
		var p struct{ Before, After, Cause, PolicyDigest string }
		require.NoError(t, json.Unmarshal(e.Payload, &p))
		switch e.Kind {
		case "policy":
			require.Equal(t, inForce, p.Before)
			causes, inForce = append(causes, p.Cause), p.After
		default:
			require.Equal(t, inForce, p.PolicyDigest, "entry %d", e.Sequence)
		}
	}
	require.Equal(t, []string{"start", "reload"}, causes, "what was refused, secrets and other keys are no change of policy")
	require.NotContains(t, gatekeeper.Logs(), next)
}

// pings waits until a delivery that is signed with a secret is answered with a status.
func (s *story) pings(secret string, want int) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("a delivery to be answered with %d", want), func(ctx context.Context) (bool, string, error) {
		got, err := s.Ping(ctx, secret)
		return got == want, fmt.Sprint(got), err
	})
	require.NoError(s.t, err)
}
