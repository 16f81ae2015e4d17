package operate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// Numbers finds deployments by their numbers.
type Numbers interface {
	// Entry returns the entry that tells how the deployment with a number ended. The error
	// wraps deployments.ErrNotFound when there is none.
	Entry(ctx context.Context, uid string, number int) (history.Entry, error)
}

// numberedRead is how far back one can go by a number.
const numberedRead = 1000

// wanted says which deployments a rollback may go back to, and how many of the newest are
// to be looked through.
func (o *Operator) wanted(ctx context.Context, at place, to string) (func(history.Deployment) bool, int, error) {
	number, numbered := numberOf(to)
	switch {
	case to == "":
		return func(history.Deployment) bool { return true }, rollbacksRead, nil
	case !numbered:
		return func(d history.Deployment) bool { return hasCommit(d.Intent.Candidate, to) }, rollbacksRead, nil
	case o.o.Numbers == nil:
		return nil, 0, &console.Error{Code: console.CodeRefused, Text: "deployments cannot be found by their numbers here", Remedy: "name a commit"}
	}
	refused := func(why string) error {
		return &console.Error{
			Code: console.CodeNotFound, Text: fmt.Sprintf("there is no going back to deployment #%d of %s: %s", number, at.about(), why),
			Remedy: "the deployments are in: gatekeeper history " + at.about(),
		}
	}
	entry, err := o.o.Numbers.Entry(ctx, at.app.UID, number)
	switch {
	case errors.Is(err, deployments.ErrNotFound):
		return nil, 0, refused("it is not on record")
	case err != nil:
		return nil, 0, fmt.Errorf("look for deployment #%d of %s: %w", number, at.about(), err)
	case entry.Kind != history.KindOutcome:
		return nil, 0, refused("the gate was not asked about it, so nobody approved it")
	}
	outcome, err := history.Decode[history.OutcomePayload](entry)
	switch {
	case errors.Is(err, history.ErrArchived):
		return nil, 0, refused("it is archived, and what is archived is nothing that is decided by; revert with a pull request")
	case err != nil:
		return nil, 0, fmt.Errorf("read deployment #%d of %s: %w", number, at.about(), err)
	case outcome.Result != history.ResultSucceeded:
		return nil, 0, refused("its result was " + string(outcome.Result))
	}
	return func(d history.Deployment) bool { return d.Intent.ID == outcome.Intent }, numberedRead, nil
}

// numberOf reads "12" and "#12". Without the sign, seven digits and more are a commit.
func numberOf(to string) (int, bool) {
	digits, marked := strings.CutPrefix(to, "#")
	if !marked && len(digits) >= shortestCommit {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n > 0
}
