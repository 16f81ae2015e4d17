package historytest

import (
	"context"
	"errors"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// ErrInjected is the error that a Faulty record returns on demand.
var ErrInjected = errors.New("injected failure")

// Faulty is a record whose appends fail on demand, in both ways in which they
// can: with nothing written, and with everything written but the answer lost.
type Faulty struct {
	history.Record

	mu     sync.Mutex
	before int
	after  int
}

// FailNext makes the next n appends fail with nothing written.
func (f *Faulty) FailNext(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = n
}

// FailNextPersisted makes the next n appends that are written return an error
// all the same.
func (f *Faulty) FailNextPersisted(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = n
}

// Append implements history.Record.
func (f *Faulty) Append(ctx context.Context, expect history.Head, drafts ...history.Draft) (history.Head, error) {
	if f.take(&f.before) {
		return history.Head{}, ErrInjected
	}
	head, err := f.Record.Append(ctx, expect, drafts...)
	if err == nil && f.take(&f.after) {
		return history.Head{}, ErrInjected
	}
	return head, err
}

func (f *Faulty) take(left *int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *left == 0 {
		return false
	}
	*left--
	return true
}
