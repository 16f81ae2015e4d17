package inbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
)

// announcing runs an announcer until the test ends or it fails.
func announcing(t *testing.T, s *inbox.Shared, term inbox.Term, o inbox.AnnouncerOptions) (*inbox.Announcer, <-chan error) {
	t.Helper()
	o.Logger = testLog(t)
	a := inbox.NewAnnouncer(s, term, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended, gone := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- a.Run(ctx)
		close(gone)
	}()
	t.Cleanup(func() {
		cancel()
		<-gone
	})
	return a, ended
}

// writes counts the rows of judgements that were written so far.
func writes(t *testing.T, schema string) string {
	t.Helper()
	return shared.SQL(t, "postgres", "SELECT count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) FROM "+schema+".judgements")
}

func TestAnnouncer(t *testing.T) {
	t.Parallel()
	o := schema(t)
	leader, follower := together(t, o), together(t, o)
	term := lead(t, leader, "pod-1")
	a, ended := announcing(t, leader, term, inbox.AnnouncerOptions{Every: 20 * time.Millisecond, Old: 5 * time.Second})

	// What changes is written at once, by whoever needs it first.
	now := time.Now().UTC()
	j := inbox.Judgement{Application: "argocd/a", UID: "1", At: now, Body: []byte("blocked")}
	a.Remember(j)
	require.NoError(t, a.Flush(t.Context()))
	got, ok := judged(t, follower, "argocd/a")
	require.True(t, ok)
	require.Equal(t, "blocked", string(got.Body))

	// What does not change is not written: that it was judged anew is vouched for.
	before := writes(t, o.Schema)
	require.Eventually(t, func() bool {
		j.At = time.Now().UTC()
		a.Remember(j)
		got, _ := judged(t, follower, "argocd/a")
		return got.At.After(now)
	}, patience, 10*time.Millisecond)
	require.NoError(t, a.Flush(t.Context()))
	require.Equal(t, before, writes(t, o.Schema))

	// Another decision, another UID, and what goes there and back.
	for _, next := range []inbox.Judgement{
		{Application: "argocd/a", UID: "1", At: now, Body: []byte("allowed")},
		{Application: "argocd/a", UID: "2", At: now, Body: []byte("allowed")},
		{Application: "argocd/a", UID: "2", At: now, Body: []byte("blocked")},
	} {
		a.Remember(j)
		a.Remember(next)
		require.NoError(t, a.Flush(t.Context()))
		got, _ := judged(t, follower, "argocd/a")
		require.Equal(t, string(next.Body)+next.UID, string(got.Body)+got.UID)
	}

	// What is gone, what comes back, and what cannot be kept.
	a.Forget("argocd/a")
	require.NoError(t, a.Flush(t.Context()))
	_, ok = judged(t, follower, "argocd/a")
	require.False(t, ok)
	a.Remember(j)
	a.Forget("argocd/never")
	require.NoError(t, a.Flush(t.Context()))
	_, ok = judged(t, follower, "argocd/a")
	require.True(t, ok)
	j.Body = []byte(strings.Repeat("x", inbox.MaxJudgement+1))
	a.Remember(j)
	require.NoError(t, a.Flush(t.Context()))
	_, ok = judged(t, follower, "argocd/a")
	require.False(t, ok, "what was thought before is not what is thought now")

	// The next leader's word holds.
	next := lead(t, follower, "pod-2")
	require.NoError(t, follower.SaveJudgements(t.Context(), next, []inbox.Judgement{judgement("argocd/a", "theirs", 1)}))
	j.Body = []byte("ours")
	a.Remember(j)
	require.ErrorIs(t, a.Flush(t.Context()), inbox.ErrDeposed)
	require.ErrorIs(t, <-ended, inbox.ErrDeposed)
	got, _ = judged(t, follower, "argocd/a")
	require.Equal(t, "theirs", string(got.Body))
}

// TestAnnouncerLate: what is not judged anew becomes old, although the leader lives.
func TestAnnouncerLate(t *testing.T) {
	t.Parallel()
	s := together(t, schema(t))
	a, _ := announcing(t, s, lead(t, s, "pod-1"), inbox.AnnouncerOptions{Every: 10 * time.Millisecond, Old: time.Minute})
	now := time.Now().UTC()
	stuck, alive := judgement("argocd/stuck", "1", 0), judgement("argocd/alive", "1", 0)
	stuck.At, alive.At = now.Add(-time.Hour), now.Add(-time.Hour)
	a.Remember(stuck)
	a.Remember(alive)
	require.NoError(t, a.Flush(t.Context()))
	stuck.At, alive.At = now.Add(-30*time.Minute), now
	a.Remember(stuck)
	a.Remember(alive)
	require.Eventually(t, func() bool {
		one, _ := judged(t, s, "argocd/stuck")
		other, _ := judged(t, s, "argocd/alive")
		return one.At.Equal(stuck.At) && time.Since(other.At) < 2*time.Minute
	}, patience, time.Millisecond)
	stuck.At = now
	a.Remember(stuck)
	require.Eventually(t, func() bool {
		one, _ := judged(t, s, "argocd/stuck")
		return time.Since(one.At) < 2*time.Minute
	}, patience, time.Millisecond)
}

// TestAnnouncerFlushes: many remember and flush at once, while others run; whoever flushed
// finds its own word, or a later one.
func TestAnnouncerFlushes(t *testing.T) {
	t.Parallel()
	s := together(t, schema(t))
	a, _ := announcing(t, s, lead(t, s, "pod-1"), inbox.AnnouncerOptions{Every: time.Millisecond, Old: time.Hour})
	var work sync.WaitGroup
	for who := range 8 {
		work.Go(func() {
			for i := range 25 {
				j := judgement(fmt.Sprintf("argocd/a-%d", who), fmt.Sprint(i), i)
				a.Remember(j)
				if err := a.Flush(t.Context()); err != nil {
					t.Error(err)
					return
				}
				got, ok, err := s.Judgement(t.Context(), j.Application)
				if err != nil || !ok || string(got.Body) != string(j.Body) {
					t.Errorf("%s: wrote %s, read %q: %v", j.Application, j.Body, got.Body, err)
					return
				}
			}
		})
	}
	work.Wait()
}

// TestAnnouncerFailures: what could not be written is written later.
func TestAnnouncerFailures(t *testing.T) {
	t.Parallel()
	o := schema(t)
	p := shared.NewProxy(t)
	through := o
	through.DSN, through.Timeout = proxied(p), time.Second
	s, direct := together(t, through), together(t, o)
	a, _ := announcing(t, s, lead(t, s, "pod-1"), inbox.AnnouncerOptions{Every: 10 * time.Millisecond, Old: time.Hour})
	p.Refuse()
	a.Remember(judgement("argocd/a", "1", 1))
	require.Error(t, a.Flush(t.Context()))
	a.Remember(judgement("argocd/a", "2", 2))
	a.Remember(judgement("argocd/b", "1", 2))
	p.Admit()
	require.Eventually(t, func() bool {
		one, _ := judged(t, direct, "argocd/a")
		_, ok := judged(t, direct, "argocd/b")
		return string(one.Body) == "2" && ok
	}, patience, time.Millisecond)
}
