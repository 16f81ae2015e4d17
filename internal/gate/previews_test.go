package gate

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// previewed stands for internal/preview. It gives what it was told to, and keeps what it
// was asked for.
type previewed struct {
	mu    sync.Mutex
	asked map[string][]approval.Comparison
	wakes map[string]func()
	ready bool
}

func (r *previewed) Ask(name string, wake func(), wanted []approval.Comparison) []approval.Preview {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		r.asked, r.wakes = map[string][]approval.Comparison{}, map[string]func(){}
	}
	r.asked[name], r.wakes[name] = wanted, wake
	out := make([]approval.Preview, len(wanted))
	for i, c := range wanted {
		out[i] = approval.Preview{State: approval.PreviewPending}
		if r.ready {
			out[i] = approval.Preview{State: approval.PreviewReady, Diff: approval.RenderedDiff{Changed: len(c.Application.Name)}}
		}
	}
	return out
}

func newPreviewed(t *testing.T) (*setup, *previewed) {
	t.Helper()
	s := newSetup(t)
	r := &previewed{}
	s.gate.previews, s.gate.previewsMost = r, 3
	return s, r
}

func vectors(c []approval.Comparison) []string {
	var out []string
	for _, one := range c {
		out = append(out, fmt.Sprintf("%s %s→%s", one.Application.Name, one.From[0].SHA.Short(), one.To[0].SHA.Short()))
	}
	return out
}

func TestPreviewOpenPull(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	answer := s.openPull(7)
	answer.MergeBase, answer.Pull.URL = sha(0), "https://github.com/acme/deploy/pull/7"
	s.hub.pullOf[7] = answer
	report, ok := s.reported(7)
	require.True(t, ok)
	require.Equal(t, []string{"payments " + sha(0).Short() + "→" + blob(7).Short()}, vectors(r.asked["acme/deploy#7"]))
	require.Len(t, report.Gates[0].Previews, 1)
	require.Equal(t, approval.PreviewPending, report.Gates[0].Previews[0].State)
	require.Equal(t, approval.PreviewPull, report.Gates[0].Previews[0].Kind)
	require.Equal(t, "https://github.com/acme/deploy/pull/7/checks", report.Gates[0].ChecksURL)

	// It is told again when what was wanted is there.
	r.ready = true
	r.wakes["acme/deploy#7"]()
	s.work()
	report, _ = s.reports.last(7)
	p := report.Gates[0].Previews[0]
	require.Equal(t, []any{approval.PreviewReady, len("payments"), payments}, []any{p.State, p.Diff.Changed, p.Application})

	// What is pushed to a fork is not rendered.
	answer.Fork = true
	s.hub.pullOf[7] = answer
	report, _ = s.reported(7)
	require.Empty(t, r.asked["acme/deploy#7"])
	require.Equal(t, approval.PreviewUnavailable, report.Gates[0].Previews[0].State)
	require.Contains(t, report.Gates[0].Previews[0].Reason, "fork")
}

// TestPreviewConcerned: only Applications that are rendered from what is changed are
// asked for, and no more than the configuration says.
func TestPreviewConcerned(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		app := application(name)
		if name == "b" {
			app.Sources[0].Reads = []approval.Read{{Repository: repository, Path: "apps/prod/other/"}}
		}
		s.argo.apps[app.Key()] = &app
	}
	answer := s.openPull(7)
	answer.MergeBase = sha(0)
	s.hub.pullOf[7] = answer
	report, _ := s.reported(7)
	var names []string
	for _, c := range r.asked["acme/deploy#7"] {
		names = append(names, c.Application.Name)
	}
	require.Equal(t, []string{"a", "c", "d"}, names)
	require.Equal(t, 2, report.Gates[0].PreviewsLeftOut, "e and payments")

	// What it is rendered from is not known, so it may change.
	s.hub.closureErr = errDown
	report, _ = s.reported(7)
	require.Equal(t, 3, report.Gates[0].PreviewsLeftOut)
	names = nil
	for _, c := range r.asked["acme/deploy#7"] {
		names = append(names, c.Application.Name)
	}
	require.Equal(t, []string{"a", "b", "c"}, names)
}

// TestPreviewSync: a pull request that landed is told what a sync ships, its neighbours
// included, until it is live.
func TestPreviewSync(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	s.argo.edit(payments, func(a *approval.Application) {
		a.Deployed = []approval.DeployedRevision{{ID: 1, Revisions: []string{string(sha(0))}}}
	})
	s.hub.land(1, 2)
	s.hub.approve(2, alice)
	s.gate.WakeAll()
	s.work()
	for _, n := range []int{1, 2} {
		report, ok := s.reports.last(n)
		require.True(t, ok)
		previews := report.Gates[0].Previews
		require.Len(t, previews, 2)
		sync := previews[1]
		require.Equal(t, approval.PreviewSync, sync.Kind)
		require.False(t, sync.Allowed)
		require.Equal(t, []approval.SHA{sha(0), sha(2)}, []approval.SHA{sync.From[0].SHA, sync.To[0].SHA})
		var pulls []string
		for _, l := range sync.Shipped {
			pulls = append(pulls, fmt.Sprintf("%d %s", l.Pull, l.Verdict))
		}
		require.Equal(t, []string{"1 blocked", "2 allowed"}, pulls)
		require.True(t, slices.Contains(vectors(r.asked[fmt.Sprintf("acme/deploy#%d", n)]), "payments "+sha(0).Short()+"→"+sha(2).Short()))
	}
}

// TestPreviewNeverDecides: nothing is asked for a decision, and a gate without previews
// reports as before.
func TestPreviewNeverDecides(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	_, err := s.gate.reconcile(t.Context(), Key{Application: payments})
	require.NoError(t, err)
	require.Empty(t, r.asked)
	s.gate.previews = nil
	s.openPull(7)
	report, ok := s.reported(7)
	require.True(t, ok)
	require.Empty(t, report.Gates[0].Previews)
}

// TestPreviewed: somebody who asks gets it when all is there, and what is pending after a
// while.
func TestPreviewed(t *testing.T) {
	t.Parallel()
	s, r := newPreviewed(t)
	answer := s.openPull(7)
	answer.MergeBase = sha(0)
	s.hub.pullOf[7] = answer
	done := make(chan approval.PullReport)
	go func() {
		report, err := s.gate.Previewed(t.Context(), repository, 7)
		if err != nil {
			t.Error(err)
		}
		done <- report
	}()
	const name = "asked acme/deploy#7"
	var wake func()
	require.Eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		wake = r.wakes[name]
		r.ready = wake != nil
		return r.ready
	}, time.Minute, time.Millisecond)
	wake()
	report := <-done
	require.Len(t, report.Gates[0].Previews, 1)
	require.Equal(t, approval.PreviewReady, report.Gates[0].Previews[0].State)
	require.Empty(t, r.asked[name], "nothing more is wanted")
	require.Zero(t, s.reports.count(), "nobody was told")
}
