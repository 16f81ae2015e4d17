package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
)

// TestTail: what is known without the file is what the file says, and when that is not sure the
// file is asked.
func TestTail(t *testing.T) {
	t.Parallel()
	store, err := Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	blocked := func() history.Draft { return historytest.Decision(t, "a", "prod", approval.Blocked) }
	head := func() history.Head {
		t.Helper()
		told, err := store.Head(t.Context())
		require.NoError(t, err)
		read, err := store.Reader.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, read, told)
		return told
	}
	acts := func(after uint64) int {
		t.Helper()
		told, err := store.ActsAfter(t.Context(), after)
		require.NoError(t, err)
		read, err := store.Reader.ActsAfter(t.Context(), after)
		require.NoError(t, err)
		require.Equal(t, read, told)
		return len(told)
	}

	require.False(t, store.tail.without(0, history.KindAct), "nobody has looked yet")
	at := head()
	require.True(t, store.tail.without(0, history.KindAct))
	at, err = store.Append(t.Context(), at, blocked())
	require.NoError(t, err)
	require.Equal(t, at, head())
	at, err = store.Append(t.Context(), at, historytest.Act("a", "prod", "h-1", history.VerbHold, ""))
	require.NoError(t, err)
	require.Equal(t, at, head())
	require.Equal(t, 1, acts(0))
	require.Equal(t, 1, acts(1))
	require.Zero(t, acts(2))
	require.False(t, store.tail.without(1, history.KindPolicy, history.KindAct))
	require.True(t, store.tail.without(2, history.KindPolicy, history.KindAct))

	// Another head than that of the record is refused without the file, and nothing is lost.
	_, err = store.Append(t.Context(), history.Head{Sequence: 1, Digest: at.Digest}, blocked())
	require.ErrorIs(t, err, history.ErrConflict)
	require.Equal(t, at, head())

	// Somebody who does not care for the lock has written: the append fails, and then it is seen.
	entries, err := history.Seal(at, blocked())
	require.NoError(t, err)
	_, err = store.file.Write().ExecContext(t.Context(), "INSERT INTO entries ("+columns+", filed) SELECT sequence + 1, digest, time, kind, application, intent, payload, ?, filed FROM entries WHERE sequence = 1",
		string(entries[0].Digest))
	require.Error(t, err, "out of order")
	_, err = store.file.Write().ExecContext(t.Context(), "INSERT INTO entries ("+columns+", filed) SELECT 3, ?, time, kind, application, intent, payload, ?, filed FROM entries WHERE sequence = 1",
		string(at.Digest), string(entries[0].Digest))
	require.NoError(t, err)
	_, err = store.Append(t.Context(), at, blocked())
	require.ErrorContains(t, err, "append-only")
	at = head()
	require.Equal(t, uint64(3), at.Sequence)
	at, err = store.Append(t.Context(), at, blocked())
	require.NoError(t, err)
	require.Equal(t, at, head())
}

// TestTailUnsure: of an append that failed nobody knows what it did, and what was read before
// one is not taken for what is there after it.
func TestTailUnsure(t *testing.T) {
	t.Parallel()
	entry := func(sequence uint64, kind history.Kind) history.Entry {
		return history.Entry{Sequence: sequence, Kind: kind, Digest: history.Digest(kind)}
	}
	var known tail
	_, sure, asked := known.at()
	require.False(t, sure)
	known.appended([]history.Entry{entry(1, history.KindAct)})
	known.learned(history.Head{}, asked)
	_, sure, asked = known.at()
	require.False(t, sure, "it was read before the append")
	known.learned(history.Head{Sequence: 1}, asked)
	require.False(t, known.without(0, history.KindAct), "it is not known what is before")
	require.True(t, known.without(1, history.KindAct))

	known.appended([]history.Entry{entry(2, history.KindPolicy), entry(3, history.KindAct)})
	got, sure, _ := known.at()
	require.True(t, sure)
	require.Equal(t, uint64(3), got.Sequence)
	require.True(t, known.without(2, history.KindPolicy))
	require.False(t, known.without(2, history.KindAct))

	known.appended([]history.Entry{entry(9, history.KindAct)})
	_, sure, asked = known.at()
	require.False(t, sure, "there are others before it")
	known.learned(history.Head{Sequence: 9}, asked)
	_, _, asked = known.at()
	known.forget()
	known.learned(history.Head{Sequence: 10}, asked)
	_, sure, _ = known.at()
	require.False(t, sure, "it was read before the append that failed")
	require.False(t, known.without(10, history.KindAct))
}

// TestTailOpenIntents: once an append has read them they are kept as the table keeps them, for who has
// the head that they belong to.
func TestTailOpenIntents(t *testing.T) {
	t.Parallel()
	entry := func(sequence uint64, kind history.Kind, app, intent string) history.Entry {
		return history.Entry{Sequence: sequence, Kind: kind, Application: app, Intent: intent, Digest: history.Digest(intent)}
	}
	var known tail
	open := func(app string) []history.Entry {
		t.Helper()
		open, sure := known.openOf(app)
		require.True(t, sure)
		return open
	}
	unsure := func(why string) {
		t.Helper()
		_, sure := known.openOf("a")
		require.False(t, sure, why)
	}
	first, second := entry(1, history.KindIntent, "a", "i-1"), entry(2, history.KindIntent, "a", "i-2")
	known.appended([]history.Entry{first})
	require.False(t, known.openKnown(1), "nobody knows what is before it")
	known.learnedOpen([]history.Entry{first}, 1)
	unsure("the head is not known")
	known.learned(first.Head(), known.asked)
	require.Equal(t, []history.Entry{first}, open("a"))
	known.appended([]history.Entry{second, entry(3, history.KindDenied, "a", "")})
	require.Equal(t, []history.Entry{first, second}, open("a"))
	require.Empty(t, open("b"))

	given := open("a")
	known.appended([]history.Entry{entry(4, history.KindAbandoned, "a", "i-1"), entry(5, history.KindIntent, "b", "i-3")})
	require.Equal(t, []history.Entry{second}, open("a"))
	require.Equal(t, []history.Entry{first, second}, given, "what was given away stays as it is")
	require.Len(t, open("b"), 1)
	known.appended([]history.Entry{entry(6, history.KindOutcome, "a", "i-1"), entry(7, history.KindOutcome, "b", "i-3")})
	require.Equal(t, []history.Entry{second}, open("a"), "it was given up for lost before")
	require.Empty(t, open("b"))
	require.NotContains(t, known.open, "b", "nothing is left of it")

	// Who reads the head of an append that is not told of yet has the intent in it.
	eighth := entry(8, history.KindIntent, "a", "i-4")
	known.refused()
	unsure("the head is to be read")
	known.learned(eighth.Head(), known.asked)
	unsure("they are those of the entry before")
	known.appended([]history.Entry{eighth})
	known.learned(eighth.Head(), known.asked)
	require.Equal(t, []history.Entry{second, eighth}, open("a"))
	known.learned(entry(9, history.KindOutcome, "a", "i-4").Head(), known.asked)
	unsure("somebody else saw the next one")
	known.appended([]history.Entry{entry(9, history.KindOutcome, "a", "i-4")})

	known.appended([]history.Entry{entry(11, history.KindIntent, "a", "i-5")})
	require.False(t, known.openKnown(11), "there are others before it")
	known.learnedOpen([]history.Entry{first, second, eighth}, 11)
	known.learned(history.Head{Sequence: 11}, known.asked)
	require.Len(t, open("a"), cap(open("a")), "who adds to what was given gets a list of their own")
	require.True(t, known.openKnown(11))
	require.False(t, known.openKnown(12), "somebody has written meanwhile")
	known.forget()
	require.False(t, known.openKnown(11), "something may have been written all the same")
}

// TestRefusedAppend: after what was refused before anything was written only the head is asked for, and
// after an error of the file everything.
func TestRefusedAppend(t *testing.T) {
	t.Parallel()
	store, err := Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	at, err := store.Append(t.Context(), history.Head{}, historytest.Decision(t, "a", "prod", approval.Allowed))
	require.NoError(t, err)
	at, err = store.Append(t.Context(), at, historytest.Intent(t, "a", "prod", "i-1", 1))
	require.NoError(t, err)
	for want, refused := range map[error]history.Head{history.ErrConflict: {Sequence: 1, Digest: at.Digest}, history.ErrInvalid: at} {
		_, err = store.Append(t.Context(), refused, historytest.Intent(t, "a", "prod", "i-1", 1))
		require.ErrorIs(t, err, want)
		require.True(t, store.tail.openKnown(2), want)
		_, known, _ := store.tail.at()
		require.False(t, known)
		_, err = store.Head(t.Context())
		require.NoError(t, err)
		open, known := store.tail.openOf("a")
		require.True(t, known)
		require.Len(t, open, 1)
	}

	_, err = store.file.Write().ExecContext(t.Context(), "DROP TABLE open_intents")
	require.NoError(t, err)
	own, err := store.OpenIntentsOf(t.Context(), "a")
	require.NoError(t, err, "the file is not asked")
	require.Len(t, own, 1)
	_, err = store.Append(t.Context(), at, historytest.Outcome("a", "i-1", history.ResultSucceeded))
	require.Error(t, err)
	require.False(t, store.tail.openKnown(2))
	_, err = store.OpenIntentsOf(t.Context(), "a")
	require.Error(t, err, "the file is asked")
}
