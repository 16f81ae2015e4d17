package postgres

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
)

// OpenWith is Open as a version with other migrations does it.
func OpenWith(ctx context.Context, o Options, files fs.FS) (*Store, error) {
	return openWith(ctx, o, files)
}

// MigrateWith is Migrate as a version with other migrations does it.
func MigrateWith(ctx context.Context, o Options, ownerDSN string, files fs.FS) error {
	return migrateWith(ctx, o, ownerDSN, files)
}

// Later is what a later version has: one migration more.
func Later() (fstest.MapFS, error) {
	files := fstest.MapFS{"99999_later.sql": {Data: []byte("-- +goose Up\nCREATE TABLE later (id bigint);\n")}}
	own, err := migrations()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(own, "*.sql")
	for _, name := range names {
		if data, failed := fs.ReadFile(own, name); failed != nil {
			err = failed
		} else {
			files[name] = &fstest.MapFile{Data: data}
		}
	}
	return files, err
}

// Setting asks a connection of the reader for a setting.
func Setting(t testing.TB, r *Reader, name string) string {
	t.Helper()
	var value string
	if err := r.pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
