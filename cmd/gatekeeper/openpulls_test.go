package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// A pull request of which no webhook came gets its check, since it may be a required
// one: drafts and those of forks as well, but none into another branch. One that has its
// check is left alone.
func TestOpenPullsGetTheirChecks(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	w.decided("the start", func(d approval.Decision) bool { return d.Verdict != "" })
	w.PauseDeliveries()
	_, err := w.CreateUser("eve", "Eve", "eve@example.com")
	require.NoError(t, err)
	require.NoError(t, w.As("alice").SetBranch(townRepo, "dev", w.repo.Head))
	require.NoError(t, w.SetCollaborator(townRepo, "eve", "read"))
	fork, err := w.As("eve").Fork(townRepo)
	require.NoError(t, err)
	var heads []string
	for _, o := range []struct {
		who  string
		pull standin.PullOptions
	}{
		{"alice", standin.PullOptions{Change: pick(2)}},
		{"alice", standin.PullOptions{Change: pick(3), Draft: true}},
		{"eve", standin.PullOptions{Change: pick(4), HeadRepo: fork.Name}},
		{"alice", standin.PullOptions{Change: pick(5), Base: "dev"}},
	} {
		p, err := w.As(o.who).OpenPull(townRepo, o.pull)
		require.NoError(t, err)
		heads = append(heads, p.Head)
	}
	w.LoseDeliveries()
	w.ResumeDeliveries()
	runs := func(head string) []standin.CheckRun {
		found, err := w.CheckRuns(townRepo, head)
		require.NoError(t, err)
		return found
	}
	require.Empty(t, runs(heads[0]))
	unchecked, _ := w.open.look(t.Context())
	require.Equal(t, 3, unchecked)
	for _, head := range heads[:3] {
		require.Eventually(t, func() bool { return len(runs(head)) == 1 }, time.Minute, 10*time.Millisecond)
		require.Equal(t, "gatekeeper/prod", runs(head)[0].Name)
	}
	w.quiet()
	unchecked, ok := w.open.look(t.Context())
	require.Zero(t, unchecked)
	require.True(t, ok)
	require.Empty(t, runs(heads[3]), "what is said of another branch would count for this one as well")
}

func TestOpenPullsFail(t *testing.T) {
	t.Parallel()
	w := newTown(t, time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	looked := 0
	w.open.list = func(context.Context, approval.RepositoryName, string) ([]approval.OpenPull, error) {
		looked++
		stop()
		return nil, errors.New("GitHub is down")
	}
	require.NoError(t, w.open.run(ctx), "the next time it may be there")
	require.Equal(t, 1, looked)
	w.open.list = func(context.Context, approval.RepositoryName, string) ([]approval.OpenPull, error) {
		return []approval.OpenPull{{Number: 1, Head: approval.SHA(w.repo.Head)}}, nil
	}
	w.open.reported = func(context.Context, approval.RepositoryName, int, string, approval.SHA) (bool, error) {
		return false, errors.New("disk full")
	}
	unchecked, ok := w.open.look(t.Context())
	require.Zero(t, unchecked)
	require.False(t, ok, "it is tried again soon")
}
