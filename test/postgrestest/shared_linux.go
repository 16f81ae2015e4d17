package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// Shared is the cluster of all tests of a package that do not hurt it. Schema is safe for
// concurrent use.
type Shared struct {
	*Cluster
	// absent says why there is none.
	absent  error
	schemas atomic.Int64
}

// Main is TestMain: it starts the cluster, runs the tests, stops the cluster and ends the
// process. Without PostgreSQL the tests that ask for a schema are skipped, or fail where
// CI=true.
func (s *Shared) Main(m *testing.M) {
	s.Cluster, s.absent = New(context.Background())
	code := m.Run()
	if s.absent == nil {
		if err := s.Close(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Need skips or fails a test when there is no cluster.
func (s *Shared) Need(t testing.TB) {
	t.Helper()
	Absent(t, s.absent)
	if s.absent != nil {
		t.Fatal(s.absent)
	}
}

// Schema is the connection string of the superuser, and the name of a schema that nothing
// else uses and that is not there yet.
func (s *Shared) Schema(t testing.TB, prefix string) (dsn, name string) {
	t.Helper()
	s.Need(t)
	return s.DSN(Superuser, "postgres"), fmt.Sprintf("%s_%d", prefix, s.schemas.Add(1))
}
