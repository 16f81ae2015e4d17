package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// attempt is one append and what came of it.
type attempt struct {
	expect history.Head
	draft  history.Draft
	after  history.Head
	err    error
}

// appendUntil appends until an append fails or the channel is closed, and returns all attempts.
func appendUntil(ctx context.Context, record history.Record, head history.Head, draft func(int) history.Draft, stop <-chan struct{}) (attempts []attempt) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return attempts
		default:
		}
		a := attempt{expect: head, draft: draft(i)}
		a.after, a.err = record.Append(ctx, head, a.draft)
		attempts = append(attempts, a)
		if a.err != nil {
			return attempts
		}
		head = a.after
	}
}

// TestKilledServer kills the server and all that work for it in the middle of appends and
// starts it again: what was confirmed is there, and what was not is told apart.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	cluster := postgrestest.Start(t)
	o := postgres.Options{DSN: cluster.DSN(postgrestest.Superuser, "postgres"), Timeout: 2 * time.Second, Connections: 2}
	store, err := postgres.Create(t.Context(), o, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	random := rand.New(rand.NewPCG(1, 2))
	var known []history.Head
	seen := map[bool]int{}
	for round := range 6 {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		results := make(chan []attempt, 1)
		go func() {
			results <- appendUntil(t.Context(), store, head, func(i int) history.Draft {
				return historytest.Decision(t, fmt.Sprintf("a-%d-%d", round, i), "prod", approval.Blocked)
			}, nil)
		}()
		time.Sleep(5*time.Millisecond + time.Duration(random.Int64N(int64(40*time.Millisecond))))
		cluster.Kill(t)
		attempts := <-results
		last := attempts[len(attempts)-1]
		require.Error(t, last.err)
		require.NotErrorIs(t, last.err, history.ErrConflict)
		require.NotErrorIs(t, last.err, history.ErrInvalid)
		_, _, err = history.Persisted(t.Context(), store, last.expect, last.draft)
		require.Error(t, err, "nobody knows while the server is down")

		require.NoError(t, cluster.Run(t.Context()))
		var persisted bool
		require.Eventually(t, func() bool {
			_, persisted, err = history.Persisted(t.Context(), store, last.expect, last.draft)
			return err == nil // Connections that broke are found one by one.
		}, patience, time.Millisecond)
		seen[persisted]++
		for _, a := range attempts[:len(attempts)-1] {
			known = append(known, a.after)
		}
		report := requireIntact(t, store, known...)
		want := last.expect.Sequence
		if persisted {
			want++
		}
		require.Equal(t, want, report.Head.Sequence)
	}
	t.Logf("confirmed %d; of the last ones %d were written, %d not", len(known), seen[true], seen[false])
	require.NotEmpty(t, known)
}

// TestPausedServer: a server that does not move makes appends fail in time, and nothing
// is said about them until it moves again.
func TestPausedServer(t *testing.T) {
	t.Parallel()
	cluster := postgrestest.Start(t)
	o := postgres.Options{DSN: cluster.DSN(postgrestest.Superuser, "postgres"), Timeout: 400 * time.Millisecond, Connections: 2}
	store, err := postgres.Create(t.Context(), o, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 6 {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		results := make(chan []attempt, 1)
		go func() {
			results <- appendUntil(t.Context(), store, head, func(i int) history.Draft {
				return historytest.Decision(t, fmt.Sprintf("a-%d-%d", round, i), "prod", approval.Blocked)
			}, nil)
		}()
		time.Sleep(2*time.Millisecond + time.Duration(random.Int64N(int64(20*time.Millisecond))))
		cluster.Pause(t)
		attempts := <-results
		last := attempts[len(attempts)-1]
		require.ErrorIs(t, last.err, context.DeadlineExceeded)
		_, _, err = history.Persisted(t.Context(), store, last.expect, last.draft)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cluster.Resume(t)
		var persisted bool
		require.Eventually(t, func() bool {
			_, persisted, err = history.Persisted(t.Context(), store, last.expect, last.draft)
			return err == nil
		}, patience, time.Millisecond)
		report := requireIntact(t, store, last.expect)
		want := last.expect.Sequence
		if persisted {
			want++
		}
		require.Equal(t, want, report.Head.Sequence)
	}
}

// TestStandbyDoesNotConfirm: a commit that the server gave up bringing to its synchronous
// standby is on its disk, and is no success.
func TestStandbyDoesNotConfirm(t *testing.T) {
	t.Parallel()
	cluster := postgrestest.Start(t)
	o := postgres.Options{DSN: cluster.DSN(postgrestest.Superuser, "postgres")}
	store, err := postgres.Create(t.Context(), o, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	cluster.SQL(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf();")
	results := make(chan []attempt, 1)
	go func() { // The first ones may come before the setting is known to their connection.
		results <- appendUntil(t.Context(), store, history.Head{}, func(int) history.Draft {
			return historytest.Decision(t, "a", "prod", approval.Blocked)
		}, nil)
	}()
	require.Eventually(t, func() bool {
		return strings.HasPrefix(cluster.SQL(t, "postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), "t")
	}, patience, 5*time.Millisecond)
	attempts := <-results
	last := attempts[len(attempts)-1]
	require.ErrorContains(t, last.err, "the server warned: canceling wait for synchronous replication")
	_, persisted, err := history.Persisted(t.Context(), store, last.expect, last.draft)
	require.NoError(t, err)
	require.True(t, persisted)

	cluster.SQL(t, "postgres", "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf();")
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err = store.Append(t.Context(), head, last.draft)
		return !errors.Is(err, context.DeadlineExceeded)
	}, patience, time.Millisecond)
	require.NoError(t, err)
}
