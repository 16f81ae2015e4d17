package sqlite

import (
	"context"
	"slices"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// tail is what the record ends with. The process that has the record open for appending is the
// only one, so it need not look in the file for what it wrote itself: each answer to the API
// server asks several times whether there is something new. It is safe for concurrent use.
type tail struct {
	mu sync.Mutex
	// known is false when the file has to be asked.
	known bool
	head  history.Head
	// since is the head that the file had when it was asked, and newest the last entry of
	// each kind after it.
	since  uint64
	newest map[history.Kind]uint64
	// open are the open intents of each Application in order; nil until an append has read them.
	open map[string][]history.Entry
	// asked counts appends, so that what the file said before one of them is not taken for
	// what it says now.
	asked uint64
}

// at is the head, if it is known; otherwise it is to be read, and given to learned with the
// count.
func (t *tail) at() (head history.Head, known bool, asked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head, t.known, t.asked
}

// learned takes a head that was read from the file, unless something was appended meanwhile.
func (t *tail) learned(head history.Head, asked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known || t.asked != asked {
		return
	}
	t.known, t.head, t.since, t.newest = true, head, head.Sequence, map[history.Kind]uint64{}
}

// failed is for an append that may have been written all the same, or found that somebody else has
// written: nobody knows, until the file is asked.
func (t *tail) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	t.known, t.open = false, nil
}

// appended takes what an append did, before the next one begins.
func (t *tail) appended(entries []history.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	for _, e := range entries {
		t.changes(e)
	}
	if t.known && t.head.Sequence+1 != entries[0].Sequence {
		t.known, t.open = false, nil
	}
	if !t.known {
		return
	}
	for _, e := range entries {
		t.newest[e.Kind] = e.Sequence
	}
	t.head = entries[len(entries)-1].Head()
}

// changes does to the open intents what the triggers of the table do. A list that was given away is
// not written to.
func (t *tail) changes(e history.Entry) {
	if t.open == nil || e.Intent == "" {
		return
	}
	open := slices.DeleteFunc(slices.Clone(t.open[e.Application]), func(o history.Entry) bool { return o.Intent == e.Intent })
	if e.Kind == history.KindIntent {
		open = append(open, e)
	}
	if len(open) == 0 {
		delete(t.open, e.Application)
		return
	}
	t.open[e.Application] = open
}

// without says that the record has no entry of these kinds after a place, for certain.
func (t *tail) without(after uint64, kinds ...history.Kind) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known || after < t.since {
		return false
	}
	for _, kind := range kinds {
		if t.newest[kind] > after {
			return false
		}
	}
	return true
}

// openKnown says whether the open intents are known; if not, an append reads them in its transaction
// and tells learnedOpen: anywhere else, others could append meanwhile, and where there are many that
// would be so again and again.
func (t *tail) openKnown() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open != nil
}

func (t *tail) learnedOpen(all []history.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = map[string][]history.Entry{}
	for _, e := range all {
		t.open[e.Application] = append(t.open[e.Application], e)
	}
}

// openOf are the open intents of an Application, if they are known. Nobody may write to them.
func (t *tail) openOf(application string) (open []history.Entry, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[application], t.open != nil
}

// Head implements history.Reader.
func (s *Store) Head(ctx context.Context) (history.Head, error) {
	head, known, asked := s.tail.at()
	if known {
		return head, ctx.Err()
	}
	head, err := s.Reader.Head(ctx)
	if err == nil {
		s.tail.learned(head, asked)
	}
	return head, err
}

// ActsAfter implements history.Reader.
func (s *Store) ActsAfter(ctx context.Context, sequence uint64) ([]history.Entry, error) {
	if s.tail.without(sequence, history.KindAct) {
		return nil, ctx.Err()
	}
	return s.Reader.ActsAfter(ctx, sequence)
}

// OpenIntentsOf implements history.Reader.
func (s *Store) OpenIntentsOf(ctx context.Context, application string) ([]history.Entry, error) {
	if open, known := s.tail.openOf(application); known {
		return open, ctx.Err()
	}
	return s.Reader.OpenIntentsOf(ctx, application)
}

// Select implements history.Reader.
func (s *Store) Select(ctx context.Context, selection history.Selection, limit int) ([]history.Entry, error) {
	if selection.Check() == nil && selection.From > 0 && s.tail.without(selection.From-1, selection.Kinds...) {
		return nil, ctx.Err()
	}
	return s.Reader.Select(ctx, selection, limit)
}
