package scenario

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// mergeQueued: main can be changed through a merge queue alone, which needs the gate's
// check. A pull request that is approved lands and is synced. One that is not is sent
// away, also when it stands behind an approved one, and lands once it is approved.
func mergeQueued(t *testing.T, s *story) {
	s.run()
	require.NoError(t, s.GitHub.EnableMergeQueue(payments.Repository, "main", "squash", "gatekeeper/prod"))
	ready := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, ready.Number)
	s.approve(payments.Carol, ready.Number)
	s.check(ready.Head, "config approved · "+s.Application("prod", payments.Ledger))
	require.NoError(t, s.GitHub.As(payments.Alice).Enqueue(payments.Repository, ready.Number))
	landed := s.landed(ready.Number)
	s.runs(payments.Ledger, landed, "5000", 2)
	s.says(ready.Number, "synced to "+landed[:7])

	early := s.propose(payments.Alice, payments.Ledger, "6000")
	s.approve(payments.Bob, early.Number)
	s.check(early.Head, "config 1 of 2")
	require.NoError(t, s.GitHub.As(payments.Alice).Enqueue(payments.Repository, early.Number))
	s.sentAway(early.Number)
	s.stays(payments.Ledger, landed, "5000", 2)

	s.approve(payments.Carol, early.Number)
	s.check(early.Head, "config approved")
	require.NoError(t, s.GitHub.As(payments.Alice).Enqueue(payments.Repository, early.Number))
	s.runs(payments.Ledger, s.landed(early.Number), "6000", 3)
}

// landed waits until a pull request is merged and returns where.
func (s *story) landed(n int) string {
	s.t.Helper()
	var sha string
	err := payments.Await(s.ctx, "the queue to merge it", func(context.Context) (bool, string, error) {
		p, err := s.GitHub.Pull(payments.Repository, n)
		sha = p.MergeCommitSHA
		return p.Merged, s.queue(), err
	})
	require.NoError(s.t, err)
	return sha
}

// sentAway waits until the queue has a pull request no more, which is not merged.
func (s *story) sentAway(n int) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the queue to send it away", func(context.Context) (bool, string, error) {
		line, err := s.GitHub.MergeQueue(payments.Repository, "main")
		return len(line) == 0, s.queue(), err
	})
	require.NoError(s.t, err)
	p, err := s.GitHub.Pull(payments.Repository, n)
	require.NoError(s.t, err)
	require.False(s.t, p.Merged)
}

// queue tells what waits in the queue and what its checks say.
func (s *story) queue() string {
	line, err := s.GitHub.MergeQueue(payments.Repository, "main")
	if err != nil {
		return err.Error()
	}
	text := ""
	for _, e := range line {
		title, _ := s.CheckTitle(e.HeadSHA)
		text += e.HeadRef + ": " + title + "\n"
	}
	return text
}
