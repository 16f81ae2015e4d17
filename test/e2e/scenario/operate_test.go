package scenario

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// order gives an order that has to be taken.
func (s *story) order(person, reason string, args ...string) string {
	s.t.Helper()
	out, err := s.Order(s.ctx, person, reason, args...)
	require.NoError(s.t, err)
	s.t.Logf("gatekeeper %s\n%s", strings.Join(args, " "), out)
	return out
}

// refuses gives an order that has to be refused.
func (s *story) refuses(says, person string, args ...string) {
	s.t.Helper()
	out, err := s.Order(s.ctx, person, "because", args...)
	require.Error(s.t, err, out)
	require.Contains(s.t, out, says)
}

// metric waits until a metric has a value.
func (s *story) metric(line string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the metrics to have "+line, func(ctx context.Context) (bool, string, error) {
		text, err := s.Metrics(ctx)
		return strings.Contains(text, line+"\n"), text, err
	})
	require.NoError(s.t, err)
}

// held: an approved change is not synced while its Application or the gate is held, and
// the pull request says so beside its quorum.
func held(t *testing.T, s *story) {
	s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	s.order(payments.Bob, "incident 7", "hold", name)
	pr := s.propose(payments.Alice, payments.Ledger, "2000")
	s.approve(payments.Bob, pr.Number)
	s.approve(payments.Carol, pr.Number)
	first := s.merge(pr.Number, "merge")
	s.finds(payments.Ledger, "hold.active", "bob holds "+name+" since ", "incident 7", "gatekeeper release ")
	s.finds(payments.Ledger, "landing.approved", "is approved by")
	s.says(pr.Number, "2 of 2", "bob holds")
	s.untouched(payments.Ledger)

	out, err := s.Gatekeeper(s.ctx, "holds", "--config", s.Config)
	require.NoError(t, err)
	require.Contains(t, out, "incident 7")
	s.order(payments.Carol, "over", "release", name)
	s.runs(payments.Ledger, first, "2000", 2)
	s.says(pr.Number, "synced")
	s.refuses("is not held", payments.Carol, "release", name)

	// The whole gate, until the hold ends by itself.
	s.order(payments.Dave, "audit", "hold", "--gate", "prod", "--for", "40s")
	second := s.approved(payments.Ledger, "3000")
	s.finds(payments.Ledger, "hold.active", "dave holds gate prod since ", " until ", "audit")
	s.stays(payments.Ledger, first, "2000", 2)
	s.runs(payments.Ledger, second, "3000", 3)
}

// windows: inside of a deny window an approved change waits, the decision says until
// when, and at its end the change is synced.
func windows(t *testing.T, s *story) {
	const wall = "2006-01-02T15:04"
	now := time.Now().UTC()
	opens := now.Truncate(time.Minute).Add(2 * time.Minute)
	require.NoError(t, s.ConfigureGate(`    windows:
      - {name: change freeze, kind: deny, timezone: UTC, from: "`+now.Add(-time.Hour).Format(wall)+`", until: "`+opens.Format(wall)+`"}
`))
	s.run()
	revision := s.approved(payments.Ledger, "2000")
	s.finds(payments.Ledger, "window.closed", "window change freeze denies them", "the next opening is "+opens.Format("Mon 2006-01-02 15:04")+" UTC")
	s.finds(payments.Ledger, "landing.approved", "is approved by")
	out, err := s.Gatekeeper(s.ctx, "windows", "--config", s.Config, "--at", now.Format(time.RFC3339))
	require.NoError(t, err)
	require.Contains(t, out, "opens  "+opens.Format("Mon 2006-01-02 15:04")+" UTC")
	// Up to the last moment nothing happens. The clock is what is awaited here.
	select {
	case <-s.ctx.Done():
	case <-time.After(time.Until(opens.Add(-3 * time.Second))):
	}
	s.untouched(payments.Ledger)
	s.runs(payments.Ledger, revision, "2000", 2)
}

// brokenGlass: one candidate is synced without its quorum, it is recorded who did it,
// and what comes after it waits until somebody else has looked at it.
func brokenGlass(t *testing.T, s *story) {
	require.NoError(t, s.ConfigureGate("    breakGlass: {teams: ["+payments.Team+"], reviewBy: 24h}\n"))
	s.run()
	name := "argocd/" + s.Application("prod", payments.Ledger)
	s.order(payments.Bob, "nobody deploys", "hold", "--gate", "prod")
	pr := s.propose(payments.Alice, payments.Ledger, "2000")
	urgent := s.merge(pr.Number, "merge")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")
	s.untouched(payments.Ledger)

	s.refuses("alice is not one of "+payments.Team, payments.Alice, "break-glass", name, "--revision", urgent)
	s.refuses("is not on the first-parent line", payments.Erin, "break-glass", name, "--revision", pr.Head)
	s.untouched(payments.Ledger)
	out := s.order(payments.Erin, "customers cannot pay", "break-glass", name, "--revision", urgent, "-o", "json")
	var broken struct {
		ID        string
		Overrides []payments.Finding
	}
	require.NoError(t, json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &broken))
	require.NotEmpty(t, broken.ID)
	require.NotEmpty(t, broken.Overrides)
	live := s.runs(payments.Ledger, urgent, "2000", 2)
	require.Contains(t, live.InitiatedBy, "gatekeeper: break-glass by erin (customers cannot pay)")

	// The record names the order, and the decision what it overrode.
	s.recorded(payments.Ledger, "outcome", 1)
	entries, err := s.RecordOf(s.ctx, payments.Ledger)
	require.NoError(t, err)
	ordered, carried := false, false
	for _, e := range entries {
		switch e.Kind {
		case "act":
			ordered = ordered || strings.Contains(string(e.Payload), `"break-glass"`) && strings.Contains(string(e.Payload), `"erin"`)
		case "intent":
			carried = strings.Contains(string(e.Payload), `"act":"`+broken.ID+`"`)
		}
	}
	require.True(t, ordered, "the order is on record")
	require.True(t, carried, "the deployment names the order")
	s.order(payments.Bob, "over", "release", "--gate", "prod")
	s.metric(`gatekeeper_breakglass_unreviewed{gate="prod"} 1`)
	s.metric(`gatekeeper_breakglass_overdue{gate="prod"} 0`)

	// The next one is approved, and waits; nothing is taken back either.
	next := s.approved(payments.Ledger, "3000")
	s.finds(payments.Ledger, "breakglass.unreviewed", "erin shipped "+urgent[:7]+" by break-glass (customers cannot pay)", "gatekeeper review "+broken.ID)
	s.stays(payments.Ledger, urgent, "2000", 2)
	s.refuses("erin broke the glass and cannot review that", payments.Erin, "review", broken.ID)
	s.order(payments.Bob, "looked at it", "review", broken.ID)
	s.runs(payments.Ledger, next, "3000", 3)
	s.metric(`gatekeeper_breakglass_unreviewed{gate="prod"} 0`)
	verified, err := s.Gatekeeper(s.ctx, "ledger", "verify", "--config", s.Config)
	require.NoError(t, err)
	require.Contains(t, verified, "intact: ")
}
