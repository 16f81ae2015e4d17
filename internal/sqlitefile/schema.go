package sqlitefile

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// SQLite's file header, https://www.sqlite.org/fileformat.html section 1.3: the
// magic string at 0, the application ID as a big-endian integer at 68.
const (
	headerSize          = 100
	headerMagic         = "SQLite format 3\x00"
	headerApplicationID = 68
)

// check refuses the ID that every database has which nobody gave one.
func (s Schema) check() error {
	if s.ApplicationID == 0 {
		return errors.New("the schema has no application ID")
	}
	return nil
}

// identify reads the header without SQLite, which could write to the file.
func identify(path string, schema Schema) error {
	if err := schema.check(); err != nil {
		return fmt.Errorf("identify %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return fmt.Errorf("identify %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: %w", path, ErrForeign)
	}
	file, err := os.Open(path) //nolint:gosec // The operator's own path, from the configuration.
	if err != nil {
		return fmt.Errorf("identify %s: %w", path, err)
	}
	header := make([]byte, headerSize)
	_, err = io.ReadFull(file, header)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("too short for a database: %w", ErrForeign)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("identify %s: %w", path, err)
	}
	if string(header[:len(headerMagic)]) != headerMagic {
		return fmt.Errorf("%s is not a SQLite database: %w", path, ErrForeign)
	}
	if id := binary.BigEndian.Uint32(header[headerApplicationID:]); id != uint32(schema.ApplicationID) { //nolint:gosec // The same 32 bits.
		return fmt.Errorf("%s is a SQLite database with application ID %#x, not %#x: %w", path, id, schema.ApplicationID, ErrForeign)
	}
	return nil
}

// migrate brings the database to the newest version the schema knows.
func migrate(ctx context.Context, db *sql.DB, schema Schema) error {
	provider, err := newProvider(db, schema)
	if err != nil {
		return err
	}
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if current > target {
		return fmt.Errorf("schema version %d, this version of Gatekeeper knows %d: %w", current, target, ErrNewer)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// versions reads the version of the database and of the schema and writes
// nothing.
func versions(ctx context.Context, db *sql.DB, schema Schema) (current, target int64, err error) {
	provider, err := newProvider(db, schema)
	if err != nil {
		return 0, 0, err
	}
	for _, source := range provider.ListSources() {
		target = max(target, source.Version)
	}
	row := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename+" WHERE is_applied") //nolint:gosec // a constant of goose
	if err := row.Scan(&current); err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	return current, target, nil
}

func newProvider(db *sql.DB, schema Schema) (*goose.Provider, error) {
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, schema.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("load the migrations: %w", err)
	}
	return provider, nil
}
