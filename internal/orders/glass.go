package orders

import (
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// UnreviewedOf are the uses of break-glass for one Application that nobody else has
// reviewed, oldest first.
func (s Standing) UnreviewedOf(uid string) []Given {
	var found []Given
	for _, g := range s.byUID[uid] {
		if _, reviewed := s.Reviewed(g); g.Verb == history.VerbBreakGlass && !reviewed {
			found = append(found, g)
		}
	}
	return found
}

// Reviewed is the review of a use of break-glass by somebody else than who broke the
// glass. One by the same person is none.
func (s Standing) Reviewed(g Given) (Given, bool) {
	answer, ok := s.answered[g.ID]
	if !ok || answer.Verb != history.VerbReview || SamePerson(answer.Person, g.Person) {
		return Given{}, false
	}
	return answer, true
}

// Trusts says whether what was deployed may be built upon: what a gate approved, and
// what somebody else has reviewed after break-glass. Act is the ID of the order that the
// deployment carried out, empty for none. Nothing becomes trusted by having been
// deployed.
func (s Standing) Trusts(uid, act string) bool {
	if act == "" {
		return true
	}
	order, ok := s.Order(uid, act)
	switch {
	case !ok:
		return false
	case order.Verb != history.VerbBreakGlass:
		return true
	}
	_, reviewed := s.Reviewed(order)
	return reviewed
}

// SamePerson says whether two orders may be of one person: the same account, or the
// same name by which they are known.
func SamePerson(a, b history.Person) bool {
	return a.ID != 0 && a.ID == b.ID || strings.EqualFold(strings.TrimPrefix(a.Name, "@"), strings.TrimPrefix(b.Name, "@"))
}

// AllHolds are the holds in force of any gate and Application, oldest first.
func (s Standing) AllHolds(at time.Time) []Given {
	var found []Given
	for _, orders := range s.byUID {
		for _, g := range orders {
			if _, released := s.answered[g.ID]; g.Verb == history.VerbHold && !released && inForce(g, at) {
				found = append(found, g)
			}
		}
	}
	slices.SortFunc(found, bySequence)
	return found
}

// ByID finds an order whatever it is about.
func (s Standing) ByID(id string) (Given, bool) {
	for uid := range s.byUID {
		if g, ok := s.Order(uid, id); ok {
			return g, true
		}
	}
	return Given{}, false
}

// AllUnreviewed are the uses of break-glass of all Applications that nobody else has
// reviewed, oldest first.
func (s Standing) AllUnreviewed() []Given {
	var found []Given
	for uid := range s.byUID {
		found = append(found, s.UnreviewedOf(uid)...)
	}
	slices.SortFunc(found, bySequence)
	return found
}
