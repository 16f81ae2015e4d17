package sqlitefile

import (
	"context"
	"errors"
	"fmt"
)

// pragmas are the settings of connections that write.
func (s Schema) pragmas() []string {
	if s.LogPages == 0 {
		return nil
	}
	return []string{fmt.Sprintf("wal_autocheckpoint(%d)", s.LogPages)}
}

// errReadOnly is for files that were opened by Inspect.
var errReadOnly = errors.New("the file is open for reading alone")

// Checkpoint moves what is in the write-ahead log into the database, so that no commit has
// to: it neither waits for commits and readers nor makes them wait (SQLite's PASSIVE,
// https://www.sqlite.org/c3ref/wal_checkpoint_v2.html). It returns how many pages are left
// in the log: those that came meanwhile, and those that a reader still needs.
func (f *File) Checkpoint(ctx context.Context) (left int, err error) {
	if f.moves == nil {
		return 0, errReadOnly
	}
	var busy, logged, moved int
	if err := f.moves.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &logged, &moved); err != nil {
		return 0, fmt.Errorf("move the write-ahead log into the database: %w", err)
	}
	return logged - moved, nil
}
