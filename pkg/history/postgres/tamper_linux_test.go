package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
)

// TestVerifyFindsTampering changes the database as its owner could.
func TestVerifyFindsTampering(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, statement string
		kind            history.FaultKind
		sequence        uint64
	}{
		{"payload", `UPDATE entries SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"succeeded"', '"failed"'), 'UTF8') WHERE sequence = 6`, history.FaultChanged, 6},
		{"white space in a payload", `UPDATE entries SET payload = payload || ' ' WHERE sequence = 4`, history.FaultChanged, 4},
		{"time", "UPDATE entries SET time = time + 1 WHERE sequence = 2", history.FaultChanged, 2},
		{"application", "UPDATE entries SET application = 'b' WHERE sequence = 1", history.FaultChanged, 1},
		{"kind", "UPDATE entries SET kind = 'outcome', intent = 'x' WHERE sequence = 1", history.FaultChanged, 1},
		{"intent", "UPDATE entries SET intent = 'other' WHERE sequence = 9", history.FaultChanged, 9},
		{"previous", "UPDATE entries SET previous = digest WHERE sequence = 5", history.FaultChanged, 5},
		{"digest", "UPDATE entries SET digest = previous WHERE sequence = 5", history.FaultChanged, 5},
		{"first dropped", "DELETE FROM entries WHERE sequence = 1", history.FaultDropped, 1},
		{"middle dropped", "DELETE FROM entries WHERE sequence IN (4, 5)", history.FaultDropped, 4},
		{"dropped and closed up", "DELETE FROM entries WHERE sequence = 4; UPDATE entries SET sequence = 1000 + sequence WHERE sequence > 4; UPDATE entries SET sequence = sequence - 1001 WHERE sequence > 1000", history.FaultDropped, 4},
		{"put before the first", "ALTER TABLE entries DROP CONSTRAINT entries_sequence_check; INSERT INTO entries (sequence, previous, time, kind, application, intent, payload, digest) SELECT 0, '', time, kind, application, '', payload, digest FROM entries WHERE sequence = 1", history.FaultInserted, 1},
		{"end dropped", "DELETE FROM entries WHERE sequence > 7", history.FaultTruncated, 8},
		{"all dropped", "TRUNCATE entries", history.FaultTruncated, 1},
		{"swapped", "UPDATE entries SET sequence = 99 WHERE sequence = 3; UPDATE entries SET sequence = 3 WHERE sequence = 7; UPDATE entries SET sequence = 7 WHERE sequence = 99", history.FaultReordered, 3},
		{"open intent hidden", "DELETE FROM open_intents", history.FaultIndex, 11},
		{"open intent invented", "INSERT INTO open_intents VALUES (2, 'i-1', 'app')", history.FaultIndex, 2},
		{"open intent misfiled", "UPDATE open_intents SET application = 'another'", history.FaultIndex, 11},
		{"intent reopened", "UPDATE open_intents SET sequence = 2", history.FaultIndex, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := at(t)
			store := create(t, o)
			for i := range 3 {
				deploy(t, store, fmt.Sprintf("i-%d", i+1))
			}
			head := appendOpen(t, store)
			requireIntact(t, store, head)
			sql(t, o, append([]string{"ALTER TABLE entries DISABLE TRIGGER ALL", "DROP INDEX entries_intent"}, strings.Split(test.statement, "; ")...)...)

			reader, err := postgres.Inspect(t.Context(), o)
			require.NoError(t, err)
			defer func() { require.NoError(t, reader.Close()) }()
			report, err := history.Verify(t.Context(), reader, head)
			require.NoError(t, err)
			require.False(t, report.Intact())
			require.NotNil(t, report.Fault)
			require.Equal(t, test.kind, report.Fault.Kind, report.Fault.Text)
			require.Equal(t, test.sequence, report.Fault.Sequence, report.Fault.Text)
		})
	}
}
