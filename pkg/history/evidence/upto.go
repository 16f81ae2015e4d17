package evidence

import (
	"context"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// upto is a record as it was at a head: what is appended while a report is gathered was not
// verified, and is not in it. It covers the reads that a report is made of; the others are
// those of the record as it is.
type upto struct {
	history.Reader
	head history.Head
}

func (u upto) Head(context.Context) (history.Head, error) { return u.head, nil }

func (u upto) Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error) {
	found, err := u.Reader.Entries(ctx, from, limit)
	return u.cut(found), err
}

func (u upto) Intent(ctx context.Context, id string) ([]history.Entry, error) {
	found, err := u.Reader.Intent(ctx, id)
	return u.cut(found), err
}

func (u upto) Select(ctx context.Context, s history.Selection, limit int) ([]history.Entry, error) {
	return u.Reader.Select(ctx, u.bound(s), limit)
}

func (u upto) Count(ctx context.Context, s history.Selection) (int, error) {
	return u.Reader.Count(ctx, u.bound(s))
}

func (u upto) bound(s history.Selection) history.Selection {
	if s.Before == 0 || s.Before > u.head.Sequence+1 {
		s.Before = u.head.Sequence + 1
	}
	return s
}

func (u upto) cut(found []history.Entry) []history.Entry {
	return slices.DeleteFunc(found, func(e history.Entry) bool { return e.Sequence > u.head.Sequence })
}
