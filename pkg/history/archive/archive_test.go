package archive_test

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// kept is how many operations stay in these records.
const kept = 3

// world is a record that grows, and what was archived of it.
type world struct {
	t      *testing.T
	r      *mathrand.Rand
	folder string
	store  *sqlite.Store
	signer merkle.Signer
	day    int
	made   int
	files  []string
	// known are checkpoints that were kept elsewhere.
	known []merkle.Signed
}

func newWorld(t *testing.T, r *mathrand.Rand) *world {
	t.Helper()
	private, _, err := merkle.GenerateKey(rand.Reader, "gatekeeper.example.com/prod")
	require.NoError(t, err)
	signer, err := merkle.NewSigner(private)
	require.NoError(t, err)
	w := &world{t: t, r: r, folder: t.TempDir(), signer: signer}
	w.store, err = sqlite.Create(t.Context(), w.path())
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) path() string { return filepath.Join(w.folder, "record.db") }

// at is the time of a day.
func (w *world) at(day int) time.Time { return historytest.Start().AddDate(0, 0, day) }

func (w *world) now() time.Time { return w.at(w.day).Add(archive.Youngest + time.Hour) }

func (w *world) append(drafts ...history.Draft) history.Head {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	for i := range drafts {
		drafts[i].Time = w.at(w.day)
	}
	head, err = w.store.Append(w.t.Context(), head, drafts...)
	require.NoError(w.t, err)
	return head
}

// grow appends something that happens.
func (w *world) grow() {
	w.t.Helper()
	w.made++
	app := []string{"a", "b", "c"}[w.r.IntN(3)]
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	id := fmt.Sprintf("i-%d", w.made)
	switch w.r.IntN(10) {
	case 0:
		w.append(historytest.Decision(w.t, app, []string{"prod", "stage"}[w.r.IntN(2)], approval.Blocked))
	case 1:
		w.append(historytest.Observed(app, "prod", time.Duration(w.made)*time.Minute))
	case 2:
		w.append(historytest.Decision(w.t, app, "prod", approval.Allowed), historytest.Intent(w.t, app, "prod", id, head.Sequence+1))
	case 3:
		w.append(historytest.Decision(w.t, app, "prod", approval.Allowed), historytest.Intent(w.t, app, "prod", id, head.Sequence+1), historytest.Abandoned(app, id))
	case 4:
		w.append(history.Draft{Application: app, Payload: history.ActPayload{
			ID: id, Verb: history.VerbHold, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "a pause",
		}})
	case 5:
		w.append(history.Draft{Application: app, Payload: history.DeniedPayload{
			Gate: "prod", Application: "argocd/shop", User: "eve", Asked: "a sync", Code: "quorum", Text: "not approved",
		}})
	case 6:
		w.append(historytest.Policy(w.t, "prod", "", &approval.Policy{Gate: "prod"}))
	default:
		head = w.append(historytest.Deployment(w.t, head, app, "prod", id, []history.Result{history.ResultSucceeded, history.ResultFailed}[w.r.IntN(2)])...)
		w.append(historytest.Health(app, head.Sequence, "Degraded"))
	}
	if w.r.IntN(3) == 0 {
		w.day++
	}
	if w.r.IntN(10) == 0 {
		w.known = append(w.known, w.sign())
	}
}

// sign signs the record as it is.
func (w *world) sign() merkle.Signed {
	w.t.Helper()
	report, tree, err := merkle.Verify(w.t.Context(), w.store)
	require.NoError(w.t, err)
	require.True(w.t, report.Intact(), "%+v", report.Fault)
	signed, err := w.signer.Sign(tree)
	require.NoError(w.t, err)
	return signed
}

// archive archives what is older than a day; false when nothing is.
func (w *world) archive(day int) bool {
	w.t.Helper()
	plan, err := archive.Keeping(w.t.Context(), w.store, w.at(day), w.now(), kept)
	if err != nil {
		require.ErrorIs(w.t, err, archive.ErrNothing)
		return false
	}
	path := filepath.Join(w.folder, fmt.Sprintf("%d.archive", len(w.files)))
	file, under, err := archive.Write(w.t.Context(), w.store, plan, w.signer, path)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, file.Close()) }()
	head, err := w.store.Head(w.t.Context())
	require.NoError(w.t, err)
	draft := history.Draft{Time: w.at(w.day), Payload: history.ArchivedPayload{
		From: plan.From, To: plan.To, Root: under.Root.String(), Stubs: plan.Stubs, File: file.Digest, Kept: plan.Kept, Before: w.at(day),
		Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "retention",
	}}
	_, err = w.store.Archive(w.t.Context(), history.Head{Sequence: head.Sequence + 1, Digest: head.Digest}, draft)
	require.ErrorIs(w.t, err, history.ErrConflict)
	after, err := w.store.Archive(w.t.Context(), head, draft)
	require.NoError(w.t, err)
	require.Equal(w.t, head.Sequence+1, after.Sequence)
	w.files = append(w.files, path)
	return true
}

// over reads the record with all its archives.
func (w *world) over(r history.Reader) *archive.Reader {
	w.t.Helper()
	var files []*archive.File
	for _, path := range w.files {
		f, err := archive.OpenFile(w.t.Context(), path, w.signer.Verifier())
		require.NoError(w.t, err)
		w.t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
	}
	over, err := archive.Over(w.t.Context(), r, files...)
	require.NoError(w.t, err)
	return over
}

func (w *world) entries(r history.Reader) (all []history.Entry) {
	w.t.Helper()
	for {
		found, err := r.Entries(w.t.Context(), uint64(len(all))+1, 100)
		require.NoError(w.t, err)
		if len(found) == 0 {
			return all
		}
		all = append(all, found...)
	}
}

// gateReads is what a gate may read that looks back as far as is kept.
func (w *world) gateReads() (all []any) {
	w.t.Helper()
	ctx := w.t.Context()
	note := func(v any, err error) {
		require.NoError(w.t, err)
		all = append(all, v)
	}
	open, err := w.store.OpenIntents(ctx)
	note(open, err)
	acts, err := w.store.Acts(ctx)
	note(acts, err)
	policies, err := w.store.Select(ctx, history.Selection{Kinds: []history.Kind{history.KindPolicy}}, 1000)
	note(policies, err)
	decisionsOf := func(id string) {
		entries, err := w.store.Intent(ctx, id)
		note(entries, err)
		intent, err := history.Decode[history.IntentPayload](entries[0])
		require.NoError(w.t, err)
		decided, err := w.store.Entries(ctx, intent.DecisionSequence, 1)
		note(decided, err)
	}
	for _, e := range open {
		decisionsOf(e.Intent)
	}
	for _, app := range []string{"a", "b", "c"} {
		for _, gate := range []string{"prod", "stage"} {
			entry, found, err := w.store.LatestDecision(ctx, app, gate)
			note([]any{entry, found}, err)
		}
		deployments, err := w.store.Deployments(ctx, app, kept)
		note(deployments, err)
		for _, d := range deployments {
			decisionsOf(d.Intent.ID)
		}
		outcomes, err := w.store.Outcomes(ctx, app, kept)
		note(outcomes, err)
		for _, e := range outcomes {
			decisionsOf(e.Intent)
		}
		operations, err := w.store.Select(ctx, history.Selection{Kinds: history.Deployed(), Application: app, Newest: true}, kept)
		note(operations, err)
		if len(operations) > 0 {
			health, err := w.store.Select(ctx, history.Selection{
				Kinds: []history.Kind{history.KindHealth}, Application: app, From: operations[len(operations)-1].Sequence,
			}, 100)
			note(health, err)
		}
	}
	for _, v := range all {
		if entries, ok := v.([]history.Entry); ok {
			for _, e := range entries {
				require.False(w.t, e.Archived(), "entry %d, a %s, is still needed", e.Sequence, e.Kind)
			}
		}
	}
	return all
}

func random(t *testing.T) *mathrand.Rand {
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	return mathrand.New(mathrand.NewPCG(seed, 1))
}

// TestArchived archives random records at random places, and then everything is as it was.
func TestArchived(t *testing.T) {
	t.Parallel()
	for range 4 {
		w := newWorld(t, random(t))
		for range 1 + w.r.IntN(3) {
			for range 40 {
				w.grow()
			}
			before, reads := w.entries(w.over(w.store)), w.gateReads()
			if !w.archive(w.day - w.r.IntN(6)) {
				continue
			}
			require.Equal(t, reads, w.gateReads(), "what the gate reads")
			require.Equal(t, before, w.entries(w.over(w.store))[:len(before)], "what was")
			w.verifies(before)
		}
	}
}

// verifies checks everything that was possible before.
func (w *world) verifies(before []history.Entry) {
	t := w.t
	ctx := t.Context()
	var known []merkle.Checkpoint
	for _, k := range w.known {
		known = append(known, k.Checkpoint)
	}
	for _, r := range []history.Reader{w.store, w.over(w.store), w.over(w.store).ForVerification()} {
		report, _, err := merkle.Verify(ctx, r, known...)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
	}
	now := w.sign()
	over := w.over(w.store)
	stubs := 0
	prover := merkle.Prover{Entries: over, Folder: t.TempDir()}
	for _, e := range before {
		found, proof, err := prover.Inclusion(ctx, e.Sequence, now)
		require.NoError(t, err)
		require.Equal(t, e, found)
		require.NoError(t, proof.Check(e))
		stub, err := w.store.Entries(ctx, e.Sequence, 1)
		require.NoError(t, err)
		if !stub[0].Archived() {
			continue
		}
		stubs++
		require.Equal(t, e.Stub(), stub[0])
		_, _, err = merkle.Prover{Entries: w.store, Folder: t.TempDir()}.Inclusion(ctx, e.Sequence, now)
		require.ErrorIs(t, err, history.ErrArchived)
	}
	require.Positive(t, stubs)
	for _, old := range w.known {
		proof, err := merkle.Prover{Entries: w.store, Folder: t.TempDir()}.Consistency(ctx, old.Checkpoint, now)
		require.NoError(t, err)
		require.NoError(t, proof.Check(old.Checkpoint))
	}
	// Exports: with stubs, and whole again.
	var short, whole bytes.Buffer
	require.NoError(t, export.Write(ctx, &short, w.store, now))
	require.NoError(t, export.Write(ctx, &whole, over, now))
	require.Less(t, short.Len(), whole.Len())
	for _, text := range []string{short.String(), whole.String()} {
		report, end, err := export.Verify(ctx, strings.NewReader(text), w.signer.Verifier(), known...)
		require.NoError(t, err)
		require.True(t, report.Intact(), "%+v", report.Fault)
		require.Equal(t, now, end)
	}
	require.False(t, strings.HasPrefix(whole.String(), `{"archives"`))
	again, err := sqlite.Create(ctx, filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Close()) }()
	_, _, err = export.Import(ctx, strings.NewReader(short.String()), w.signer.Verifier(), again)
	require.ErrorIs(t, err, history.ErrArchived)
	report, _, err := export.Import(ctx, strings.NewReader(whole.String()), w.signer.Verifier(), again)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	// Any bit of the export with stubs.
	for range 60 {
		bad := bytes.Clone(short.Bytes())
		at := w.r.IntN(len(bad))
		bad[at] ^= 1 << w.r.IntN(8)
		report, _, err := export.Verify(ctx, bytes.NewReader(bad), w.signer.Verifier())
		require.NoError(t, err)
		require.False(t, report.Intact(), "a bit in byte %d: %.200s", at, bad[max(0, at-100):min(len(bad), at+100)])
	}
}

// grown is a record that was archived.
func grown(t *testing.T) *world {
	w := newWorld(t, random(t))
	for len(w.files) < 2 {
		for range 40 {
			w.grow()
		}
		w.archive(w.day - 1)
	}
	return w
}

// TestBitsOfAnArchive: each is found, and where.
func TestBitsOfAnArchive(t *testing.T) {
	t.Parallel()
	w := grown(t)
	for _, path := range w.files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		bad := filepath.Join(w.folder, "bad.archive")
		for range 100 {
			changed := bytes.Clone(text)
			at := w.r.IntN(len(text))
			changed[at] ^= 1 << w.r.IntN(8)
			require.NoError(t, os.WriteFile(bad, changed, 0o600))
			_, err := archive.OpenFile(t.Context(), bad, w.signer.Verifier())
			require.ErrorIs(t, err, archive.ErrFile, "a bit in byte %d", at)
			require.ErrorContains(t, err, "at entry")
		}
		// Cut off, at each of some places.
		for range 20 {
			require.NoError(t, os.WriteFile(bad, text[:w.r.IntN(len(text))], 0o600))
			_, err := archive.OpenFile(t.Context(), bad, w.signer.Verifier())
			require.ErrorIs(t, err, archive.ErrFile)
		}
	}
	// Another record's archive, which is intact.
	other := grown(t)
	_, err := archive.OpenFile(t.Context(), other.files[0], w.signer.Verifier())
	require.ErrorIs(t, err, archive.ErrFile, "another key")
	f, err := archive.OpenFile(t.Context(), other.files[0], other.signer.Verifier())
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	_, err = archive.Over(t.Context(), w.store, f)
	require.ErrorIs(t, err, archive.ErrOther)
}

// chainAlone is a record of which nothing but the entries is verified: that indexes and triggers
// are gone, which they have to be to change it, would show as well.
type chainAlone struct{ history.Reader }

// TestBitsOfTheStore: each is found, and with the archives at hand where.
func TestBitsOfTheStore(t *testing.T) {
	t.Parallel()
	w := grown(t)
	var known []merkle.Checkpoint
	known = append(known, w.sign().Checkpoint)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "DROP TRIGGER entries_append; DROP TRIGGER entries_update; DROP TRIGGER entries_delete; DROP INDEX entries_intent; "+
		"DROP INDEX entries_decision; DROP INDEX entries_deployed; DROP INDEX entries_named")
	require.NoError(t, err)
	inspected, err := sqlite.Inspect(t.Context(), w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, inspected.Close()) }()
	reader := chainAlone{inspected}
	over := w.over(reader)
	all := w.entries(reader)
	for range 150 {
		e := all[w.r.IntN(len(all))]
		column := []string{"previous", "time", "kind", "application", "intent", "payload", "digest"}[w.r.IntN(7)]
		var old any
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT "+column+" FROM entries WHERE sequence = ?", e.Sequence).Scan(&old))
		var bad any
		switch v := old.(type) {
		case int64:
			bad = v ^ 1<<w.r.IntN(40)
		case string:
			if v == "" {
				continue
			}
			text := []byte(v)
			text[w.r.IntN(len(text))] ^= 1 << w.r.IntN(7)
			if bytes.IndexByte(text, 0) >= 0 {
				continue // SQLite ends a text there
			}
			bad = string(text)
		}
		change := func(value any) {
			_, err := db.ExecContext(t.Context(), "UPDATE entries SET "+column+" = ? WHERE sequence = ?", value, e.Sequence)
			require.NoError(t, err)
		}
		change(bad)
		say := fmt.Sprintf("%s of entry %d, a %s, archived %v: %v instead of %v", column, e.Sequence, e.Kind, e.Archived(), bad, old)
		report, _, err := merkle.Verify(t.Context(), reader, known...)
		require.NoError(t, err, say)
		require.False(t, report.Intact(), say)
		if e.Kind != history.KindArchived {
			report, _, err = merkle.Verify(t.Context(), over.ForVerification(), known...)
			require.NoError(t, err, say)
			require.False(t, report.Intact(), say)
			require.Equal(t, e.Sequence, report.Fault.Sequence, "%s: %+v", say, report.Fault)
		}
		change(old)
	}
	report, _, err := merkle.Verify(t.Context(), over.ForVerification(), known...)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
}

// TestPayloadsThatAreNotArchived: whoever removes one as if it were is found out.
func TestPayloadsThatAreNotArchived(t *testing.T) {
	t.Parallel()
	w := grown(t)
	archives, err := history.Archives(t.Context(), w.store)
	require.NoError(t, err)
	victims := []uint64{archives[1].Kept[0], archives[1].To + 1}
	require.NoError(t, w.store.Close())
	for _, victim := range victims {
		db, err := sql.Open("sqlite", w.path())
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "DROP TRIGGER IF EXISTS entries_update")
		require.NoError(t, err)
		reader, err := sqlite.Inspect(t.Context(), w.path())
		require.NoError(t, err)
		found, err := reader.Entries(t.Context(), victim, 1)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ? WHERE sequence = ?", `"`+string(found[0].Stub().Leaf)+`"`, victim)
		require.NoError(t, err)
		report, err := history.Verify(t.Context(), reader)
		require.NoError(t, err)
		require.NotNil(t, report.Fault)
		require.Equal(t, victim, report.Fault.Sequence, report.Fault.Text)
		_, err = db.ExecContext(t.Context(), "UPDATE entries SET payload = ? WHERE sequence = ?", string(found[0].Payload), victim)
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		require.NoError(t, db.Close())
	}
}

// TestTriggers: an accident with a database tool archives nothing.
func TestTriggers(t *testing.T) {
	t.Parallel()
	w := grown(t)
	archives, err := history.Archives(t.Context(), w.store)
	require.NoError(t, err)
	head, err := w.store.Head(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.store.Close())
	db, err := sql.Open("sqlite", w.path())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	leaf := `"sha256:` + strings.Repeat("0", 64) + `"`
	for _, statement := range []string{
		fmt.Sprintf("UPDATE entries SET payload = '%s' WHERE sequence = %d", leaf, archives[1].To+1),
		fmt.Sprintf("UPDATE entries SET payload = '%s' WHERE sequence = %d", leaf, head.Sequence),
		fmt.Sprintf("UPDATE entries SET payload = '{}' WHERE sequence = %d", archives[1].Kept[0]),
		"UPDATE entries SET payload = '" + leaf + "' WHERE payload LIKE '\"sha256:%'",
		"UPDATE entries SET payload = '" + leaf + "' WHERE kind IN ('act', 'archived')",
		fmt.Sprintf("UPDATE entries SET payload = '%s', time = time + 1 WHERE sequence = %d", leaf, archives[1].Kept[0]),
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "the record is append-only", statement)
	}
}

// TestNothingToArchive: what is young, or still needed, or waits to be carried out, stays.
func TestNothingToArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, random(t))
	_, err := archive.Make(t.Context(), w.store, w.at(0), w.at(100))
	require.ErrorIs(t, err, archive.ErrNothing)
	head := w.append(historytest.Deployment(t, history.Head{}, "a", "prod", "i-1", history.ResultSucceeded)...)
	_, err = archive.Make(t.Context(), w.store, w.at(50), w.at(100))
	require.ErrorIs(t, err, archive.ErrNothing)
	require.ErrorContains(t, err, "still needed to decide")
	_, err = archive.Make(t.Context(), w.store, w.at(99), w.at(100))
	require.ErrorContains(t, err, "younger than 7 days")

	grounds, ok := historytest.Decision(t, "a", "prod", approval.Allowed).Payload.(history.DecisionPayload)
	require.True(t, ok)
	candidate := grounds.Decision.Candidate
	w.append(history.Draft{Application: "a", Payload: history.DeniedPayload{
		Gate: "prod", Application: "argocd/shop", User: "eve", Asked: "a sync", Code: "quorum", Text: "not approved",
	}})
	w.append(history.Draft{Application: "a", Payload: history.ActPayload{
		ID: "s-1", Verb: history.VerbSync, Gate: "prod", Application: "argocd/shop", Person: history.Person{Name: "ada", Via: history.ViaConsole}, Reason: "go",
		Candidate: &candidate, Expires: w.at(200),
	}})
	w.append(history.Draft{Application: "a", Payload: history.DeniedPayload{
		Gate: "prod", Application: "argocd/shop", User: "eve", Asked: "a sync", Code: "quorum", Text: "not approved",
	}})
	plan, err := archive.Make(t.Context(), w.store, w.at(50), w.at(100))
	require.NoError(t, err)
	require.Equal(t, head.Sequence+1, plan.To, "the order to sync is in force, so what follows it is still read")
	plan, err = archive.Make(t.Context(), w.store, w.at(50), w.at(300))
	require.NoError(t, err)
	require.Equal(t, head.Sequence+3, plan.To)
	require.Equal(t, 2, plan.Archived(), "the two refusals")
}

// TestInterrupted: a file without an entry that says so changes nothing, and a file is
// never written over.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, random(t))
	for range 60 {
		w.grow()
	}
	before := w.entries(w.store)
	plan, err := archive.Keeping(t.Context(), w.store, w.at(w.day-1), w.now(), kept)
	require.NoError(t, err)
	path := filepath.Join(w.folder, "some.archive")
	require.NoError(t, os.WriteFile(path+".new", []byte("what an earlier try left"), 0o600))
	f, under, err := archive.Write(t.Context(), w.store, plan, w.signer, path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoFileExists(t, path+".new")
	require.Equal(t, before, w.entries(w.store))
	_, _, err = archive.Write(t.Context(), w.store, plan, w.signer, path)
	require.ErrorIs(t, err, os.ErrExist)
	require.FileExists(t, path)

	// An archive of something else is not taken for the record's.
	head, err := w.store.Head(t.Context())
	require.NoError(t, err)
	said := history.ArchivedPayload{
		From: plan.From, To: plan.To, Root: under.Root.String(), Stubs: f.Digest, File: f.Digest, Kept: plan.Kept, Before: w.at(w.day),
		Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "retention",
	}
	_, err = w.store.Archive(t.Context(), head, history.Draft{Time: w.at(w.day), Payload: said})
	require.ErrorIs(t, err, history.ErrNotArchived)
	said.Stubs, said.From = plan.Stubs, 2
	said.Kept = slices.DeleteFunc(slices.Clone(plan.Kept), func(sequence uint64) bool { return sequence < 2 })
	_, err = w.store.Archive(t.Context(), head, history.Draft{Time: w.at(w.day), Payload: said})
	require.ErrorIs(t, err, history.ErrNotArchived)
	require.Equal(t, before, w.entries(w.store), "nothing of it is left")
}
