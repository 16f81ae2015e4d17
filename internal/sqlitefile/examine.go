package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Examine says what somebody changed about the file that its rows do not show, in one line; the
// empty string says nothing. A definition may be another one than the migrations make, an index
// may lack a row or have one too much, and a value may be of a type that its column does not
// have: a query then does not find what a look at all rows does. It reads the whole file.
//
// See https://www.sqlite.org/pragma.html#pragma_integrity_check.
func (f *File) Examine(ctx context.Context, schema Schema) (string, error) {
	want, err := definitionsOf(ctx, schema)
	if err != nil {
		return "", err
	}
	got, err := definitions(ctx, f.read)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(names(want), names(got))))) {
		switch {
		case got[name] == want[name]:
		case want[name] == "":
			return name + " is not one of Gatekeeper's", nil
		case got[name] == "":
			return name + " is gone", nil
		default:
			return name + " is not as Gatekeeper makes it", nil
		}
	}
	var found string
	// It stops at the first thing that it finds.
	if err := f.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return "", fmt.Errorf("check the indexes: %w", err)
	}
	if found == "ok" {
		return "", nil
	}
	return strings.Join(strings.Fields(found), " "), nil
}

func names(of map[string]string) []string {
	var out []string
	for name := range of {
		out = append(out, name)
	}
	return out
}

// definitionsOf are those that the migrations make.
func definitionsOf(ctx context.Context, schema Schema) (found map[string]string, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("make an empty file: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	if err := migrate(ctx, db, schema); err != nil {
		return nil, err
	}
	return definitions(ctx, db)
}

// definitions are those of tables, indexes, triggers and views, but for what SQLite and goose
// note for themselves, by sort and name.
func definitions(ctx context.Context, db *sql.DB) (found map[string]string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT type || ' ' || name, tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema "+
		"WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') AND NOT (type = 'table' AND name = 'goose_db_version')")
	if err != nil {
		return nil, fmt.Errorf("read the definitions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found = map[string]string{}
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			return nil, fmt.Errorf("read the definitions: %w", err)
		}
		found[name] += definition // a second one of the name is not as it was made
	}
	return found, rows.Err()
}
