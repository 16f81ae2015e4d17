package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// reads runs a command that reads, and returns what it prints.
func (s *story) reads(args ...string) string {
	s.t.Helper()
	out, err := s.Gatekeeper(s.ctx, append(args, "--config", s.Config)...)
	require.NoError(s.t, err)
	s.t.Logf("gatekeeper %s\n%s", strings.Join(args, " "), out)
	return out
}

// history waits until the history of an Application has what a pattern finds.
func (s *story) history(app, pattern string) {
	s.t.Helper()
	want := regexp.MustCompile(pattern)
	err := payments.Await(s.ctx, "the history of "+app+" to have "+pattern, func(ctx context.Context) (bool, string, error) {
		out, err := s.Gatekeeper(ctx, "history", app, "--config", s.Config)
		return want.MatchString(out), out, err
	})
	require.NoError(s.t, err)
}

// foundAfterwards: without enforcement, somebody syncs what nobody approved while
// gatekeeper is stopped. It is found after the restart and marked, the history tells it
// from the deployments of the gate, and a rollback by number brings those back.
func foundAfterwards(t *testing.T, s *story) {
	gatekeeper := s.run()
	name := s.Application("prod", payments.Ledger)
	app := "argocd/" + name
	first := s.approved(payments.Ledger, "2000")
	s.runs(payments.Ledger, first, "2000", 2)
	s.history(app, `(?m)^2 .*Healthy`) // what becomes of a deployment is seen until the next one
	second := s.approved(payments.Ledger, "3000")
	s.runs(payments.Ledger, second, "3000", 3)
	s.recorded(payments.Ledger, "outcome", 2)
	s.recorded(payments.Ledger, "observed", 1) // from before the gate
	s.history(app, `(?m)^3 .*Healthy`)         // and not by one who is stopped
	require.NoError(t, gatekeeper.Stop(s.ctx))

	sneaky := s.propose(payments.Alice, payments.Ledger, "9000")
	third := s.merge(sneaky.Number, "merge")
	s.argocd("app", "sync", name, "--revision", third)
	s.runs(payments.Ledger, third, "9000", 4)
	require.Len(t, s.recorded(payments.Ledger, "observed", 1), 1, "nobody watches")

	gatekeeper = s.run()
	found := s.recorded(payments.Ledger, "observed", 2)
	var seen struct {
		Late, Before bool
		Covers       uint64
		Revisions    []string
		InitiatedBy  string
	}
	require.NoError(t, json.Unmarshal(found[1].Payload, &seen))
	require.True(t, seen.Late)
	require.False(t, seen.Before)
	require.Zero(t, seen.Covers)
	require.Equal(t, []string{third}, seen.Revisions)
	require.Equal(t, developer, seen.InitiatedBy)
	s.metric(`gatekeeper_ungated_syncs_total{approved="false",gate="prod",late="true"} 1`)
	s.says(sneaky.Number, "NOT let through by the gate: "+third[:7]+" was synced by "+developer)
	require.Contains(t, gatekeeper.Logs(), "sync_ungated")

	out := s.reads("history", app)
	rows := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, rows, 5, out)
	for i, pattern := range []string{
		`^4 .*succeeded +` + third[:7] + ` .*` + developer + ` .*NOT LET THROUGH BY THE GATE, observed late$`,
		`^3 .*succeeded +` + second[:7] + ` +#\d+ +gatekeeper +bob, carol .*Healthy`,
		`^2 .*succeeded +` + first[:7] + ` +#\d+ +gatekeeper +bob, carol .*Healthy`,
		`^1 .*before Gatekeeper$`,
	} {
		require.Regexp(t, pattern, rows[i+1])
	}
	shown := s.reads("show", app, "3")
	require.Contains(t, shown, "Config by    bob, carol")
	require.Contains(t, shown, "merge to sync")
	compared := s.reads("compare", app, "3", "4")
	require.Contains(t, compared, second[:7]+" → "+third[:7])
	require.Contains(t, compared, fmt.Sprintf("only in #4:\n%s#%d ", payments.Repository, sneaky.Number))
	require.Contains(t, compared, "NOT APPROVED")
	rendered := s.reads("compare", app, "2", "3", "--manifests")
	require.Contains(t, rendered, "2000")
	require.Contains(t, rendered, "3000")
	waits := s.reads("pending", "--for", "@bob")
	require.Contains(t, waits, fmt.Sprintf("%s#%d", payments.Repository, sneaky.Number))
	require.Contains(t, waits, "landed, not synced")
	require.Contains(t, s.reads("pending", "--for", "@alice"), "nothing waits for @alice", "it is her own")

	// Back to what was approved: by number, to the one before the last.
	s.refuses("nobody approved it", payments.Bob, "rollback", app, "--to", "4")
	s.order(payments.Bob, "nobody approved that", "rollback", app, "--to", "2")
	s.runs(payments.Ledger, first, "2000", 5)
	s.recorded(payments.Ledger, "outcome", 3)
	rows = strings.Split(s.reads("history", app, "--limit", "2"), "\n")
	require.Regexp(t, `^5 .*`+first[:7]+` .*rollback by bob .*back to #2$`, rows[1])
	require.Regexp(t, `^4 .*taken back by #5$`, rows[2])
	require.Contains(t, s.reads("compare", app, "2", "5"), "both deployed the same revisions")
	s.reads("show", app, "5", "-o", "yaml")
	require.Contains(t, s.reads("ledger", "verify"), "intact")
}
