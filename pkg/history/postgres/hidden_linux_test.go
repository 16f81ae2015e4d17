package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
)

// TestHiddenEntries: the owner of the record, who has no key, leaves all entries as they are and
// changes by what they are found. Reports and decisions would go without some of them.
func TestHiddenEntries(t *testing.T) {
	t.Parallel()
	selected := func(t *testing.T, r *postgres.Reader) int {
		found, err := r.Select(t.Context(), history.Selection{From: 1, Kinds: []history.Kind{history.KindOutcome}}, 100)
		require.NoError(t, err)
		return len(found)
	}
	for _, test := range []struct {
		name       string
		statements []string
		// found counts what is found, of three.
		found func(t *testing.T, r *postgres.Reader) int
		says  string
	}{
		{
			"a policy for some queries", []string{
				"ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
				"CREATE POLICY partly ON entries USING (sequence <> 6 OR current_query() NOT LIKE '%kind IN%' AND current_query() NOT LIKE '%kind <>%')",
			}, selected, "the table entries has row level security",
		},
		{
			"a derived column says something else", []string{
				"ALTER TABLE entries ALTER COLUMN result DROP EXPRESSION", "ALTER TABLE entries DISABLE TRIGGER ALL",
				"UPDATE entries SET result = 'failed' WHERE sequence = 6", "ALTER TABLE entries ENABLE TRIGGER ALL",
			}, func(t *testing.T, r *postgres.Reader) int {
				found, err := r.Deployments(t.Context(), "a", 100)
				require.NoError(t, err)
				return len(found)
			}, "of the payload of entry 6",
		},
		{"a trigger is switched off", []string{"ALTER TABLE entries DISABLE TRIGGER entries_keep"}, nil, "the trigger entries_keep is switched off"},
		{"a trigger is gone", []string{"DROP TRIGGER entries_opened ON entries"}, nil, "the trigger entries_opened is gone"},
		{
			"another trigger", []string{
				"CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
				"CREATE TRIGGER forget BEFORE INSERT ON open_intents FOR EACH ROW EXECUTE FUNCTION forget()",
			}, nil, "the trigger forget is not one of Gatekeeper's",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := at(t)
			store := create(t, o)
			for i := range 3 {
				deploy(t, store, fmt.Sprintf("i-%d", i+1))
			}
			requireIntact(t, store)
			reads := role(t, o, "reads", "")
			sql(t, o, "GRANT USAGE ON SCHEMA "+o.Schema+" TO reads_"+o.Schema, "GRANT SELECT ON ALL TABLES IN SCHEMA "+o.Schema+" TO reads_"+o.Schema)
			sql(t, o, test.statements...)
			reader, err := postgres.Inspect(t.Context(), reads)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			if test.found != nil {
				require.Equal(t, 2, test.found(t, reader), "the attack does what it is about")
			}
			requireIntact(t, struct{ history.Reader }{reader}) // the entries alone
			report, err := history.Verify(t.Context(), reader)
			require.NoError(t, err)
			require.False(t, report.Intact())
			require.Equal(t, history.FaultIndex, report.Fault.Kind, report.Fault.Text)
			require.Contains(t, report.Fault.Text, test.says)
		})
	}
}
