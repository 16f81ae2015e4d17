package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Select implements history.Reader.
func (t tables) Select(ctx context.Context, s history.Selection, limit int) ([]history.Entry, error) {
	where, args, err := selected(s)
	if err != nil {
		return nil, fmt.Errorf("select entries: %w", err)
	}
	order := "ASC"
	if s.Newest {
		order = "DESC"
	}
	entries, err := t.entries(ctx, maxBatch, where+" ORDER BY sequence "+order+" LIMIT +? OFFSET ?", append(args, max(limit, 0), s.Skip)...)
	if err != nil {
		return nil, fmt.Errorf("select entries: %w", err)
	}
	return entries, nil
}

// Count implements history.Reader.
func (t tables) Count(ctx context.Context, s history.Selection) (n int, err error) {
	where, args, err := selected(s)
	if err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	rows, err := t.db.QueryContext(ctx, "SELECT count(*) FROM entries "+where, args...)
	if err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	for rows.Next() {
		if scanned := rows.Scan(&n); scanned != nil {
			return 0, errors.Join(fmt.Errorf("count entries: %w", scanned), rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// selected is the condition of a selection. The kinds are written out, so that SQLite
// finds the partial index: the two of completed operations have one of their own.
func selected(s history.Selection) (where string, args []any, err error) {
	if err := s.Check(); err != nil {
		return "", nil, err
	}
	var kinds []string
	for _, kind := range []history.Kind{ // in the order of the indexes' conditions
		history.KindIntent, history.KindOutcome, history.KindAbandoned, history.KindAct, history.KindDenied, history.KindHealth, history.KindObserved, history.KindArchived, history.KindPolicy,
	} {
		if slices.Contains(s.Kinds, kind) {
			kinds = append(kinds, "'"+string(kind)+"'")
		}
	}
	if len(kinds) == 0 {
		return "", nil, fmt.Errorf("the kinds %q: %w", s.Kinds, history.ErrInvalid)
	}
	where = "WHERE kind <> 'decision' AND kind IN (" + strings.Join(kinds, ", ") + ")"
	if len(kinds) == 1 {
		where = "WHERE kind <> 'decision' AND kind = " + kinds[0] // as an index of that kind alone has it
	}
	if s.Application != "" {
		where, args = where+" AND application = ?", append(args, s.Application)
	}
	if s.Named != "" {
		// Written as in the index, which is for both kinds together.
		where, args = where+" AND kind IN ('intent', 'observed') AND filed = ?", append(args, s.Named)
	}
	if s.From > 0 {
		where, args = where+" AND sequence >= ?", append(args, int64(min(s.From, math.MaxInt64)))
	}
	if s.Before > 0 {
		where, args = where+" AND sequence < ?", append(args, int64(min(s.Before, math.MaxInt64)))
	}
	return where, args, nil
}
