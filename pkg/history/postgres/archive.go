package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/internal/postgresdb"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Archive appends the entry that says what is archived, and removes the payloads of its
// range but for those that are kept: all of it, or nothing. The store must have been opened
// by the role that owns the record, since the one that appends may change nothing. It is for
// the caller to have the archive on disk, and to have verified it, and to hold the record
// alone (Hold).
//
// The errors are those of Append, and history.ErrNotArchived. After another error it may be
// done all the same, if the answer to the commit was lost: history.Archives says.
func (s *Store) Archive(ctx context.Context, expect history.Head, draft history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, draft)
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	said, err := history.Decode[history.ArchivedPayload](entries[0])
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	if err := s.archive(ctx, expect, entries, said); err != nil {
		return history.Head{}, s.hide.Clean(fmt.Errorf("archive the entries %d to %d: %w", said.From, said.To, err))
	}
	return entries[0].Head(), nil
}

// archive takes as long as it takes: each statement has the time for one.
func (s *Store) archive(ctx context.Context, expect history.Head, entries []history.Entry, said history.ArchivedPayload) error {
	return s.transact(ctx, func(conn *pgxpool.Conn, tx pgx.Tx) error { return s.archiveIn(ctx, conn, tx, expect, entries, said) })
}

func (s *Store) archiveIn(
	ctx context.Context, conn *pgxpool.Conn, tx pgx.Tx, expect history.Head, entries []history.Entry, said history.ArchivedPayload,
) error {
	inside := tables{tx, s.timeout, s.hide}
	head, err := inside.Head(ctx)
	switch {
	case err != nil:
		return err
	case head != expect:
		return fmt.Errorf("the head is entry %d: %w", head.Sequence, history.ErrConflict)
	}
	if err := history.CheckReferences(ctx, inside, entries); err != nil {
		return err
	}
	if err := s.say(ctx, tx, entries); err != nil {
		return err
	}
	err = history.RemovePayloads(ctx, inside, said, func(ctx context.Context, stubs []history.Entry) error { return s.remove(ctx, tx, stubs) })
	if err != nil {
		return err
	}
	ending, cancelEnding := context.WithTimeout(ctx, s.timeout)
	defer cancelEnding()
	return s.commit(ending, conn, tx)
}

// say appends the entry, and has the triggers let this transaction archive what it names.
func (s *Store) say(ctx context.Context, tx pgx.Tx, entries []history.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := insert(ctx, tx, s.schema, entries); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_catalog.set_config('gatekeeper.archiving', 'on', true)"); err != nil {
		return fmt.Errorf("begin to archive: %w", err)
	}
	return nil
}

// remove puts stubs in the place of payloads.
func (s *Store) remove(ctx context.Context, tx pgx.Tx, stubs []history.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	batch := &pgx.Batch{}
	for _, e := range stubs {
		batch.Queue("UPDATE entries SET payload = $1 WHERE sequence = $2", []byte(history.StubPayload(e.Leaf)), int64(e.Sequence)) //nolint:gosec // A record never has 2^63 entries.
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("remove the payloads of the entries %d to %d: %w", stubs[0].Sequence, stubs[len(stubs)-1].Sequence, err)
	}
	return nil
}

// Shrink gives back the room of what was removed: until then the text is still in the
// table's file. It needs as much room again meanwhile, the rights of the owner, and nobody
// who reads. In the server's log, on standbys and in backups the text is as long as those are
// kept.
func (s *Store) Shrink(ctx context.Context) error {
	if err := s.shrink(ctx); err != nil {
		return s.hide.Clean(fmt.Errorf("shrink the record: %w", err))
	}
	return nil
}

func (s *Store) shrink(ctx context.Context) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil { // it takes as long as it takes
		return err
	}
	notes := conn.Conn().PgConn().CustomData()
	delete(notes, postgresdb.Warned)
	_, err = conn.Exec(ctx, "VACUUM (FULL, ANALYZE) entries")
	if warning, ok := notes[postgresdb.Warned]; ok && err == nil {
		err = fmt.Errorf("the server warned: %s", warning) // it skips what is not one's own
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	if _, failed := conn.Exec(ending, "RESET statement_timeout"); failed != nil {
		_ = conn.Conn().Close(ending) // It is not used with another bound.
	}
	return err
}
