package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// MarkRequest says whether a deployment has failed.
type MarkRequest struct {
	// Application is "namespace/name", Number that of the deployment.
	Application string `json:"application"`
	Number      int    `json:"number"`
	// Failed is false to take earlier marks back.
	Failed bool   `json:"failed"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Marked is a mark that was recorded.
type Marked struct {
	ID          string `json:"id"`
	Gate        string `json:"gate"`
	Application string `json:"application"`
	Number      int    `json:"number"`
	Mark        string `json:"mark"`
}

// Mark records what a person says about a deployment, for the metrics. Nothing is decided
// by it. The newest mark of a deployment holds. Who may hold may.
func (o *Operator) Mark(ctx context.Context, who history.Person, r MarkRequest) (Marked, error) {
	at, err := o.find(ctx, Target{Application: r.Application})
	if err != nil {
		return Marked{}, err
	}
	if err := o.mayHold(ctx, at.policy, who); err != nil {
		return Marked{}, err
	}
	if o.o.Numbers == nil {
		return Marked{}, &console.Error{Code: console.CodeRefused, Text: "deployments cannot be found by their numbers here"}
	}
	entry, err := o.o.Numbers.Entry(ctx, at.app.UID, r.Number)
	if errors.Is(err, deployments.ErrNotFound) {
		return Marked{}, &console.Error{
			Code: console.CodeNotFound, Text: fmt.Sprintf("deployment #%d of %s is not on record", r.Number, at.about()),
			Remedy: "the deployments are in: gatekeeper history " + at.about(),
		}
	}
	if err != nil {
		return Marked{}, fmt.Errorf("look for deployment #%d of %s: %w", r.Number, at.about(), err)
	}
	order := at.order(history.VerbMark, who, r.Reason)
	if order.Act.Deployment, order.Act.Mark = entry.Sequence, history.MarkNotFailed; r.Failed {
		order.Act.Mark = history.MarkFailed
	}
	acts, err := o.give(ctx, nil, order)
	if err != nil {
		return Marked{}, err
	}
	return Marked{ID: acts[0].ID, Gate: at.policy.Gate, Application: at.about(), Number: r.Number, Mark: acts[0].Mark}, nil
}
