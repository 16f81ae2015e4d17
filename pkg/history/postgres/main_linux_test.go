package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/postgres"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// shared is the cluster of all tests that do not hurt it.
var shared postgrestest.Shared

func TestMain(m *testing.M) {
	if record := os.Getenv(competeFor); record != "" {
		if err := compete(record); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	shared.Main(m)
}

// at is a schema of the shared cluster that no other test uses.
func at(t testing.TB) postgres.Options {
	t.Helper()
	dsn, name := shared.Schema(t, "record")
	return postgres.Options{DSN: dsn, Schema: name}
}

// create makes a record that is closed when the test ends.
func create(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Create(t.Context(), o, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// open opens a record until the test ends.
func open(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// deploy appends one deployment to a record.
func deploy(t testing.TB, store *postgres.Store, id string) history.Head {
	t.Helper()
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	head, err = store.Append(t.Context(), head, historytest.Deployment(t, head, "a", "prod", id, history.ResultSucceeded)...)
	require.NoError(t, err)
	return head
}

func requireIntact(t testing.TB, reader history.Reader, known ...history.Head) history.Report {
	t.Helper()
	report, err := history.Verify(t.Context(), reader, known...)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	return report
}

// sql runs statements in a record's schema, as the superuser.
func sql(t testing.TB, o postgres.Options, statements ...string) string {
	t.Helper()
	return shared.SQL(t, "postgres", "SET search_path = "+o.Schema+";\n"+strings.Join(statements, ";\n")+";")
}

func TestConformance(t *testing.T) {
	t.Parallel()
	historytest.Exercise(t, func(t *testing.T) func(*testing.T) historytest.Record {
		o := at(t)
		store, err := postgres.Create(t.Context(), o, "")
		require.NoError(t, err)
		require.NoError(t, store.Close())
		return func(t *testing.T) historytest.Record {
			store, err := postgres.Open(t.Context(), o)
			require.NoError(t, err)
			return store
		}
	})
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second
