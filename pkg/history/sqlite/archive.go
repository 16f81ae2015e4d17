package sqlite

import (
	"context"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Archive appends the entry that says what is archived, and removes the payloads of its
// range but for those that are kept: all of it, or nothing, also when the machine stops
// meanwhile. It is for the caller to have the archive on disk, and to have verified it.
//
// The errors are those of Append, and history.ErrNotArchived.
func (s *Store) Archive(ctx context.Context, expect history.Head, draft history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, draft)
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	said, err := history.Decode[history.ArchivedPayload](entries[0])
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	err = s.appending(ctx, expect, entries, func(tx *transaction) error {
		s.tail.forget() // and with it, at the next append, what decisions said
		return history.RemovePayloads(ctx, tables{tx}, said, func(ctx context.Context, stubs []history.Entry) error { return remove(ctx, tx, stubs) })
	})
	if err != nil {
		return history.Head{}, fmt.Errorf("archive the entries %d to %d: %w", said.From, said.To, err)
	}
	return entries[0].Head(), nil
}

// remove puts stubs in the place of payloads, in the transaction that has appended the entry.
func remove(ctx context.Context, tx *transaction, stubs []history.Entry) error {
	for _, e := range stubs {
		if _, err := tx.ExecContext(ctx, "UPDATE entries SET payload = ?, filed = NULL WHERE sequence = ?", history.StubPayload(e.Leaf), int64(e.Sequence)); err != nil { //nolint:gosec // A record never has 2^63 entries.
			return fmt.Errorf("remove the payload of entry %d: %w", e.Sequence, err)
		}
	}
	return nil
}

// Shrink gives back the room of what was removed, and overwrites it: until then the text
// is still in the file. It needs as much room again meanwhile.
func (s *Store) Shrink(ctx context.Context) error {
	for _, statement := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := s.file.Write().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("shrink the record: %w", err)
		}
	}
	return nil
}
