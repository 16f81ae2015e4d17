package measures_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/measures"
	"github.com/argo-gatekeeper/gatekeeper/internal/promcheck"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// now is when the collector computes.
func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// observed are Applications as they come from elsewhere.
type observed struct {
	apps []dora.Application
	err  error
}

func (o *observed) Applications(context.Context) ([]dora.Application, error) { return o.apps, o.err }

// busy is an Application that deploys once a day for that many days until now, an hour
// after its change was merged; every fourth deployment degrades and is rolled back.
func busy(name, gate string, days int) dora.Application {
	app := dora.Application{Name: name, Gate: gate, Health: []dora.Transition{{At: now().AddDate(0, 0, -days-1), Status: dora.Healthy}}}
	for i := range days {
		at := now().AddDate(0, 0, i-days).Add(time.Hour)
		op := dora.Operation{
			ID: fmt.Sprintf("%s-%d", name, i), StartedAt: at, FinishedAt: at.Add(time.Minute), Phase: dora.Succeeded, Applied: dora.AppliedSome,
			Target: dora.Target{Revisions: []string{fmt.Sprint(i)}},
			Changes: []dora.Change{{
				ID: fmt.Sprintf("acme/env#%d", i), Committed: at.Add(-5 * time.Hour), Basis: dora.BasisCommit, Opened: at.Add(-4 * time.Hour),
				Quorum: at.Add(-2 * time.Hour), Merged: at.Add(-time.Hour),
			}},
		}
		app.Operations = append(app.Operations, op)
		if i%4 == 0 {
			app.Health = append(app.Health,
				dora.Transition{At: at.Add(10 * time.Minute), Status: dora.Degraded}, dora.Transition{At: at.Add(22 * time.Minute), Status: dora.Healthy})
			app.Operations = append(app.Operations, dora.Operation{
				ID: op.ID + "-back", StartedAt: at.Add(20 * time.Minute), FinishedAt: at.Add(21 * time.Minute), Phase: dora.Succeeded, Applied: dora.AppliedSome,
				Target: dora.Target{Revisions: []string{fmt.Sprint(i - 1)}}, Rework: []dora.Rework{dora.Rollback},
			})
		}
	}
	return app
}

func collector(t *testing.T, source measures.Source, most int, protected ...string) *measures.Collector {
	t.Helper()
	return measures.NewCollector(measures.Options{
		Source: source, Policy: dora.DefaultPolicy(), Protected: func() []string { return protected }, Most: most, Now: now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// exposed is what Prometheus would read.
func exposed(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, answer.Code, answer.Body.String())
	return answer.Body.String()
}

// TestCollector: the figures of one gate with one Application, worked out by hand. In the
// last 7 days there are 7 deployments and 2 rollbacks, of days 84 and 88 of 90.
func TestCollector(t *testing.T) {
	c := collector(t, &observed{apps: []dora.Application{busy("argocd/shop", "prod", 90)}}, 50, "argocd/shop")
	require.Len(t, exposition(t, exposed(t, c)), 1, "nothing is there before it was computed, but the count of failures")
	require.NoError(t, c.Refresh(t.Context()))
	text := exposed(t, c)
	for _, line := range []string{
		`gatekeeper_dora_deployments{application="",gate="prod",outcome="failed",window="7d"} 2`,
		`gatekeeper_dora_deployments{application="argocd/shop",gate="prod",outcome="succeeded",window="7d"} 7`,
		`gatekeeper_dora_deployments_per_day{application="",gate="prod",window="7d"} 1`,
		`gatekeeper_dora_change_fail_rate{application="",gate="prod",window="7d"} 0.2222222222222222`,
		`gatekeeper_dora_rework_rate{application="argocd/shop",gate="prod",window="7d"} 0.2222222222222222`,
		`gatekeeper_dora_rework{application="",gate="prod",kind="rollback",window="7d"} 2`,
		`gatekeeper_dora_rework{application="",gate="prod",kind="hotfix",window="7d"} 0`,
		`gatekeeper_dora_change_lead_time_seconds{application="",gate="prod",quantile="0.5",window="7d"} 18060`,
		`gatekeeper_dora_change_segment_seconds{application="",gate="prod",segment="quorum",window="90d"} 7200`,
		`gatekeeper_dora_recovery_seconds{application="",gate="prod",quantile="0.5",window="7d"} 1260`,
		`gatekeeper_dora_unrecovered{application="",gate="prod",window="90d"} 0`,
		`gatekeeper_dora_change_lead_time_all_seconds_bucket{gate="prod",le="14400"} 0`,
		`gatekeeper_dora_change_lead_time_all_seconds_bucket{gate="prod",le="43200"} 90`,
		`gatekeeper_dora_quorum_all_seconds_sum{gate="prod"} 648000`,
		`gatekeeper_dora_recovery_all_seconds_count{gate="prod"} 23`,
		`gatekeeper_dora_computed_timestamp_seconds 1.7952624e+09`,
		`gatekeeper_dora_compute_failures_total 0`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

// TestCollectorLeavesOut: what is not defined is not there, which is not 0.
func TestCollectorLeavesOut(t *testing.T) {
	app := busy("argocd/shop", "prod", 90)
	app.Health = nil
	app.Operations = app.Operations[:1]
	c := collector(t, &observed{apps: []dora.Application{app}}, 50, "argocd/shop")
	require.NoError(t, c.Refresh(t.Context()))
	text := exposed(t, c)
	require.Contains(t, text, `gatekeeper_dora_deployments{application="",gate="prod",outcome="undetermined",window="90d"} 1`)
	for _, name := range []string{"change_fail_rate{", "change_lead_time_seconds{", "recovery_seconds{", "deployment_interval_seconds{", "change_segment_seconds{"} {
		require.NotContains(t, text, "gatekeeper_dora_"+name)
	}
	require.NotContains(t, text, `gatekeeper_dora_rework_rate{application="",gate="prod",window="7d"}`, "no deployment in 7 days")
	require.Contains(t, text, `gatekeeper_dora_rework_rate{application="",gate="prod",window="90d"} 0`)
}

// TestCollectorBounds: only so many Applications of each gate have series, those with the
// most deployments; the others, and those that no gate protects any more, are one.
func TestCollectorBounds(t *testing.T) {
	var apps []dora.Application
	var protected []string
	for i := range 40 {
		name := fmt.Sprintf("argocd/app-%02d", i)
		apps = append(apps, busy(name, "prod", 1+i%5))
		if i != 4 {
			protected = append(protected, name)
		}
	}
	apps = append(apps, busy("argocd/app-99", "stage", 1), busy("argocd/app-99", "stage", 2)) // deleted and made again
	for i := range apps[41].Operations {
		apps[41].Operations[i].ID += "-again"
	}
	c := collector(t, &observed{apps: apps}, 3, append(protected, "argocd/app-99", "argocd/never-deployed")...)
	require.NoError(t, c.Refresh(t.Context()))
	names := map[string]bool{}
	for _, s := range exposition(t, exposed(t, c)) {
		if s.Metric == "gatekeeper_dora_deployments_per_day" && s.Labels["window"] == "30d" {
			names[s.Labels["gate"]+" "+s.Labels["application"]] = true
		}
	}
	require.Equal(t, map[string]bool{
		"prod ": true, "prod other": true, "prod argocd/app-09": true, "prod argocd/app-14": true, "prod argocd/app-19": true, // 04 is not protected
		"stage ": true, "stage argocd/app-99": true,
	}, names)
	// Nothing is counted twice, and nothing is left out.
	sum := map[bool]float64{}
	for line := range strings.Lines(exposed(t, c)) {
		if strings.HasPrefix(line, "gatekeeper_dora_deployments{") && strings.Contains(line, `gate="prod"`) && strings.Contains(line, `"90d"`) {
			var n float64
			_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &n)
			require.NoError(t, err)
			sum[strings.Contains(line, `application=""`)] += n
		}
	}
	require.Positive(t, sum[true])
	require.InDelta(t, sum[true], sum[false], 0)
}

func exposition(t *testing.T, text string) promcheck.Exposition {
	t.Helper()
	e, err := promcheck.ReadExposition(text)
	require.NoError(t, err)
	return e
}

// TestCollectorKeepsWhatItHad: a record that cannot be read, and one that contradicts
// itself, leave the last figures, and are counted.
func TestCollectorKeepsWhatItHad(t *testing.T) {
	source := &observed{apps: []dora.Application{busy("argocd/shop", "prod", 3)}}
	c := collector(t, source, 50)
	require.NoError(t, c.Refresh(t.Context()))
	before := exposed(t, c)
	source.err = errBroken
	require.ErrorIs(t, c.Refresh(t.Context()), errBroken)
	source.err = nil
	source.apps[0].Operations = append(source.apps[0].Operations, source.apps[0].Operations[0])
	require.ErrorContains(t, c.Refresh(t.Context()), "is there twice")
	after := exposed(t, c)
	require.Equal(t, strings.Replace(before, "gatekeeper_dora_compute_failures_total 0", "gatekeeper_dora_compute_failures_total 2", 1), after)
}

// TestCollectorAfterRestart: another process with the same record has the same figures.
func TestCollectorAfterRestart(t *testing.T) {
	w := newWorld(t)
	first := measures.NewLoader(w.store)
	c := collector(t, first, 50, "argocd/shop")
	for i := range 5 {
		w.sync(w.decide("prod", "shop", i+1), nil)
		require.NoError(t, c.Refresh(t.Context()))
	}
	again := collector(t, measures.NewLoader(w.store), 50, "argocd/shop")
	require.NoError(t, again.Refresh(t.Context()))
	require.Equal(t, exposed(t, c), exposed(t, again))
}

// TestCollectorRun computes at once, and then every minute.
func TestCollectorRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &observed{err: errBroken}
		c := collector(t, source, 50)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		require.Contains(t, exposed(t, c), "gatekeeper_dora_compute_failures_total 1")
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		require.Contains(t, exposed(t, c), "gatekeeper_dora_compute_failures_total 3")
		stop()
		require.NoError(t, <-done)
	})
}
