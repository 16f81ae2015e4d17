package orders

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Given is an order as it is on record.
type Given struct {
	history.ActPayload
	// UID is that of the Application; empty for an order about a whole gate.
	UID string
	// At is by the clock of the process that recorded it.
	At       time.Time
	Sequence uint64
}

// Standing is what people have ordered, up to a head of the record. The zero Standing
// is that of an empty record. It is never changed; what it returns must not be either.
type Standing struct {
	Head history.Head
	// seen is the newest order, which may be newer than the head.
	seen uint64
	// byUID are the orders about each Application, byName those about one of that name,
	// oldest first. Orders about a whole gate are under the empty UID.
	byUID, byName map[string][]Given
	// answered are orders that were released or reviewed, by what.
	answered map[string]Given
}

// Read is the standing after these entries, which are in order. Entries of other kinds
// say nothing.
func Read(entries []history.Entry) (Standing, error) {
	s, err := Standing{}.with(entries)
	if len(entries) > 0 {
		s.Head = entries[len(entries)-1].Head()
	}
	return s, err
}

// with is the standing after further entries. Those it knows already say nothing.
func (s Standing) with(entries []history.Entry) (Standing, error) {
	next := s
	copied := false
	for _, e := range entries {
		if e.Kind != history.KindAct || e.Sequence <= next.seen {
			continue
		}
		act, err := history.Decode[history.ActPayload](e)
		if err != nil {
			return s, fmt.Errorf("read an order: %w", err)
		}
		if !copied {
			next.byUID, next.byName, next.answered = clone(s.byUID), clone(s.byName), maps.Clone(s.answered)
			if next.answered == nil {
				next.answered = map[string]Given{}
			}
			copied = true
		}
		g := Given{ActPayload: act, UID: e.Application, At: e.Time, Sequence: e.Sequence}
		next.seen = e.Sequence
		next.byUID[g.UID] = append(slices.Clip(next.byUID[g.UID]), g)
		if g.Application != "" {
			next.byName[g.Application] = append(slices.Clip(next.byName[g.Application]), g)
		}
		if g.Of != "" {
			next.answered[g.Of] = g
		}
	}
	return next, nil
}

func clone(m map[string][]Given) map[string][]Given {
	if m == nil {
		return map[string][]Given{}
	}
	return maps.Clone(m)
}

// Adopted is the newest adoption of an Application, by its UID. An older one holds no
// more: who adopted another spec since then meant it to take the place of this one.
func (s Standing) Adopted(uid string) (Given, bool) { return newest(s.byUID[uid], history.VerbAdopt) }

// AdoptedName is the newest adoption of an Application of that "namespace/name",
// whether or not it is the one of now. It proves nothing.
func (s Standing) AdoptedName(application string) (Given, bool) {
	return newest(s.byName[application], history.VerbAdopt)
}

// Order is the order with that ID about an Application, or, with an empty UID, about a
// whole gate.
func (s Standing) Order(uid, id string) (Given, bool) {
	for _, g := range s.byUID[uid] {
		if g.ID == id {
			return g, true
		}
	}
	return Given{}, false
}

// Answer is the release or the review of an order.
func (s Standing) Answer(id string) (Given, bool) {
	g, ok := s.answered[id]
	return g, ok
}

// Holds are the holds in force for an Application of a gate, oldest first: those of the
// whole gate and its own. With an empty UID they are those of the whole gate alone.
func (s Standing) Holds(gate, uid string, at time.Time) []approval.Hold {
	var found []Given
	for _, orders := range [][]Given{s.byUID[""], s.byUID[uid]} {
		for _, g := range orders {
			_, released := s.answered[g.ID]
			if g.Verb == history.VerbHold && g.Gate == gate && !released && inForce(g, at) &&
				!slices.ContainsFunc(found, func(o Given) bool { return o.ID == g.ID }) {
				found = append(found, g)
			}
		}
	}
	slices.SortFunc(found, bySequence)
	holds := make([]approval.Hold, 0, len(found))
	for _, g := range found {
		holds = append(holds, approval.Hold{
			ID: g.ID, WholeGate: g.UID == "", Person: g.Person.Name, Reason: g.Reason, Since: g.At, Expires: g.Expires,
		})
	}
	return holds
}

// BrokenGlass are the uses of break-glass for an Application that are in force, newest
// first.
func (s Standing) BrokenGlass(uid string, at time.Time) []Given {
	var found []Given
	for _, g := range slices.Backward(s.byUID[uid]) {
		if g.Verb == history.VerbBreakGlass && inForce(g, at) {
			found = append(found, g)
		}
	}
	return found
}

// Unreviewed are all uses of break-glass that nobody has reviewed, oldest first.
func (s Standing) Unreviewed() []Given {
	var found []Given
	for _, orders := range s.byUID {
		for _, g := range orders {
			if _, reviewed := s.answered[g.ID]; g.Verb == history.VerbBreakGlass && !reviewed {
				found = append(found, g)
			}
		}
	}
	slices.SortFunc(found, bySequence)
	return found
}

// Permit is the newest permission of that kind for an Application that is in force.
func (s Standing) Permit(uid, permit string, at time.Time) (Given, bool) {
	for _, g := range slices.Backward(s.byUID[uid]) {
		if g.Verb == history.VerbPermit && g.Permit == permit && inForce(g, at) {
			return g, true
		}
	}
	return Given{}, false
}

// Rollback is the newest order to go back for an Application. Whether it was carried
// out, or something was deployed since, is in the intents of the record.
func (s Standing) Rollback(uid string) (Given, bool) {
	return newest(s.byUID[uid], history.VerbRollback)
}

// Sync is the newest order to sync an Application, if it has not expired. Whether it was
// carried out, or something else was decided since, is in the entries after it.
func (s Standing) Sync(uid string, at time.Time) (Given, bool) {
	g, ok := newest(s.byUID[uid], history.VerbSync)
	return g, ok && inForce(g, at)
}

func newest(orders []Given, verb history.Verb) (Given, bool) {
	for _, g := range slices.Backward(orders) {
		if g.Verb == verb {
			return g, true
		}
	}
	return Given{}, false
}

// inForce says whether an order that is not answered still holds. What expires now does
// not.
func inForce(g Given, at time.Time) bool { return g.Expires.IsZero() || at.Before(g.Expires) }

func bySequence(a, b Given) int {
	switch {
	case a.Sequence < b.Sequence:
		return -1
	case a.Sequence > b.Sequence:
		return 1
	default:
		return 0
	}
}
