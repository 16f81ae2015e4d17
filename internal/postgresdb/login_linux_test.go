package postgresdb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/test/postgrestest"
)

// file is what a file with a connection string holds.
type file struct {
	mu   sync.Mutex
	text string
	err  error
}

func (f *file) read() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text, f.err
}

func (f *file) write(text string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.err = text, err
}

// lines are those of a log.
type lines struct {
	t    *testing.T
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(line)
	return l.t.Output().Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// rotating is a server on which a role logs in with a password, which is in a file.
type rotating struct {
	*postgrestest.Cluster
	t     *testing.T
	file  *file
	log   *lines
	login *postgresdb.Login
	o     postgresdb.Options
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	c := postgrestest.Start(t, "listen_addresses=127.0.0.1")
	c.SQL(t, "postgres", `CREATE ROLE keeper LOGIN PASSWORD 'first-secret'; CREATE ROLE stranger LOGIN PASSWORD 'strange-secret'; CREATE ROLE heir LOGIN PASSWORD 'heir-secret' IN ROLE keeper;
		CREATE SCHEMA gatekeeper AUTHORIZATION keeper; CREATE TABLE gatekeeper.words (word text); ALTER TABLE gatekeeper.words OWNER TO keeper;
		CREATE DATABASE other`)
	r := &rotating{Cluster: c, t: t, file: &file{}, log: &lines{t: t}}
	r.login = postgresdb.NewLogin(r.file.read, slog.New(slog.NewTextHandler(r.log, nil)))
	r.o = postgresdb.Options{DSN: r.dsn("keeper", "first-secret"), Login: r.login, Timeout: 20 * time.Second}
	r.file.write(r.o.DSN, nil)
	return r
}

func (r *rotating) dsn(role, password string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres", role, password, r.Port)
}

func (r *rotating) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := postgresdb.Open(r.o, postgresdb.ToWrite)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// cut ends all connections, so that the next ones are new.
func (r *rotating) cut() {
	r.t.Helper()
	r.SQL(r.t, "postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename <> 'postgres'")
}

// works awaits an answer over a connection that is there or new. One that was cut fails first.
func (r *rotating) works(db *sql.DB) (role string) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		require.NoError(c, db.QueryRowContext(r.t.Context(), "SELECT current_user FROM (SELECT count(*) FROM words) AS w").Scan(&role))
	}, patience, 50*time.Millisecond)
	return role
}

// TestRotation: the password is changed, the file is written, connections end, and all goes
// on: the pool, and who listens.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRotating(t)
	db := r.open(t)
	require.Equal(t, "keeper", r.works(db))
	heard := make(chan string, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- postgresdb.Listen(ctx, r.o, slog.New(slog.NewTextHandler(r.log, nil)), func(what string) {
			select {
			case heard <- what:
			default:
			}
		})
	}()
	hears := func(word string) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			r.SQL(t, "postgres", "SELECT pg_notify('gatekeeper', 'gatekeeper "+word+"')")
			got := ""
			for len(heard) > 0 && got != word {
				got = <-heard
			}
			require.Equal(c, word, got)
		}, patience, 100*time.Millisecond)
	}
	hears("before")

	// Who is connected stays connected.
	held, err := db.Conn(t.Context())
	require.NoError(t, err)
	r.SQL(t, "postgres", "ALTER ROLE keeper PASSWORD 'second-secret'")
	r.file.write(r.dsn("keeper", "second-secret"), nil)
	require.NoError(t, held.PingContext(t.Context()))
	another, err := db.Conn(t.Context()) // a new one, beside it
	require.NoError(t, err)
	require.NoError(t, another.PingContext(t.Context()))
	require.NoError(t, errors.Join(held.PingContext(t.Context()), held.Close(), another.Close()))
	require.Contains(t, r.log.String(), "record_login_changed")

	r.cut()
	require.Equal(t, "keeper", r.works(db))
	hears("after")

	// Another role that may the same.
	r.file.write(r.dsn("heir", "heir-secret"), nil)
	r.cut()
	require.Equal(t, "heir", r.works(db))
	require.NotContains(t, r.log.String(), "record_login_rejected")
	stop()
	require.NoError(t, <-ended)
	require.NotContains(t, r.log.String(), "secret")
}

// TestBadRotation: what is no better than what is in force is said, and not taken over.
func TestBadRotation(t *testing.T) {
	t.Parallel()
	r := newRotating(t)
	db := r.open(t)
	require.Equal(t, "keeper", r.works(db))
	for name, bad := range map[string]struct {
		text string
		err  error
		says string
	}{
		"not readable":     {"", errors.New("no such file"), "no such file"},
		"empty":            {" ", nil, "is empty"},
		"no string":        {"postgres://keeper:sec/ret@x:y/d", nil, "cannot be read"},
		"cut short":        {r.dsn("keeper", "first-secret")[:20], nil, ""},
		"wrong password":   {r.dsn("keeper", "wrong-secret"), nil, "password authentication failed"},
		"no such role":     {r.dsn("nobody", "wrong-secret"), nil, "password authentication failed"},
		"without rights":   {r.dsn("stranger", "strange-secret"), nil, "the role stranger lacks rights"},
		"another database": {strings.Replace(r.dsn("keeper", "first-secret"), "/postgres", "/other", 1), nil, "needs a restart"},
		"another server":   {"host=127.0.0.1 port=1 user=keeper dbname=postgres", nil, "needs a restart"},
		"not private":      {"postgres://keeper:first-secret@db.example.org/postgres", nil, "sslmode=verify-full"},
	} {
		before := len(r.log.String())
		r.file.write(bad.text, bad.err)
		r.cut()
		require.Equal(t, "keeper", r.works(db), name)
		said := r.log.String()[before:]
		require.Contains(t, said, "record_login_rejected", name)
		require.Contains(t, said, bad.says, name)
		if bad.err == nil {
			require.ErrorContains(t, r.login.Take(t.Context(), bad.text), bad.says, name)
		}
		r.cut()
		require.Equal(t, "keeper", r.works(db), name)
		require.Equal(t, 1, strings.Count(r.log.String()[before:], "record_login_rejected"), "%s: it is said once", name)
	}
	require.ErrorIs(t, r.login.Take(t.Context(), "host=127.0.0.1 port=1 user=keeper dbname=postgres"), postgresdb.ErrElsewhere)

	// What was refused counts as soon as it is right.
	r.SQL(t, "postgres", "ALTER ROLE keeper PASSWORD 'wrong-secret'")
	require.NoError(t, r.login.Take(t.Context(), r.dsn("keeper", "wrong-secret")))
	r.file.write(r.dsn("keeper", "wrong-secret"), nil)
	r.cut()
	require.Equal(t, "keeper", r.works(db))
	require.NotContains(t, r.log.String(), "secret")
}

// TestTakenBeforeAnybodyConnects: there is nothing to compare it with.
func TestTakenBeforeAnybodyConnects(t *testing.T) {
	t.Parallel()
	require.NoError(t, postgresdb.NewLogin(func() (string, error) { return "", nil }, slog.New(slog.DiscardHandler)).Take(t.Context(), "x"))
}

const patience = time.Minute
