package archive_test

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/archive"
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
