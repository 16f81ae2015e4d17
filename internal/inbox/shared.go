package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
)

// Shared is an inbox that several processes have open: one in PostgreSQL. What it has
// besides those of a Store are the means by which a leader tells the others what it thinks.
// It is safe for concurrent use.
type Shared struct {
	*Store
	options postgresdb.Options
}

// Change says what was written into the schema of an inbox, by whichever process.
type Change string

// Changes.
const (
	// ChangeAnything says that anything may have been written: nobody told for a while.
	ChangeAnything Change = postgresdb.Anything
	// ChangeDelivery is a delivery that is to be processed.
	ChangeDelivery Change = "delivery"
	// ChangeAsked is something that somebody asks for.
	ChangeAsked Change = "asked"
	// ChangeJudgement is a judgement that is new or forgotten.
	ChangeJudgement Change = "judgement"
	// ChangeRecord is an entry of the record, see pkg/history/postgres.
	ChangeRecord Change = postgresdb.RecordAppended
)

// Listen calls changed for what this process and others write, a moment after it was
// written, until the context ends, which is no error. Nothing is missed for longer than
// postgresdb.PollEvery: while the connection is lost, changed is called with ChangeAnything
// that often, and so it is once there is a new one. It is called by one goroutine and must
// not block. Several changes may be told once.
func (s *Shared) Listen(ctx context.Context, log *slog.Logger, changed func(Change)) error {
	if err := postgresdb.Listen(ctx, s.options, log, func(what string) { changed(Change(what)) }); err != nil {
		return fmt.Errorf("listen for what others write: %w", err)
	}
	return nil
}

// Term is the number of a process's time as the leader.
type Term int64

// ErrDeposed says that another process leads since.
var ErrDeposed = errors.New("another process leads since")

// Leadership is who leads.
type Leadership struct {
	// Term is 0 as long as nobody ever led.
	Term Term
	// Leader is what it calls itself.
	Leader string
	// Since is when it began, by its own clock.
	Since time.Time
	// Vouched is as Vouch has it; the zero time before that.
	Vouched time.Time
}

// Lead makes this process the leader, and deposes whoever was before: what that one writes
// about Applications from now on fails with ErrDeposed, even if it does not know yet. Who
// is to lead is decided elsewhere.
func (s *Shared) Lead(ctx context.Context, leader string) (term Term, err error) {
	if !validName(leader) {
		return 0, fmt.Errorf("lead as %.40q: %w", leader, ErrInvalid)
	}
	err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "UPDATE leadership SET term = term + 1, leader = $1, since = $2, vouched = 0 RETURNING term",
			leader, time.Now().UnixNano()).Scan(&term)
	})
	if err != nil {
		return 0, fmt.Errorf("lead: %w", err)
	}
	return term, nil
}

// Leadership says who leads.
func (s *Shared) Leadership(ctx context.Context) (l Leadership, err error) {
	var since, vouched int64
	found, err := s.row(ctx, []any{&l.Term, &l.Leader, &since, &vouched}, "SELECT term, leader, since, vouched FROM leadership")
	if err == nil && !found {
		err = errors.New("the table leadership is empty")
	}
	if err != nil {
		return Leadership{}, fmt.Errorf("read who leads: %w", err)
	}
	if since != 0 {
		l.Since = time.Unix(0, since).UTC()
	}
	if vouched != 0 {
		l.Vouched = time.Unix(0, vouched).UTC()
	}
	return l, nil
}

// besides and changes are how a transaction of the leader holds its term: beside others of
// its own, or as the one that changes it.
const (
	besides = "FOR SHARE"
	changes = "FOR NO KEY UPDATE"
)

// leading runs a transaction of the leader. Whoever would depose it waits until that has
// ended.
func (s *Shared) leading(ctx context.Context, term Term, lock string, do func(context.Context, *sql.Tx) error) error {
	return s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, "SELECT 1 FROM leadership WHERE term = $1 "+lock, int64(term)).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("term %d has ended: %w", term, ErrDeposed)
		}
		if err != nil {
			return err
		}
		return do(ctx, tx)
	})
}

// tell wakes those who listen, once the transaction is committed.
func (s *Shared) tell(ctx context.Context, tx *sql.Tx, what Change) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_catalog.pg_notify($1, $2)", postgresdb.Channel, s.options.Schema+" "+string(what))
	return err
}
