package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Reader is a record that can be read alone. It is safe for concurrent use.
type Reader struct {
	tables
	pool    *pgxpool.Pool
	fence   *fence
	hide    postgresdb.Secret
	timeout time.Duration
	schema  string
}

// Close ends all connections, once the reads and appends that are under way have ended.
func (r *Reader) Close() error {
	r.pool.Close()
	return nil
}

// maxBatch is after how many bytes of payload Entries and Select return early.
const maxBatch = 8 << 20

// columns are those of an entry, in the order that scan expects.
const columns = "sequence, previous, time, kind, application, intent, payload, digest"

// querier is a pool of connections or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// tables reads the record's tables, inside a transaction or outside.
type tables struct {
	db      querier
	timeout time.Duration
	hide    postgresdb.Secret
}

// Head implements history.Reader.
func (t tables) Head(ctx context.Context) (history.Head, error) {
	var head history.Head
	var sequence int64
	err := t.each(ctx, func() error {
		var err error
		head.Sequence, err = place(sequence)
		return err
	}, []any{&sequence, (*string)(&head.Digest)}, "SELECT sequence, digest FROM entries ORDER BY sequence DESC LIMIT 1")
	if err != nil {
		return history.Head{}, fmt.Errorf("read the head: %w", err)
	}
	return head, nil
}

// Entries implements history.Reader.
func (t tables) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	// From 0 on means everything, so that Verify sees what somebody hid before
	// the first entry.
	first := int64(math.MinInt64)
	if from > 0 {
		first = int64(min(from, math.MaxInt64))
	}
	entries, err := t.page(ctx, "sequence >= $1", false, 0, limit, first)
	if err != nil {
		return nil, fmt.Errorf("read entries from %d on: %w", from, err)
	}
	return entries, nil
}

// OpenIntents implements history.Reader.
func (t tables) OpenIntents(ctx context.Context) ([]history.Entry, error) {
	entries, err := t.where(ctx, "sequence IN (SELECT sequence FROM open_intents) ORDER BY sequence")
	if err != nil {
		return nil, fmt.Errorf("read the open intents: %w", err)
	}
	return entries, nil
}

// OpenIntentsOf implements history.Reader.
func (t tables) OpenIntentsOf(ctx context.Context, application string) ([]history.Entry, error) {
	entries, err := t.where(ctx, "sequence IN (SELECT sequence FROM open_intents WHERE application = $1) ORDER BY sequence", application)
	if err != nil {
		return nil, fmt.Errorf("read the open intents of %s: %w", application, err)
	}
	return entries, nil
}

// Intent implements history.Reader.
func (t tables) Intent(ctx context.Context, id string) ([]history.Entry, error) {
	entries, err := t.where(ctx, "intent = $1 AND intent <> '' ORDER BY sequence", id)
	if err != nil {
		return nil, fmt.Errorf("read intent %q: %w", id, err)
	}
	return entries, nil
}

// Decided implements history.Lookup.
func (t tables) Decided(ctx context.Context, sequence uint64) (history.Decided, bool, error) {
	return history.DecidedAt(ctx, t, sequence)
}

// LatestDecision implements history.Reader.
func (t tables) LatestDecision(ctx context.Context, application, gate string) (history.Entry, bool, error) {
	entries, err := t.where(ctx, "kind = 'decision' AND application = $1 AND gate = $2 ORDER BY sequence DESC LIMIT 1", application, gate)
	if err != nil {
		return history.Entry{}, false, fmt.Errorf("read the latest decision of gate %q about %s: %w", gate, application, err)
	}
	if len(entries) == 0 {
		return history.Entry{}, false, nil
	}
	return entries[0], true, nil
}

// Outcomes implements history.Reader.
func (t tables) Outcomes(ctx context.Context, application string, limit int) ([]history.Entry, error) {
	entries, err := t.where(ctx, "kind = 'outcome' AND application = $1 ORDER BY sequence DESC LIMIT $2", application, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the outcomes for %s: %w", application, err)
	}
	return entries, nil
}

// LastDeployed implements history.Reader.
func (t tables) LastDeployed(ctx context.Context, application string) (history.IntentPayload, history.OutcomePayload, bool, error) {
	newest, err := t.deployments(ctx, application, 1)
	if err != nil {
		return history.IntentPayload{}, history.OutcomePayload{}, false, fmt.Errorf("read what was last deployed to %s: %w", application, err)
	}
	if len(newest) == 0 {
		return history.IntentPayload{}, history.OutcomePayload{}, false, nil
	}
	return newest[0].Intent, newest[0].Outcome, true, nil
}

// Deployments implements history.Reader.
func (t tables) Deployments(ctx context.Context, application string, limit int) ([]history.Deployment, error) {
	found, err := t.deployments(ctx, application, limit)
	if err != nil {
		return nil, fmt.Errorf("read what was deployed to %s: %w", application, err)
	}
	return found, nil
}

// deployments reads the outcomes and then their intents, which are on record for good.
func (t tables) deployments(ctx context.Context, application string, limit int) ([]history.Deployment, error) {
	outcomes, err := t.where(ctx, "kind = 'outcome' AND result = 'succeeded' AND application = $1 ORDER BY sequence DESC LIMIT $2", application, max(limit, 0))
	if err != nil || len(outcomes) == 0 {
		return nil, err
	}
	ids := make([]string, 0, len(outcomes))
	for _, outcome := range outcomes {
		ids = append(ids, outcome.Intent)
	}
	intents, err := t.where(ctx, "intent = ANY ($1::text[]) AND intent <> '' AND kind = 'intent'", ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]history.Entry, len(intents))
	for _, intent := range intents {
		byID[intent.Intent] = intent
	}
	found := make([]history.Deployment, 0, len(outcomes))
	for _, entry := range outcomes {
		d := history.Deployment{Sequence: entry.Sequence, Recorded: entry.Time}
		if d.Outcome, err = history.Decode[history.OutcomePayload](entry); err != nil {
			return nil, err
		}
		intent, ok := byID[entry.Intent]
		if !ok {
			return nil, fmt.Errorf("the intent %q is not on record", entry.Intent)
		}
		if d.Intent, err = history.Decode[history.IntentPayload](intent); err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// Acts implements history.Reader.
func (t tables) Acts(ctx context.Context) ([]history.Entry, error) { return t.ActsAfter(ctx, 0) }

// ActsAfter implements history.Reader.
func (t tables) ActsAfter(ctx context.Context, sequence uint64) ([]history.Entry, error) {
	entries, err := t.where(ctx, "kind = 'act' AND sequence > $1 ORDER BY sequence", int64(min(sequence, math.MaxInt64)))
	if err != nil {
		return nil, fmt.Errorf("read the orders of people: %w", err)
	}
	return entries, nil
}

func (t tables) where(ctx context.Context, condition string, args ...any) ([]history.Entry, error) {
	return t.entries(ctx, "SELECT "+columns+" FROM entries WHERE "+condition, args...)
}

// entries runs one query for entries.
func (t tables) entries(ctx context.Context, query string, args ...any) (entries []history.Entry, err error) {
	var (
		e            history.Entry
		sequence, at int64
		payload      []byte
	)
	into := []any{&sequence, (*string)(&e.Previous), &at, (*string)(&e.Kind), &e.Application, &e.Intent, &payload, (*string)(&e.Digest)}
	err = t.each(ctx, func() error {
		if e.Sequence, err = place(sequence); err != nil {
			return err
		}
		e.Time, e.Payload, e.Leaf = time.Unix(0, at).UTC(), payload, ""
		if leaf, archived := history.StubLeaf(payload); archived {
			e.Payload, e.Leaf = nil, leaf
		}
		entries = append(entries, e)
		return nil
	}, into, query, args...)
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// each runs a query within the time for one and calls take for each row, after it was
// read into the variables.
func (t tables) each(ctx context.Context, take func() error, into []any, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	rows, err := t.db.Query(ctx, query, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, take)
	}
	return t.hide.Clean(err)
}

var errPlace = errors.New("an entry before the first")

func place(sequence int64) (uint64, error) {
	if sequence < 0 {
		return 0, fmt.Errorf("entry %d: %w", sequence, errPlace)
	}
	return uint64(sequence), nil
}
