package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Select implements history.Reader.
func (t tables) Select(ctx context.Context, s history.Selection, limit int) ([]history.Entry, error) {
	where, args, err := selected(s)
	if err != nil {
		return nil, fmt.Errorf("select entries: %w", err)
	}
	entries, err := t.page(ctx, where, s.Newest, s.Skip, limit, args...)
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
	err = t.each(ctx, func() error { return nil }, []any{&n}, "SELECT count(*) FROM entries WHERE "+where, args...)
	if err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// selected is the condition of a selection. The kinds are written out, so that PostgreSQL
// finds the partial indexes.
func selected(s history.Selection) (where string, args []any, err error) {
	if err := s.Check(); err != nil {
		return "", nil, err
	}
	var kinds []string
	for _, kind := range []history.Kind{
		history.KindIntent, history.KindOutcome, history.KindAbandoned, history.KindAct, history.KindDenied, history.KindHealth, history.KindObserved, history.KindArchived, history.KindPolicy,
	} {
		if slices.Contains(s.Kinds, kind) {
			kinds = append(kinds, "'"+string(kind)+"'")
		}
	}
	if len(kinds) == 0 {
		return "", nil, fmt.Errorf("the kinds %q: %w", s.Kinds, history.ErrInvalid)
	}
	where = "kind <> 'decision' AND kind IN (" + strings.Join(kinds, ", ") + ")"
	and := func(condition string, value any) {
		args = append(args, value)
		where += " AND " + condition + " $" + strconv.Itoa(len(args))
	}
	if s.Application != "" {
		and("application =", s.Application)
	}
	if s.Named != "" {
		and("kind IN ('intent', 'observed') AND named =", s.Named)
	}
	if s.From > 0 {
		and("sequence >=", int64(min(s.From, math.MaxInt64)))
	}
	if s.Before > 0 {
		and("sequence <", int64(min(s.Before, math.MaxInt64)))
	}
	return where, args, nil
}

// page reads the entries of a condition in order, or from the newest on: at most limit,
// and of those the ones whose predecessors on the page have not reached the budget, so at
// least the first one. The server measures payloads without reading them.
func (t tables) page(ctx context.Context, where string, newest bool, skip, limit int, args ...any) ([]history.Entry, error) {
	order := "sequence ASC"
	if newest {
		order = "sequence DESC"
	}
	n := len(args)
	placed := fmt.Sprintf("ORDER BY %s LIMIT $%d OFFSET $%d", order, n+1, n+2)
	return t.entries(ctx, "SELECT "+columns+" FROM (SELECT "+columns+
		", sum(octet_length(payload)) OVER (ORDER BY "+order+") - octet_length(payload) AS before "+
		"FROM (SELECT "+columns+" FROM entries WHERE "+where+" "+placed+") page) measured "+
		"WHERE before < $"+strconv.Itoa(n+3)+" ORDER BY "+order, append(args, int64(max(limit, 0)), int64(skip), int64(maxBatch))...)
}
