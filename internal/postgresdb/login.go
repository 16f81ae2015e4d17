package postgresdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrElsewhere says that a connection string is not for the same server and database.
// Another database has another record, and one process must not write to both.
var ErrElsewhere = errors.New("it names another server or another database, which needs a restart")

const (
	// proveAgain is how long a login that the server refused is not tried again.
	proveAgain = 2 * time.Second
	// complainAgain is how often the same mistake is said.
	complainAgain = time.Minute
	// mostHidden bounds how many secrets are remembered to be taken out of errors.
	mostHidden = 32
)

// Login is who a running process connects as, which may change meanwhile: the connection
// string is read anew for each new connection. Another role, password or certificate is taken
// over once a connection with it has worked; until then the one before stays, and it is said
// why. Connections that are there are left alone. Several pools may share one. It is safe for
// concurrent use.
type Login struct {
	read func() (string, error)
	log  *slog.Logger
	// turn has one token: whoever has it looks at a new login.
	turn chan struct{}

	mu      sync.Mutex
	options Options // of whoever configured first
	why     Purpose
	now     *pgx.ConnConfig
	refused refusedLogin
	hidden  []string
	said    string
	saidAt  time.Time
}

type refusedLogin struct {
	key string
	at  time.Time
	err error
}

// NewLogin makes a Login. The function reads the connection string, from its file.
func NewLogin(read func() (string, error), log *slog.Logger) *Login {
	l := &Login{read: read, log: log, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// key tells logins apart.
func key(c *pgx.ConnConfig) string { return c.User + "\x00" + c.Password }

// begin takes the login of the first connection string as it is: it is proven by what follows.
func (l *Login) begin(o Options, why Purpose, config *pgxpool.Config, hide ...string) {
	l.hide(hide...)
	l.mu.Lock()
	if l.now == nil {
		l.options, l.why, l.now = o, why, config.ConnConfig
	}
	l.mu.Unlock()
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		l.enter(ctx, c)
		return nil
	}
}

// enter has a connection that is about to be made use the login of now.
func (l *Login) enter(ctx context.Context, c *pgx.ConnConfig) {
	text, err := l.read()
	if err != nil {
		l.complain(ctx, err.Error(), fmt.Errorf("read the connection string: %w", err))
	} else if err := l.take(ctx, text, false); err != nil {
		l.complain(ctx, text, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.User, c.Password, c.TLSConfig, c.Fallbacks = l.now.User, l.now.Password, l.now.TLSConfig, l.now.Fallbacks
}

// Take takes a connection string over, for all connections from now on, or says why not. The
// error wraps ErrElsewhere if it is for another database, and has no secret in it.
func (l *Login) Take(ctx context.Context, dsn string) error {
	if err := l.take(ctx, dsn, true); err != nil {
		return fmt.Errorf("the connection string of the record: %w; the one before stays in force", err)
	}
	return nil
}

// take is Take. What was refused a moment ago is not tried again unless it has to be.
func (l *Login) take(ctx context.Context, dsn string, again bool) (err error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	o, why, now, refused := l.options, l.why, l.now, l.refused
	l.mu.Unlock()
	if now == nil {
		return nil // nobody has connected yet
	}
	o.DSN, o.Login = dsn, nil
	config, hide, err := Configure(o, why)
	if err != nil {
		return err
	}
	l.hide(hide.values...)
	next := config.ConnConfig
	switch {
	case !slices.Equal(servers(now), servers(next)) || now.Database != next.Database:
		return ErrElsewhere
	case key(next) == key(now):
		l.keep(next) // its certificates may be new
		return nil
	case key(next) == refused.key && !again && time.Since(refused.at) < proveAgain:
		return refused.err
	}
	if err := hide.Clean(prove(ctx, o, why, next)); err != nil {
		if ctx.Err() == nil {
			l.mu.Lock()
			l.refused = refusedLogin{key(next), time.Now(), err}
			l.mu.Unlock()
		}
		return err
	}
	l.keep(next)
	l.log.LogAttrs(ctx, slog.LevelInfo, "record_login_changed", slog.String("role", next.User), slog.String("schema", o.Schema))
	return nil
}

func (l *Login) keep(next *pgx.ConnConfig) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.refused, l.said = next, refusedLogin{}, ""
}

// servers are the addresses that a connection is tried with.
func servers(c *pgx.ConnConfig) []string {
	all := []string{c.Host + " " + strconv.Itoa(int(c.Port))}
	for _, f := range c.Fallbacks {
		if address := f.Host + " " + strconv.Itoa(int(f.Port)); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// prove connects with a login, and ends that connection. It takes half of the time that there
// is, so that the login before can be used if it fails.
func prove(ctx context.Context, o Options, why Purpose, config *pgx.ConnConfig) (err error) {
	most := o.Timeout / 2
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("it does not work: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
		defer cancel()
		_ = conn.Close(closing) // It is not used.
	}()
	if err := Examine(ctx, conn, why); err != nil {
		return err
	}
	// Of each table there is something to read, and of some something to write.
	var read, write bool
	err = conn.QueryRow(ctx, "SELECT coalesce(bool_and(pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')), true), "+
		"coalesce(bool_or(pg_catalog.has_table_privilege(c.oid, 'INSERT')), true) "+
		"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')", o.Schema).
		Scan(&read, &write)
	switch {
	case err != nil:
		return fmt.Errorf("look at the rights of the role %s: %w", config.User, err)
	case !read || why == ToWrite && !write:
		return fmt.Errorf("the role %s lacks rights on the tables of the schema %s: %w; make it a member of the role before, "+
			"or give it its rights: gatekeeper ledger migrate --config FILE --owner-dsn-file FILE", config.User, o.Schema, ErrUnsuitable)
	}
	return nil
}

// complain says why the login before stays in force, not at each connection. What tells a
// mistake from another one is not printed.
func (l *Login) complain(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return // nobody waits any more
	}
	l.mu.Lock()
	again := l.said == what && time.Since(l.saidAt) < complainAgain
	if !again {
		l.said, l.saidAt = what, time.Now()
	}
	l.mu.Unlock()
	if !again {
		l.log.LogAttrs(ctx, slog.LevelError, "record_login_rejected", slog.String("error", Secret{login: l}.Clean(err).Error()),
			slog.String("remedy", "mend the file of record.postgres.dsnFile; until then new connections are made with the login before"))
	}
}

func (l *Login) hide(values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, value := range values {
		if !slices.Contains(l.hidden, value) {
			l.hidden = append(l.hidden, value)
		}
	}
	if more := len(l.hidden) - mostHidden; more > 0 {
		l.hidden = slices.Delete(l.hidden, 0, more)
	}
}

// secrets are those of now and of before.
func (l *Login) secrets() []string {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hidden)
}

// Connect makes one connection, as a pool of that configuration does.
func Connect(ctx context.Context, config *pgxpool.Config) (*pgx.Conn, error) {
	c := config.ConnConfig.Copy()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, c); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, c)
}
