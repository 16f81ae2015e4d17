package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

func TestArchivingConformance(t *testing.T) {
	t.Parallel()
	historytest.ExerciseArchiving(t, func(t *testing.T) func(*testing.T) historytest.Record {
		o := at(t)
		store, err := postgres.Create(t.Context(), o, "")
		require.NoError(t, err)
		require.NoError(t, store.Close())
		return func(t *testing.T) historytest.Record {
			store, err := postgres.Open(t.Context(), o)
			require.NoError(t, err)
			return store
		}
	})
}

// firstThree is what archives the first deployment of a record.
func firstThree(t *testing.T, r history.Reader) history.Draft {
	t.Helper()
	entries, err := r.Entries(t.Context(), 1, 3)
	require.NoError(t, err)
	var stubs history.StubsDigest
	for _, e := range entries {
		stubs.Add(e)
	}
	return history.Draft{Time: historytest.Start(), Payload: history.ArchivedPayload{
		From: 1, To: 3, Root: "cm9vdA==", Stubs: stubs.Digest(), File: stubs.Digest(), Before: historytest.Start(),
		Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "retention",
	}}
}

// TestOwnerArchives: the role that appends archives nothing, whatever it says; the owner does.
func TestOwnerArchives(t *testing.T) {
	t.Parallel()
	base := at(t)
	owner := role(t, base, "owner", "")
	shared.SQL(t, "postgres", "GRANT CREATE ON DATABASE postgres TO owner_"+base.Schema)
	o := role(t, base, "appender", "")
	store, err := postgres.Create(t.Context(), o, owner.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	head := deploy(t, store, "i-1")
	_, err = store.Archive(t.Context(), head, firstThree(t, store))
	require.ErrorContains(t, err, "permission denied")
	require.Error(t, store.Shrink(t.Context()))
	found, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, found)

	keeper := open(t, postgres.Options{DSN: owner.DSN, Schema: o.Schema})
	head, err = keeper.Archive(t.Context(), head, firstThree(t, keeper))
	require.NoError(t, err)
	require.NoError(t, keeper.Shrink(t.Context()))
	entries, err := store.Entries(t.Context(), 1, 10)
	require.NoError(t, err)
	require.True(t, entries[0].Archived())
	requireIntact(t, store, head)
	// The one that appends goes on.
	requireIntact(t, store, deploy(t, store, "i-2"))
}

// TestArchivingTriggers: neither an accident nor whoever says that it archives changes
// something else.
func TestArchivingTriggers(t *testing.T) {
	t.Parallel()
	o := at(t)
	store := create(t, o)
	for _, id := range []string{"i-1", "i-2"} {
		deploy(t, store, id)
	}
	head, err := store.Append(t.Context(), deploy(t, store, "i-3"), history.Draft{Time: historytest.Start(), Application: "a", Payload: history.ActPayload{
		ID: "h-1", Verb: history.VerbHold, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "a pause",
	}})
	require.NoError(t, err)
	head, err = store.Archive(t.Context(), head, firstThree(t, store))
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), o.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), "SET search_path = "+o.Schema)
	require.NoError(t, err)
	leaf := `"sha256:` + strings.Repeat("0", 64) + `"`
	set := func(sequence uint64) string {
		return fmt.Sprintf("UPDATE entries SET payload = '%s' WHERE sequence = %d", leaf, sequence)
	}
	for _, says := range []string{"RESET gatekeeper.archiving", "SET gatekeeper.archiving = 'on'"} {
		_, err = conn.Exec(t.Context(), says)
		require.NoError(t, err)
		for _, statement := range []string{
			set(1),                 // archived already
			set(4),                 // not said to be archived
			set(10),                // an act
			set(head.Sequence),     // what says it
			set(2) + "; " + set(4), // among others
			"UPDATE entries SET payload = '{}' WHERE sequence = 4",
			"UPDATE entries SET payload = '\"sha256:short\"' WHERE sequence = 4",
			"UPDATE entries SET time = time + 1 WHERE sequence = 1",
			"DELETE FROM entries WHERE sequence = 1", "TRUNCATE entries",
		} {
			_, err := conn.Exec(t.Context(), statement)
			require.ErrorContains(t, err, "append-only", "%s; %s", says, statement)
		}
	}
	requireIntact(t, store, head)
}

// TestArchiveCut ends the connection inside messages of an archiving, either way, and at the
// end inside all of them: it is done, or nothing of it is, and what the store says afterwards is what is there.
func TestArchiveCut(t *testing.T) {
	t.Parallel()
	base := at(t)
	direct := create(t, base)
	p, o := through(t, base)
	again := func() (*postgres.Store, history.Head) {
		// Everything anew, as it was.
		sql(t, base, "ALTER TABLE entries DISABLE TRIGGER ALL", "DELETE FROM entries", "DELETE FROM open_intents", "ALTER TABLE entries ENABLE TRIGGER ALL")
		deploy(t, direct, "i-1")
		store, err := postgres.Open(t.Context(), o)
		require.NoError(t, err)
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		_, err = store.Entries(t.Context(), 1, 1)
		require.NoError(t, err)
		head, err = store.Append(t.Context(), head, historytest.Decision(t, "a", "prod", approval.Blocked))
		require.NoError(t, err)
		return store, head
	}
	store, head := again()
	draft := firstThree(t, direct)
	p.Arm(postgrestest.Cut{After: 1 << 30})
	_, err := store.Archive(t.Context(), head, draft)
	require.NoError(t, err)
	passed := p.Passed()
	require.NoError(t, store.Close())
	p.Settle(t)
	seen := map[bool]int{}
	for d := range passed {
		ends := postgrestest.Messages(t, passed[d])
		for i, end := range ends {
			if i%4 != 0 && i < len(ends)-8 {
				continue // of those before the commit, some
			}
			store, head := again()
			p.Arm(postgrestest.Cut{Direction: postgrestest.Direction(d), After: end - 1, How: postgrestest.Reset})
			_, err := store.Archive(t.Context(), head, draft)
			require.Error(t, err, end)
			archives, err := history.Archives(t.Context(), store)
			require.NoError(t, err)
			require.NoError(t, store.Close())
			p.Settle(t)
			there, err := history.Archives(t.Context(), direct)
			require.NoError(t, err)
			require.Equal(t, there, archives)
			entries, err := direct.Entries(t.Context(), 1, 10)
			require.NoError(t, err)
			for _, e := range entries {
				require.Equal(t, len(there) == 1 && e.Sequence <= 3, e.Archived())
			}
			requireIntact(t, direct)
			seen[len(there) == 1]++
		}
	}
	t.Logf("archived: %d, not: %d", seen[true], seen[false])
	require.Positive(t, seen[true])
	require.Positive(t, seen[false])
}
