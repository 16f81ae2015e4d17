package deployments

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// neighbours are some operations in a row, with what was live before the first one.
type neighbours struct{ all []operation }

// nearest is the place of what was live before the operation at a place, or of what is
// archived and may have been; -1 for neither.
func (n neighbours) nearest(at int) int {
	for i := at - 1; i >= 0; i-- {
		if n.all[i].live() || n.all[i].archived() {
			return i
		}
	}
	return -1
}

// before is what was live before the operation at a place; -1 for none that is known.
func (n neighbours) before(at int) int {
	if i := n.nearest(at); i >= 0 && n.all[i].live() {
		return i
	}
	return -1
}

// followed is the entry of the next operation that took the place of the one at a place, or
// is archived and may have; 0 for none.
func (n neighbours) followed(at int) uint64 {
	for i := at + 1; i < len(n.all); i++ {
		if n.all[i].live() || n.all[i].archived() {
			return n.all[i].entry.Sequence
		}
	}
	return 0
}

// backTo is the place of the one to which somebody went back without an order: the newest
// one of the same revisions before what was live; -1 for none among those that are looked
// at, however many more were read.
func (n neighbours) backTo(at int) int {
	live := n.before(at)
	if live < 0 || !n.all[at].live() || n.all[at].alike(&n.all[live]) {
		return -1
	}
	if o := &n.all[at]; o.intent != nil && (o.intent.Admitted == nil || !o.intent.Admitted.Rollback) {
		return -1 // what is approved and goes back did so by a pull request
	}
	for i := live - 1; i >= max(0, at-behindRead); i-- {
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
	for i := at - 1; i >= max(0, at-behindRead) && len(d.Baseline) > 0; i-- {
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
	offset := first - begin
	// What was live before may be far back, when nothing succeeded since. Those in between
	// are not kept: there may be any number of them.
	for far := begin; far > 1 && (neighbours{all}).nearest(offset) < 0; {
		next := max(1, far-behindRead)
		more, err := m.operations(ctx, scope, total, next, far-1)
		if err != nil {
			return nil, err
		}
		if i := (neighbours{more}).nearest(len(more)); i >= 0 {
			all, offset = append([]operation{more[i]}, all...), offset+1
		}
		far = next
	}
	n := neighbours{all}
	orders, err := m.orders(ctx, scope)
	if err != nil {
		return nil, err
	}
	var out []Deployment
	for i := offset; i <= offset+last-first; i++ {
		if all[i].archived() {
			out = append(out, all[i].stub())
			continue
		}
		d, err := m.deployment(ctx, &all[i], orders, n.followed(i))
		if errors.Is(err, history.ErrArchived) {
			out = append(out, all[i].stub())
			continue
		}
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
// next one that deployed something else, if it went back. One that is archived, or more than
// aheadRead later, is none.
func (m *Model) blamedBy(ctx context.Context, n neighbours, at int, orders orderBook) (int, error) {
	if !n.all[at].live() {
		return 0, nil
	}
	for later := at + 1; later < len(n.all) && later <= at+aheadRead; later++ {
		if n.all[later].archived() {
			return 0, nil // that may have been it
		}
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
			if entry.Application != o.entry.Application {
				return 0, fmt.Errorf("entry %d: order %q goes back to a deployment of another Application", o.entry.Sequence, order.act.ID)
			}
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
