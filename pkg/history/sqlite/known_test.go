package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// known is a store that is compared with its file.
type known struct {
	*testing.T
	*Store
	path string
	at   history.Head
}

func newKnown(t *testing.T, drafts ...history.Draft) *known {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.db")
	store, err := Create(t.Context(), path)
	require.NoError(t, err)
	k := &known{T: t, Store: store, path: path}
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	_, err = k.Head(t.Context())
	require.NoError(t, err)
	for _, draft := range drafts {
		k.must(draft)
	}
	return k
}

func (k *known) must(drafts ...history.Draft) {
	k.Helper()
	var err error
	k.at, err = k.Append(k.Context(), k.at, drafts...)
	require.NoError(k, err)
}

func (k *known) exec(statement string, args ...any) {
	k.Helper()
	_, err := k.file.Write().ExecContext(k.Context(), statement, args...)
	require.NoError(k, err)
}

// elsewhere appends as somebody who does not care for the lock.
func (k *known) elsewhere(draft history.Draft) {
	k.Helper()
	entries, err := history.Seal(k.at, draft)
	require.NoError(k, err)
	require.NoError(k, insert(k.Context(), k.file.Write(), entries[0]))
	k.at = entries[0].Head()
}

// archives everything up to the head but what is kept.
func (k *known) archives(kept ...uint64) history.Draft {
	k.Helper()
	entries, err := k.Entries(k.Context(), 1, 1000)
	require.NoError(k, err)
	var stubs history.StubsDigest
	for _, e := range entries {
		stubs.Add(e)
	}
	return history.Draft{Time: historytest.Start(), Payload: history.ArchivedPayload{
		From: 1, To: k.at.Sequence, Root: "cm9vdA==", Stubs: stubs.Digest(), File: stubs.Digest(), Kept: kept, Before: historytest.Start(),
		Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "retention",
	}}
}

// agrees says that what is told without the file is what the file says.
func (k *known) agrees(where string) {
	k.Helper()
	head, err := k.Reader.Head(k.Context())
	require.NoError(k, err)
	require.Equal(k, k.at, head, where)
	told, err := k.Head(k.Context())
	require.NoError(k, err)
	require.Equal(k, head, told, where)
	for _, app := range []string{"a", "b", "c"} {
		told, err := k.OpenIntentsOf(k.Context(), app)
		require.NoError(k, err)
		read, err := k.Reader.OpenIntentsOf(k.Context(), app)
		require.NoError(k, err)
		require.Equal(k, append([]history.Entry{}, read...), append([]history.Entry{}, told...), where)
	}
	for sequence := range k.at.Sequence + 2 {
		told, ok, err := inside{k.tables, k.decisions}.Decided(k.Context(), sequence)
		read, found, failed := k.Decided(k.Context(), sequence)
		require.Equal(k, failed, err, where)
		require.Equal(k, found, ok, where)
		require.Equal(k, read, told, where)
	}
}

// TestHeadHasItsIntent: who reads the head in the file, right after a commit, is told the intent that
// it is; otherwise a second one could be recorded as if there were no other.
func TestHeadHasItsIntent(t *testing.T) {
	t.Parallel()
	k := newKnown(t, historytest.Decision(t, "a", "prod", approval.Allowed))
	k.tail.refused()
	entries, err := history.Seal(k.at, historytest.Intent(t, "a", "prod", "i-1", 1))
	require.NoError(t, err)
	tx, err := k.writes.begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, insert(t.Context(), tx, entries[0]))
	k.at = entries[0].Head()
	require.NoError(t, tx.commit(t.Context(), func() {
		k.agrees("not told of yet")
		k.tail.appended(entries)
	}))
	k.agrees("told of")
}

// TestElsewhere: somebody who does not care for the lock has written. The next append may fail; then
// it is seen.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		elsewhere, ours history.Draft
	}{
		"what was to be settled is":  {historytest.Outcome("a", "i-1", history.ResultSucceeded), historytest.Outcome("a", "i-1", history.ResultSucceeded)},
		"another intent":             {historytest.Intent(t, "b", "prod", "i-2", 2), historytest.Denied("a", "prod")},
		"something that is not ours": {historytest.Denied("a", "prod"), historytest.Abandoned("a", "i-1")},
	} {
		for _, cold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cold %t", name, cold), func(t *testing.T) {
				t.Parallel()
				k := newKnown(t, historytest.Decision(t, "a", "prod", approval.Allowed), historytest.Decision(t, "b", "prod", approval.Allowed), historytest.Intent(t, "a", "prod", "i-1", 1))
				if cold {
					k.tail.refused()
				}
				head := k.at
				k.elsewhere(test.elsewhere)
				_, err := k.Append(t.Context(), head, test.ours)
				require.Error(t, err)
				k.agrees("after it has failed")
				k.must(historytest.Denied("c", "prod"))
				k.agrees("after the next")
			})
		}
	}
	t.Run("an archive", func(t *testing.T) {
		t.Parallel()
		k := newKnown(t, historytest.Decision(t, "a", "prod", approval.Allowed))
		entries, err := k.Entries(t.Context(), 1, 1)
		require.NoError(t, err)
		head := k.at
		k.elsewhere(k.archives())
		k.exec("UPDATE entries SET payload = ?, filed = NULL WHERE sequence = 1", history.StubPayload(entries[0].Stub().Leaf))
		_, err = k.Append(t.Context(), head, historytest.Denied("a", "prod"))
		require.Error(t, err)
		_, err = k.Append(t.Context(), k.at, historytest.Intent(t, "a", "prod", "i-1", 1))
		require.ErrorIs(t, err, history.ErrArchived)
	})
}

// TestArchivedOpenIntent: nobody archives an intent that is open; if it is, it is told as it is.
func TestArchivedOpenIntent(t *testing.T) {
	t.Parallel()
	k := newKnown(t, historytest.Decision(t, "a", "prod", approval.Allowed), historytest.Intent(t, "a", "prod", "i-1", 1))
	at, err := k.Archive(t.Context(), k.at, k.archives())
	require.NoError(t, err)
	k.at = at
	k.must(historytest.Denied("a", "prod"))
	k.agrees("archived")
}

// TestFailedCommit: the next append works all the same.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	k := newKnown(t, historytest.Decision(t, "a", "prod", approval.Allowed))
	k.exec("CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (of INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED); " +
		"CREATE TRIGGER orphan AFTER INSERT ON entries WHEN NEW.kind = 'intent' BEGIN INSERT INTO child VALUES (9); END")
	_, err := k.Append(t.Context(), k.at, historytest.Intent(t, "a", "prod", "i-1", 1))
	require.ErrorContains(t, err, "commit: ")
	k.agrees("not committed")
	k.must(historytest.Denied("a", "prod"))
	k.agrees("the next")
}

// cancelledAt is cancelled when it is asked for the n-th time.
type cancelledAt struct {
	context.Context
	left atomic.Int64
}

func (c *cancelledAt) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return c.Context.Err()
}

// TestKnown does what may come, in any order, with what may go wrong, and compares what is known
// with the file after each step.
func TestKnown(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			k := newKnown(t)
			var intents []string
			appended := 0
			for step := range 60 {
				ctx, expect, undo := context.Context(t.Context()), k.at, ""
				switch r.IntN(12) {
				case 0, 1:
					c := &cancelledAt{Context: ctx}
					c.left.Store(r.Int64N(14))
					ctx = c
				case 2:
					kind := []history.Kind{history.KindDecision, history.KindIntent, history.KindOutcome}[r.IntN(3)]
					k.exec("CREATE TRIGGER broken BEFORE INSERT ON entries WHEN NEW.kind = '" + string(kind) + "' BEGIN SELECT RAISE(ABORT, 'broken'); END")
					undo = "DROP TRIGGER broken"
				case 3:
					k.exec("CREATE TRIGGER broken BEFORE INSERT ON entries WHEN NEW.kind = 'intent' BEGIN SELECT RAISE(ROLLBACK, 'broken'); END")
					undo = "DROP TRIGGER broken"
				case 4:
					expect.Digest = "sha256:other"
				case 5:
					require.NoError(t, k.Close())
					var err error
					k.Store, err = Open(t.Context(), k.path)
					require.NoError(t, err)
				}
				drafts := someDrafts(t, r, k.at.Sequence, &intents, step)
				if after, err := k.Append(ctx, expect, drafts...); err == nil {
					k.at = after
					appended++
				}
				if undo != "" {
					k.exec(undo)
				}
				k.agrees(fmt.Sprintf("step %d", step))
			}
			require.Greater(t, appended, 15)
		})
	}
}

// someDrafts are a few, most of which the record takes.
func someDrafts(t *testing.T, r *rand.Rand, last uint64, intents *[]string, step int) (drafts []history.Draft) {
	t.Helper()
	app := []string{"a", "b", "c"}[r.IntN(3)]
	drafts = append(drafts, historytest.Decision(t, app, "prod", approval.Allowed))
	if r.IntN(3) > 0 {
		id := fmt.Sprintf("%s-%d", app, step)
		*intents = append(*intents, id)
		drafts = append(drafts, historytest.Intent(t, app, "prod", id, last+1))
	}
	if n := len(*intents); n > 0 && r.IntN(2) == 0 {
		id := (*intents)[r.IntN(n)]
		if r.IntN(2) == 0 {
			return append(drafts, historytest.Abandoned(id[:1], id))
		}
		return append(drafts, historytest.Outcome(id[:1], id, history.ResultSucceeded))
	}
	return drafts
}
