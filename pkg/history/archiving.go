package history

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotArchived says that entries are not those of which an archive was made.
var ErrNotArchived = errors.New("the entries are not those of the archive")

// archivingPage is how many entries are read at a time while they are archived.
const archivingPage = 256

// StubPayload is what a store keeps in the place of an archived payload: the leaf as a JSON
// text, where every payload is an object.
func StubPayload(leaf Digest) string { return `"` + string(leaf) + `"` }

// StubLeaf is the leaf of what StubPayload has made; false for anything else.
func StubLeaf(payload []byte) (Digest, bool) {
	if len(payload) < 2 || payload[0] != '"' || payload[len(payload)-1] != '"' {
		return "", false
	}
	leaf, err := ParseDigest(string(payload[1 : len(payload)-1]))
	return leaf, err == nil
}

// RemovePayloads is what a store does in the transaction that has appended an
// ArchivedPayload: it looks whether the entries of the range are those of which the archive
// was made, and has the payloads removed that are not kept, some stubs at a time. After an
// error, which is ErrNotArchived if the archive is of something else, the transaction must be
// undone.
func RemovePayloads(ctx context.Context, inside interface {
	Entries(ctx context.Context, from uint64, limit int) ([]Entry, error)
	Select(ctx context.Context, s Selection, limit int) ([]Entry, error)
}, said ArchivedPayload, remove func(ctx context.Context, stubs []Entry) error,
) error {
	all, err := Archives(ctx, inside)
	if err != nil {
		return err
	}
	// The last one is what was said just now.
	if n := len(all); said.From != 1 && (n < 2 || all[n-2].To+1 != said.From) || said.From == 1 && n > 1 {
		return fmt.Errorf("the range does not begin where the one before it ends: %w", ErrNotArchived)
	}
	var digest StubsDigest
	for at := said.From; at <= said.To; {
		found, err := inside.Entries(ctx, at, int(min(archivingPage, said.To-at+1)))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("entry %d is missing: %w", at, ErrNotArchived)
		}
		var stubs []Entry
		for _, e := range found {
			if e.Sequence != at || !e.Sealed() {
				return fmt.Errorf("entry %d: %w", at, ErrNotArchived)
			}
			at++
			stub := e.Stub()
			digest.Add(stub)
			if !said.Keeps(e.Sequence) {
				stubs = append(stubs, stub)
			}
		}
		if len(stubs) == 0 {
			continue
		}
		if err := remove(ctx, stubs); err != nil {
			return err
		}
	}
	if digest.Digest() != said.Stubs {
		return ErrNotArchived
	}
	return nil
}
