package merkle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Prover makes proofs. It reads the cache of hashes that a Notary writes in the folder,
// and all entries when there is none, or when what it says proves nothing. It is safe for
// concurrent use.
type Prover struct {
	Entries Entries
	Folder  string
}

// Inclusion proves that the entry with that number is in the tree of the checkpoint.
func (p Prover) Inclusion(ctx context.Context, sequence uint64, under Signed) (history.Entry, Inclusion, error) {
	if sequence == 0 || asSize(sequence) > under.Size {
		return history.Entry{}, Inclusion{}, fmt.Errorf("entry %d is not among the %d of the checkpoint", sequence, under.Size)
	}
	entries, err := p.Entries.Entries(ctx, sequence, 1)
	if err != nil {
		return history.Entry{}, Inclusion{}, fmt.Errorf("read entry %d: %w", sequence, err)
	}
	if len(entries) == 0 || entries[0].Sequence != sequence {
		return history.Entry{}, Inclusion{}, fmt.Errorf("entry %d is not in the record: %w", sequence, ErrContradicts)
	}
	if entries[0].Archived() {
		return history.Entry{}, Inclusion{}, &history.ArchivedError{Sequence: sequence}
	}
	proof := Inclusion{Sequence: sequence, Checkpoint: under}
	err = p.with(ctx, under, func(r tlog.HashReader) error {
		proof.Hashes, err = tlog.ProveRecord(under.Size, asSize(sequence)-1, r)
		if err != nil {
			return err
		}
		return proof.Check(entries[0])
	})
	if err != nil {
		return history.Entry{}, Inclusion{}, err
	}
	return entries[0], proof, nil
}

// Consistency proves that the tree of the checkpoint continues that of an older one.
func (p Prover) Consistency(ctx context.Context, older Checkpoint, under Signed) (Consistency, error) {
	if older.Size > under.Size {
		return Consistency{}, fmt.Errorf("the older checkpoint has %d entries, the newer one %d", older.Size, under.Size)
	}
	proof := Consistency{From: older.Size, Checkpoint: under}
	err := p.with(ctx, under, func(r tlog.HashReader) (err error) {
		if older.Size > 0 && older.Size < under.Size {
			if proof.Hashes, err = tlog.ProveTree(under.Size, older.Size, r); err != nil {
				return err
			}
		}
		return proof.Check(older)
	})
	if err != nil {
		return Consistency{}, err
	}
	return proof, nil
}

// with calls prove with the hashes of the cache, and with computed ones if that fails.
func (p Prover) with(ctx context.Context, under Signed, prove func(tlog.HashReader) error) error {
	if cache, err := openCache(filepath.Join(p.Folder, cacheName), false); err == nil {
		if cache.holds(under.Size) {
			err = prove(cache)
		} else {
			err = errors.New("too few hashes")
		}
		if errors.Join(err, cache.close()) == nil {
			return nil
		}
	}
	hashes, err := p.compute(ctx, under)
	if err != nil {
		return err
	}
	return prove(hashes)
}

// compute reads the entries of the checkpoint and gives their tree's hashes.
func (p Prover) compute(ctx context.Context, under Signed) (memory, error) {
	var tree Tree
	var sealed []byte
	var hashes memory
	for tree.size < under.Size {
		entries, err := p.Entries.Entries(ctx, uint64(tree.size)+1, int(min(readPage, under.Size-tree.size))) //nolint:gosec // never negative
		if err != nil {
			return nil, fmt.Errorf("read the record from entry %d on: %w", tree.size+1, err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if asSize(e.Sequence) != tree.size+1 {
				return nil, fmt.Errorf("entry %d is missing: %w", tree.size+1, ErrContradicts)
			}
			sealed = e.AppendSealed(sealed[:0])
			hashes = tree.Add(leafOf(e, sealed), hashes)
		}
	}
	if tree.size != under.Size || tree.Root() != under.Root {
		return nil, fmt.Errorf("%w: that of %d entries", ErrContradicts, under.Size)
	}
	return hashes, nil
}
