package evidence_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/evidence"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestBorders: the beginning belongs to the time, the end does not.
func TestBorders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, at := range []time.Time{from().Add(-1), from(), to().Add(-1), to()} {
		w.at = at
		w.observes(shop, 1, nil)
	}
	r := w.report()
	require.Equal(t, []string{"ungated sync@2", "ungated sync@3"}, found(r))
	require.Equal(t, []int{2, 3}, []int{r.Deployments[0].Number, r.Deployments[1].Number})
	require.Equal(t, []uint64{2, 3, 4}, []uint64{r.Record.First, r.Record.Last, r.Record.Head.Sequence})
}

// TestChanges: what each deployment brought is a line, a change that went out twice is
// counted once, and what has no changes of its own has a line for its revision.
func TestChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(nil)
	w.lands(func(l *approval.Landing, d *approval.LandingDecision) { d.Class = approval.ClassNone })
	w.lands(func(l *approval.Landing, d *approval.LandingDecision) { direct(l, d); d.Undone = true })
	w.lands(unapproved)
	w.ends(shop, w.intends(shop, 0, 3, edits{}), 3, history.ResultFailed)
	w.deploys(shop, 0, 3)
	w.breaks(shop, "g", 4)
	w.overrides(shop, "g", 3, 4, history.ResultSucceeded)
	w.observes(shop, 7, nil)
	w.observes(billing, 8, nil)
	w.deploys(billing, 0, 1)
	w.ends(billing, w.intends(billing, 1, 1, edits{}), 9, history.ResultMismatch)
	r := w.report()
	type line struct {
		number     int
		pull       int
		commit     approval.SHA
		letThrough string
		result     string
	}
	var got []line
	for _, c := range r.Changes {
		got = append(got, line{c.Number, c.Pull, approval.SHA(c.Commit), c.LetThrough, c.Result})
	}
	require.Equal(t, []line{
		{1, 1, sha(1), "quorum", "failed"}, {1, 0, sha(3), "undone", "failed"},
		{2, 1, sha(1), "quorum", "succeeded"}, {2, 0, sha(3), "undone", "succeeded"},
		{3, 4, sha(4), "break-glass", "succeeded"},
		{4, 0, sha(7), "ungated", "succeeded"},
		{1, 0, sha(8), "ungated", "succeeded"},
		{2, 1, sha(1), "quorum", "succeeded"},
		{3, 0, sha(9), "unknown", "mismatch"},
	}, got)
	require.Equal(t, evidence.Summary{
		Applications: 2, Deployments: 7, Failed: 1, Mismatched: 1, Changes: 3, Approved: 1, BreakGlass: 1, NotReviewed: 1, Ungated: 2, Exceptions: 6,
	}, r.Summary)
	first := r.Changes[0]
	require.Equal(t, []string{"acme/env", "Change 1", "dave", "config", "merge", "proven"},
		[]string{first.Repository, first.Title, first.Author, first.Class, first.Kind, first.Landed})
	require.Equal(t, []string{"bob"}, first.ConfigApprovers)
	require.Equal(t, "acme/env", r.Changes[1].Repository, "a direct push says where")
	require.Len(t, r.Policies, 1)
	require.Equal(t, r.Deployments[0].Decision, r.Policies[0].Entry)
}

// TestUngatedChanges: what a sync without the gate brought is told, and is ungated whether
// it had its quorum or not.
func TestUngatedChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(nil)
	w.lands(unapproved)
	w.lands(direct)
	w.append(shop, history.AbandonedPayload{Intent: w.intends(shop, 0, 1, edits{}), Reason: "not sent"})
	w.observes(shop, 3, func(o *history.ObservedPayload) { o.Decision = 1 })
	r := w.report()
	var got []string
	for _, c := range r.Changes {
		got = append(got, c.Commit+" "+c.Kind+" "+c.LetThrough)
		require.Nil(t, c.Decided)
	}
	require.Equal(t, []string{string(sha(2)) + "  ungated", string(sha(1)) + "  ungated", string(sha(3)) + " direct ungated"}, got)
	require.Equal(t, []int{3, 0}, []int{r.Summary.Changes, r.Summary.Approved})
	require.Equal(t, []string{"ungated sync@4"}, found(r))
}

func TestOrdersAndRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.append(app{gate: "prod"}, history.ActPayload{
		ID: "h", Verb: history.VerbHold, Gate: "prod", Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "freeze",
	})
	for range 2 {
		w.append(shop, history.DeniedPayload{Gate: "prod", Application: shop.name, User: "erin", Asked: "sync", Code: "landing.unapproved", Text: "no", Repeated: 3})
	}
	w.append(staging, history.DeniedPayload{Gate: "staging", Application: shop.name, User: "erin", Asked: "sync", Code: "landing.unapproved", Text: "no"})
	r := w.report()
	require.Equal(t, []evidence.Refusal{{Code: "landing.unapproved", Count: 8}}, r.Refusals)
	require.Equal(t, 8, r.Summary.Refused)
	require.Len(t, r.Orders, 1)
	require.Equal(t, []string{"hold", "h", "", "alice", "console", "freeze"},
		[]string{r.Orders[0].Verb, r.Orders[0].ID, r.Orders[0].Application, r.Orders[0].Who, r.Orders[0].Via, r.Orders[0].Reason})
	require.Empty(t, r.Exceptions)
}

func TestRefusesTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, edit := range []func(o *evidence.Options){
		func(o *evidence.Options) { o.To = o.From },
		func(o *evidence.Options) { o.From, o.To = o.To, o.From },
		func(o *evidence.Options) { o.Made = o.To.Add(-1) },
	} {
		o := w.options()
		edit(&o)
		_, err := evidence.Gather(t.Context(), w.store, o)
		require.ErrorIs(t, err, evidence.ErrNoTime)
	}
}

// TestGates: a gate that is on record alone can be reported on, one that is nowhere is an
// error that names those that are.
func TestGates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observes(app{"argocd/old", "uid-old", "former"}, 1, nil)
	o := w.options()
	o.Gate = "former"
	r, err := evidence.Gather(t.Context(), w.store, o)
	require.NoError(t, err)
	require.Len(t, r.Deployments, 1)
	o.Gate = "prdo"
	_, err = evidence.Gather(t.Context(), w.store, o)
	require.ErrorIs(t, err, evidence.ErrUnknownGate)
	require.ErrorContains(t, err, `"prdo" is neither configured nor on record; there are former, prod, staging`)
	o.Gate = "staging"
	r, err = evidence.Gather(t.Context(), w.store, o)
	require.NoError(t, err)
	require.Empty(t, r.Deployments)
}

// TestNotIntact: there is no report of a record that was changed.
func TestNotIntact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observes(shop, 1, nil)
	w.observes(shop, 2, nil)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `DROP TRIGGER entries_update; UPDATE entries SET payload = replace(payload, 'mallory', 'alice') WHERE sequence = 1`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	reader, err := sqlite.Inspect(t.Context(), w.path)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	r, err := evidence.Gather(t.Context(), reader, w.options())
	require.ErrorIs(t, err, evidence.ErrNotIntact)
	require.ErrorContains(t, err, "entry 1 (changed)")
	require.Equal(t, evidence.Report{}, r)
}

// TestHiddenDeployment: who may write the record's file takes a sync past the gate out of an
// index, and leaves every entry and what is signed of them as it was. No report goes without it.
func TestHiddenDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observes(shop, 1, nil)
	w.observes(shop, 2, nil)
	r, err := evidence.Gather(t.Context(), w.store, w.options())
	require.NoError(t, err)
	require.Len(t, r.Deployments, 2)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE kept AS SELECT name, sql FROM sqlite_schema WHERE name IN ('entries_small', 'entries_operation', 'entries_selection');
		DROP INDEX entries_small; CREATE INDEX entries_small ON entries (sequence) WHERE kind <> 'decision' AND sequence <> 2;
		DROP INDEX entries_operation; CREATE INDEX entries_operation ON entries (application, sequence, kind) WHERE kind IN ('outcome', 'observed') AND sequence <> 2;
		DROP INDEX entries_selection; CREATE INDEX entries_selection ON entries (application, kind, sequence) WHERE kind <> 'decision' AND sequence <> 2;
		PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = (SELECT sql FROM kept WHERE kept.name = sqlite_schema.name) WHERE name IN ('entries_small', 'entries_operation', 'entries_selection');
		PRAGMA writable_schema = RESET; DROP TABLE kept`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	reader, err := sqlite.Inspect(t.Context(), w.path)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	// What would be written if the entries alone were verified.
	r, err = evidence.Gather(t.Context(), struct{ history.Reader }{reader}, w.options())
	require.NoError(t, err)
	require.Len(t, r.Deployments, 1)
	_, err = evidence.Gather(t.Context(), reader, w.options())
	require.ErrorIs(t, err, evidence.ErrNotIntact)
	require.ErrorContains(t, err, "row 2 missing from index")
}

// TestAppendedMeanwhile: what is appended after the record was verified is not in the
// report, also where it would tell more about something that is.
func TestAppendedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lands(nil)
	w.lands(nil)
	w.deploys(shop, 0, 1)
	last := w.deploys(shop, 1, 2)
	want := w.report()
	o := w.options()
	once := false
	o.Progress = func(step string, _ int) {
		if step == "entries" && !once {
			once = true
			w.append(shop, history.HealthPayload{Of: last, Health: "Degraded", At: w.at})
			w.observes(shop, 1, nil)
			w.observes(billing, 1, nil)
		}
	}
	r, err := evidence.Gather(t.Context(), w.store, o)
	require.NoError(t, err)
	require.True(t, once)
	require.Equal(t, want, r)
	require.Equal(t, last, r.Record.Head.Sequence)
	require.Len(t, w.report().Exceptions, 2)
}

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.observes(shop, 1, nil)
	o := w.options()
	o.Checkpoint = func(_ context.Context, head history.Head) (string, error) {
		return "signed " + string(head.Digest), nil
	}
	r, err := evidence.Gather(t.Context(), w.store, o)
	require.NoError(t, err)
	require.Equal(t, "signed "+string(r.Record.Head.Digest), r.Record.Checkpoint)
	o.Checkpoint = func(context.Context, history.Head) (string, error) { return "", context.DeadlineExceeded }
	_, err = evidence.Gather(t.Context(), w.store, o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
