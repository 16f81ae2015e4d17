package archive_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

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
	require.True(t, strings.HasPrefix(short.String(), `{"archives"`)) // which is not always shorter
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
