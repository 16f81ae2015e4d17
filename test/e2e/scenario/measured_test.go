package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// figures are what gatekeeper metrics says of an Application, as far as this story looks.
type figures struct {
	Deployments  int
	Failed       int
	Successful   int
	Signals      map[string]int
	Recovered    int
	Unrecovered  int
	Unobserved   int
	Rework       int
	ReworkKinds  map[string]int
	FailRate     *float64
	RecoveryTime *float64
}

// measured reads them.
func (s *story) measured(ctx context.Context, app string) (figures, string, error) {
	out, err := s.Gatekeeper(ctx, "metrics", "--app", app, "--last", "1h", "-o", "json", "--config", s.Config)
	if err != nil {
		return figures{}, out, err
	}
	var shown struct {
		Reports []struct {
			DeploymentFrequency struct{ Deployments int }
			ChangeFailRate      struct {
				Rate               *float64
				Failed, Successful int
				Signals            map[string]int
			}
			FailedDeploymentRecoveryTime struct {
				Length struct {
					Count  int
					Median *float64 `json:"medianSeconds"`
				}
				Unrecovered []json.RawMessage
				Unobserved  int
			}
			ReworkRate struct {
				Rework int
				Kinds  map[string]int
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		return figures{}, out, err
	}
	if len(shown.Reports) != 1 {
		return figures{}, out, fmt.Errorf("%d reports", len(shown.Reports))
	}
	r := shown.Reports[0]
	return figures{
		Deployments: r.DeploymentFrequency.Deployments, Failed: r.ChangeFailRate.Failed, Successful: r.ChangeFailRate.Successful, Signals: r.ChangeFailRate.Signals,
		Recovered: r.FailedDeploymentRecoveryTime.Length.Count, Unrecovered: len(r.FailedDeploymentRecoveryTime.Unrecovered),
		Unobserved: r.FailedDeploymentRecoveryTime.Unobserved,
		Rework:     r.ReworkRate.Rework, ReworkKinds: r.ReworkRate.Kinds, FailRate: r.ChangeFailRate.Rate, RecoveryTime: r.FailedDeploymentRecoveryTime.Length.Median,
	}, out, nil
}

// counts waits until the figures of an Application are as they should be.
func (s *story) counts(app, what string, right func(figures) bool) figures {
	s.t.Helper()
	var last figures
	err := payments.Await(s.ctx, "the metrics to say "+what, func(ctx context.Context) (bool, string, error) {
		f, out, err := s.measured(ctx, app)
		last = f
		return err == nil && right(f), out, err
	})
	require.NoError(s.t, err)
	return last
}

// healthOnRecord waits until the record has a health of the newest deployment.
func (s *story) healthOnRecord(app, health string) {
	s.t.Helper()
	err := payments.Await(s.ctx, app+" to be "+health+" on record", func(ctx context.Context) (bool, string, error) {
		out, err := s.Gatekeeper(ctx, "history", app, "--limit", "1", "--config", s.Config)
		return strings.Contains(out, health), out, err
	})
	require.NoError(s.t, err)
}

// settled waits until the record has that a deployment is Healthy after it was rolled out: a
// release that follows sooner finds the Application as unwell as it leaves it, and is not
// blamed. Argo CD may look too seldom to see the rollout; then what it shows for long is true.
func (s *story) settled(app, number string) {
	s.t.Helper()
	const long = 40 * time.Second
	err := payments.Await(s.ctx, app+" #"+number+" to be Healthy after its rollout", func(ctx context.Context) (bool, string, error) {
		out, err := s.Gatekeeper(ctx, "show", app, number, "-o", "json", "--config", s.Config)
		if err != nil {
			return false, out, err
		}
		var d struct {
			FinishedAt time.Time
			Health     []struct{ Health string }
		}
		if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Health) == 0 {
			return false, out, err
		}
		rolled := slices.ContainsFunc(d.Health, func(h struct{ Health string }) bool { return h.Health == "Progressing" })
		return d.Health[len(d.Health)-1].Health == "Healthy" && (rolled || time.Since(d.FinishedAt) > long), out, nil
	})
	require.NoError(s.t, err)
}

// recovers: a release whose pods never come up, and the one that mends it. The record
// has what Argo CD saw, and the metrics are what follows from it: one deployment that
// failed, and its recovery. What a person says counts until it is taken back.
func recovers(t *testing.T, s *story) {
	require.NoError(t, s.ConfigureGate("metrics: {observe: 5m, grace: 12s, stable: 15s, progressDeadline: 5m}\n"))
	s.run()
	app := "argocd/" + s.Application("prod", payments.Ledger)
	ship := func(path, content, title string) string {
		pull, err := s.ProposeFile(payments.Alice, path, content, title)
		require.NoError(t, err)
		s.approve(payments.Bob, pull.Number)
		s.approve(payments.Carol, pull.Number)
		return s.merge(pull.Number, "merge")
	}
	const chart = "charts/service/templates/deployment.yaml"
	// Pods have to be ready for longer than a health must last to be on record, so that it
	// shows when Argo CD had looked at the new rollout: the health right after a sync may be
	// that from before, and without that the metrics would not know how long it took.
	impatient := strings.Replace(s.Files()[chart], "  replicas:", "  minReadySeconds: 12\n  progressDeadlineSeconds: 15\n  replicas:", 1)
	require.NotEqual(t, s.Files()[chart], impatient)
	first := ship(chart, impatient, "Give up on a rollout after 15 seconds")
	s.runs(payments.Ledger, first, payments.FirstLimit, 2)
	s.settled(app, "2")

	values := payments.Values("prod", payments.Ledger, payments.FirstLimit)
	broken := strings.Replace(values, `"1.4.2"`, `"1.5.0-broken"`, 1)
	require.NotEqual(t, values, broken)
	ship(payments.ValuesFile("prod", payments.Ledger), broken, "Release 1.5.0")
	s.healthOnRecord(app, "Degraded")
	s.counts(app, "that nothing has recovered", func(f figures) bool { return f.Unrecovered == 1 && f.Recovered == 0 })

	// Another image, so that there is a rollout to look at: the pods of 1.4.2 still run.
	fixed := ship(payments.ValuesFile("prod", payments.Ledger), strings.Replace(values, `"1.4.2"`, `"1.5.1"`, 1), "Release 1.5.1")
	s.runs(payments.Ledger, fixed, payments.FirstLimit, 4)
	// On a machine that is too slow, Argo CD shows the health from before for longer than the
	// metrics take for stable; then they know that it recovered, and not when.
	f := s.counts(app, "that it has recovered", func(f figures) bool { return f.Recovered+f.Unobserved == 1 && f.Unrecovered == 0 })
	t.Log(s.reads("metrics", "--app", app, "--last", "1h"))
	require.Equal(t, 1, f.Failed)
	require.Equal(t, map[string]int{"degraded": 1}, f.Signals)
	require.LessOrEqual(t, f.Successful, 1, "the one before, if all of it was watched; the newest is still watched")
	require.NotNil(t, f.FailRate)
	require.InDelta(t, 1/float64(1+f.Successful), *f.FailRate, 1e-9)
	require.Empty(t, f.ReworkKinds, "a pull request that fixes is rework by its label alone")
	if f.Recovered == 1 {
		require.NotNil(t, f.RecoveryTime)
		require.Positive(t, *f.RecoveryTime)
	}
	require.Regexp(t, `(?m)^3 .*Degraded`, s.reads("history", app))
	require.Contains(t, s.reads("show", app, "3"), "1 applied, 0 failed")

	s.order(payments.Bob, "INC-4711: limits were read wrongly", "mark", app, "2", "--failed")
	f = s.counts(app, "what was marked", func(f figures) bool { return f.Failed == 2 })
	require.Equal(t, 1, f.Signals["marked"])
	require.Contains(t, s.reads("show", app, "2"), "INC-4711")
	s.order(payments.Bob, "INC-4711 had another cause", "mark", app, "2", "--not-failed")
	s.counts(app, "that it was taken back", func(f figures) bool { return f.Failed == 1 && f.Signals["marked"] == 0 })
	require.Contains(t, s.reads("ledger", "verify"), "intact")
}
