package deployments

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// orderBook are the orders about an Application by their IDs.
type orderBook map[string]recordedOrder

// marksOf are what people said about the deployment of an entry.
func (b orderBook) marksOf(sequence uint64) (marks []Mark) {
	for id, o := range b {
		if o.act.Verb == history.VerbMark && o.act.Deployment == sequence {
			marks = append(marks, Mark{ID: id, Mark: o.act.Mark, Person: o.act.Person, Reason: o.act.Reason, At: o.at})
		}
	}
	slices.SortFunc(marks, func(a, b Mark) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return marks
}

type recordedOrder struct {
	act history.ActPayload
	at  time.Time
	// reviewedBy is of a use of break-glass.
	reviewedBy string
}

func (o recordedOrder) told() *Order {
	return &Order{ID: o.act.ID, Verb: o.act.Verb, Person: o.act.Person, Reason: o.act.Reason, At: o.at, ReviewedBy: o.reviewedBy}
}

func (m *Model) orders(ctx context.Context, scope history.Selection) (orderBook, error) {
	book := orderBook{}
	s := history.Selection{Kinds: []history.Kind{history.KindAct}, Application: scope.Application, Before: scope.Before}
	for {
		entries, err := m.record.Select(ctx, s, PageMost)
		if err != nil {
			return nil, fmt.Errorf("read the orders: %w", err)
		}
		if len(entries) == 0 {
			return book, nil
		}
		for _, entry := range entries {
			act, err := history.Decode[history.ActPayload](entry)
			if err != nil {
				return nil, err
			}
			book[act.ID] = recordedOrder{act: act, at: entry.Time}
			if act.Verb == history.VerbReview {
				of := book[act.Of]
				of.reviewedBy = act.Person.Name
				book[act.Of] = of
			}
			s.From = entry.Sequence + 1
		}
	}
}
