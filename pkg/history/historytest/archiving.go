package historytest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Archiver is a Record of which payloads can be removed.
type Archiver interface {
	Record
	Archive(ctx context.Context, expect history.Head, draft history.Draft) (history.Head, error)
	Shrink(ctx context.Context) error
}

// ExerciseArchiving tests what stores that archive guarantee. What the function opens is an
// Archiver.
func ExerciseArchiving(t *testing.T, create Create) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Create){
		"stubs":              testStubs,
		"many":               testArchivedMany,
		"second range":       testSecondRange,
		"another archive":    testAnotherArchive,
		"what must stay":     testMustStay,
		"archiving conflict": testArchivingConflict,
		"cancelled":          testArchivingCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, create) })
	}
}

func archiver(t *testing.T, record Record) Archiver {
	t.Helper()
	a, ok := record.(Archiver)
	require.True(t, ok, "it archives")
	return a
}

// said is the payload for a range of a record, as whoever archives makes it.
func said(t *testing.T, record history.Reader, from, to uint64, kept ...uint64) history.ArchivedPayload {
	t.Helper()
	var stubs history.StubsDigest
	for _, e := range all(t, record) {
		if e.Sequence >= from && e.Sequence <= to {
			stubs.Add(e)
		}
	}
	return history.ArchivedPayload{
		From: from, To: to, Root: "cm9vdA==", Stubs: stubs.Digest(), File: stubs.Digest(), Kept: kept, Before: Start(),
		Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "retention",
	}
}

func draftOf(p history.ArchivedPayload) history.Draft {
	return history.Draft{Time: Start(), Payload: p}
}

// testStubs: what is archived is a stub, what is kept is whole, and what reads go by what is
// left, now and after the store was opened again.
func testStubs(t *testing.T, create Create) {
	open := create(t)
	a := archiver(t, open(t))
	for i, app := range []string{"a", "a", "b", "a"} {
		deploy(t, a, app, "prod", []string{"i-1", "i-2", "i-3", "i-4"}[i], history.ResultSucceeded)
	}
	before := all(t, a)
	require.Len(t, before, 12)
	head, err := a.Archive(t.Context(), mustHead(t, a), draftOf(said(t, a, 1, 9, 4, 5, 6)))
	require.NoError(t, err)
	require.Equal(t, uint64(13), head.Sequence)
	require.NoError(t, a.Shrink(t.Context()))
	look := func(r history.Reader) {
		t.Helper()
		ctx := t.Context()
		require.Equal(t, head, mustHead(t, r))
		now := all(t, r)
		for i, e := range before {
			want := e
			if n := e.Sequence; n <= 3 || n >= 7 && n <= 9 {
				want = e.Stub()
				require.True(t, now[i].Archived())
				require.Empty(t, now[i].Payload)
			}
			require.Equal(t, want, now[i])
		}
		report, err := history.Verify(ctx, r, head)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		archives, err := history.Archives(ctx, r)
		require.NoError(t, err)
		require.Len(t, archives, 1)
		require.Equal(t, []uint64{4, 5, 6}, archives[0].Kept)

		entry, found, err := r.LatestDecision(ctx, "a", "prod")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, uint64(10), entry.Sequence)
		_, found, err = r.LatestDecision(ctx, "b", "prod")
		require.NoError(t, err)
		require.False(t, found, "of which gate it was is archived")
		deployments, err := r.Deployments(ctx, "a", 10)
		require.NoError(t, err)
		require.Len(t, deployments, 2, "the one that is archived is not known any more")
		require.Equal(t, uint64(6), deployments[1].Sequence)
		outcomes, err := r.Outcomes(ctx, "b", 10)
		require.NoError(t, err)
		require.Len(t, outcomes, 1)
		require.True(t, outcomes[0].Archived())
		intent, err := r.Intent(ctx, "i-3")
		require.NoError(t, err)
		require.Equal(t, []uint64{8, 9}, sequences(intent))
		selected, err := r.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindIntent, history.KindOutcome}, Application: "b"}, 10)
		require.NoError(t, err)
		require.Equal(t, []uint64{8, 9}, sequences(selected))
		named, err := r.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindIntent}, Named: "argocd/shop"}, 10)
		require.NoError(t, err)
		require.Equal(t, []uint64{5, 11}, sequences(named))
	}
	restsOn := func(record history.Record, decision uint64) error {
		_, err := record.Append(t.Context(), head, Intent(t, "a", "prod", "i-6", decision))
		return err
	}
	look(a)
	require.ErrorIs(t, restsOn(a, 1), history.ErrArchived, "also for who has written the decision")
	require.NoError(t, a.Close())
	again := open(t)
	defer func() { require.NoError(t, again.Close()) }()
	look(again)
	require.ErrorIs(t, restsOn(again, 1), history.ErrArchived)
	// The record goes on.
	deploy(t, again, "b", "prod", "i-5", history.ResultSucceeded)
	report, err := history.Verify(t.Context(), again, head)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// testArchivedMany: more than one page at a time.
func testArchivedMany(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	const many = 700
	var drafts []history.Draft
	for range many {
		drafts = append(drafts, Decision(t, "a", "prod", approval.Blocked))
	}
	head := mustAppend(t, a, drafts...)
	_, err := a.Archive(t.Context(), head, draftOf(said(t, a, 1, many-1, 300)))
	require.NoError(t, err)
	archived := 0
	for _, e := range all(t, a) {
		if e.Archived() {
			archived++
		}
	}
	require.Equal(t, many-2, archived)
	report, err := history.Verify(t.Context(), a)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// testSecondRange: each range begins where the one before it ends.
func testSecondRange(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	for _, id := range []string{"i-1", "i-2", "i-3"} {
		deploy(t, a, "a", "prod", id, history.ResultSucceeded)
	}
	head, err := a.Archive(t.Context(), mustHead(t, a), draftOf(said(t, a, 1, 3)))
	require.NoError(t, err)
	before := all(t, a)
	for _, from := range []uint64{1, 3, 5} {
		_, err := a.Archive(t.Context(), head, draftOf(said(t, a, from, 6)))
		require.ErrorIs(t, err, history.ErrNotArchived, from)
		require.Equal(t, before, all(t, a))
	}
	_, err = a.Archive(t.Context(), head, draftOf(said(t, a, 4, 6)))
	require.NoError(t, err)
	report, err := history.Verify(t.Context(), a)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// testAnotherArchive: an archive of something else changes nothing.
func testAnotherArchive(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	for _, id := range []string{"i-1", "i-2"} {
		deploy(t, a, "a", "prod", id, history.ResultSucceeded)
	}
	before, head := all(t, a), mustHead(t, a)
	for name, p := range map[string]history.ArchivedPayload{
		"other entries": func() history.ArchivedPayload {
			p := said(t, a, 1, 3)
			p.Stubs = said(t, a, 1, 4).Stubs
			return p
		}(),
		"from the middle": said(t, a, 2, 3),
	} {
		_, err := a.Archive(t.Context(), head, draftOf(p))
		require.ErrorIs(t, err, history.ErrNotArchived, name)
	}
	bad := said(t, a, 1, 3)
	bad.Reason = ""
	_, err := a.Archive(t.Context(), head, draftOf(bad))
	require.ErrorIs(t, err, history.ErrInvalid)
	bad = said(t, a, 1, 6)
	bad.To = 9
	_, err = a.Archive(t.Context(), head, draftOf(bad))
	require.ErrorIs(t, err, history.ErrInvalid, "it is not there yet")
	require.Equal(t, before, all(t, a), "nothing of it is left")
	require.Equal(t, head, mustHead(t, a))
}

// testMustStay: what people ordered stays, whatever is said to be kept.
func testMustStay(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	mustAppend(t, a, history.Draft{Time: Start(), Application: "a", Payload: history.ActPayload{
		ID: "h-1", Verb: history.VerbHold, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "a pause",
	}})
	mustAppend(t, a, Decision(t, "a", "prod", approval.Blocked))
	before, head := all(t, a), mustHead(t, a)
	_, err := a.Archive(t.Context(), head, draftOf(said(t, a, 1, 2)))
	require.ErrorContains(t, err, "append-only")
	require.Equal(t, before, all(t, a))
	_, err = a.Archive(t.Context(), head, draftOf(said(t, a, 1, 2, 1)))
	require.NoError(t, err)
	acts, err := a.Acts(t.Context())
	require.NoError(t, err)
	require.Equal(t, before[:1], acts)
}

// testArchivingConflict: something was appended meanwhile.
func testArchivingConflict(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	deploy(t, a, "a", "prod", "i-1", history.ResultSucceeded)
	head, draft := mustHead(t, a), draftOf(said(t, a, 1, 3))
	deploy(t, a, "a", "prod", "i-2", history.ResultSucceeded)
	before := all(t, a)
	_, err := a.Archive(t.Context(), head, draft)
	require.ErrorIs(t, err, history.ErrConflict)
	require.Equal(t, before, all(t, a))
	_, err = a.Archive(t.Context(), mustHead(t, a), draft)
	require.NoError(t, err)
}

// testArchivingCancelled: nothing is done by somebody who has gone.
func testArchivingCancelled(t *testing.T, create Create) {
	a := archiver(t, fresh(t, create))
	deploy(t, a, "a", "prod", "i-1", history.ResultSucceeded)
	before := all(t, a)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	_, err := a.Archive(ctx, mustHead(t, a), draftOf(said(t, a, 1, 3)))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, before, all(t, a))
}
