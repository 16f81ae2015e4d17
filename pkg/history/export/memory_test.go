package export_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/export"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/merkle"
)

// long is a record that is made while it is read, so that only its reader could hold it.
// Its entries are read in order, by one at a time.
type long struct {
	history.Reader // what is not below is not asked for

	t testing.TB
	// size is a multiple of longPage. reached is called with each page.
	size    uint64
	reached func(uint64)
	// end is the last entry, at the one before the next page.
	end, at history.Head
}

const longPage = 500

func newLong(t testing.TB, size uint64) *long {
	t.Helper()
	l := &long{t: t, size: size, reached: func(uint64) {}}
	for from := uint64(1); from <= size; from += longPage {
		_, err := l.Entries(t.Context(), from, longPage)
		require.NoError(t, err)
	}
	l.end = l.at
	return l
}

func (l *long) Head(context.Context) (history.Head, error) { return l.end, nil }

func (l *long) Entries(_ context.Context, from uint64, _ int) ([]history.Entry, error) {
	switch {
	case from <= 1:
		l.at = history.Head{}
	case from > l.size:
		return nil, nil
	case from != l.at.Sequence+1:
		return nil, fmt.Errorf("entry %d is not the next one", from)
	}
	l.reached(l.at.Sequence)
	drafts := make([]history.Draft, longPage)
	for i := range drafts {
		drafts[i] = historytest.Abandoned("a", "i")
	}
	sealed, err := history.Seal(l.at, drafts...)
	if err != nil {
		return nil, err
	}
	l.at = sealed[len(sealed)-1].Head()
	return sealed, nil
}

func (l *long) OpenIntents(context.Context) ([]history.Entry, error) { return nil, nil }

func (l *long) Select(context.Context, history.Selection, int) ([]history.Entry, error) {
	return nil, nil
}

// TestMemory: whoever reads a whole record holds as much of a long one as of a short one.
// It is not parallel, since it counts the memory of the process.
func TestMemory(t *testing.T) { //nolint:paralleltest // see above
	const size = 80 * longPage
	record := newLong(t, size)
	signer := newSigner(t)
	_, root, err := merkle.Verify(t.Context(), record)
	require.NoError(t, err)
	require.EqualValues(t, size, root.Size)
	signed, err := signer.Sign(root)
	require.NoError(t, err)
	for name, read := range map[string]func() error{
		"verify": func() error {
			report, _, err := merkle.Verify(t.Context(), record, signed.Checkpoint)
			require.True(t, report.Intact(), "%+v", report.Fault)
			return err
		},
		"export": func() error { return export.Write(t.Context(), io.Discard, record, signed) },
		"verify an export": func() error {
			in, out := io.Pipe()
			go func() { _ = out.CloseWithError(export.Write(t.Context(), out, record, signed)) }()
			report, _, err := export.Verify(t.Context(), in, signer.Verifier())
			require.True(t, report.Intact(), "%+v", report.Fault)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			held := map[uint64]int64{}
			record.reached = func(n uint64) {
				if n == size/10 || n == size-longPage {
					held[n] = inUse()
				}
			}
			require.NoError(t, read())
			require.Len(t, held, 2)
			// Each entry is of more than 300 bytes, so the rest of them would be of 10 MiB.
			require.Less(t, held[size-longPage]-held[size/10], int64(2<<20))
		})
	}
}

// inUse is the memory that something refers to, in bytes.
func inUse() int64 {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}
