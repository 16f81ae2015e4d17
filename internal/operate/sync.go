package operate

import (
	"context"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// syncFor is how long the word to sync holds, if nothing else ends it: what somebody
// wanted hours ago may be wrong now.
const syncFor = time.Hour

// Waiting says what waits for somebody to say that it is to be synced, judged anew.
type Waiting interface {
	Awaits(ctx context.Context, applications []string) []approval.Awaited
}

// SyncRequest asks that what is approved for Applications is synced, where the gate waits
// for that.
type SyncRequest struct {
	// Applications are "namespace/name".
	Applications []string `json:"applications"`
	By           string   `json:"by"`
	Reason       string   `json:"reason"`
}

// SyncAsked are orders to sync that were recorded.
type SyncAsked struct {
	Orders []SyncOrdered `json:"orders"`
	// Not says of the other Applications why they do not wait to be synced.
	Not []NotAwaited `json:"not"`
}

// SyncOrdered is the order to sync exactly one candidate of one Application.
type SyncOrdered struct {
	ID          string    `json:"id"`
	Gate        string    `json:"gate"`
	Application string    `json:"application"`
	Revisions   []string  `json:"revisions"`
	Expires     time.Time `json:"expires"`
}

// NotAwaited says why an Application is not synced on command.
type NotAwaited struct {
	Application string `json:"application"`
	Why         string `json:"why"`
}

// Sync orders that what is approved for Applications now is synced: for each one exactly
// the candidate that waits. Whether who asks may, is for the caller to know where the
// identity is proven. No more than orders.MaxBatch are ordered at once.
func (o *Operator) Sync(ctx context.Context, who history.Person, r SyncRequest) (SyncAsked, error) {
	if o.o.Waiting == nil {
		return SyncAsked{}, &console.Error{Code: console.CodeRefused, Text: "nothing is synced here", Remedy: "start gatekeeper serve, and give the order then"}
	}
	places := make([]place, len(r.Applications))
	for i, app := range r.Applications {
		at, err := o.find(ctx, Target{Application: app})
		if err != nil {
			return SyncAsked{}, err
		}
		if !at.policy.Sync.OnCommand {
			return SyncAsked{}, &console.Error{
				Code: console.CodeRefused, Text: "gate " + at.policy.Gate + " syncs what is approved for " + at.about() + " by itself",
				Remedy: "gatekeeper explain " + at.about() + " tells why it is not",
			}
		}
		places[i] = at
	}
	asked := SyncAsked{Orders: []SyncOrdered{}, Not: []NotAwaited{}}
	var given []orders.Order
	var about []place
	for i, w := range o.o.Waiting.Awaits(ctx, r.Applications) {
		switch at := places[i]; {
		case !w.Waits || w.UID != at.app.UID || w.Application != at.about():
			asked.Not = append(asked.Not, NotAwaited{Application: at.about(), Why: w.State})
		case len(given) == orders.MaxBatch:
			asked.Not = append(asked.Not, NotAwaited{Application: at.about(), Why: "too many at once; ask again"})
		default:
			order := at.order(history.VerbSync, who, r.Reason)
			candidate := w.Candidate
			order.Act.Candidate, order.Act.Expires = &candidate, o.o.Desk.Now().Add(syncFor).Truncate(time.Second)
			given, about = append(given, order), append(about, at)
		}
	}
	if len(given) == 0 {
		return SyncAsked{}, nothingWaits(asked.Not)
	}
	acts, err := o.give(ctx, func(s orders.Standing) error {
		for _, at := range about {
			if err := notHeld(s, at, o.o.Desk.Now()); err != nil {
				return err
			}
		}
		return nil
	}, given...)
	if err != nil {
		return SyncAsked{}, err
	}
	for _, act := range acts {
		asked.Orders = append(asked.Orders, SyncOrdered{
			ID: act.ID, Gate: act.Gate, Application: act.Application, Revisions: commits(*act.Candidate), Expires: act.Expires,
		})
	}
	return asked, nil
}

func nothingWaits(not []NotAwaited) error {
	e := &console.Error{Code: console.CodeRefused, Text: "nothing that is approved waits to be synced"}
	if len(not) > 0 {
		e.Text += "; " + not[0].Application + ": " + not[0].Why
	}
	if len(not) > 1 {
		e.Remedy = "/gk why on the pull request tells of each Application, and gatekeeper explain on the command line"
	}
	return e
}
