package export

import (
	"context"
	"fmt"
	"io"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// window is how far from its place a misplaced entry is looked for. It only decides which
// of the fault kinds is named.
const window = 1000

// Verify reads a whole export and names the first entry that was changed, dropped,
// inserted, reordered or cut off. Intact means that it is, byte for byte, what was written,
// that its last line is a checkpoint of all its entries with that key's signature, and
// that every known checkpoint is one of the same record. An error means that the file could
// not be read; then nothing is said about it.
func Verify(ctx context.Context, in io.Reader, key merkle.Verifier, known ...merkle.Checkpoint) (history.Report, merkle.Signed, error) {
	return verify(ctx, in, key, known, func(history.Entry) error { return nil })
}

func verify(ctx context.Context, in io.Reader, key merkle.Verifier, known []merkle.Checkpoint, each func(history.Entry) error) (history.Report, merkle.Signed, error) {
	v := verifier{reader: newReader(in, key), checkpoints: known, known: merkle.Compare(known...), each: each, ranges: history.NewRanges(history.Head{})}
	fault, err := v.walk(ctx)
	if err != nil {
		return history.Report{}, merkle.Signed{}, fmt.Errorf("verify the export after entry %d: %w", v.at.Sequence, err)
	}
	report := v.known.Finish(history.Verified(v.at, fault))
	if report.Intact() {
		return report, v.end, nil
	}
	return report, merkle.Signed{}, nil
}

type verifier struct {
	reader *reader
	known  *merkle.Comparison
	// checkpoints are those that are known, for when the file begins in the middle.
	checkpoints []merkle.Checkpoint
	ranges      *history.Ranges
	// middle is true until the first entry of a file that begins in the middle of a record.
	middle bool
	each   func(history.Entry) error
	// at is the last entry that was found intact.
	at history.Head
	// recent are the digests of the last entries, by sequence number modulo window.
	recent [window]history.Digest
	seal   []byte
	end    merkle.Signed
	// ahead is a line that was read already.
	ahead *line
}

func (v *verifier) next() (line, bool, error) {
	if l := v.ahead; l != nil {
		v.ahead = nil
		return *l, true, nil
	}
	return v.reader.next()
}

func fault(sequence uint64, kind history.FaultKind, format string, args ...any) *history.Fault {
	return &history.Fault{Sequence: sequence, Kind: kind, Text: fmt.Sprintf(format, args...)}
}

func (v *verifier) walk(ctx context.Context) (*history.Fault, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := v.at.Sequence + 1
		l, more, err := v.next()
		switch {
		case err != nil:
			return nil, err
		case !more:
			return fault(n, history.FaultTruncated, "the export ends after entry %d, without a checkpoint", n-1), nil
		case l.checkpoint != nil:
			return v.finish(*l.checkpoint)
		case l.wrong != nil:
			return v.broken(l)
		case l.opening != nil:
			v.open(*l.opening)
			continue
		}
		found, err := v.step(l.entry)
		if found != nil || err != nil {
			return found, err
		}
	}
}

// step verifies the entry at the next place.
func (v *verifier) step(e history.Entry) (*history.Fault, error) {
	n := v.at.Sequence + 1
	v.seal = e.AppendSealed(v.seal[:0])
	if v.middle && e.Sequence == n {
		v.at.Digest, v.middle = e.Previous, false // the tree says whether it is that
	}
	switch fits := e.Archived() || e.Digest.Of(v.seal); {
	case !fits:
		return v.unsealed(e)
	case e.Sequence != n:
		return v.moved(e)
	case e.Previous != v.at.Digest && n == 1:
		return fault(n, history.FaultDropped, "the first entry names one before it"), nil
	case e.Previous != v.at.Digest:
		// Entry n-1 fits its own digest and what comes before it. So it was written anew,
		// or stands where others were taken out.
		last := v.at
		v.at = history.Head{Sequence: n - 2, Digest: v.recent[(n-2)%window]}
		return fault(last.Sequence, history.FaultChanged, "entry %d is not the one that entry %d was written after", n-1, n), nil
	}
	if e.Archived() {
		if found := v.ranges.Check(e); found != nil {
			return found, nil
		}
	}
	if found, before := v.ranges.Add(e, v.at); found != nil {
		v.at = before
		return found, nil
	}
	if err := v.each(e); err != nil {
		return nil, err
	}
	v.known.Add(e, v.seal)
	v.at = e.Head()
	v.recent[n%window] = e.Digest
	return nil, nil //nolint:nilnil // No fault and no error is the good case.
}

// open takes what the first line says.
func (v *verifier) open(o opening) {
	v.ranges = history.NewRanges(history.Head{}, o.claims...)
	if o.tree != nil {
		v.known = merkle.CompareFrom(*o.tree, v.checkpoints...)
		v.at, v.middle = history.Head{Sequence: uint64(o.tree.Size())}, true //nolint:gosec // never negative
		v.ranges = history.NewRanges(v.at)
	}
}

// finish verifies the checkpoint, and that it is the end.
func (v *verifier) finish(end merkle.Signed) (*history.Fault, error) {
	n := v.at.Sequence + 1
	_, more, err := v.next()
	if err != nil {
		return nil, err
	}
	tree := v.known.Tree()
	if more && end.Checkpoint == (merkle.Checkpoint{Origin: end.Origin, Size: tree.Size, Root: tree.Root}) {
		return fault(n, history.FaultInserted, "something follows the checkpoint of %d entries", tree.Size), nil
	}
	if more {
		return fault(n, history.FaultReordered, "a checkpoint of %d entries stands at place %d, and more follows", end.Size, n), nil
	}
	if found := v.ranges.Finish(v.at); found != nil {
		return found, nil
	}
	switch size := end.Size; {
	case size > tree.Size:
		return fault(n, history.FaultTruncated, "the entries end with entry %d; the checkpoint is of %d", n-1, size), nil
	case size < tree.Size:
		return fault(uint64(size)+1, history.FaultInserted, "the checkpoint is of %d entries; entry %d and what follows were added", size, size+1), nil //nolint:gosec // never negative
	case end.Root != tree.Root:
		v.known.Also(end.Checkpoint)
	}
	v.end = end
	return nil, nil //nolint:nilnil // No fault and no error is the good case.
}

// broken says what is wrong with a line that is no entry.
func (v *verifier) broken(l line) (*history.Fault, error) {
	n := v.at.Sequence + 1
	after, more, err := v.next()
	if err != nil {
		return nil, err
	}
	follows := after.sealed() && after.entry.Sequence == n && after.entry.Previous == v.at.Digest
	if more && (follows || after.checkpoint != nil && after.checkpoint.Size == v.known.Tree().Size) {
		return fault(n, history.FaultInserted, "line %d was put in and is no entry: %v", n, l.wrong), nil
	}
	if !more && l.claims {
		return fault(n, history.FaultCheckpoint, "the last line, after entry %d: %v", n-1, l.wrong), nil
	}
	if !more && l.wrong == errLineEnd { //nolint:errorlint // it is never wrapped
		return fault(n, history.FaultTruncated, "the export ends within line %d", n), nil
	}
	return fault(n, history.FaultChanged, "line %d is not an entry as it was written: %v", n, l.wrong), nil
}

// VerifyEach is Verify, and calls each with every entry that is intact, in order. What it
// says of them counts for as much as the report at the end.
func VerifyEach(ctx context.Context, in io.Reader, key merkle.Verifier, each func(history.Entry) error, known ...merkle.Checkpoint) (history.Report, merkle.Signed, error) {
	return verify(ctx, in, key, known, each)
}
