package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// archivePage is how many entries are read at a time while they are archived.
const archivePage = 256

// ErrNotArchived says that the entries are not those of which an archive was made.
var ErrNotArchived = errors.New("the entries are not those of the archive")

// Archive appends the entry that says what is archived, and removes the payloads of its
// range but for those that are kept: all of it, or nothing, also when the machine stops
// meanwhile. It is for the caller to have the archive on disk, and to have verified it.
//
// The errors are those of Append, and ErrNotArchived.
func (s *Store) Archive(ctx context.Context, expect history.Head, draft history.Draft) (history.Head, error) {
	entries, err := history.Seal(expect, draft)
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	said, err := history.Decode[history.ArchivedPayload](entries[0])
	if err != nil {
		return history.Head{}, fmt.Errorf("archive: %w", err)
	}
	err = s.appending(ctx, expect, entries, func(tx *transaction) error { return archive(ctx, tx, said) })
	if err != nil {
		return history.Head{}, fmt.Errorf("archive the entries %d to %d: %w", said.From, said.To, err)
	}
	return entries[0].Head(), nil
}

// archive removes the payloads, in the transaction that has appended the entry.
func archive(ctx context.Context, tx *transaction, said history.ArchivedPayload) error {
	before, err := history.Archives(ctx, tables{tx})
	if err != nil {
		return err
	}
	if n := len(before); said.From != 1 && (n < 2 || before[n-2].To+1 != said.From) || said.From == 1 && n > 1 {
		return fmt.Errorf("the range does not begin where the one before it ends: %w", ErrNotArchived)
	}
	var stubs history.StubsDigest
	for at := said.From; at <= said.To; {
		found, err := tables{tx}.Entries(ctx, at, int(min(archivePage, said.To-at+1)))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("entry %d is missing: %w", at, ErrNotArchived)
		}
		for _, e := range found {
			if e.Sequence != at || !e.Sealed() {
				return fmt.Errorf("entry %d: %w", at, ErrNotArchived)
			}
			at++
			stub := e.Stub()
			stubs.Add(stub)
			if said.Keeps(e.Sequence) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "UPDATE entries SET payload = ? WHERE sequence = ?", `"`+string(stub.Leaf)+`"`, int64(e.Sequence)); err != nil { //nolint:gosec // A record never has 2^63 entries.
				return fmt.Errorf("remove the payload of entry %d: %w", e.Sequence, err)
			}
		}
	}
	if stubs.Digest() != said.Stubs {
		return ErrNotArchived
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
