package standin

import (
	"slices"
	"time"
)

// queueKnobs are what makes deliveries unlike one at a time, in order, at once.
type queueKnobs struct {
	duplicate int
	delay     time.Duration
	held      []string // "event" or "event.action"
}

// turn makes a new delivery late, and gives the one that is to follow it as its double, if any.
func (k *queueKnobs) turn(d *Delivery) (double Delivery) {
	if k.delay > 0 {
		d.notBefore = time.Now().Add(k.delay)
	}
	if k.duplicate == 0 {
		return Delivery{}
	}
	k.duplicate--
	return *d
}

func (k *queueKnobs) holds(d Delivery) bool {
	return slices.Contains(k.held, d.Event) || slices.Contains(k.held, d.Event+"."+d.Action)
}

// sendable is the index of what may be sent now, or -1 and the time until something may.
func (q *deliveryQueue) sendable(now time.Time) (index int, due time.Duration) {
	due = time.Hour
	if q.paused {
		return -1, due
	}
	for i, d := range q.waiting {
		switch {
		case q.holds(d):
		case now.Before(d.notBefore):
			due = min(due, d.notBefore.Sub(now))
		default:
			return i, 0
		}
	}
	return -1, due
}

// quiet tells whether nothing will be sent until somebody changes something.
func (q *deliveryQueue) quiet() bool {
	return q.paused || !slices.ContainsFunc(q.waiting, func(d Delivery) bool { return !q.holds(d) })
}

// DuplicateDeliveries sends each of the next n deliveries of every App twice, with the same GUID.
func (s *Server) DuplicateDeliveries(n int) {
	s.eachQueue(0, func(q *deliveryQueue) { q.duplicate = n })
}

// DelayDeliveries makes every delivery from now on wait this long before it is sent; 0 ends that for
// those to come.
func (s *Server) DelayDeliveries(d time.Duration) {
	s.eachQueue(0, func(q *deliveryQueue) { q.delay = d })
}

// HoldDeliveries keeps deliveries of these events ("push", "pull_request.closed") back, those that
// wait already included, while all others overtake them. Called again, without names at last, it
// lets go what it does not name. LoseDeliveries throws away what is held, too.
func (s *Server) HoldDeliveries(events ...string) {
	s.eachQueue(0, func(q *deliveryQueue) { q.held = slices.Clone(events) })
}
