package inbox

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Written returns what was written last to a pull request under a name: GitHub's
// ID of it, and an opaque digest of its content. False means that nothing was.
func (s *Store) Written(ctx context.Context, repository approval.RepositoryName, pull int, name string) (id int64, digest string, ok bool, err error) {
	ok, err = s.row(ctx, []any{&id, &digest}, "SELECT id, digest FROM written WHERE repository = $1 AND pull = $2 AND name = $3",
		strings.ToLower(string(repository)), pull, name)
	if err != nil {
		return 0, "", false, fmt.Errorf("read what was written to %s#%d: %w", repository, pull, err)
	}
	return id, digest, ok, nil
}

// SaveWritten keeps what was written to a pull request. The last word wins.
func (s *Store) SaveWritten(ctx context.Context, repository approval.RepositoryName, pull int, name string, id int64, digest string) error {
	if repository == "" || pull <= 0 || !validName(name) || id <= 0 {
		return fmt.Errorf("keep what was written to %s#%d: %w", repository, pull, ErrInvalid)
	}
	if _, err := s.exec(ctx, `INSERT INTO written (repository, pull, name, id, digest) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (repository, pull, name) DO UPDATE SET id = excluded.id, digest = excluded.digest`,
		strings.ToLower(string(repository)), pull, name, id, digest); err != nil {
		return fmt.Errorf("keep what was written to %s#%d: %w", repository, pull, err)
	}
	return nil
}

// EachWritten calls each with what was written last under a name to every pull request of
// a repository, in no order.
func (s *Store) EachWritten(ctx context.Context, repository approval.RepositoryName, name string, each func(pull int, id int64, digest string)) (err error) {
	err = s.each(ctx, func(rows *sql.Rows) error {
		var pull int
		var id int64
		var digest string
		if err := rows.Scan(&pull, &id, &digest); err != nil {
			return err
		}
		each(pull, id, digest)
		return nil
	}, "SELECT pull, id, digest FROM written WHERE repository = $1 AND name = $2", strings.ToLower(string(repository)), name)
	if err != nil {
		return fmt.Errorf("read what was written to %s: %w", repository, err)
	}
	return nil
}
