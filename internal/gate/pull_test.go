package gate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func (s *setup) openPull(n int, approvers ...approval.User) approval.PullAnswer {
	s.hub.approve(n, approvers...)
	answer := approval.PullAnswer{
		Pull: s.hub.pull(n), Open: true, Directory: s.hub.directory(),
		Changes: []approval.Change{{Path: "apps/prod/web.yaml", After: approval.Entry{Mode: "100644", SHA: blob(n)}}},
	}
	answer.Pull.Merged = false
	s.hub.pullOf[n] = answer
	return answer
}

func (s *setup) reported(n int) (approval.PullReport, bool) {
	s.t.Helper()
	before := s.reports.count()
	_, err := s.gate.reconcile(s.t.Context(), Key{Repository: repository, Pull: n})
	require.NoError(s.t, err)
	if s.reports.count() == before {
		return approval.PullReport{}, false
	}
	return s.reports.last(n)
}

func TestReportOpen(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	staging := gatePolicy("staging")
	staging.Applications[0].Project = "staging"
	staging.Config.Requirements[0].Approvals = 2
	images := gatePolicy("images")
	images.Repositories[0].Paths = []string{"images/**"}
	images.Applications[0].Project = "images"
	other := gatePolicy("other")
	other.Repositories[0].Name = "acme/other"
	release := gatePolicy("release")
	release.Repositories[0].Branch = "release"
	s.gate = s.newGate(gatePolicy("prod"), staging, images, other, release)
	s.openPull(7, alice)
	report, ok := s.reported(7)
	require.True(t, ok)
	require.Equal(t, repository, report.Repository)
	require.Equal(t, 7, report.Number)
	require.Equal(t, blob(7), report.Head)
	require.False(t, report.Merged)
	require.Len(t, report.Gates, 3, "the others have another repository or branch")
	require.Equal(t, approval.GateReport{Gate: "images", Class: approval.ClassNone}, report.Gates[2], "so that its check can be a required one")
	prod, stage := report.Gates[0], report.Gates[1]
	require.Equal(t, "prod", prod.Gate)
	require.Equal(t, approval.ClassConfig, prod.Class)
	require.Equal(t, approval.Allowed, prod.Quorum.Verdict)
	require.Equal(t, []int{1, 1, 1, 2}, []int{prod.Met, prod.Needed, stage.Met, stage.Needed})
	require.Equal(t, approval.Blocked, stage.Quorum.Verdict)
	require.Equal(t, []string{payments}, prod.Affected)
	require.Empty(t, stage.Affected)
	require.Empty(t, prod.Applications, "nothing is known yet")
	require.Len(t, stage.Requirements, 1)
	require.Equal(t, []approval.User{bob}, stage.Requirements[0].Able, "who can still approve")
}

func TestReportNothing(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(s *setup, a *approval.PullAnswer){
		"closed":       func(_ *setup, a *approval.PullAnswer) { a.Open = false },
		"other branch": func(_ *setup, a *approval.PullAnswer) { a.Pull.Base = "feature" },
		"not found":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			answer := s.openPull(7)
			if edit == nil {
				delete(s.hub.pullOf, 7)
			} else {
				edit(s, &answer)
				s.hub.pullOf[7] = answer
			}
			_, ok := s.reported(7)
			require.False(t, ok)
		})
	}
	s := newSetup(t)
	_, err := s.gate.reconcilePull(t.Context(), Key{Repository: "acme/unrelated", Pull: 1})
	require.NoError(t, err)
	_, pulls, _ := s.hub.counts()
	require.Zero(t, pulls, "no gate has the repository")
}

// TestReportMerged follows one pull request to the cluster.
func TestReportMerged(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.hub.land(1)
	s.gate.WakeAll()
	s.work()
	report, ok := s.reports.last(1)
	require.True(t, ok)
	require.True(t, report.Merged)
	app := report.Gates[0].Applications[0]
	require.Equal(t, payments, app.Application)
	require.Equal(t, approval.Blocked, app.Verdict)
	require.Equal(t, "not synced", app.State)
	require.NotEmpty(t, app.Findings)
	for _, f := range app.Findings {
		require.NotEqual(t, approval.Allowed, f.Verdict)
	}

	s.hub.approve(1, alice)
	s.gate.WakeAll()
	s.work()
	report, _ = s.reports.last(1)
	require.Equal(t, "syncing to "+sha(1).Short(), report.Gates[0].Applications[0].State)

	s.restart() // what is told must not depend on what was remembered
	s.argo.run(payments, phaseSucceeded)
	s.gate.WakeAll()
	s.work()
	report, _ = s.reports.last(1)
	require.Equal(t, "synced to "+sha(1).Short(), report.Gates[0].Applications[0].State)
	require.Empty(t, report.Gates[0].Applications[0].Findings)
	published := s.reports.count()
	s.gate.WakeAll()
	s.work()
	require.Equal(t, published, s.reports.count(), "no news, no report")
}

func TestReportFailures(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.openPull(7)
	s.reports.failure = errDown
	key := Key{Repository: repository, Pull: 7}
	_, err := s.gate.reconcile(t.Context(), key)
	require.ErrorIs(t, err, errDown)
	s.hub.fail(limited{1})
	_, err = s.gate.reconcile(t.Context(), key)
	require.NotZero(t, retryAfter(err))
}
