package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
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

// fared is a deployment with its health, as gatekeeper show prints it.
type fared struct {
	FinishedAt time.Time
	Health     []struct {
		Health string
		At     time.Time
	}
}

// since is when a health was on record first for a deployment; zero when it was not.
func (f fared) since(health string) time.Time {
	for _, h := range f.Health {
		if h.Health == health {
			return h.At
		}
	}
	return time.Time{}
}

// fares waits until what the record has of a deployment is as it should be.
func (s *story) fares(app, number, what string, right func(fared) bool) fared {
	s.t.Helper()
	s.history(app, `(?m)^`+number+` `)
	var d fared
	err := payments.Await(s.ctx, app+" #"+number+" to "+what, func(ctx context.Context) (bool, string, error) {
		out, err := s.Gatekeeper(ctx, "show", app, number, "-o", "json", "--config", s.Config)
		if err != nil {
			return false, out, err
		}
		d = fared{}
		return json.Unmarshal([]byte(out), &d) == nil && right(d), out, nil
	})
	require.NoError(s.t, err)
	return d
}

// pods waits until so many pods of an image are ready.
func (s *story) pods(service, tag string, n int) {
	s.t.Helper()
	err := payments.Await(s.ctx, fmt.Sprintf("%d pods of %s to be ready", n, tag), func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", service)
		ready := 0
		for image, pods := range l.PodImages {
			if strings.HasSuffix(image, ":"+tag) {
				ready += pods
			}
		}
		return err == nil && ready == n, l.String(), err
	})
	require.NoError(s.t, err)
}

// ailing waits until Argo CD shows a health.
func (s *story) ailing(service, health string) {
	s.t.Helper()
	err := payments.Await(s.ctx, service+" to be "+health, func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", service)
		return err == nil && l.Health == health, l.String(), err
	})
	require.NoError(s.t, err)
}

// recovers: a release whose pods never come up, and the one that mends it. The record
// has what Argo CD saw, and the metrics are what follows from it: one deployment that
// failed, and its recovery. What a person says counts until it is taken back.
func recovers(t *testing.T, s *story) {
	const (
		grace = 10 * time.Second
		// sure is more than the second that Argo CD's times may be too early.
		sure = 5 * time.Second
	)
	// The time from the end of a sync until Argo CD looked at the new rollout is not known, and
	// is less than it takes the pods to be available: so it shows when it recovered.
	require.NoError(t, s.ConfigureGate("metrics: {grace: "+grace.String()+", stable: 40s}\n"))
	s.run()
	app := "argocd/" + s.Application("prod", payments.Ledger)
	ship := func(title string, files map[string]string) string {
		pull, err := s.GitHub.As(payments.Alice).OpenPull(payments.Repository, standin.PullOptions{Title: title, Change: standin.Change{Files: files, Message: title}})
		require.NoError(t, err)
		s.approve(payments.Bob, pull.Number)
		s.approve(payments.Carol, pull.Number)
		return s.merge(pull.Number, "merge")
	}
	path := payments.ValuesFile("prod", payments.Ledger)

	// Pods have nothing to do with the first one, so the Application is Healthy all along:
	// what is unwell already when a release comes is not blamed on it.
	values := payments.Values("prod", payments.Ledger, payments.FirstLimit) + "settings: {banner: spring}\n"
	first := ship("A banner for spring", map[string]string{path: values})
	s.runs(payments.Ledger, first, payments.FirstLimit, 2)
	s.fares(app, "2", "be Healthy", func(d fared) bool { return !d.since("Healthy").IsZero() })

	const chart = "charts/service/templates/deployment.yaml"
	impatient := strings.Replace(s.Files()[chart], "  replicas:", "  minReadySeconds: 25\n  progressDeadlineSeconds: 45\n  replicas:", 1)
	require.NotEqual(t, s.Files()[chart], impatient)
	broken := strings.Replace(values, `"1.4.2"`, `"1.5.0-broken"`, 1)
	require.NotEqual(t, values, broken)
	ship("Release 1.5.0, and give up on rollouts", map[string]string{chart: impatient, path: broken})
	s.history(app, `(?m)^3 `)
	s.ailing(payments.Ledger, "Degraded")
	// It has failed once it was ill for so long when the next sync begins.
	ill := s.fares(app, "3", "be Degraded for the grace and more", func(d fared) bool {
		at := d.since("Degraded")
		return !at.IsZero() && time.Since(at) > grace+sure
	})
	s.counts(app, "that nothing has recovered", func(f figures) bool { return f.Unrecovered == 1 && f.Recovered == 0 })

	// Another image, so that there is a rollout to look at: the pods of 1.4.2 still run.
	fixed := ship("Release 1.5.1", map[string]string{path: strings.Replace(values, `"1.4.2"`, `"1.5.1"`, 1)})
	s.history(app, `(?m)^4 `)
	s.pods(payments.Ledger, "1.5.1", 1)
	s.pods(payments.Ledger, "1.5.1", 2)
	s.runs(payments.Ledger, fixed, payments.FirstLimit, 4)
	well := s.fares(app, "4", "be Healthy", func(d fared) bool { return !d.since("Healthy").IsZero() })
	// On a machine that is too slow, Argo CD shows the health from before for longer than the
	// metrics take for stable; then they know that it recovered, and not when.
	f := s.counts(app, "that it has recovered", func(f figures) bool { return f.Recovered+f.Unobserved == 1 && f.Unrecovered == 0 })
	t.Log(s.reads("metrics", "--app", app, "--last", "1h"))
	require.Equal(t, 1, f.Failed)
	require.Equal(t, map[string]int{"degraded": 1}, f.Signals)
	require.Equal(t, 1, f.Successful, "the one before; the newest is still watched")
	require.NotNil(t, f.FailRate)
	require.InDelta(t, 0.5, *f.FailRate, 1e-9)
	require.Empty(t, f.ReworkKinds, "a pull request that fixes is rework by its label alone")
	if f.Recovered == 1 {
		require.NotNil(t, f.RecoveryTime)
		require.InDelta(t, well.since("Healthy").Sub(ill.FinishedAt).Seconds(), *f.RecoveryTime, 1e-3)
	}
	require.Regexp(t, `(?m)^3 .*Degraded`, s.reads("history", app))
	require.Contains(t, s.reads("show", app, "3"), "2 applied, 0 failed")

	s.order(payments.Bob, "INC-4711: limits were read wrongly", "mark", app, "2", "--failed")
	f = s.counts(app, "what was marked", func(f figures) bool { return f.Failed == 2 })
	require.Equal(t, 1, f.Signals["marked"])
	require.Contains(t, s.reads("show", app, "2"), "INC-4711")
	s.order(payments.Bob, "INC-4711 had another cause", "mark", app, "2", "--not-failed")
	s.counts(app, "that it was taken back", func(f figures) bool { return f.Failed == 1 && f.Signals["marked"] == 0 })
	require.Contains(t, s.reads("ledger", "verify"), "intact")
}
