package archive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// Errors of files that are no archives of a record.
var (
	// ErrFile says that a file is not, to the byte, what was written.
	ErrFile = errors.New("the archive is not intact")
	// ErrOther says that the record does not know a file.
	ErrOther = errors.New("the record has no such archive")
)

// File is an archive that was verified and is read from. It is safe for concurrent use.
type File struct {
	file *os.File
	// From and To are the first and the last entry in it.
	From, To uint64
	Digest   history.Digest
	// at are where the lines begin, and where the last one ends.
	at []int64
}

// OpenFile opens an archive and verifies all of it.
func OpenFile(ctx context.Context, path string, key merkle.Verifier, known ...merkle.Checkpoint) (*File, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	f := &File{file: file}
	if err := f.verify(ctx, key, known); err != nil {
		return nil, errors.Join(fmt.Errorf("archive %s: %w", path, err), file.Close())
	}
	return f, nil
}

func (f *File) verify(ctx context.Context, key merkle.Verifier, known []merkle.Checkpoint) error {
	from, report, end, err := export.VerifyArchive(ctx, f.file, key, func(history.Entry) error { return nil }, known...)
	switch {
	case err != nil:
		return err
	case report.Fault != nil:
		return fmt.Errorf("%w: at entry %d (%s): %s", ErrFile, report.Fault.Sequence, report.Fault.Kind, report.Fault.Text)
	case from == 0 || uint64(end.Size) < from: //nolint:gosec // never negative
		return fmt.Errorf("%w: it has no entries", ErrFile)
	}
	f.From, f.To = from, uint64(end.Size) //nolint:gosec // never negative
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	return f.index()
}

// index finds where the lines begin, and computes the digest of the file.
func (f *File) index() error {
	lines := bufio.NewReaderSize(f.file, 1<<16)
	var at int64
	for first, begin := true, true; ; {
		part, err := lines.ReadSlice('\n')
		if begin && len(part) > 0 && (!first || !bytes.HasPrefix(part, []byte(`{"before":`))) {
			f.at = append(f.at, at)
		}
		at += int64(len(part))
		if err == nil {
			begin, first = true, false
			continue
		}
		begin = false
		if errors.Is(err, io.EOF) {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("read again: %w", err)
		}
	}
	// The last line is the checkpoint, and its beginning the end of the last entry.
	if uint64(len(f.at)) != f.To-f.From+2 {
		return fmt.Errorf("%w: it was changed while it was read", ErrFile)
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	var err error
	f.Digest, err = history.FileDigest(f.file)
	return err
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// entry reads an entry of the file.
func (f *File) entry(sequence uint64) (history.Entry, error) {
	at, end := f.at[sequence-f.From], f.at[sequence-f.From+1]
	line := make([]byte, end-at-1)
	if _, err := f.file.ReadAt(line, at); err != nil {
		return history.Entry{}, fmt.Errorf("read entry %d in the archive: %w", sequence, err)
	}
	e, err := (&history.LineParser{}).Parse(line)
	if err != nil || e.Sequence != sequence {
		return history.Entry{}, fmt.Errorf("%w: entry %d was changed while it was read", ErrFile, sequence)
	}
	return e, nil
}

// Reader reads a record with its archives at hand, so that entries are whole. What is
// archived in other files stays a stub. It is safe for concurrent use.
type Reader struct {
	history.Reader
	files []*File
	// lenient gives entries that are not those of the archive as they would be together, so
	// that whoever verifies them finds out which.
	lenient bool
}

// Over is a record with archives at hand. Each has to be one that the record knows.
func Over(ctx context.Context, r history.Reader, files ...*File) (*Reader, error) {
	archives, err := history.Archives(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		known := slices.ContainsFunc(archives, func(a history.Archive) bool { return a.File == f.Digest && a.From == f.From && a.To == f.To })
		if !known {
			return nil, fmt.Errorf("%s, of the entries %d to %d: %w", f.file.Name(), f.From, f.To, ErrOther)
		}
	}
	return &Reader{Reader: r, files: files}, nil
}

// ForVerification is a Reader for history.Verify.
func (r *Reader) ForVerification() *Reader {
	return &Reader{Reader: r.Reader, files: r.files, lenient: true}
}

// Missing lists the archives of the record that are not at hand.
func (r *Reader) Missing(ctx context.Context) ([]history.Archive, error) {
	archives, err := history.Archives(ctx, r.Reader)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(archives, func(a history.Archive) bool {
		return slices.ContainsFunc(r.files, func(f *File) bool { return f.Digest == a.File })
	}), nil
}

// maxBatch is after how many bytes of payload Entries and Select return early, as those of
// the stores do: to them, what is archived is small.
const maxBatch = 8 << 20

// whole puts what the archives have into the stubs, until the payloads have reached a number
// of bytes; the entries after that are left out.
func (r *Reader) whole(budget int, entries []history.Entry, err error) ([]history.Entry, error) {
	if err != nil {
		return nil, err
	}
	for i, size := 0, 0; i < len(entries); i++ {
		if size >= budget {
			return entries[:i], nil
		}
		if err := r.fill(&entries[i]); err != nil {
			return nil, err
		}
		size += len(entries[i].Payload)
	}
	return entries, nil
}

// fill puts what an archive has into a stub.
func (r *Reader) fill(e *history.Entry) error {
	stub := *e
	at := slices.IndexFunc(r.files, func(f *File) bool { return f.From <= stub.Sequence && stub.Sequence <= f.To })
	if !stub.Archived() || at < 0 {
		return nil
	}
	found, err := r.files[at].entry(stub.Sequence)
	if err != nil {
		return err
	}
	if e.Payload = found.Payload; found.Stub().Leaf == stub.Leaf {
		e.Leaf = ""
	}
	if !r.lenient && (e.Archived() || !e.Sealed()) {
		return fmt.Errorf("entry %d of the record is not the one that was archived; gatekeeper ledger verify says more", stub.Sequence)
	}
	return nil
}

// Examine implements history.Examined, as far as the record does.
func (r *Reader) Examine(ctx context.Context) (string, error) {
	store, ok := r.Reader.(history.Examined)
	if !ok {
		return "", nil
	}
	return store.Examine(ctx) //nolint:wrapcheck // it says all
}

// Entries implements history.Reader. It gives fewer entries when they are large.
func (r *Reader) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	entries, err := r.Reader.Entries(ctx, from, min(limit, page))
	return r.whole(maxBatch, entries, err)
}

// EntriesFiled implements history.Filed, as far as the record does: what an archive has is not
// in the record to be found.
func (r *Reader) EntriesFiled(ctx context.Context, from uint64, limit int) ([]history.Entry, []string, error) {
	store, ok := r.Reader.(history.Filed)
	if !ok {
		entries, err := r.Entries(ctx, from, limit)
		return entries, nil, err
	}
	stubs, under, err := store.EntriesFiled(ctx, from, min(limit, page))
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it says all
	}
	entries, err := r.whole(maxBatch, slices.Clone(stubs), nil)
	if err != nil {
		return nil, nil, err
	}
	for i, e := range entries {
		if stubs[i].Archived() && !e.Archived() && under[i] == "" {
			under[i] = history.FiledUnder(e)
		}
	}
	return entries, under[:len(entries)], nil
}

// Intent implements history.Reader.
func (r *Reader) Intent(ctx context.Context, id string) ([]history.Entry, error) {
	entries, err := r.Reader.Intent(ctx, id)
	return r.whole(math.MaxInt, entries, err)
}

// Outcomes implements history.Reader.
func (r *Reader) Outcomes(ctx context.Context, application string, limit int) ([]history.Entry, error) {
	entries, err := r.Reader.Outcomes(ctx, application, limit)
	return r.whole(math.MaxInt, entries, err)
}

// Select implements history.Reader. With a name it gives what is in the record alone, and
// fewer entries when they are large.
func (r *Reader) Select(ctx context.Context, s history.Selection, limit int) ([]history.Entry, error) {
	entries, err := r.Reader.Select(ctx, s, limit)
	return r.whole(maxBatch, entries, err)
}
