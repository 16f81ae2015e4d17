package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// WriteArchive writes the entries from one on up to the last one of the checkpoint, and the
// checkpoint, which makes an export of a part of the record. All of them must be whole.
func WriteArchive(ctx context.Context, w io.Writer, entries merkle.Entries, from uint64, under merkle.Signed) error {
	if from == 0 || from > uint64(under.Size) { //nolint:gosec // never negative
		return fmt.Errorf("entry %d is not among the %d of the checkpoint", from, under.Size)
	}
	var tree merkle.Tree
	var stored []tlog.Hash
	var line []byte
	out := bufio.NewWriterSize(w, 1<<16)
	for uint64(tree.Size()) < uint64(under.Size) { //nolint:gosec // never negative
		found, err := entries.Entries(ctx, uint64(tree.Size())+1, int(min(page, under.Size-tree.Size()))) //nolint:gosec // never negative
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(found) == 0 {
			return fmt.Errorf("entry %d is missing: %w", tree.Size()+1, merkle.ErrContradicts)
		}
		for _, e := range found {
			if e.Sequence != uint64(tree.Size())+1 || !e.Archived() && !e.Sealed() || e.Archived() && e.Sequence >= from { //nolint:gosec // never negative
				return fmt.Errorf("entry %d: %w", e.Sequence, merkle.ErrContradicts)
			}
			if e.Sequence == from && from > 1 {
				head, err := history.Canonical(beforeLine{edge{tree.Edge(), tree.Size()}})
				if err != nil {
					return fmt.Errorf("write the archive: %w", err)
				}
				_, _ = out.Write(append(head, '\n')) // Flush tells
			}
			if stored = tree.Add(merkle.Leaf(e), stored[:0]); e.Sequence >= from {
				line = append(e.AppendLine(line[:0]), '\n')
				_, _ = out.Write(line) // as above
			}
		}
	}
	if tree.Root() != under.Root {
		return fmt.Errorf("%w: that of %d entries", merkle.ErrContradicts, under.Size)
	}
	end, err := history.Canonical(checkpointLine{under.Note})
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	_, _ = out.Write(append(end, '\n'))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

// ErrNotWhole says that a file is no archive: some of its entries are archived elsewhere.
var ErrNotWhole = errors.New("the file is no archive: it has entries without what they tell")

// VerifyArchive is Verify of an archive, and calls each with every entry that is intact. It
// gives the number of the first entry as well; that of the last one is the size of the
// checkpoint.
func VerifyArchive(ctx context.Context, in io.Reader, key merkle.Verifier, each func(history.Entry) error, known ...merkle.Checkpoint) (from uint64, report history.Report, end merkle.Signed, err error) {
	report, end, err = verify(ctx, in, key, known, func(e history.Entry) error {
		if e.Archived() {
			return ErrNotWhole
		}
		if from == 0 {
			from = e.Sequence
		}
		return each(e)
	})
	return from, report, end, err
}
