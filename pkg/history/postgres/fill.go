package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// ErrNotEmpty says that there are entries already.
var ErrNotEmpty = errors.New("the record has entries already")

// Fill fills an empty record in one transaction: what fill appends is there for everybody
// once it has returned without an error, all of it, and else nothing is. The record that
// fill is given is for one call at a time, and until it returns. Nobody else can append
// meanwhile. It fails with ErrNotEmpty.
func (s *Store) Fill(ctx context.Context, fill func(context.Context, history.Record) error) error {
	if err := s.fill(ctx, fill); err != nil {
		return s.hide.Clean(fmt.Errorf("fill the record: %w", err))
	}
	return nil
}

func (s *Store) fill(ctx context.Context, fill func(context.Context, history.Record) error) error {
	return s.transact(ctx, func(conn *pgxpool.Conn, tx pgx.Tx) error { return s.fillIn(ctx, conn, tx, fill) })
}

func (s *Store) fillIn(ctx context.Context, conn *pgxpool.Conn, tx pgx.Tx, fill func(context.Context, history.Record) error) error {
	inside := &filling{tables{tx, s.timeout, s.hide}, tx, s.schema}
	head, err := inside.Head(ctx)
	switch {
	case err != nil:
		return err
	case head != history.Head{}:
		return fmt.Errorf("%d: %w", head.Sequence, ErrNotEmpty)
	}
	if err := fill(ctx, inside); err != nil {
		return err
	}
	ending, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.commit(ending, conn, tx)
}

// filling is a record inside a transaction.
type filling struct {
	tables
	tx     pgx.Tx
	schema string
}

// Append adds to the transaction what Store.Append would write, under the same conditions:
// what was appended to it before counts as recorded. Nobody else sees it, and it is not
// durable, until Fill returns. What is refused with ErrConflict or ErrInvalid changes
// nothing, and more can be appended. An error of the server ends the transaction: then
// further calls fail, and so does Fill, even if fill passes the error over. One call at a
// time.
func (f *filling) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, drafts...)
	if err != nil {
		return history.Head{}, fmt.Errorf("append to the record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	head, err := f.Head(ctx)
	if err == nil && head != expect {
		err = fmt.Errorf("the head is entry %d: %w", head.Sequence, history.ErrConflict)
	}
	if err == nil {
		err = history.CheckReferences(ctx, f, entries)
	}
	if err == nil {
		err = insert(ctx, f.tx, f.schema, entries)
	}
	if err != nil {
		return history.Head{}, f.hide.Clean(fmt.Errorf("append to the record after entry %d: %w", expect.Sequence, err))
	}
	return entries[len(entries)-1].Head(), nil
}
