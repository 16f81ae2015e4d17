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
	// open are the open intents of each Application in order, and openAt the last entry that they
	// are known after; nil until an append has read them.
	open   map[string][]history.Entry
	openAt uint64
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

// learned takes a head that was read from the file, unless something was appended meanwhile. Where
// another one is known already, an append is about to be told of here, and who has this head must be
// told nothing that is older.
func (t *tail) learned(head history.Head, asked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known && t.head.Sequence < head.Sequence {
		t.known = false
		return
	}
	if t.known || t.asked != asked {
		return
	}
	t.known, t.head, t.since, t.newest = true, head, head.Sequence, map[history.Kind]uint64{}
}

// refused is for an append that was refused before anything was written. It may be that somebody who
// does not care for the lock has written: whether there is something new, the file is asked.
func (t *tail) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = false
}

// forget is for an append that failed, which may have been written all the same, and for one that
// changes other entries than its own: nobody knows anything, until the file is asked.
func (t *tail) forget() {
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
	head := entries[len(entries)-1].Head()
	if t.openAt+1 != entries[0].Sequence {
		t.open = nil
	}
	if t.open != nil {
		for _, e := range entries {
			t.changes(e)
		}
		t.openAt = head.Sequence
	}
	// Who asked the file meanwhile may have seen them already.
	if t.known && t.head.Sequence+1 != entries[0].Sequence {
		t.known = false
	}
	if !t.known {
		return
	}
	for _, e := range entries {
		t.newest[e.Kind] = e.Sequence
	}
	t.head = head
}

// changes does to the open intents what the triggers of the table do. A list that was given away is
// not written to.
func (t *tail) changes(e history.Entry) {
	if e.Intent == "" {
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

// openKnown says whether the open intents are known as they are after an entry.
func (t *tail) openKnown(at uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open != nil && t.openAt == at
}

// learnedOpen takes all open intents, as they are after an entry. Only an append can read them, in its
// transaction: elsewhere others could append meanwhile, and where there are many that would be so
// again and again.
func (t *tail) learnedOpen(all []history.Entry, at uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.openAt = map[string][]history.Entry{}, at
	for _, e := range all {
		t.open[e.Application] = append(t.open[e.Application], e)
	}
}

// openOf are the open intents of an Application, if they are known as they are after the head: whoever
// has the head from here or from the file must not miss the intent that it is.
func (t *tail) openOf(application string) (open []history.Entry, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known || t.open == nil || t.openAt != t.head.Sequence {
		return nil, false
	}
	return slices.Clip(t.open[application]), true
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
