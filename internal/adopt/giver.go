package adopt

import (
	"errors"
	"strconv"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// ErrGiven says that the order was given already, under the same ID.
var ErrGiven = errors.New("the order was given before")

// Giver is who adopts, and where.
type Giver struct {
	Person history.Person
	// ID becomes that of the first order; under one ID it is given once. Empty at the
	// console.
	ID string
	// Pull is the pull request on which it was given; 0 for none.
	Pull int
}

func (g Giver) mark(given []orders.Order) func(orders.Standing) error {
	for i := range given {
		given[i].Act.Pull = g.Pull
		if given[i].Act.ID = g.ID; g.ID != "" && i > 0 {
			given[i].Act.ID += "." + strconv.Itoa(i)
		}
	}
	if g.ID == "" {
		return nil
	}
	return func(s orders.Standing) error {
		if _, before := s.ByID(g.ID); before {
			return ErrGiven
		}
		return nil
	}
}
