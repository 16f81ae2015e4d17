package export

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// Errors of Import.
var (
	// ErrNotEmpty says that the record has entries already.
	ErrNotEmpty = errors.New("the record has entries already")
	// ErrOtherwise says that this version would write an entry in another way.
	ErrOtherwise = errors.New("this version of Gatekeeper does not write this entry as it is")
)

// A batch is appended when it has that many entries, or payloads of that many bytes.
const (
	batchEntries = 200
	batchBytes   = 8 << 20
)

// Import appends all entries of an export to an empty record and verifies the export, as
// Verify does, on the way. The record is whole only if the report is intact: else discard
// it. Every entry is the same as it was to the byte, and has the same digest.
func Import(ctx context.Context, in io.Reader, key merkle.Verifier, record history.Record, known ...merkle.Checkpoint) (history.Report, merkle.Signed, error) {
	head, err := record.Head(ctx)
	if err != nil {
		return history.Report{}, merkle.Signed{}, fmt.Errorf("import: %w", err)
	}
	if head != (history.Head{}) {
		return history.Report{}, merkle.Signed{}, fmt.Errorf("import: %w: %d", ErrNotEmpty, head.Sequence)
	}
	i := importer{record: record}
	report, end, err := verify(ctx, in, key, known, func(e history.Entry) error { return i.add(ctx, e) })
	if err != nil || !report.Intact() {
		return report, end, err
	}
	if err := i.flush(ctx); err != nil {
		return history.Report{}, merkle.Signed{}, err
	}
	return report, end, nil
}

type importer struct {
	record history.Record
	head   history.Head
	// last is the head once the drafts are appended.
	last   history.Head
	drafts []history.Draft
	size   int
}

func (i *importer) add(ctx context.Context, e history.Entry) error {
	draft, err := e.Redraft()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	again, err := history.Seal(i.last, draft)
	if err != nil {
		return fmt.Errorf("import entry %d: %w", e.Sequence, err)
	}
	if again[0].Digest != e.Digest {
		return fmt.Errorf("import entry %d: %w", e.Sequence, ErrOtherwise)
	}
	i.last, i.drafts, i.size = e.Head(), append(i.drafts, draft), i.size+len(e.Payload)
	if len(i.drafts) == batchEntries || i.size >= batchBytes {
		return i.flush(ctx)
	}
	return nil
}

func (i *importer) flush(ctx context.Context) error {
	if len(i.drafts) == 0 {
		return nil
	}
	head, err := i.record.Append(ctx, i.head, i.drafts...)
	if err != nil {
		return fmt.Errorf("import after entry %d: %w", i.head.Sequence, err)
	}
	if head != i.last {
		return fmt.Errorf("import up to entry %d: %w", i.last.Sequence, ErrOtherwise)
	}
	i.head, i.drafts, i.size = head, i.drafts[:0], 0
	return nil
}
