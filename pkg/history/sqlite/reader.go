package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Reader is a record that can be read alone. It is safe for concurrent use.
type Reader struct {
	tables
	file *sqlitefile.File
	pool *prepared
}

func newReader(file *sqlitefile.File) Reader {
	pool := newPrepared(file.Read())
	return Reader{tables: tables{pool}, file: file, pool: pool}
}

// Close releases the record. Reads and appends that are under way fail.
func (r *Reader) Close() error {
	if err := errors.Join(r.pool.close(), r.file.Close()); err != nil {
		return fmt.Errorf("close the record: %w", err)
	}
	return nil
}

// maxBatch is after how many bytes of payload Entries returns early.
const maxBatch = 8 << 20

// columns are those of an entry, in the order that scan expects.
const columns = "sequence, previous, time, kind, application, intent, payload, digest"

// querier is a pool of connections or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tables reads the record's tables, inside a transaction or outside.
type tables struct{ db querier }

// Head implements history.Reader.
func (t tables) Head(ctx context.Context) (history.Head, error) {
	rows, err := t.db.QueryContext(ctx, "SELECT sequence, digest FROM entries ORDER BY sequence DESC LIMIT 1")
	if err != nil {
		return history.Head{}, fmt.Errorf("read the head: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Next has closed it unless Scan failed, and that error counts.
	var head history.Head
	for rows.Next() {
		if err := rows.Scan(&head.Sequence, &head.Digest); err != nil {
			return history.Head{}, fmt.Errorf("read the head: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return history.Head{}, fmt.Errorf("read the head: %w", err)
	}
	return head, nil
}

// Entries implements history.Reader.
func (t tables) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	entries, err := t.entries(ctx, maxBatch, inOrder, first(from), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read entries from %d on: %w", from, err)
	}
	return entries, nil
}

// EntriesFiled implements history.Filed.
func (t tables) EntriesFiled(ctx context.Context, from uint64, limit int) (entries []history.Entry, under []string, err error) {
	err = t.each(ctx, maxBatch, columns+", ifnull(filed, '')", inOrder, []any{first(from), max(limit, 0)}, func(rows *sql.Rows) (int, error) {
		var word string
		entry, err := scan(rows, &word)
		entries, under = append(entries, entry), append(under, word)
		return len(entry.Payload), err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read entries from %d on: %w", from, err)
	}
	return entries, under, nil
}

// inOrder is the condition of entries from a place on.
const inOrder = "WHERE sequence >= ? ORDER BY sequence LIMIT +?"

// first is the place. From 0 on means everything, so that Verify sees what somebody hid before
// the first entry.
func first(from uint64) int64 {
	if from == 0 {
		return math.MinInt64
	}
	return int64(min(from, math.MaxInt64))
}

// OpenIntents implements history.Reader.
func (t tables) OpenIntents(ctx context.Context) ([]history.Entry, error) {
	entries, err := t.entries(ctx, math.MaxInt, "JOIN (SELECT sequence AS opened FROM open_intents) ON sequence = opened ORDER BY opened")
	if err != nil {
		return nil, fmt.Errorf("read the open intents: %w", err)
	}
	return entries, nil
}

// OpenIntentsOf implements history.Reader. Every answer about a sync asks it, and of an IN SQLite
// makes a table in memory each time.
func (t tables) OpenIntentsOf(ctx context.Context, application string) ([]history.Entry, error) {
	entries, err := t.entries(ctx, math.MaxInt,
		"JOIN (SELECT sequence AS opened FROM open_intents WHERE application = ?) ON sequence = opened ORDER BY opened", application)
	if err != nil {
		return nil, fmt.Errorf("read the open intents of %s: %w", application, err)
	}
	return entries, nil
}

// Intent implements history.Reader. There are three entries at most, and SQLite would make a table
// in memory to put them in order.
func (t tables) Intent(ctx context.Context, id string) ([]history.Entry, error) {
	entries, err := t.entries(ctx, math.MaxInt, "WHERE intent = ? AND intent <> ''", id)
	if err != nil {
		return nil, fmt.Errorf("read intent %q: %w", id, err)
	}
	slices.SortFunc(entries, func(a, b history.Entry) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return entries, nil
}

// Decided implements history.Lookup.
func (t tables) Decided(ctx context.Context, sequence uint64) (history.Decided, bool, error) {
	return history.DecidedAt(ctx, t, sequence)
}

// LatestDecision implements history.Reader.
func (t tables) LatestDecision(ctx context.Context, application, gate string) (history.Entry, bool, error) {
	entries, err := t.entries(ctx, math.MaxInt, "WHERE kind = 'decision' AND application = ? AND filed = ? "+
		"ORDER BY sequence DESC LIMIT 1", application, gate)
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
	entries, err := t.entries(ctx, math.MaxInt, "WHERE kind <> 'decision' AND kind = 'outcome' AND application = ? ORDER BY sequence DESC LIMIT +?", application, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the outcomes for %s: %w", application, err)
	}
	return entries, nil
}

// LastDeployed implements history.Reader.
func (t tables) LastDeployed(ctx context.Context, application string) (history.IntentPayload, history.OutcomePayload, bool, error) {
	intent, outcome, found, err := t.lastDeployed(ctx, application)
	if err != nil {
		return history.IntentPayload{}, history.OutcomePayload{}, false, fmt.Errorf("read what was last deployed to %s: %w", application, err)
	}
	return intent, outcome, found, nil
}

func (t tables) lastDeployed(ctx context.Context, application string) (intent history.IntentPayload, outcome history.OutcomePayload, found bool, err error) {
	newest, err := t.deployments(ctx, application, 1)
	if err != nil || len(newest) == 0 {
		return intent, outcome, false, err
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

func (t tables) deployments(ctx context.Context, application string, limit int) ([]history.Deployment, error) {
	outcomes, err := t.entries(ctx, math.MaxInt, "WHERE kind = 'outcome' AND filed = 'succeeded' AND application = ? "+
		"ORDER BY sequence DESC LIMIT +?", application, max(limit, 0))
	if err != nil {
		return nil, err
	}
	found := make([]history.Deployment, 0, len(outcomes))
	for _, entry := range outcomes {
		d := history.Deployment{Sequence: entry.Sequence, Recorded: entry.Time}
		if d.Outcome, err = history.Decode[history.OutcomePayload](entry); err != nil {
			return nil, err
		}
		related, err := t.entries(ctx, math.MaxInt, "WHERE intent = ? AND intent <> '' AND kind = 'intent'", entry.Intent)
		if err != nil {
			return nil, err
		}
		if len(related) == 0 {
			return nil, fmt.Errorf("the intent %q is not on record", entry.Intent)
		}
		if d.Intent, err = history.Decode[history.IntentPayload](related[0]); err != nil {
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
	entries, err := t.entries(ctx, math.MaxInt, "WHERE kind = 'act' AND sequence > ? ORDER BY sequence", int64(min(sequence, math.MaxInt64)))
	if err != nil {
		return nil, fmt.Errorf("read the orders of people: %w", err)
	}
	return entries, nil
}

// entries runs one query for entries. It stops early, after at least one entry,
// once their payloads have reached the budget in bytes.
func (t tables) entries(ctx context.Context, budget int, where string, args ...any) (entries []history.Entry, err error) {
	err = t.each(ctx, budget, columns, where, args, func(rows *sql.Rows) (int, error) {
		entry, err := scan(rows)
		entries = append(entries, entry)
		return len(entry.Payload), err
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// each runs one query, and read for its rows, until that has read as many bytes as the budget.
func (t tables) each(ctx context.Context, budget int, columns, where string, args []any, read func(*sql.Rows) (int, error)) (err error) {
	rows, err := t.db.QueryContext(ctx, "SELECT "+columns+" FROM entries "+where, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for size := 0; size < budget && rows.Next(); {
		n, err := read(rows)
		if err != nil {
			return err
		}
		size += n
	}
	return rows.Err()
}

// scan reads the columns of an entry, and those after them into more.
func scan(rows *sql.Rows, more ...any) (history.Entry, error) {
	var (
		e       history.Entry
		at      int64
		payload []byte
	)
	err := rows.Scan(append([]any{&e.Sequence, (*string)(&e.Previous), &at, (*string)(&e.Kind), &e.Application, &e.Intent, &payload, (*string)(&e.Digest)}, more...)...)
	e.Time = time.Unix(0, at).UTC()
	if leaf, archived := history.StubLeaf(payload); archived {
		e.Leaf = leaf
		return e, err
	}
	e.Payload = payload
	return e, err
}
