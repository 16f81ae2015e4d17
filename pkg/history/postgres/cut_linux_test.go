package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// through are options for the same record through a proxy, with one connection.
func through(t *testing.T, o postgres.Options) (*postgrestest.Proxy, postgres.Options) {
	t.Helper()
	p := shared.NewProxy(t)
	o.DSN = fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", p.Port(), postgrestest.Superuser)
	o.Connections = 1
	return p, o
}

// warm opens a store through the proxy and appends once, so that all statements are
// known to the server; what is passed for the next append is always the same.
func warm(t *testing.T, o postgres.Options) (*postgres.Store, history.Head) {
	t.Helper()
	store, err := postgres.Open(t.Context(), o)
	require.NoError(t, err)
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	head, err = store.Append(t.Context(), head, historytest.Decision(t, "a", "prod", approval.Blocked))
	require.NoError(t, err)
	return store, head
}

// traffic is what an append exchanges with the server: for each direction, where its
// messages end.
func traffic(t *testing.T, p *postgrestest.Proxy, o postgres.Options) (ends [2][]int, commit int) {
	t.Helper()
	store, head := warm(t, o)
	p.Arm(postgrestest.Cut{After: 1 << 30})
	_, err := store.Append(t.Context(), head, historytest.Decision(t, "b", "prod", approval.Blocked))
	require.NoError(t, err)
	passed := p.Passed()
	for d := range ends {
		ends[d] = postgrestest.Messages(t, passed[d])
	}
	commit = bytes.LastIndex(passed[postgrestest.ToServer], []byte("commit"))
	require.NoError(t, store.Close())
	p.Settle(t)
	return ends, commit
}

// TestCutConnections ends the connection of an append before and after every message
// and inside each, either way. What Append says, what Persisted says and what is on
// record are the same each time.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	o := at(t)
	direct := create(t, o)
	p, o := through(t, o)
	ends, _ := traffic(t, p, o)
	seen := map[bool]int{}
	for _, how := range []postgrestest.How{postgrestest.Reset, postgrestest.Late} {
		for d := range ends {
			var cuts []int
			for i, end := range ends[d] {
				begin := 0
				if i > 0 {
					begin = ends[d][i-1]
				}
				cuts = append(cuts, begin, (begin+end)/2, end-1)
			}
			if how == postgrestest.Late && postgrestest.Direction(d) == postgrestest.ToClient {
				continue // The server has got everything; it is the same as a reset.
			}
			for _, after := range cuts {
				name := fmt.Sprintf("%d bytes of direction %d, then %d", after, d, how)
				store, head := warm(t, o)
				draft := historytest.Decision(t, "b", "prod", approval.Blocked)
				p.Arm(postgrestest.Cut{Direction: postgrestest.Direction(d), After: after, How: how})
				after, err := store.Append(t.Context(), head, draft)
				require.Error(t, err, name)
				require.NotErrorIs(t, err, history.ErrConflict, name)
				require.NotErrorIs(t, err, history.ErrInvalid, name)
				require.Zero(t, after, name)
				got, persisted, err := history.Persisted(t.Context(), store, head, draft)
				require.NoError(t, err, name)
				require.NoError(t, store.Close())
				p.Settle(t)

				want, there, err := history.Persisted(t.Context(), direct, head, draft)
				require.NoError(t, err)
				require.Equal(t, there, persisted, name)
				require.Equal(t, want, got, name)
				seen[there]++
			}
		}
	}
	t.Logf("written: %d, not written: %d", seen[true], seen[false])
	require.Positive(t, seen[true])
	require.Positive(t, seen[false])
	requireIntact(t, direct)
}

// TestStalledCommit: the network stops in the middle of a commit, for longer than anybody
// waits, and then goes on. Until it does, Persisted gives no answer, or the right one.
func TestStalledCommit(t *testing.T) {
	t.Parallel()
	o := at(t)
	direct := create(t, o)
	p, o := through(t, o)
	ends, commit := traffic(t, p, o)
	o.Timeout, o.Connections = time.Second, 2
	last := ends[postgrestest.ToClient][len(ends[postgrestest.ToClient])-1]
	answered := map[bool]int{}
	for _, c := range []postgrestest.Cut{
		{Direction: postgrestest.ToServer, After: commit - 5, How: postgrestest.Stall}, {Direction: postgrestest.ToServer, After: commit + 3, How: postgrestest.Stall}, {Direction: postgrestest.ToServer, After: ends[postgrestest.ToServer][len(ends[postgrestest.ToServer])-1] - 1, How: postgrestest.Stall},
		{Direction: postgrestest.ToClient, After: last - 10, How: postgrestest.Stall}, {Direction: postgrestest.ToClient, After: last - 1, How: postgrestest.Stall},
	} {
		store, head := warm(t, o)
		draft := historytest.Decision(t, "b", "prod", approval.Blocked)
		p.Arm(c)
		impatient, cancel := context.WithTimeout(t.Context(), o.Timeout/5)
		_, err := store.Append(impatient, head, draft)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, early, err := history.Persisted(t.Context(), store, head, draft)
		knew := err == nil
		answered[knew]++
		p.Release()
		var persisted bool
		require.Eventually(t, func() bool {
			_, persisted, err = history.Persisted(t.Context(), store, head, draft)
			return err == nil
		}, patience, time.Millisecond)
		require.NoError(t, store.Close())
		p.Settle(t)
		_, there, err := history.Persisted(t.Context(), direct, head, draft)
		require.NoError(t, err)
		require.Equal(t, there, persisted, "%+v", c)
		if knew {
			require.Equal(t, there, early, "%+v", c)
		}
	}
	t.Logf("answered at once: %d, not: %d", answered[true], answered[false])
	requireIntact(t, direct)
}

// TestNewProcessWaits: a process that opens the record while an append of one that is
// gone is still under way does not look before it has ended.
func TestNewProcessWaits(t *testing.T) {
	t.Parallel()
	o := at(t)
	direct := create(t, o)
	p, slow := through(t, o)
	_, commit := traffic(t, p, slow)
	store, head := warm(t, slow)
	draft := historytest.Decision(t, "b", "prod", approval.Blocked)
	p.Arm(postgrestest.Cut{Direction: postgrestest.ToServer, After: commit + 1, How: postgrestest.Late})
	_, err := store.Append(t.Context(), head, draft)
	require.Error(t, err)
	next := open(t, o)
	found, err := next.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head.Sequence+1, found.Sequence)
	require.NoError(t, store.Close())
	p.Settle(t)
	requireIntact(t, direct, found)
}
