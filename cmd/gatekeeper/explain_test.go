package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// recordDecisions begins a record with these decisions.
func recordDecisions(t *testing.T, file, data string, payloads ...history.DecisionPayload) {
	t.Helper()
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	head := history.Head{}
	for i, p := range payloads {
		head, err = store.Append(t.Context(), head, history.Draft{Time: time.Unix(int64(1000*i), 0), Application: p.Facts.Application.UID, Payload: p})
		require.NoError(t, err)
	}
	require.NoError(t, store.Close())
}

// decided is the decision on an Application that tracks a chart.
func decided(t *testing.T, name string) history.DecisionPayload {
	t.Helper()
	policy := approval.Policy{
		Gate: "prod", Applications: []approval.Selector{{Project: "payments"}},
		Config: approval.Quorum{Requirements: []approval.Requirement{{Approvals: 1, Teams: []approval.TeamName{"acme/sre"}}}},
	}
	facts := approval.Facts{CollectedAt: time.Unix(5, 0).UTC(), Application: approval.Application{
		UID: "uid-" + name, Namespace: "argocd", Name: name, Project: "payments", SpecDigest: "5bec", ResourceVersion: "1",
		Sources: []approval.Source{{Kind: approval.SourceHelm, RepoURL: "https://charts.example.com"}},
	}}
	p, err := history.NewDecision(policy, facts, approval.Explain(policy, facts))
	require.NoError(t, err)
	return p
}

func TestExplainRecorded(t *testing.T) {
	file, data := configure(t)
	forged := decided(t, "forged")
	forged.Decision.Verdict = approval.Unknown
	recordDecisions(t, file, data, decided(t, "payments"), decided(t, "ledger"), decided(t, "payments"), forged)

	code, stdout, stderr := call(t, t.Context(), "explain", "argocd/payments", "--config", file)
	require.Zero(t, code, stderr)
	require.Equal(t, `✗ argocd/payments: BLOCKED by gate prod
  recorded as entry 3 on 1970-01-01T00:33:20Z

└─ ✗ source 1 (https://charts.example.com) is not a git repository, and only git content can be approved by pull requests  [source.kind]
     → vendor the chart into a protected repository

Replayed: the recorded policy and facts give this decision.
`, stdout)

	code, stdout, stderr = call(t, t.Context(), "explain", "argocd/payments", "--config", file, "--entry", "1", "-o", "json")
	require.Zero(t, code, stderr)
	var x explanation
	require.NoError(t, json.Unmarshal([]byte(stdout), &x))
	require.Equal(t, uint64(1), x.Entry)
	require.Equal(t, decided(t, "payments").Decision, x.Decision)
	require.Equal(t, replayedSame, x.Replayed)

	code, stdout, stderr = call(t, t.Context(), "explain", "argocd/forged", "--config", file)
	require.Equal(t, exitFailed, code, "a decision that its facts do not give")
	require.Contains(t, stdout, "REPLAY DIFFERS: this version decides blocked where unknown was recorded")
	require.Contains(t, stderr, "the recorded decision is not what its policy and facts give")
}

func TestExplainRefuses(t *testing.T) {
	file, data := configure(t)
	recordDecisions(t, file, data, decided(t, "payments"), decided(t, "ledger"))
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no application":       {[]string{}, exitUsage, "name one Application as NAMESPACE/NAME"},
		"no namespace":         {[]string{"payments"}, exitUsage, "name one Application as NAMESPACE/NAME"},
		"unknown application":  {[]string{"argocd/shop"}, exitFailed, "no decision on argocd/shop; --live decides now"},
		"entry of another":     {[]string{"argocd/payments", "--entry", "2"}, exitFailed, "entry 2 is about argocd/ledger"},
		"entry past the end":   {[]string{"argocd/payments", "--entry", "9"}, exitFailed, "the record has no entry 9"},
		"entry and live":       {[]string{"argocd/payments", "--entry", "1", "--live"}, exitUsage, "use one of them"},
		"output":               {[]string{"argocd/payments", "-o", "yaml"}, exitUsage, "is not text or json"},
		"live without serving": {[]string{"argocd/payments", "--live"}, exitFailed, "open the inbox"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, t.Context(), append([]string{"explain", "--config", file}, tt.args...)...)
			require.Equal(t, tt.code, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)
		})
	}
}
