package inbox

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// What is owed is kept beside what was written, under this name.
const (
	owedName = "owed"
	owed     = "owed"
	paid     = "paid"
)

// Owe keeps that a pull request is to be told something.
func (s *Store) Owe(ctx context.Context, repository approval.RepositoryName, pull int) error {
	return s.SaveWritten(ctx, repository, pull, owedName, 1, owed)
}

// Paid keeps that it was told.
func (s *Store) Paid(ctx context.Context, repository approval.RepositoryName, pull int) error {
	return s.SaveWritten(ctx, repository, pull, owedName, 1, paid)
}

// Owed are the pull requests that are still to be told, by repositories with names in
// lower case.
func (s *Store) Owed(ctx context.Context) (all map[approval.RepositoryName][]int, err error) {
	all = map[approval.RepositoryName][]int{}
	err = s.each(ctx, func(rows *sql.Rows) error {
		var repository approval.RepositoryName
		var pull int
		err := rows.Scan(&repository, &pull)
		all[repository] = append(all[repository], pull)
		return err
	}, "SELECT repository, pull FROM written WHERE name = $1 AND digest = $2 ORDER BY repository, pull", owedName, owed)
	if err != nil {
		return nil, fmt.Errorf("read which pull requests are to be told: %w", err)
	}
	return all, nil
}
