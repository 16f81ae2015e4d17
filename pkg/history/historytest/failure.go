package historytest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// testOneAppendWins lets several writers append after the same head at once.
func testOneAppendWins(t *testing.T, create Create) {
	record := fresh(t, create)
	const writers, rounds = 8, 10
	for round := range rounds {
		expect := mustHead(t, record)
		drafts := make([]history.Draft, writers)
		for i := range drafts {
			drafts[i] = Decision(t, fmt.Sprintf("app-%d", i), "prod", approval.Blocked)
		}
		errs := make([]error, writers)
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() { _, errs[i] = record.Append(t.Context(), expect, drafts[i]) })
		}
		group.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Negative(t, winner, "two appends after one head won")
				winner = i
				continue
			}
			require.ErrorIs(t, err, history.ErrConflict)
		}
		require.GreaterOrEqual(t, winner, 0, "no append won")
		entries := all(t, record)
		require.Len(t, entries, round+1)
		require.Equal(t, fmt.Sprintf("app-%d", winner), entries[round].Application)
	}
}

// testCompetingWriters lets writers try again until each has written its share.
func testCompetingWriters(t *testing.T, create Create) {
	record := fresh(t, create)
	const writers, share = 4, 8
	errs := make([]error, writers)
	var group sync.WaitGroup
	for i := range writers {
		draft := Decision(t, fmt.Sprintf("app-%d", i), "prod", approval.Blocked)
		group.Go(func() {
			for written := 0; written < share && errs[i] == nil; {
				head, err := record.Head(t.Context())
				if err == nil {
					_, err = record.Append(t.Context(), head, draft)
				}
				switch {
				case err == nil:
					written++
				case !errors.Is(err, history.ErrConflict):
					errs[i] = err
				}
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	count := map[string]int{}
	for _, entry := range all(t, record) {
		count[entry.Application]++
	}
	require.Equal(t, map[string]int{"app-0": share, "app-1": share, "app-2": share, "app-3": share}, count)
	report, err := history.Verify(t.Context(), record)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// testWholeAppends reads while batches are appended: no read sees a part of one.
func testWholeAppends(t *testing.T, create Create) {
	record := fresh(t, create)
	const batches = 20
	var done atomic.Bool
	var failure error
	var group sync.WaitGroup
	group.Go(func() {
		for !done.Load() && failure == nil {
			head, err := record.Head(t.Context())
			if err == nil && head.Sequence%3 != 0 {
				err = fmt.Errorf("a head inside an append: %d", head.Sequence)
			}
			if err == nil {
				var open []history.Entry
				if open, err = record.OpenIntents(t.Context()); len(open) > 0 {
					err = fmt.Errorf("an open intent inside an append: %d", open[0].Sequence)
				}
			}
			failure = err
		}
	})
	for i := range batches {
		deploy(t, record, "a", "prod", fmt.Sprintf("i-%d", i), history.ResultSucceeded)
	}
	done.Store(true)
	group.Wait()
	require.NoError(t, failure)
	require.Equal(t, uint64(3*batches), mustHead(t, record).Sequence)
}

func testCancelled(t *testing.T, create Create) {
	record := fresh(t, create)
	head := mustAppend(t, record, Decision(t, "a", "prod", approval.Blocked))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	draft := Decision(t, "b", "prod", approval.Blocked)
	_, err := record.Append(ctx, head, draft)
	require.ErrorIs(t, err, context.Canceled)
	_, persisted, err := history.Persisted(t.Context(), record, head, draft)
	require.NoError(t, err)
	require.False(t, persisted)
	_, err = record.Head(ctx)
	require.ErrorIs(t, err, context.Canceled)
	// The record works on.
	mustAppend(t, record, draft)
}

// testFailed shows what a caller does when an append failed with nothing written.
func testFailed(t *testing.T, create Create) {
	record := &Faulty{Record: fresh(t, create)}
	head := mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed))
	record.FailNext(1)
	intent := Intent(t, "a", "prod", "i-1", 1)
	_, err := record.Append(t.Context(), head, intent)
	require.ErrorIs(t, err, ErrInjected)

	require.Equal(t, head, mustHead(t, record))
	_, persisted, err := history.Persisted(t.Context(), record, head, intent)
	require.NoError(t, err)
	require.False(t, persisted)

	after, err := record.Append(t.Context(), head, intent)
	require.NoError(t, err)
	require.Equal(t, uint64(2), after.Sequence)
}

// testFailedPersisted shows how a caller finds out that an append that failed
// went through: the same head again is a conflict, and Persisted tells why.
func testFailedPersisted(t *testing.T, create Create) {
	record := &Faulty{Record: fresh(t, create)}
	head := mustAppend(t, record, Decision(t, "a", "prod", approval.Allowed))
	record.FailNextPersisted(1)
	intent := Intent(t, "a", "prod", "i-1", 1)
	_, err := record.Append(t.Context(), head, intent)
	require.ErrorIs(t, err, ErrInjected)

	_, err = record.Append(t.Context(), head, intent)
	require.ErrorIs(t, err, history.ErrConflict)
	after, persisted, err := history.Persisted(t.Context(), record, head, intent)
	require.NoError(t, err)
	require.True(t, persisted)
	require.Equal(t, mustHead(t, record), after)

	// It can still be told when others have appended, and is told apart from
	// what somebody else wrote in the same place.
	mustAppend(t, record, Outcome("a", "i-1", history.ResultSucceeded))
	again, persisted, err := history.Persisted(t.Context(), record, head, intent)
	require.NoError(t, err)
	require.True(t, persisted)
	require.Equal(t, after, again)
	_, persisted, err = history.Persisted(t.Context(), record, head, Intent(t, "a", "prod", "i-2", 1))
	require.NoError(t, err)
	require.False(t, persisted)
	_, persisted, err = history.Persisted(t.Context(), record, head, intent, Outcome("a", "i-1", history.ResultFailed))
	require.NoError(t, err)
	require.False(t, persisted)
}

func testVerify(t *testing.T, create Create) {
	record := fresh(t, create)
	var heads []history.Head
	for i := range 5 {
		deploy(t, record, "a", "prod", fmt.Sprintf("i-%d", i), history.ResultSucceeded)
		heads = append(heads, mustHead(t, record))
	}
	mustAppend(t, record, Intent(t, "a", "prod", "open", 1))
	report, err := history.Verify(t.Context(), record, heads...)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Equal(t, mustHead(t, record), report.Head)
	require.Equal(t, 1, report.Open)

	report, err = history.Verify(t.Context(), record, history.Head{Sequence: 17, Digest: heads[0].Digest})
	require.NoError(t, err)
	require.False(t, report.Intact())
	require.Equal(t, history.FaultTruncated, report.Fault.Kind)
	require.Equal(t, uint64(17), report.Fault.Sequence)

	report, err = history.Verify(t.Context(), record, history.Head{Sequence: 6, Digest: heads[0].Digest})
	require.NoError(t, err)
	require.Equal(t, history.FaultChanged, report.Fault.Kind)
	require.Equal(t, uint64(6), report.Fault.Sequence)
}

func testClosed(t *testing.T, create Create) {
	record := create(t)(t)
	require.NoError(t, record.Close())
	_, err := record.Head(t.Context())
	require.Error(t, err)
	_, err = record.Append(t.Context(), history.Head{}, Decision(t, "a", "prod", approval.Blocked))
	require.Error(t, err)
	_, err = history.Verify(t.Context(), record)
	require.Error(t, err)
}
