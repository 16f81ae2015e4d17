package sqlite

import (
	"context"
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
		return
	}
	if !t.known {
		return
	}
	for _, e := range entries {
		t.newest[e.Kind] = e.Sequence
	}
	t.head = entries[len(entries)-1].Head()
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

// Select implements history.Reader.
func (s *Store) Select(ctx context.Context, selection history.Selection, limit int) ([]history.Entry, error) {
	if selection.Check() == nil && selection.From > 0 && s.tail.without(selection.From-1, selection.Kinds...) {
		return nil, ctx.Err()
	}
	return s.Reader.Select(ctx, selection, limit)
}
