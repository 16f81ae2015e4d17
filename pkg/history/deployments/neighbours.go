package deployments

import (
	"context"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// neighbours are some operations in a row, with what was live before the first one.
type neighbours struct{ all []operation }

// before is what was live before the operation at a place; -1 for none.
func (n neighbours) before(at int) int {
	for i := at - 1; i >= 0; i-- {
		if n.all[i].live() {
			return i
		}
	}
	return -1
}

// backTo is the place of the one to which somebody went back without an order: the newest
// one of the same revisions before what was live; -1 for none.
func (n neighbours) backTo(at int) int {
	live := n.before(at)
	if live < 0 || !n.all[at].live() || n.all[at].alike(&n.all[live]) {
		return -1
	}
	if o := &n.all[at]; o.intent != nil && (o.intent.Admitted == nil || !o.intent.Admitted.Rollback) {
		return -1 // what is approved and goes back did so by a pull request
	}
	for i := live - 1; i >= 0; i-- {
		if n.all[i].live() && n.all[i].alike(&n.all[at]) {
			return i
		}
	}
	return -1
}

// restsOn is the number of what a deployment builds on, 0 for none that is known.
func (n neighbours) restsOn(at int, d Deployment) int {
	if d.BackTo > 0 {
		return d.BackTo
	}
	trusted := make([]string, len(d.Revisions))
	for i, r := range d.Revisions {
		for _, b := range d.Baseline {
			if b.Repository.Equal(r.Repository) {
				trusted[i] = b.Revision
			}
		}
	}
	for i := at - 1; i >= 0 && len(d.Baseline) > 0; i-- {
		if o := &n.all[i]; o.live() && slices.Equal(o.revisions(), trusted) {
			return o.number
		}
	}
	return d.Previous
}

// read returns the deployments with the numbers first to last, oldest first.
func (m *Model) read(ctx context.Context, scope history.Selection, total, first, last int) ([]Deployment, error) {
	begin, end := max(1, first-behindRead), min(total, last+aheadRead)
	all, err := m.operations(ctx, scope, total, begin, end)
	if err != nil {
		return nil, err
	}
	// What was live before may be far back, when nothing succeeded since.
	for begin > 1 && !all[0].archived() && (neighbours{all}).before(first-begin) < 0 {
		next := max(1, begin-behindRead)
		more, err := m.operations(ctx, scope, total, next, begin-1)
		if err != nil {
			return nil, err
		}
		all, begin = append(more, all...), next
	}
	n := neighbours{all}
	orders, err := m.orders(ctx, scope)
	if err != nil {
		return nil, err
	}
	var out []Deployment
	for i := first - begin; i <= last-begin; i++ {
		if o := &all[i]; o.archived() {
			out = append(out, Deployment{Number: o.number, UID: o.entry.Application, Sequence: o.entry.Sequence, Recorded: o.entry.Time, Archived: true})
			continue
		}
		d, err := m.deployment(ctx, &all[i], orders)
		if err != nil {
			return nil, err
		}
		if live := n.before(i); live >= 0 {
			d.Previous = all[live].number
			d.Same = all[i].live() && all[i].alike(&all[live])
		}
		if d.BackTo, err = m.wentBack(ctx, n, i, orders); err != nil {
			return nil, err
		}
		d.RestsOn = n.restsOn(i, d)
		if d.BlamedBy, err = m.blamedBy(ctx, n, i, orders); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// blamedBy is the number of the deployment that took an operation back, 0 for none: the
// next one that deployed something else, if it went back.
func (m *Model) blamedBy(ctx context.Context, n neighbours, at int, orders orderBook) (int, error) {
	if !n.all[at].live() {
		return 0, nil
	}
	for later := at + 1; later < len(n.all); later++ {
		if !n.all[later].live() || n.all[later].alike(&n.all[at]) {
			continue
		}
		back, err := m.wentBack(ctx, n, later, orders)
		if err != nil || back == 0 {
			return 0, err
		}
		return n.all[later].number, nil
	}
	return 0, nil
}

// wentBack is the number of the deployment to which an operation went back, 0 for none.
func (m *Model) wentBack(ctx context.Context, n neighbours, at int, orders orderBook) (int, error) {
	o := &n.all[at]
	if o.intent != nil && o.intent.Act != "" {
		order := orders[o.intent.Act]
		if order.act.Verb != history.VerbRollback {
			return 0, nil
		}
		related, err := m.record.Intent(ctx, order.act.Intent)
		if err != nil {
			return 0, fmt.Errorf("read intent %q: %w", order.act.Intent, err)
		}
		for _, entry := range related {
			if entry.Kind == history.KindOutcome {
				return m.Number(ctx, o.entry.Application, entry.Sequence)
			}
		}
		return 0, nil
	}
	if back := n.backTo(at); back >= 0 {
		return n.all[back].number, nil
	}
	return 0, nil
}
