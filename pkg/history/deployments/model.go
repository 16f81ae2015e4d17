package deployments

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// ErrNotFound says that the record has nothing of the kind.
var ErrNotFound = errors.New("not on record")

const (
	// PageMost is the longest page of List.
	PageMost = 100
	// aheadRead is how many later operations are looked at for one that went back.
	aheadRead = 20
	// behindRead is how many earlier ones are looked at for what somebody went back to
	// without an order, and for what a decision trusted. What was live is looked for as far
	// as it takes.
	behindRead = 50
)

// Model reads deployments from a record. It is always as new as the record: what it
// remembers are places in it. It is safe for concurrent use.
type Model struct {
	record  history.Reader
	numbers numbers
}

// New makes a Model.
func New(record history.Reader) *Model { return &Model{record: record} }

// UID finds the Application that has the name "namespace/name", of several the one of which
// a sync was requested or seen last; ErrNotFound when none was.
func (m *Model) UID(ctx context.Context, application string) (string, error) {
	found, err := m.record.Select(ctx, history.Selection{
		Kinds: []history.Kind{history.KindIntent, history.KindObserved}, Named: application, Newest: true,
	}, 1)
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", application, err)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("deployments of %s: %w", application, ErrNotFound)
	}
	return found[0].Application, nil
}

// Page is a part of an Application's deployments.
type Page struct {
	// Deployments are newest first.
	Deployments []Deployment `json:"deployments"`
	// Total counts all of them.
	Total int `json:"total"`
	// Next is the number to go on with, 0 at the end.
	Next int `json:"next,omitempty"`
}

// List returns at most limit deployments of an Application, by its UID, the newest first:
// those with the number from and before, or all for 0.
func (m *Model) List(ctx context.Context, uid string, from, limit int) (Page, error) {
	scope, total, err := m.scope(ctx, uid)
	if err != nil {
		return Page{}, err
	}
	if from <= 0 || from > total {
		from = total
	}
	limit = min(max(limit, 0), PageMost, from)
	page := Page{Total: total, Deployments: []Deployment{}}
	if limit == 0 {
		return page, nil
	}
	if page.Deployments, err = m.read(ctx, scope, total, from-limit+1, from); err != nil {
		return Page{}, fmt.Errorf("read the deployments of %s: %w", uid, err)
	}
	slices.Reverse(page.Deployments)
	page.Next = max(0, from-limit)
	return page, nil
}

// Get returns one deployment of an Application, by its UID.
func (m *Model) Get(ctx context.Context, uid string, number int) (Deployment, error) {
	scope, total, err := m.scope(ctx, uid)
	if err != nil {
		return Deployment{}, err
	}
	if number < 1 || number > total {
		return Deployment{}, fmt.Errorf("deployment #%d, of %d: %w", number, total, ErrNotFound)
	}
	found, err := m.read(ctx, scope, total, number, number)
	if err != nil {
		return Deployment{}, fmt.Errorf("read deployment #%d of %s: %w", number, uid, err)
	}
	return found[0], nil
}

// Range returns the deployments of an Application with the numbers from first to last,
// oldest first, at most PageMost.
func (m *Model) Range(ctx context.Context, uid string, first, last int) ([]Deployment, error) {
	scope, total, err := m.scope(ctx, uid)
	if err != nil {
		return nil, err
	}
	first, last = max(first, 1), min(last, total)
	if first > last {
		return nil, nil
	}
	if last-first >= PageMost {
		return nil, fmt.Errorf("%d deployments at once, more than %d", last-first+1, PageMost)
	}
	found, err := m.read(ctx, scope, total, first, last)
	if err != nil {
		return nil, fmt.Errorf("read the deployments of %s: %w", uid, err)
	}
	return found, nil
}

// Entry returns the entry that tells how the deployment with a number ended, without
// reading more of it.
func (m *Model) Entry(ctx context.Context, uid string, number int) (history.Entry, error) {
	scope, total, err := m.scope(ctx, uid)
	if err != nil {
		return history.Entry{}, err
	}
	if number < 1 || number > total {
		return history.Entry{}, fmt.Errorf("deployment #%d, of %d: %w", number, total, ErrNotFound)
	}
	entries, err := m.entries(ctx, scope, total, number, number)
	if err != nil {
		return history.Entry{}, fmt.Errorf("read deployment #%d of %s: %w", number, uid, err)
	}
	return entries[0], nil
}

// Number is that of the deployment of an Application, by its UID, with the entry that
// tells how it ended.
func (m *Model) Number(ctx context.Context, uid string, sequence uint64) (int, error) {
	n, err := m.record.Count(ctx, history.Selection{Kinds: history.Deployed(), Application: uid, Before: sequence + 1})
	if err != nil {
		return 0, fmt.Errorf("count the deployments of %s: %w", uid, err)
	}
	return n, nil
}

// scope is what the record has of an Application at one time, so that numbers stay the
// same while others append.
func (m *Model) scope(ctx context.Context, uid string) (history.Selection, int, error) {
	if uid == "" {
		return history.Selection{}, 0, errors.New("deployments of no Application")
	}
	head, err := m.record.Head(ctx)
	if err != nil {
		return history.Selection{}, 0, fmt.Errorf("read the record's head: %w", err)
	}
	scope := history.Selection{Kinds: history.Deployed(), Application: uid, Before: head.Sequence + 1}
	total, upto := m.numbers.known(uid, head.Sequence)
	if upto < head.Sequence {
		news := scope
		news.From = upto + 1
		n, err := m.record.Count(ctx, news)
		if err != nil {
			return history.Selection{}, 0, fmt.Errorf("count the deployments of %s: %w", uid, err)
		}
		total += n
		m.numbers.count(uid, total, head.Sequence)
	}
	return scope, total, nil
}

// entries reads those with the numbers first to last, from the nearest place that is known.
func (m *Model) entries(ctx context.Context, scope history.Selection, total, first, last int) ([]history.Entry, error) {
	uid := scope.Application
	before, _ := m.numbers.around(uid, first)
	_, after := m.numbers.around(uid, last)
	forward, backward := first-1, total-last
	if before.number > 0 {
		forward, scope.From = first-before.number, before.sequence
	}
	if after.number > 0 {
		backward, scope.Before = after.number-last, after.sequence+1
	}
	scope.Newest = backward < forward
	if scope.Newest {
		scope.From = 0
	}
	skip := min(forward, backward)
	var found []history.Entry
	for want := last - first + 1; len(found) < want; {
		scope.Skip = skip + len(found)
		more, err := m.record.Select(ctx, scope, want-len(found))
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return nil, fmt.Errorf("the record has fewer operations than it counts: %d of %d", len(found), want)
		}
		found = append(found, more...)
	}
	if scope.Newest {
		slices.Reverse(found)
	}
	m.numbers.learn(uid, mark{first, found[0].Sequence})
	m.numbers.learn(uid, mark{last, found[len(found)-1].Sequence})
	return found, nil
}
