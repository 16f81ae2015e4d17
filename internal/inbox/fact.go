package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of what only saves calls: pushes, accounts and facts.
const (
	// KeepFor is how long it is kept at least, unless there is more than KeepRows.
	KeepFor = 180 * 24 * time.Hour
	// KeepRows is how many rows are kept of each of the three.
	KeepRows = 100_000
	// maxFact bounds a fact, in bytes.
	maxFact = 256 << 10
)

// Fact is what was kept under a name: something that GitHub said and that cannot
// change any more. False means that nothing was.
func (s *Store) Fact(ctx context.Context, repositoryID int64, kind, name string) ([]byte, bool, error) {
	var value []byte
	found, err := s.row(ctx, []any{&value}, "SELECT value FROM facts WHERE repository = $1 AND kind = $2 AND name = $3", repositoryID, kind, name)
	if err != nil {
		return nil, false, fmt.Errorf("read %s %s of repository %d: %w", kind, name, repositoryID, err)
	}
	return value, found, nil
}

// SaveFact keeps a fact. The last word wins.
func (s *Store) SaveFact(ctx context.Context, repositoryID int64, kind, name string, value []byte) error {
	if repositoryID <= 0 || !validName(kind) || !validName(name) || len(value) == 0 || len(value) > maxFact {
		return fmt.Errorf("keep %.40q %.40q of repository %d: %w", kind, name, repositoryID, ErrInvalid)
	}
	if _, err := s.exec(ctx, `INSERT INTO facts (repository, kind, name, value, kept) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (repository, kind, name) DO UPDATE SET value = excluded.value, kept = excluded.kept`,
		repositoryID, kind, name, value, time.Now().UnixNano()); err != nil {
		return fmt.Errorf("keep %s %s of repository %d: %w", kind, name, repositoryID, err)
	}
	return nil
}

// Trim forgets the pushes, accounts and facts that were kept before a time, and the
// oldest beyond a number of rows of each, and says how many. Whatever is forgotten
// GitHub is asked for again.
func (s *Store) Trim(ctx context.Context, before time.Time, rows int) (int, error) {
	if !validTime(before) || rows < 0 {
		return 0, fmt.Errorf("forget what was kept before %s: %w", before.Format(time.RFC3339), ErrInvalid)
	}
	forgotten := int64(0)
	for _, table := range []string{"pushes", "accounts", "facts"} {
		old, err := s.exec(ctx, "DELETE FROM "+table+" WHERE kept < $1", before.UnixNano())
		// What shares its moment with the last row that may stay goes too, so that
		// the bound holds.
		more, also := s.exec(ctx, "DELETE FROM "+table+" WHERE kept <= (SELECT kept FROM "+table+" ORDER BY kept DESC LIMIT 1 OFFSET $1)", rows)
		if err = errors.Join(err, also); err != nil {
			return 0, fmt.Errorf("forget old %s: %w", table, err)
		}
		forgotten += old + more
	}
	return int(forgotten), nil
}
