package sqlite

import (
	"context"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/internal/sqlitefile"
)

const (
	// movedAfter is after how many appended bytes the write-ahead log is moved into the
	// database beside the appends.
	movedAfter = 2 << 20
	// overhead is about what an append writes besides payloads: pages of indexes, and the
	// rest of the last page.
	overhead = 24 << 10
	// logPages is how large the log gets, in pages of 4 KiB, when appends follow each other
	// so fast that it is never at rest: then one append of many moves what is left, and the
	// log begins anew.
	logPages = 8192
)

// mover moves the write-ahead log into the database, so that hardly an append has to. A
// crash at any moment loses nothing: what is in the log stays there until the database
// has it on disk.
type mover struct {
	wanted chan struct{}
	ended  chan struct{}
	cancel context.CancelFunc

	mu      sync.Mutex
	written int
}

// newMover begins. Only close ends it, as the store outlives the context it was opened with.
func newMover(ctx context.Context, file *sqlitefile.File) *mover {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &mover{wanted: make(chan struct{}, 1), ended: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(m.ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.wanted:
			}
			// When it fails, nothing is lost and the log grows: an append tries again once
			// there are logPages of it, and tells of a disk that is broken.
			_, _ = file.Checkpoint(ctx)
		}
	}()
	return m
}

// wrote tells of an append; it does not wait.
func (m *mover) wrote(payloads int) {
	m.mu.Lock()
	m.written += payloads + overhead
	due := m.written >= movedAfter
	if due {
		m.written = 0
	}
	m.mu.Unlock()
	if due {
		select {
		case m.wanted <- struct{}{}:
		default: // it is about to begin
		}
	}
}

// close ends when nothing is moved any more.
func (m *mover) close() {
	m.cancel()
	<-m.ended
}
