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
	// open are the open intents of each Application in order; nil until somebody has read them.
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

// appended takes what an append did, before the next one begins. After an error nobody knows, until
// the file is asked: it may have been written all the same, or somebody else has written to it.
func (t *tail) appended(entries []history.Entry, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	if err != nil || t.known && t.head.Sequence+1 != entries[0].Sequence {
		t.known = false
	}
	if !t.known {
		t.open = nil
		return
	}
	for _, e := range entries {
		t.newest[e.Kind] = e.Sequence
		t.changes(e)
	}
	t.head = entries[len(entries)-1].Head()
}

// changes does to the open intents what the triggers of the table do. A list that was given away is
// not written to.
func (t *tail) changes(e history.Entry) {
	if t.open == nil || e.Intent == "" {
		return
	}
	// Whoever read them before this was told of the append may have seen it already.
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

// openOf are the open intents of an Application, if they are known; otherwise all are to be read, and
// given to learnedOpen with the count. Nobody may write to them.
func (t *tail) openOf(application string) (open []history.Entry, known bool, asked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[application], t.open != nil, t.asked
}

// learnedOpen takes all open intents as they were read from the file, unless something was appended
// meanwhile.
func (t *tail) learnedOpen(all []history.Entry, asked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known || t.asked != asked {
		return
	}
	t.open = map[string][]history.Entry{}
	for _, e := range all {
		t.open[e.Application] = append(t.open[e.Application], e)
	}
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
	open, known, asked := s.tail.openOf(application)
	if known {
		return open, ctx.Err()
	}
	all, err := s.OpenIntents(ctx)
	if err != nil {
		return nil, err
	}
	s.tail.learnedOpen(all, asked)
	return slices.DeleteFunc(all, func(e history.Entry) bool { return e.Application != application }), nil
}

// Select implements history.Reader.
func (s *Store) Select(ctx context.Context, selection history.Selection, limit int) ([]history.Entry, error) {
	if selection.Check() == nil && selection.From > 0 && s.tail.without(selection.From-1, selection.Kinds...) {
		return nil, ctx.Err()
	}
	return s.Reader.Select(ctx, selection, limit)
}
