package deployments

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// operation is what the record says of one in few words: what its neighbours need.
type operation struct {
	number int
	entry  history.Entry
	// intent and outcome are nil for one that was observed, and the other way round. All are
	// nil for one that is archived.
	intent   *history.IntentPayload
	outcome  *history.OutcomePayload
	observed *history.ObservedPayload
}

// operations reads those with the numbers first to last.
func (m *Model) operations(ctx context.Context, scope history.Selection, total, first, last int) ([]operation, error) {
	if first > last {
		return nil, nil
	}
	entries, err := m.entries(ctx, scope, total, first, last)
	if err != nil {
		return nil, err
	}
	out := make([]operation, len(entries))
	for i, entry := range entries {
		out[i] = operation{number: first + i, entry: entry}
		if entry.Archived() {
			continue
		}
		if entry.Kind == history.KindObserved {
			o, err := history.Decode[history.ObservedPayload](entry)
			if err != nil {
				return nil, err
			}
			out[i].observed = &o
			continue
		}
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return nil, err
		}
		out[i].outcome = &o
		related, err := m.record.Intent(ctx, o.Intent)
		if err != nil {
			return nil, fmt.Errorf("read intent %q: %w", o.Intent, err)
		}
		if len(related) == 0 {
			return nil, fmt.Errorf("entry %d has no intent", entry.Sequence)
		}
		intent, err := history.Decode[history.IntentPayload](related[0])
		if err != nil {
			return nil, err
		}
		out[i].intent = &intent
	}
	return out, nil
}

// result says how it ended.
func (o *operation) result() history.Result {
	switch {
	case o.archived():
		return ""
	case o.outcome != nil:
		return o.outcome.Result
	case o.observed.Phase != phaseSucceeded:
		return history.ResultFailed
	case o.observed.Partial:
		return history.ResultPartial
	default:
		return history.ResultSucceeded
	}
}

// archived says whether what it tells is not at hand. Nothing rests on it then: it counts,
// and is neither live nor what somebody went back to.
func (o *operation) archived() bool { return o.outcome == nil && o.observed == nil }

const phaseSucceeded = "Succeeded"

// live says whether it became what is live.
func (o *operation) live() bool {
	r := o.result()
	return r == history.ResultSucceeded || r == history.ResultMismatch
}

// revisions are what was synced.
func (o *operation) revisions() []string {
	switch {
	case o.archived():
		return nil
	case o.observed != nil:
		return o.observed.Revisions
	case len(o.outcome.Revisions) > 0:
		return o.outcome.Revisions
	}
	var out []string // of a sync that failed before it said so
	for _, r := range o.intent.Candidate.Revisions {
		out = append(out, string(r.SHA))
	}
	return out
}

// specDigest is empty for what was observed.
func (o *operation) specDigest() string {
	if o.intent == nil {
		return ""
	}
	return o.intent.Candidate.SpecDigest
}

// alike says whether two of them deploy the same, as far as is known.
func (o *operation) alike(other *operation) bool {
	return slices.Equal(o.revisions(), other.revisions()) &&
		(o.specDigest() == "" || other.specDigest() == "" || o.specDigest() == other.specDigest())
}

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

// deployment fills in what one operation tells by itself.
func (m *Model) deployment(ctx context.Context, o *operation, orders orderBook) (Deployment, error) {
	d := Deployment{
		Number: o.number, UID: o.entry.Application, Sequence: o.entry.Sequence, Recorded: o.entry.Time,
		Result: o.result(), SpecDigest: o.specDigest(),
	}
	for _, r := range o.revisions() {
		d.Revisions = append(d.Revisions, Revision{Revision: r})
	}
	health := ""
	if seen := o.observed; seen != nil {
		d.Application, d.Gate, d.Phase, d.Message = seen.Application, seen.Gate, seen.Phase, seen.Message
		d.StartedAt, d.FinishedAt, health, d.Resources = seen.StartedAt, seen.FinishedAt, seen.Health, seen.Resources
		d.Ungated, d.Approved, d.Before, d.Late = !seen.Before, seen.Covers, seen.Before, seen.Late
		d.SyncedBy = SyncedBy{Kind: ByPerson, Text: seen.InitiatedBy}
		if seen.InitiatedBy == automatedSync {
			d.SyncedBy.Kind = ByArgoCD
		}
		if d.Ungated {
			if err := m.brought(ctx, &d, seen.Decision); err != nil {
				return Deployment{}, err
			}
		}
		d.AskedBy = nil // its authors may not have wanted it
		if seen.InitiatedBy != "" && d.SyncedBy.Kind == ByPerson {
			d.AskedBy = []string{seen.InitiatedBy}
		}
	} else {
		i := o.intent
		d.Application, d.Gate, d.Intent, d.Phase, d.Message = i.Application, i.Gate, i.ID, o.outcome.Phase, o.outcome.Message
		d.StartedAt, d.FinishedAt, health = o.outcome.StartedAt, o.outcome.FinishedAt, o.outcome.Health
		d.Resources = o.outcome.Resources
		d.Decision, d.PolicyDigest, d.FactsDigest = i.DecisionSequence, i.PolicyDigest, i.FactsDigest
		for n, r := range i.Candidate.Revisions {
			if n < len(d.Revisions) {
				d.Revisions[n].Repository = r.Repository
			}
		}
		d.SyncedBy = SyncedBy{Kind: ByGatekeeper, Text: i.InitiatedBy}
		if i.Admitted != nil {
			d.SyncedBy.Kind = ByPerson
			if i.Admitted.Automated {
				d.SyncedBy.Kind = ByArgoCD
			}
		}
		p, err := m.decision(ctx, i.DecisionSequence)
		if err == nil {
			err = tell(&d, p, i.Candidate.Revisions)
		}
		if err != nil {
			return Deployment{}, fmt.Errorf("read what intent %q rests on: %w", i.ID, err)
		}
		if order, ok := orders[i.Act]; ok && i.Act != "" {
			d.Order = order.told()
			d.AskedBy = []string{order.act.Person.Name}
		} else if d.SyncedBy.Kind == ByPerson {
			d.AskedBy = []string{i.InitiatedBy}
		}
		if order, ok := orders[i.Asked]; ok && i.Asked != "" {
			d.Word = order.told()
		}
	}
	d.Marks = orders.marksOf(d.Sequence)
	d.Failure = failure(d)
	return d, m.health(ctx, &d, health)
}

// automatedSync is what initiates an automatic sync, as package argo reads it.
const automatedSync = "automated sync policy"

func failure(d Deployment) string {
	text := ""
	switch d.Result {
	case history.ResultSucceeded:
		return ""
	case history.ResultFailed:
		text = "the sync ended as " + d.Phase
	case history.ResultMismatch:
		text = "something else was deployed than what was let through"
	case history.ResultPartial:
		return "some resources were synced alone"
	}
	if d.Message != "" {
		text += ": " + d.Message
	}
	return text
}

// stale is for how long after the end of a sync Argo CD may show the health from before
// it: it assesses the resources anew after the operation.
const stale = 30 * time.Second

// health reads how the Application fared.
func (m *Model) health(ctx context.Context, d *Deployment, first string) error {
	if first != "" {
		d.Health = []Health{{Health: first, At: d.FinishedAt}}
	}
	d.Watched = d.Recorded
	s := history.Selection{Kinds: []history.Kind{history.KindHealth}, Application: d.UID, From: d.Sequence + 1}
	for ended := false; !ended; {
		entries, err := m.record.Select(ctx, s, healthRead)
		if err != nil {
			return fmt.Errorf("read the health after entry %d: %w", d.Sequence, err)
		}
		ended = len(entries) < healthRead
		for _, entry := range entries {
			h, err := history.Decode[history.HealthPayload](entry)
			if err != nil {
				return err
			}
			// Only the newest one is watched, so those of the next one come after all of these.
			if s.From = entry.Sequence + 1; h.Of != d.Sequence {
				ended = ended || h.Of > d.Sequence
				continue
			}
			d.Health = append(d.Health, Health{Health: h.Health, At: h.At, Late: h.Late, End: h.End})
			d.Watched = h.At
			ended = ended || h.End
		}
	}
	if !d.Succeeded() {
		return nil
	}
	for i, h := range d.Health {
		switch {
		case h.Health != healthy:
		case h.Late && i > 0 && d.Health[i-1].Health != healthy:
			return nil // some time before, and nobody knows when
		case i == 0 && len(d.Health) > 1 && d.Health[1].Health == "Progressing" && d.Health[1].At.Sub(h.At) <= stale:
			continue // that was the health from before
		default:
			d.HealthyAt = h.At
			return nil
		}
	}
	return nil
}

const (
	healthy    = "Healthy"
	healthRead = 25
)

// people are names, each once.
func people(lists ...[]approval.User) []string {
	var out []string
	for _, users := range lists {
		for _, u := range users {
			if !slices.Contains(out, u.Login) {
				out = append(out, u.Login)
			}
		}
	}
	return out
}
