package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// ownedRecord is a record in PostgreSQL that a role of its own owns, beside another
// database of that role. The files are the configuration, the owner's connection string and
// the public key of checkpoints.
type ownedRecord struct {
	cluster                   *postgrestest.Cluster
	file, data, owner, public string
}

func newOwnedRecord(t *testing.T) (r ownedRecord) {
	t.Helper()
	r.cluster = postgrestest.Start(t)
	r.cluster.SQL(t, "postgres", "CREATE ROLE keeper LOGIN; CREATE ROLE gatekeeper LOGIN; CREATE DATABASE records OWNER keeper; CREATE DATABASE others OWNER keeper;")
	r.file, r.data = configure(t)
	dir := filepath.Dir(r.file)
	require.NoError(t, os.Mkdir(r.data, 0o700))
	base, err := os.ReadFile(r.file)
	require.NoError(t, err)
	save(t, dir, "dsn", r.cluster.DSN("gatekeeper", "records"))
	r.owner = save(t, dir, "owner", r.cluster.DSN("keeper", "records"))
	r.public = save(t, dir, "key.pub", must(t, "ledger", "key", "--name", "gatekeeper.test/record", "--out", filepath.Join(dir, "key")))
	save(t, dir, "gatekeeper.yaml", string(base)+"checkpoints:\n  keyFile: key\nrecord:\n  postgres:\n    dsnFile: dsn\n")
	must(t, "ledger", "init", "--config", r.file, "--owner-dsn-file", r.owner)
	return r
}

// TestLedgerArchiveInPostgres goes the way of TestLedgerArchive with a record in PostgreSQL
// that a role of its own owns.
func TestLedgerArchiveInPostgres(t *testing.T) {
	r := newOwnedRecord(t)
	archiving(t, r.file, r.data, r.public, "--owner-dsn-file", r.owner)
}

// TestLedgerArchiveIsTheOwners: nobody but the role that owns the record archives, and it
// only the record of the configuration, and alone.
func TestLedgerArchiveIsTheOwners(t *testing.T) {
	r := newOwnedRecord(t)
	file, dir, owner := r.file, filepath.Dir(r.file), r.owner
	other := save(t, dir, "other", r.cluster.DSN("keeper", "others"))
	recordOld(t, file, 70)
	to := filepath.Join(dir, "some.archive")
	archive := func(more ...string) []string {
		return append([]string{"ledger", "archive", "--before", "2020-01-06", "--to", to, "--by", "alice", "--config", file}, more...)
	}
	require.Contains(t, fails(t, exitFailed, archive("--owner-dsn-file", other)...), "ledger init")
	cfg, err := config.Load(file)
	require.NoError(t, err)
	record, err := openRecord(t.Context(), cfg, nil)
	require.NoError(t, err)
	held, err := holdRecord(t.Context(), record, true, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Contains(t, fails(t, exitFailed, archive("--owner-dsn-file", owner)...), "another process works on the record")
	require.NoError(t, errors.Join(held.release(), record.Close()))
	require.NoFileExists(t, to)
	said := fails(t, exitFailed, archive()...)
	require.Contains(t, said, "permission denied")
	require.Contains(t, said, "some.archive can be deleted")
	require.Contains(t, must(t, "ledger", "verify", "--config", file), "intact: 210 entries")
	require.Equal(t, "nothing is archived\n", must(t, "ledger", "archives", "--config", file))
	require.NoError(t, os.Remove(to))
	// Another record, which somebody names by mistake.
	save(t, dir, "dsn", r.cluster.DSN("keeper", "others"))
	must(t, "ledger", "init", "--config", file)
	require.Contains(t, fails(t, exitFailed, archive("--owner-dsn-file", owner)...), "name the same database in both")
	require.NoFileExists(t, to)
	save(t, dir, "dsn", r.cluster.DSN("gatekeeper", "records"))
	require.Contains(t, must(t, archive("--owner-dsn-file", owner)...), "archived 15 of the entries 1 to 15")
	require.Contains(t, must(t, "ledger", "verify", "--config", file), "intact: 211 entries")
}

// selecting answers what is archived.
type selecting struct {
	history.Reader
	found []history.Entry
	err   error
}

func (s selecting) Select(_ context.Context, q history.Selection, _ int) ([]history.Entry, error) {
	if s.err != nil || q.From > 0 {
		return nil, s.err
	}
	return s.found, nil
}

// TestAfterwards: what an archiving that failed says depends on what became of it.
func TestAfterwards(t *testing.T) {
	t.Parallel()
	lost := errors.New("the connection was lost")
	_, err := afterwards(t.Context(), selecting{err: errors.New("nobody answers")}, "sha256:x", "a.archive", lost)
	require.ErrorContains(t, err, "keep a.archive")
	require.NotContains(t, err.Error(), "can be deleted")
	_, err = afterwards(t.Context(), selecting{}, "sha256:x", "a.archive", lost)
	require.ErrorIs(t, err, lost)
	require.ErrorContains(t, err, "a.archive can be deleted")
	gone, stop := context.WithCancel(t.Context())
	stop()
	digest := history.LeafOf([]byte("file"))
	entries, err := history.Seal(history.Head{Sequence: 3, Digest: digest}, history.Draft{Time: measuredAt(), Payload: history.ArchivedPayload{
		From: 1, To: 2, Root: "r", Stubs: digest, File: digest, Before: measuredAt(), Person: history.Person{Name: "alice", Via: history.ViaConsole}, Reason: "r",
	}})
	require.NoError(t, err)
	head, err := afterwards(gone, selecting{found: entries}, digest, "a.archive", lost)
	require.NoError(t, err)
	require.Equal(t, entries[0].Head(), head)
}
