package orders

import (
	"context"
	"fmt"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Record is what a Book reads.
type Record interface {
	Head(ctx context.Context) (history.Head, error)
	ActsAfter(ctx context.Context, sequence uint64) ([]history.Entry, error)
}

// Book reads what people ordered, each order once. It is safe for concurrent use.
type Book struct {
	record Record

	mu   sync.Mutex
	last Standing
}

// NewBook makes a Book that has read nothing yet.
func NewBook(record Record) *Book { return &Book{record: record} }

// Standing is what is ordered at the record's head of now. The result is not changed
// by later orders.
func (b *Book) Standing(ctx context.Context) (Standing, error) {
	head, err := b.record.Head(ctx)
	if err != nil {
		return Standing{}, fmt.Errorf("read the record's head: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.Head == head {
		return b.last, nil
	}
	if head.Sequence < b.last.Head.Sequence {
		// Somebody else has read on since. For Give the older head would be in vain.
		return b.last, nil
	}
	news, err := b.record.ActsAfter(ctx, b.last.Head.Sequence)
	if err != nil {
		return Standing{}, fmt.Errorf("read what was ordered: %w", err)
	}
	next, err := b.last.with(news)
	if err != nil {
		return Standing{}, err
	}
	// Orders that came after the head was read are in already, and will be found again.
	next.Head = head
	b.last = next
	return next, nil
}
