package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// measuredAt is when the metrics are asked for: a Monday.
func measuredAt() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }

// fourWeeks are two Applications of a gate: payments is deployed every second day, and one
// of its deployments degrades; ledger was deployed once.
type fourWeeks struct{ err error }

func (w fourWeeks) Applications(context.Context) ([]dora.Application, error) {
	payments := dora.Application{Name: "argocd/payments", Gate: "prod", Health: []dora.Transition{{At: measuredAt().AddDate(0, 0, -29), Status: dora.Healthy}}}
	for i := range 14 {
		at := measuredAt().AddDate(0, 0, 2*i-28).Add(9 * time.Hour)
		payments.Operations = append(payments.Operations, dora.Operation{
			ID: fmt.Sprintf("argocd/payments#%d", i+1), StartedAt: at, FinishedAt: at.Add(time.Minute), Phase: dora.Succeeded, Applied: dora.AppliedSome,
			Target: dora.Target{Revisions: []string{fmt.Sprint(i)}},
			Changes: []dora.Change{{
				ID: fmt.Sprintf("acme/env#%d", i), Committed: at.Add(-30 * time.Hour), Basis: dora.BasisCommit, Opened: at.Add(-26 * time.Hour),
				Quorum: at.Add(-2 * time.Hour), Merged: at.Add(-90 * time.Minute),
			}},
		})
		if i == 9 {
			payments.Health = append(payments.Health,
				dora.Transition{At: at.Add(5 * time.Minute), Status: dora.Degraded}, dora.Transition{At: at.Add(40 * time.Minute), Status: dora.Healthy})
		}
	}
	payments.Operations = append(payments.Operations, dora.Operation{
		ID: "argocd/payments#15", StartedAt: measuredAt().Add(-time.Hour), FinishedAt: measuredAt().Add(-time.Hour), Phase: dora.Failed, Applied: dora.AppliedNone,
	})
	at := measuredAt().AddDate(0, 0, -9)
	ledger := dora.Application{Name: "argocd/ledger", Gate: "prod", Operations: []dora.Operation{{
		ID: "argocd/ledger#1", StartedAt: at, FinishedAt: at.Add(time.Minute), Phase: dora.Failed, Applied: dora.AppliedSome, Target: dora.Target{Revisions: []string{"a"}},
	}}}
	return []dora.Application{ledger, payments}, w.err
}

func metricsOf(t *testing.T, scope dora.Scope, change func(*measureOptions)) (string, error) {
	t.Helper()
	t.Setenv("LC_ALL", "C.UTF-8")
	file, _, err := config.Parse("gatekeeper.yaml", []byte("metrics: {teams: [{name: pay, applications: [argocd/payments]}]}"))
	require.NoError(t, err)
	o := measureOptions{output: "text", last: "28d", now: measuredAt}
	if change != nil {
		change(&o)
	}
	var out strings.Builder
	err = showMetrics(t.Context(), &out, file.Metrics, fourWeeks{}, scope, o)
	return out.String(), err
}

func TestMetricsText(t *testing.T) {
	text, err := metricsOf(t, dora.Scope{Kind: dora.ScopeApplication, Name: "argocd/payments"}, nil)
	require.NoError(t, err)
	require.Equal(t, `2026-10-26 to 2026-11-23 (28 days)
Application argocd/payments

Deployment frequency             0.46 per day  high (2024)
  13 deployments; on 3 days a week (median of 4 whole weeks); one every 2d0h (median)
  █▁█▁█▁█▁█▁█▁█▁█▁█▁▁▁█▁█▁█▁█▁

Change lead time                 1d6h median, 1d6h p90  high (2024)
  14 changes; 0 not known, 0 negative
  commit to pull request        4h0m  █████
  pull request to quorum        1d0h  ██████████████████████████████
  quorum to merge              30m0s  █
  merge to sync                1h30m  ██
  sync to Healthy               1m0s  █
  █ █ █ █ █ █ █ █ █ █ █ █ █ █

Change fail rate                 7.14%  high (2024)
  1 of 14 failed (1 degraded); 0 still watched, 0 not known
  ▁ ▁ ▁ ▁ ▁ ▁ ▁ ▁ ▁ █ ▁ ▁ ▁ ▁

Failed deployment recovery time  39m0s median, 39m0s p90  elite (2024)
  1 recovered, 0 not yet, 0 not known; detected after 9m0s (median)

Rework rate                      0%
  0 of 14 deployments

Not counted: 1 not-applied
`, strings.ReplaceAll(text, " \n", "\n"))
}

func TestMetricsTable(t *testing.T) {
	text, err := metricsOf(t, dora.Scope{Kind: dora.ScopeAll}, func(o *measureOptions) { o.ascii = true })
	require.NoError(t, err)
	require.Equal(t, `2026-10-26 to 2026-11-23 (28 days)

                   PER DAY  LEAD TIME  FAIL RATE  RECOVERY  REWORK  DEPLOYMENTS
prod               0.46     1d6h       13.33%     39m0s     0%      #_#_#_#_#_#_#_#_#___#_#_#_#_
  argocd/ledger    0        -          100%       -         0%      ____________________________
  argocd/payments  0.46     1d6h       7.14%      39m0s     0%      #_#_#_#_#_#_#_#_#___#_#_#_#_
`, text)
	require.NotContains(t, text, "–")
	for _, r := range text {
		require.Less(t, r, rune(128))
	}

	team, err := metricsOf(t, dora.Scope{Kind: dora.ScopeTeam, Name: "pay"}, nil)
	require.NoError(t, err)
	require.Contains(t, team, "Team pay, 1 Application\n")
	require.Contains(t, team, "  argocd/payments  0.46")
	gate, err := metricsOf(t, dora.Scope{Kind: dora.ScopeGate, Name: "prod"}, func(o *measureOptions) { o.last = "100d" })
	require.NoError(t, err)
	require.Contains(t, gate, "Gate prod, 2 Applications\nNothing is known of the time before 2026-10-25.\n")
	require.Contains(t, gate, "not recovered: argocd/ledger, synced 2026-11-14 00:01 UTC, sync-failed\n")
	require.Contains(t, gate, "2 of 15 failed (1 degraded, 1 sync-failed)")
}

// TestMetricsUnknown: what is not defined is a dash, and null for programs.
func TestMetricsUnknown(t *testing.T) {
	scope := dora.Scope{Kind: dora.ScopeApplication, Name: "argocd/ledger"}
	text, err := metricsOf(t, scope, func(o *measureOptions) { o.to, o.last = "2026-10-01", "10d" })
	require.NoError(t, err)
	require.Contains(t, text, "Change fail rate                 –\n")
	require.Contains(t, text, "Rework rate                      –\n")
	text, err = metricsOf(t, scope, func(o *measureOptions) { o.to, o.last, o.output = "2026-10-01", "10d", "json" })
	require.NoError(t, err)
	var shown struct {
		Benchmark struct{ Year int }
		Reports   []struct {
			Scope          dora.Scope
			ChangeFailRate map[string]any
			Levels         map[string]string
			Trend          []map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &shown))
	require.Equal(t, 2024, shown.Benchmark.Year)
	require.Len(t, shown.Reports, 1)
	require.Equal(t, scope, shown.Reports[0].Scope)
	rate, there := shown.Reports[0].ChangeFailRate["rate"]
	require.True(t, there)
	require.Nil(t, rate)
	require.Empty(t, shown.Reports[0].Levels)
	require.Len(t, shown.Reports[0].Trend, 10)
}

// TestMetricsYAML: the same as the JSON.
func TestMetricsYAML(t *testing.T) {
	as := func(output string) string {
		text, err := metricsOf(t, dora.Scope{Kind: dora.ScopeAll}, func(o *measureOptions) { o.output = output })
		require.NoError(t, err)
		return text
	}
	var fromJSON, fromYAML any
	require.NoError(t, yaml.Unmarshal([]byte(as("json")), &fromJSON))
	text := as("yaml")
	require.NoError(t, yaml.Unmarshal([]byte(text), &fromYAML))
	require.Equal(t, fromJSON, fromYAML)
	require.Contains(t, text, "benchmark:\n  changeFailRate:\n    elite: 0.05\n")
}

// TestMetricsTrend: the parts of the window are the window, and their sums are its sums.
func TestMetricsTrend(t *testing.T) {
	apps, err := fourWeeks{}.Applications(t.Context())
	require.NoError(t, err)
	var all []dora.Assessed
	for _, app := range apps {
		a, err := dora.Assess(app, dora.DefaultPolicy(), measuredAt())
		require.NoError(t, err)
		all = append(all, a)
	}
	b, err := benchmarkOf(2023)
	require.NoError(t, err)
	for _, days := range []int{1, 2, 25, 26, 27, 90, 365} {
		w := dora.Window{From: measuredAt().AddDate(0, 0, -days).Add(-7 * time.Minute), To: measuredAt()}
		r := measureScope(all, dora.Scope{Kind: dora.ScopeAll}, w, dora.DefaultPolicy(), b)
		require.LessOrEqual(t, len(r.Trend), trendParts)
		require.GreaterOrEqual(t, len(r.Trend), min(days, trendParts/2))
		sum, from := 0, w.From
		for _, p := range r.Trend {
			require.Equal(t, from, p.Window.From)
			sum, from = sum+p.Deployments, p.Window.To
		}
		require.Equal(t, w.To, from)
		require.Equal(t, r.Frequency.Deployments, sum)
	}
}

func TestMetricsRefuses(t *testing.T) {
	_, err := metricsOf(t, dora.Scope{Kind: dora.ScopeGate, Name: "stage"}, nil)
	require.ErrorIs(t, err, errNoSuchScope)
	_, err = metricsOf(t, dora.Scope{Kind: dora.ScopeTeam, Name: "nobody"}, nil)
	require.ErrorContains(t, err, `team "nobody" is not in the configuration`)
	_, err = metricsOf(t, dora.Scope{Kind: dora.ScopeAll}, func(o *measureOptions) { o.year = 1999 })
	require.ErrorContains(t, err, "--benchmark 1999 is none of 2024, 2023")
	_, err = metricsOf(t, dora.Scope{Kind: dora.ScopeAll}, func(o *measureOptions) { o.from = "2026-01-01" })
	require.ErrorIs(t, err, errUsage)
	broken := errors.New("the disk is gone")
	file, _, err := config.Parse("gatekeeper.yaml", []byte("{}"))
	require.NoError(t, err)
	err = showMetrics(t.Context(), &strings.Builder{}, file.Metrics, fourWeeks{broken}, dora.Scope{Kind: dora.ScopeAll}, measureOptions{output: "text", now: measuredAt})
	require.ErrorIs(t, err, broken)

	file2, _ := configure(t)
	for _, args := range [][]string{
		{"metrics"},
		{"metrics", "--config", file2, "--gate", "a", "--team", "b"},
		{"metrics", "--config", file2, "--app", "payments"},
		{"metrics", "--config", file2, "-o", "xml"},
		{"metrics", "--config", file2, "more"},
	} {
		code, _, stderr := call(t, t.Context(), args...)
		require.Equal(t, exitUsage, code, "%v: %s", args, stderr)
	}
}

// TestMetricsCommand reads a real record, beside a store that has it open.
func TestMetricsCommand(t *testing.T) {
	file, data := configure(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, []byte("\nmetrics: {teams: [{name: pay, applications: ['argocd/*']}]}\n")...), 0o600))
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	code, stdout, stderr := call(t, t.Context(), "metrics", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "The record has no deployments.\n")

	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	at := time.Now().Add(-50 * time.Hour).UTC()
	head, err := store.Append(t.Context(), history.Head{}, history.Draft{Time: at, Application: "uid-1", Payload: history.ObservedPayload{
		Gate: "prod", Application: "argocd/payments", Phase: "Succeeded", Revisions: []string{"a"}, StartedAt: at, FinishedAt: at.Add(time.Minute), Health: "Healthy",
	}})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), head, history.Draft{Time: at.Add(2 * time.Hour), Application: "uid-1", Payload: history.HealthPayload{
		Of: head.Sequence, Health: "Healthy", At: at.Add(2 * time.Hour), End: true,
	}})
	require.NoError(t, err)
	for _, args := range [][]string{{"--app", "argocd/payments"}, {"--gate", "prod"}, {"--team", "pay"}} {
		code, stdout, stderr = call(t, t.Context(), append([]string{"metrics", "--config", file, "--last", "10d"}, args...)...)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "0 of 1 failed; 0 still watched, 0 not known", stdout)
		require.NotContains(t, stdout, "\x1b", "no colour in what is piped")
	}

	// And the same for Prometheus, of what is protected now.
	cfg, err := config.Load(file)
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	c, err := connectMeasures(cfg, func() []approval.Policy { return cfg.Policies }, store, func() []approval.Application { return nil }, registry, processLog(nil, t.Output()))
	require.NoError(t, err)
	require.NoError(t, c.Refresh(t.Context()))
	found, err := registry.Gather()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, family := range found {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				names[l.GetValue()] = true
			}
		}
	}
	require.True(t, names["prod"] && names["other"] && !names["argocd/payments"], "%v", names)
}

func TestMetricsStyle(t *testing.T) {
	style := metricsStyle{zone: time.UTC, colour: true}
	var b strings.Builder
	style.headline(&b, "Rate", "1", dora.Low, 2024)
	require.Equal(t, "\nRate                             1  "+red+"low (2024)"+plain+"\n", b.String())
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m0s", 3599*time.Second + 600*time.Millisecond: "1h0m",
		25*time.Hour + 31*time.Minute: "1d2h", 23*time.Hour + 59*time.Minute + 59*time.Second: "24h0m",
	} {
		require.Equal(t, want, style.length(&d), d)
	}
	require.Equal(t, "–", style.length(nil))
	for value, want := range map[string]bool{"": true, "C": false, "POSIX": false, "en_US.UTF-8": true, "de_DE.utf8": true, "de_DE.ISO-8859-1": false} {
		require.Equal(t, want, unicodeLocale(func(name string) string { return map[string]string{"LANG": value}[name] }), value)
	}
	require.False(t, unicodeLocale(func(name string) string { return map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}[name] }))
}
