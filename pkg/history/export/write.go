package export

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// page is how many entries are read at a time.
const page = 512

// checkpointLine is the last line of an export.
type checkpointLine struct {
	Checkpoint string `json:"checkpoint"`
}

// Write writes all entries of the checkpoint and the checkpoint itself. It fails, with
// merkle.ErrContradicts, when the entries are not those of the checkpoint; what was
// written until then is no export.
func Write(ctx context.Context, w io.Writer, entries merkle.Entries, under merkle.Signed) error {
	var tree merkle.Tree
	var stored []tlog.Hash
	out := bufio.NewWriterSize(w, 1<<16)
	archives, err := stubbed(ctx, entries, uint64(under.Size)) //nolint:gosec // never negative
	if err != nil {
		return err
	}
	if len(archives) > 0 {
		head, err := history.Canonical(archivesLine{archives})
		if err != nil {
			return fmt.Errorf("write what is archived: %w", err)
		}
		_, _ = out.Write(append(head, '\n')) // Flush tells
	}
	err = lines(ctx, out, entries, 1, uint64(under.Size), func(e history.Entry, sealed []byte) error { //nolint:gosec // never negative
		leaf := tlog.RecordHash(sealed)
		if e.Archived() {
			leaf = merkle.Leaf(e)
		}
		stored = tree.Add(leaf, stored[:0])
		if e.Sequence != uint64(tree.Size()) || !e.Archived() && !e.Sealed() { //nolint:gosec // as above
			return fmt.Errorf("entry %d: %w", e.Sequence, merkle.ErrContradicts)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if tree.Size() != under.Size || tree.Root() != under.Root {
		return fmt.Errorf("%w: that of %d entries", merkle.ErrContradicts, under.Size)
	}
	line, err := history.Canonical(checkpointLine{under.Note})
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// WriteEntries writes all entries from one on, without a checkpoint. Nobody can verify
// that as a whole.
func WriteEntries(ctx context.Context, w io.Writer, entries merkle.Entries, from uint64) error {
	out := bufio.NewWriterSize(w, 1<<16)
	if err := lines(ctx, out, entries, from, 1<<62, func(history.Entry, []byte) error { return nil }); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the entries: %w", err)
	}
	return nil
}

func lines(ctx context.Context, out *bufio.Writer, entries merkle.Entries, from, to uint64, each func(history.Entry, []byte) error) error {
	var line, sealed []byte
	for from <= to {
		found, err := entries.Entries(ctx, from, int(min(page, to-from+1)))
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		for _, e := range found {
			if e.Sequence > to {
				return nil
			}
			sealed = e.AppendSealed(sealed[:0])
			if err := each(e, sealed); err != nil {
				return err
			}
			line = append(e.AppendLine(line[:0]), '\n')
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("write entry %d: %w", e.Sequence, err)
			}
			from = e.Sequence + 1
		}
	}
	return nil
}
