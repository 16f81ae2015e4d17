package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// planned is a connection that explains each query before it runs it.
type planned struct {
	db   *sql.DB
	plan []string
}

func (p *planned) QueryContext(ctx context.Context, query string, args ...any) (_ *sql.Rows, err error) {
	rows, err := p.db.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		p.plan = append(p.plan, step)
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	return p.db.QueryContext(ctx, query, args...)
}

// TestPlans: each read finds what it wants by an index that leads there, without looking at
// other entries and without sorting. An index is found by the words of its condition, so a query
// that says the same in other words would read the whole record.
func TestPlans(t *testing.T) {
	t.Parallel()
	store, err := Create(t.Context(), filepath.Join(t.TempDir(), "record.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	selected := func(s history.Selection) func(tables) error {
		return func(q tables) error {
			if _, err := q.Select(t.Context(), s, 10); err != nil {
				return err
			}
			_, err := q.Count(t.Context(), s)
			return err
		}
	}
	kinds := func(k ...history.Kind) history.Selection { return history.Selection{Kinds: k} }
	policies, operations, named := kinds(history.KindPolicy), kinds(history.KindOutcome, history.KindObserved), kinds(history.KindIntent, history.KindObserved)
	policies.From, operations.Application, operations.Newest, named.Named = 7, "a", true, "argocd/a"
	for name, test := range map[string]struct {
		read func(tables) error
		want []string
	}{
		"head":    {func(q tables) error { _, err := q.Head(t.Context()); return err }, []string{"SCAN entries"}}, // from its end, and one
		"entries": {func(q tables) error { _, err := q.Entries(t.Context(), 7, 10); return err }, []string{"SEARCH entries USING INTEGER PRIMARY KEY (rowid>?)"}},
		"entries, filed": {
			func(q tables) error { _, _, err := q.EntriesFiled(t.Context(), 7, 10); return err },
			[]string{"SEARCH entries USING INTEGER PRIMARY KEY (rowid>?)"},
		},
		"intent": { // at most three entries, which are sorted here
			func(q tables) error { _, err := q.Intent(t.Context(), "i"); return err },
			[]string{"SEARCH entries USING INDEX entries_intent (intent=?)"},
		},
		"open intents": {
			func(q tables) error { _, err := q.OpenIntents(t.Context()); return err },
			[]string{"SCAN open_intents", "SEARCH entries USING INTEGER PRIMARY KEY (rowid=?)"},
		},
		"open intents of one": {
			func(q tables) error { _, err := q.OpenIntentsOf(t.Context(), "a"); return err },
			[]string{"SEARCH open_intents USING COVERING INDEX open_intents_application (application=?)", "SEARCH entries USING INTEGER PRIMARY KEY (rowid=?)"},
		},
		"latest decision": {
			func(q tables) error { _, _, err := q.LatestDecision(t.Context(), "a", "g"); return err },
			[]string{"SEARCH entries USING INDEX entries_decision (application=? AND filed=?)"},
		},
		"outcomes": {
			func(q tables) error { _, err := q.Outcomes(t.Context(), "a", 10); return err },
			[]string{"SEARCH entries USING INDEX entries_selection (application=? AND kind=?)"},
		},
		"deployments": {
			func(q tables) error { _, err := q.Deployments(t.Context(), "a", 10); return err },
			[]string{"SEARCH entries USING INDEX entries_deployed (application=?)"},
		},
		"acts":     {func(q tables) error { _, err := q.ActsAfter(t.Context(), 3); return err }, []string{"SEARCH entries USING INDEX entries_act (sequence>?)"}},
		"policies": {selected(policies), []string{"SEARCH entries USING INDEX entries_small (sequence>?)", "SEARCH entries USING INDEX entries_small (sequence>?)"}},
		"archives": {
			selected(kinds(history.KindArchived)),
			[]string{"SCAN entries USING INDEX entries_archived", "SCAN entries USING COVERING INDEX entries_archived"},
		},
		"operations": {
			selected(operations),
			[]string{"SEARCH entries USING INDEX entries_operation (application=?)", "SEARCH entries USING COVERING INDEX entries_selection (application=? AND kind=?)"},
		},
		"named": {selected(named), []string{"SEARCH entries USING INDEX entries_named (filed=?)", "SEARCH entries USING INDEX entries_named (filed=?)"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &planned{db: store.file.Read()}
			require.NoError(t, test.read(tables{p}))
			require.Equal(t, test.want, p.plan)
		})
	}
}
