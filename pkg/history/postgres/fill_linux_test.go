package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
)

// TestFill: what fills a record is there at once, or not at all.
func TestFill(t *testing.T) {
	t.Parallel()
	o := at(t)
	store := create(t, o)
	other := open(t, o)
	deployments := func(ctx context.Context, r history.Record) (head history.Head, err error) {
		for i := range 3 {
			head, err = r.Append(ctx, head, historytest.Deployment(t, head, "a", "prod", fmt.Sprint("intent-", i), history.ResultSucceeded)...)
			if err != nil {
				return head, err
			}
		}
		return head, nil
	}
	empty := func() {
		t.Helper()
		head, err := other.Head(t.Context())
		require.NoError(t, err)
		require.Zero(t, head)
	}
	empty() // A process that opens the record meanwhile waits until it knows.
	wrong := errors.New("not intact")
	require.ErrorIs(t, store.Fill(t.Context(), func(ctx context.Context, r history.Record) error {
		_, err := deployments(ctx, r)
		require.NoError(t, err)
		empty()
		return wrong
	}), wrong)
	empty()
	for name, fill := range map[string]func(context.Context, history.Record) error{
		"another head": func(ctx context.Context, r history.Record) error {
			_, err := r.Append(ctx, history.Head{Sequence: 7, Digest: "x"}, historytest.Decision(t, "a", "prod", approval.Blocked))
			require.ErrorIs(t, err, history.ErrConflict)
			return err
		},
		"an intent without its decision": func(ctx context.Context, r history.Record) error {
			drafts := historytest.Deployment(t, history.Head{}, "a", "prod", "intent", history.ResultSucceeded)
			_, err := r.Append(ctx, history.Head{}, drafts[1:]...)
			return err
		},
		"an error that is passed over": func(ctx context.Context, r history.Record) error {
			head, err := deployments(ctx, r)
			require.NoError(t, err)
			sql(t, o, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%entries%' AND datname = current_database() AND pid IN (SELECT pid FROM pg_locks WHERE relation = 'entries'::regclass)")
			_, err = r.Append(ctx, head, historytest.Decision(t, "a", "prod", approval.Blocked))
			require.Error(t, err)
			_, err = r.Append(ctx, head, historytest.Decision(t, "a", "prod", approval.Blocked))
			require.Error(t, err, "the transaction has ended")
			return nil
		},
	} {
		require.Error(t, store.Fill(t.Context(), fill), name)
		empty()
	}

	var head history.Head
	require.NoError(t, store.Fill(t.Context(), func(ctx context.Context, r history.Record) (err error) {
		head, err = deployments(ctx, r)
		_, _, ok, after := r.LastDeployed(ctx, "a")
		require.NoError(t, after)
		require.True(t, ok)
		return err
	}))
	require.Equal(t, head, requireIntact(t, other, head).Head)
	require.ErrorIs(t, store.Fill(t.Context(), func(context.Context, history.Record) error { return nil }), postgres.ErrNotEmpty)
}

// TestFillAfterRefusal: what is refused leaves out nothing of what came before or comes after.
func TestFillAfterRefusal(t *testing.T) {
	t.Parallel()
	store := create(t, at(t))
	var head history.Head
	require.NoError(t, store.Fill(t.Context(), func(ctx context.Context, r history.Record) (err error) {
		for i := range 3 {
			_, err = r.Append(ctx, history.Head{Sequence: 7, Digest: "x"}, historytest.Decision(t, "a", "prod", approval.Blocked))
			require.ErrorIs(t, err, history.ErrConflict)
			drafts := historytest.Deployment(t, head, "a", "prod", fmt.Sprint("intent-", i), history.ResultSucceeded)
			_, err = r.Append(ctx, head, drafts[1:]...)
			require.ErrorIs(t, err, history.ErrInvalid)
			_, err = r.Append(ctx, head)
			require.ErrorIs(t, err, history.ErrInvalid)
			head, err = r.Append(ctx, head, drafts...)
			require.NoError(t, err)
		}
		return nil
	}))
	require.EqualValues(t, 9, head.Sequence)
	require.Equal(t, head, requireIntact(t, store, head).Head)
}

// TestFillTogether: nobody appends while a record is filled.
func TestFillTogether(t *testing.T) {
	t.Parallel()
	o := at(t)
	store := create(t, o)
	impatient := o
	impatient.Timeout = 300 * time.Millisecond
	other := open(t, impatient)
	require.NoError(t, store.Fill(t.Context(), func(ctx context.Context, r history.Record) error {
		_, err := r.Append(ctx, history.Head{}, historytest.Decision(t, "a", "prod", approval.Blocked))
		require.NoError(t, err)
		_, err = other.Append(ctx, history.Head{}, historytest.Decision(t, "b", "prod", approval.Blocked))
		require.Error(t, err)
		return nil
	}))
	requireIntact(t, store)
	require.Eventually(t, func() bool {
		head, err := other.Head(t.Context())
		return err == nil && head.Sequence == 1
	}, patience, time.Millisecond)
}
