package inbox_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// server is the cluster of all tests that do not hurt it.
type server struct {
	postgrestest.Shared

	mu   sync.Mutex
	idle []postgresdb.Options
}

var shared server

func TestMain(m *testing.M) {
	if task := os.Getenv(competeFor); task != "" {
		if err := compete(task); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	shared.Main(m)
}

func kinds() []kind { return []kind{inFile(), inPostgres()} }

func inPostgres() kind {
	return kind{"postgres", func(t testing.TB) func(context.Context) (*inbox.Store, error) {
		o := schema(t)
		return func(ctx context.Context) (*inbox.Store, error) {
			s, err := inbox.OpenPostgres(ctx, o)
			if err != nil {
				return nil, err
			}
			return s.Store, nil
		}
	}}
}

// schema is one of the shared cluster that no other test uses meanwhile, with an empty inbox.
func schema(t testing.TB) postgresdb.Options {
	t.Helper()
	shared.Need(t)
	o, used := shared.take()
	if !used {
		dsn, name := shared.Schema(t, "inbox")
		o = postgresdb.Options{DSN: dsn, Schema: name, Connections: 4}
		shared.SQL(t, "postgres", "CREATE SCHEMA "+o.Schema)
		require.NoError(t, inbox.MigratePostgres(t.Context(), o, ""))
	}
	t.Cleanup(func() {
		if !t.Failed() {
			shared.giveBack(o)
		}
	})
	if used {
		statements := "SET search_path = " + o.Schema + "; UPDATE leadership SET term = 0, leader = '', since = 0, vouched = 0;"
		for table := range strings.SplitSeq(inbox.Tables, ", ") {
			statements += "DELETE FROM " + table + ";"
		}
		shared.SQL(t, "postgres", statements)
	}
	return o
}

// take is a schema that another test has used.
func (s *server) take() (postgresdb.Options, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return postgresdb.Options{}, false
	}
	o := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	return o, true
}

func (s *server) giveBack(o postgresdb.Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, o)
}

// schemaOn is a schema of a cluster.
func schemaOn(c *postgrestest.Cluster, name string) postgresdb.Options {
	return postgresdb.Options{DSN: c.DSN(postgrestest.Superuser, "postgres"), Schema: name, Connections: 4}
}

// proxied is a connection string through a proxy.
func proxied(p *postgrestest.Proxy) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", p.Port(), postgrestest.Superuser)
}

// together opens an inbox in PostgreSQL until the test ends.
func together(t testing.TB, o postgresdb.Options) *inbox.Shared {
	t.Helper()
	s, err := inbox.OpenPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}
