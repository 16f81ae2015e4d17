package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Backup writes a copy of the record to a new file, as it is at one moment, and verifies
// the copy. It works while another process appends, which does not wait for it. The copy
// is a record that Open and Inspect take. It fails when there is anything at the path,
// and leaves nothing there when it fails.
func (r *Reader) Backup(ctx context.Context, path string) (report history.Report, err error) {
	// SQLite takes an empty file and gives another one the mode of the process.
	empty, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return history.Report{}, fmt.Errorf("back up the record: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := empty.Close(); err != nil {
		return history.Report{}, fmt.Errorf("back up the record: %w", err)
	}
	if err := r.copyTo(ctx, path); err != nil {
		return history.Report{}, fmt.Errorf("back up the record: %w", err)
	}
	if err := durable(path); err != nil {
		return history.Report{}, fmt.Errorf("back up the record: %w", err)
	}
	return checkCopy(ctx, path)
}

// copyTo runs VACUUM INTO, which reads in one transaction.
func (r *Reader) copyTo(ctx context.Context, path string) error {
	conn, err := r.file.Read().Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// The connection has lost its guard, so the pool is not to use it again.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // which closes it
	}()
	// The guard refuses to write the copy as well. The file of the record was opened for
	// reading alone, so that it still cannot be written.
	if _, err := conn.ExecContext(ctx, "PRAGMA query_only(0)"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// checkCopy verifies the copy like every record.
func checkCopy(ctx context.Context, path string) (report history.Report, err error) {
	copied, err := Inspect(ctx, path)
	if err != nil {
		return history.Report{}, fmt.Errorf("verify the backup: %w", err)
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	if report, err = history.Verify(ctx, copied); err != nil {
		return history.Report{}, fmt.Errorf("verify the backup: %w", err)
	}
	return report, nil
}

// durable makes a new file survive the end of the machine.
func durable(path string) error {
	for _, name := range []string{path, filepath.Dir(path)} {
		file, err := os.Open(name) //nolint:gosec // the operator names the file
		if err != nil {
			return err
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}
