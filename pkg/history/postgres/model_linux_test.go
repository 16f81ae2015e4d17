package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// TestSameAsSQLite runs the same seeded sequences of appends, sound ones and others, on
// both stores: they accept and refuse the same, and hold and find the same, byte for byte.
func TestSameAsSQLite(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			model, err := sqlite.Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
			require.NoError(t, err)
			defer func() { require.NoError(t, model.Close()) }()
			store := create(t, at(t))
			play(t, rand.New(rand.NewPCG(seed, 7)), model, store)
			compareReads(t, model, store)
		})
	}
}

// play appends drafts of which about half are sound.
func play(t *testing.T, random *rand.Rand, model, store history.Record) {
	t.Helper()
	count := map[string]int{}
	heads := []history.Head{{}}
	apps, gates := []string{"a", "b"}, []string{"prod", "test"}
	ids, acts := []string{"i-1", "i-2", "i-3", "i-4", "i-5"}, []string{"o-1", "o-2", "o-3", "o-4"}
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	verdicts := []approval.Verdict{approval.Allowed, approval.Blocked, approval.Unknown}
	results := []history.Result{history.ResultSucceeded, history.ResultFailed, history.ResultMismatch, history.ResultPartial}
	verbs := []history.Verb{history.VerbHold, history.VerbRelease, history.VerbBreakGlass, history.VerbReview, history.VerbAdopt}
	for range 150 {
		head := heads[len(heads)-1]
		if random.IntN(12) == 0 {
			head = heads[random.IntN(len(heads))]
		}
		var drafts []history.Draft
		for range 1 + random.IntN(3) {
			app, at := pick(apps), head.Sequence+uint64(len(drafts))
			switch random.IntN(9) {
			case 0:
				drafts = append(drafts, historytest.Decision(t, app, pick(gates), verdicts[random.IntN(3)]))
			case 1:
				drafts = append(drafts, historytest.Intent(t, app, pick(gates), pick(ids), 1+random.Uint64N(at+1)))
			case 2:
				drafts = append(drafts, historytest.Outcome(app, pick(ids), results[random.IntN(len(results))]))
			case 3:
				drafts = append(drafts, historytest.Abandoned(app, pick(ids)))
			case 4:
				verb, of := verbs[random.IntN(len(verbs))], ""
				if verb == history.VerbRelease || verb == history.VerbReview {
					of = pick(acts)
				}
				drafts = append(drafts, historytest.Act(app, pick(gates), pick(acts), verb, of))
			case 5:
				drafts = append(drafts, historytest.Denied(app, pick(gates)))
			case 6:
				drafts = append(drafts, historytest.Observed(app, pick(gates), time.Duration(at)*time.Minute))
			case 7:
				drafts = append(drafts, historytest.Health(app, 1+random.Uint64N(at+1), "Healthy"))
			default:
				id := fmt.Sprintf("d-%d", len(heads))
				drafts = append(drafts, historytest.Deployment(t, history.Head{Sequence: at}, app, pick(gates), id, results[random.IntN(len(results))])...)
			}
		}
		want, wantErr := model.Append(t.Context(), head, drafts...)
		got, err := store.Append(t.Context(), head, drafts...)
		for name, sentinel := range map[string]error{"conflict": history.ErrConflict, "invalid": history.ErrInvalid} {
			require.Equal(t, errors.Is(wantErr, sentinel), errors.Is(err, sentinel), "%v, %v", wantErr, err)
			if errors.Is(err, sentinel) {
				count[name]++
			}
		}
		require.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		require.Equal(t, want, got)
		if err == nil {
			heads = append(heads, got)
			count["written"]++
		}
		wantHead, wantThere, wantErr := history.Persisted(t.Context(), model, head, drafts...)
		gotHead, there, err := history.Persisted(t.Context(), store, head, drafts...)
		require.Equal(t, wantErr == nil, err == nil)
		require.Equal(t, wantThere, there)
		require.Equal(t, wantHead, gotHead)
	}
	t.Log(count)
	for _, what := range []string{"conflict", "invalid", "written"} {
		require.Positive(t, count[what], what)
	}
}

func compareReads(t *testing.T, model, store history.Reader) {
	t.Helper()
	same := func(read func(history.Reader) (any, error)) {
		t.Helper()
		want, err := read(model)
		require.NoError(t, err)
		got, err := read(store)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	ctx := t.Context()
	same(func(r history.Reader) (any, error) { return r.Head(ctx) })
	same(func(r history.Reader) (any, error) { return r.Entries(ctx, 0, 10_000) })
	same(func(r history.Reader) (any, error) { return r.OpenIntents(ctx) })
	same(func(r history.Reader) (any, error) { return r.Acts(ctx) })
	same(func(r history.Reader) (any, error) { return r.ActsAfter(ctx, 40) })
	same(func(r history.Reader) (any, error) { return history.Verify(ctx, r) })
	for _, s := range []history.Selection{
		{Kinds: history.Deployed()}, {Kinds: history.Deployed(), Application: "a", Newest: true, Skip: 3}, {Kinds: []history.Kind{history.KindAct, history.KindHealth}, From: 5, Before: 90},
		{Kinds: []history.Kind{history.KindIntent, history.KindObserved}, Named: "argocd/shop", Newest: true},
	} {
		same(func(r history.Reader) (any, error) { return r.Select(ctx, s, 20) })
		same(func(r history.Reader) (any, error) { return r.Count(ctx, s) })
	}
	for _, app := range []string{"a", "b", "c"} {
		same(func(r history.Reader) (any, error) { return r.OpenIntentsOf(ctx, app) })
		same(func(r history.Reader) (any, error) { return r.Outcomes(ctx, app, 7) })
		same(func(r history.Reader) (any, error) {
			found, err := r.Deployments(ctx, app, 7)
			return append([]history.Deployment{}, found...), err
		})
		same(func(r history.Reader) (any, error) {
			intent, outcome, found, err := r.LastDeployed(ctx, app)
			return []any{intent, outcome, found}, err
		})
		for _, gate := range []string{"prod", "test", ""} {
			same(func(r history.Reader) (any, error) {
				entry, found, err := r.LatestDecision(ctx, app, gate)
				return []any{entry, found}, err
			})
		}
	}
	for i := range 8 {
		same(func(r history.Reader) (any, error) { return r.Intent(ctx, fmt.Sprintf("i-%d", i)) })
	}
}
