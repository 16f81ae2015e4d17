package inbox

import (
	"context"
	"errors"
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
	rows, err := s.file.Read().QueryContext(ctx, "SELECT repository, pull FROM written WHERE name = ? AND digest = ? ORDER BY repository, pull", owedName, owed)
	if err != nil {
		return nil, fmt.Errorf("read which pull requests are to be told: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all = map[approval.RepositoryName][]int{}
	for rows.Next() {
		var repository approval.RepositoryName
		var pull int
		if err := rows.Scan(&repository, &pull); err != nil {
			return nil, fmt.Errorf("read which pull requests are to be told: %w", err)
		}
		all[repository] = append(all[repository], pull)
	}
	return all, rows.Err()
}
