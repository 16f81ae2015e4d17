package inbox

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

//go:embed migrations/postgres/*.sql
var postgresMigrations embed.FS

// versionTable says which migrations were applied. It is not that of the record, which has
// versions of its own in the same schema.
const versionTable = "inbox_db_version"

// Errors of an inbox in PostgreSQL that callers tell apart.
var (
	// ErrMissing says that there is no inbox in the schema.
	ErrMissing = errors.New("there is no inbox")
	// ErrOlder says that the inbox has to be migrated first.
	ErrOlder = errors.New("the inbox was written by an older version of Gatekeeper and has not been migrated yet")
	// ErrNewer says that a newer version of Gatekeeper has migrated the inbox.
	ErrNewer = errors.New("the inbox was written by a newer version of Gatekeeper")
)

// tables are what the role that works with an inbox may read and change, all of it.
const tables = "deliveries, reviews, heads, merges, written, soaks, first_digests, pushes, accounts, facts, asked, " +
	"comment_approvals, comment_withdrawals, judged, news, judgements"

// longestIndexed is after how many bytes PostgreSQL might not take a name into an index: a
// row of one has 2704 bytes (BTMaxItemSize).
const longestIndexed = 1024

// MigratePostgres makes the inbox in a schema that is there, or brings it to this version,
// and gives the role of the options its rights on it. It is done as the owner, who is that
// role if the owner's connection string is empty.
func MigratePostgres(ctx context.Context, o postgresdb.Options, ownerDSN string) error {
	files, err := fs.Sub(postgresMigrations, "migrations/postgres")
	if err != nil {
		return fmt.Errorf("load the migrations: %w", err)
	}
	err = postgresdb.ChangeAs(ctx, o, ownerDSN, func(w postgresdb.Owner, worker string) error {
		var newer bool
		target, err := postgresdb.Newest(files)
		if err == nil {
			err = w.Conn.QueryRow(ctx, "SELECT to_regclass('"+versionTable+"') IS NOT NULL").Scan(&newer)
		}
		if err == nil && newer {
			err = w.Conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) > $1 FROM "+versionTable+" WHERE is_applied", target).Scan(&newer)
		}
		switch {
		case err != nil:
			return fmt.Errorf("read the schema version: %w", err)
		case newer:
			return ErrNewer
		}
		if err := w.Migrate(ctx, files, versionTable); err != nil {
			return err
		}
		return w.Grant(ctx, worker, "SELECT, INSERT, UPDATE, DELETE ON "+tables, "SELECT, UPDATE ON leadership", "SELECT ON "+versionTable)
	})
	if err != nil {
		return fmt.Errorf("migrate the inbox: %w", err)
	}
	return nil
}

// OpenPostgres opens the inbox in PostgreSQL. It never makes one, and never migrates one.
func OpenPostgres(ctx context.Context, o postgresdb.Options) (*Shared, error) {
	s, err := connectPostgres(ctx, o, postgresdb.ToWrite)
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	return &Shared{Store: s, options: o}, nil
}

// InspectPostgres opens the inbox in PostgreSQL for reading alone, on a standby as well.
func InspectPostgres(ctx context.Context, o postgresdb.Options) (*Witness, error) {
	s, err := connectPostgres(ctx, o, postgresdb.ToInspect)
	if err != nil {
		return nil, fmt.Errorf("open the inbox: %w", err)
	}
	return &Witness{s}, nil
}

func connectPostgres(ctx context.Context, o postgresdb.Options, why postgresdb.Purpose) (*Store, error) {
	o.Message = MaxBody + 1<<20 // a row with the largest body, and then some
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(postgresMigrations, "migrations/postgres")
	if err != nil {
		return nil, fmt.Errorf("load the migrations: %w", err)
	}
	db, err := postgresdb.Open(o, why)
	if err != nil {
		return nil, err
	}
	s := &Store{database{db, db, db.Close, dialect{
		timeout: o.Timeout,
		serial:  "SELECT pg_catalog.pg_advisory_xact_lock(" + strconv.FormatInt(postgresdb.Key("inbox", o.Schema), 10) + ")",
		// The server measures bodies without reading them: a client that ends early would be
		// sent the rest.
		pending: `SELECT guid, event, received, body FROM (
				SELECT guid, event, received, body, sum(octet_length(body)) OVER (ORDER BY received, guid) - octet_length(body) AS before
				FROM (
					SELECT guid, event, received, body FROM deliveries
					WHERE state = 'pending' AND guid NOT IN (SELECT json_array_elements_text(CAST($2 AS json)))
					ORDER BY received, guid LIMIT $1
				) AS page
			) AS measured WHERE before < ` + strconv.Itoa(maxBatch) + ` ORDER BY received, guid`,
		among:    "sha IN (SELECT json_array_elements_text(CAST($2 AS json)))",
		longName: longestIndexed,
	}}}
	if err := s.checkVersion(ctx, files); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// PostgreSQL's error codes, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	undefinedTable        = "42P01"
	insufficientPrivilege = "42501"
)

// checkVersion is nil when the inbox has the version that this program knows.
func (s *Store) checkVersion(ctx context.Context, files fs.FS) error {
	target, err := postgresdb.Newest(files)
	if err != nil {
		return err
	}
	var current int64
	_, err = s.row(ctx, []any{&current}, "SELECT coalesce(max(version_id), 0) FROM "+versionTable+" WHERE is_applied")
	var answer *pgconn.PgError
	advice := "; as the record's owner, run: gatekeeper ledger migrate --config FILE --owner-dsn-file FILE"
	switch {
	case errors.As(err, &answer) && answer.Code == undefinedTable:
		return fmt.Errorf("%w%s", ErrMissing, advice)
	case errors.As(err, &answer) && answer.Code == insufficientPrivilege:
		return fmt.Errorf("%w%s, which gives the role its rights", err, advice)
	case err != nil:
		return fmt.Errorf("read the schema version: %w", err)
	case current > target:
		return fmt.Errorf("schema version %d, this version of Gatekeeper knows %d: %w", current, target, ErrNewer)
	case current < target:
		return fmt.Errorf("schema version %d, this version of Gatekeeper needs %d: %w%s", current, target, ErrOlder, advice)
	}
	var unlogged sql.NullString
	_, err = s.row(ctx, []any{&unlogged}, "SELECT min(c.relname::text) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "+
		"WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relpersistence <> 'p'")
	switch {
	case err != nil:
		return fmt.Errorf("look at the tables: %w", err)
	case unlogged.Valid:
		return fmt.Errorf("the table %s is not logged, and is emptied after a crash: %w", unlogged.String, postgresdb.ErrUnsuitable)
	}
	return nil
}
