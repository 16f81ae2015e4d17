package evidence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// Options say what a report is about.
type Options struct {
	Gate     string
	From, To time.Time
	Made     time.Time
	// Checkpoint signs a head, if there is a key; nil for none.
	Checkpoint func(ctx context.Context, head history.Head) (string, error)
	// Progress hears how many entries have been looked at; nil for nobody.
	Progress func(entries int)
}

// Errors of Gather.
var (
	// ErrNotIntact says that the record is not what was written.
	ErrNotIntact = errors.New("the record is not intact")
	// ErrNoTime says that the time has no length, or an end that is still to come.
	ErrNoTime = errors.New("not a time to report on")
)

// page is how many entries are read at a time.
const page = 500

// Gather verifies the record and gathers a report. An error that wraps ErrNotIntact says
// what is wrong with the record; no report is made of it.
func Gather(ctx context.Context, record history.Reader, o Options) (Report, error) {
	if !o.From.Before(o.To) {
		return Report{}, fmt.Errorf("from %s to %s: %w", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339), ErrNoTime)
	}
	if o.To.After(o.Made) {
		return Report{}, fmt.Errorf("the end %s is after %s, when the report is made, so that it would not be complete: %w",
			o.To.Format(time.RFC3339), o.Made.Format(time.RFC3339), ErrNoTime)
	}
	verified, err := history.Verify(ctx, record)
	if err != nil {
		return Report{}, err
	}
	if !verified.Intact() {
		return Report{}, fmt.Errorf("%w: entry %d: %s", ErrNotIntact, verified.Fault.Sequence, verified.Fault.Text)
	}
	g := &gathering{
		record: record, model: deployments.New(record), options: o, head: verified.Head,
		ended: map[string][]history.Entry{}, refusals: map[string]int{}, reviews: map[string]given{},
	}
	g.report = Report{
		Gate: o.Gate, From: o.From.UTC(), To: o.To.UTC(), Made: o.Made.UTC(), Record: Record{Head: verified.Head},
		Policies: []Policy{}, Deployments: []Deployment{}, Changes: []Change{}, Exceptions: []Exception{}, Orders: []Order{}, Refusals: []Refusal{},
	}
	for _, step := range []func(context.Context) error{g.scan, g.deployments, g.policies} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	g.orders()
	g.summarise()
	if o.Checkpoint != nil {
		if g.report.Record.Checkpoint, err = o.Checkpoint(ctx, verified.Head); err != nil {
			return Report{}, fmt.Errorf("sign a checkpoint for the report: %w", err)
		}
	}
	return g.report, nil
}

type gathering struct {
	record  history.Reader
	model   *deployments.Model
	options Options
	// head is what the record was verified up to; what is appended meanwhile is not in
	// the report.
	head   history.Head
	report Report

	// ended are the entries that end deployments of the time, by the Application's UID.
	ended map[string][]history.Entry
	// acts are all orders of the gate, before, in and after the time.
	acts []given
	// reviews are those that say that an order was looked at, by the order's ID.
	reviews  map[string]given
	refusals map[string]int
}

// given is an order with its entry.
type given struct {
	history.ActPayload
	entry history.Entry
}

func proofOf(e history.Entry) Proof { return Proof{Entry: e.Sequence, Digest: e.Digest} }

// within says whether something that was recorded then belongs to the report.
func (g *gathering) within(at time.Time) bool {
	return !at.Before(g.options.From) && at.Before(g.options.To)
}

// scan looks at every entry but decisions, and keeps what a report needs of it.
func (g *gathering) scan(ctx context.Context) error {
	scope := history.Selection{
		Kinds: []history.Kind{history.KindOutcome, history.KindObserved, history.KindAct, history.KindDenied}, From: 1, Before: g.head.Sequence + 1,
	}
	for seen := 0; ; {
		entries, err := g.record.Select(ctx, scope, page)
		if err != nil {
			return fmt.Errorf("read the record from entry %d on: %w", scope.From, err)
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if err := g.take(e); err != nil {
				return fmt.Errorf("read entry %d: %w", e.Sequence, err)
			}
			scope.From = e.Sequence + 1
		}
		if seen += len(entries); g.options.Progress != nil {
			g.options.Progress(seen)
		}
	}
}

func (g *gathering) take(e history.Entry) error {
	within := g.within(e.Time)
	switch e.Kind {
	case history.KindOutcome, history.KindObserved:
		if within {
			g.ended[e.Application] = append(g.ended[e.Application], e)
		}
	case history.KindAct:
		act, err := history.Decode[history.ActPayload](e)
		if err != nil {
			return err
		}
		if act.Gate != g.options.Gate {
			return nil
		}
		g.acts = append(g.acts, given{act, e})
		if act.Verb == history.VerbReview {
			g.reviews[act.Of] = given{act, e}
		}
	case history.KindDenied:
		denied, err := history.Decode[history.DeniedPayload](e)
		if err != nil {
			return err
		}
		if denied.Gate != g.options.Gate || !within {
			return nil
		}
		g.refusals[denied.Code] += 1 + denied.Repeated
		if denied.Warned {
			g.except(Exception{
				Kind: ExceptionWarned, At: e.Time, Application: denied.Application, Who: denied.User, Proof: proofOf(e),
				Text: "let through with a warning, since the gate only warns: " + denied.Text,
			})
		}
		g.spans(e)
	case history.KindDecision, history.KindIntent, history.KindAbandoned, history.KindHealth:
	}
	return nil
}

func (g *gathering) except(e Exception) { g.report.Exceptions = append(g.report.Exceptions, e) }

// spans widens what the report is made of by an entry.
func (g *gathering) spans(e history.Entry) {
	r := &g.report.Record
	if r.First == 0 || e.Sequence < r.First {
		r.First = e.Sequence
	}
	r.Last = max(r.Last, e.Sequence)
}

// deployments reads what was deployed, Application by Application.
func (g *gathering) deployments(ctx context.Context) error {
	for _, uid := range slices.Sorted(maps.Keys(g.ended)) {
		ended := g.ended[uid]
		bySequence := map[uint64]history.Entry{}
		for _, e := range ended {
			bySequence[e.Sequence] = e
		}
		first, err := g.model.Number(ctx, uid, ended[0].Sequence)
		if err != nil {
			return err
		}
		last, err := g.model.Number(ctx, uid, ended[len(ended)-1].Sequence)
		if err != nil {
			return err
		}
		for from := first; from <= last; from += deployments.PageMost {
			found, err := g.model.Range(ctx, uid, from, min(last, from+deployments.PageMost-1))
			if err != nil {
				return err
			}
			for _, d := range found {
				e, ok := bySequence[d.Sequence]
				if !ok || d.Gate != g.options.Gate || d.Before {
					continue // recorded at another time, at another gate, or there before the gate
				}
				if err := g.deployment(ctx, d, e); err != nil {
					return err
				}
			}
		}
	}
	slices.SortFunc(g.report.Deployments, func(a, b Deployment) int { return cmp.Compare(a.Sequence, b.Sequence) })
	slices.SortStableFunc(g.report.Changes, func(a, b Change) int { return cmp.Compare(a.Ended.Entry, b.Ended.Entry) })
	return nil
}

func (g *gathering) deployment(ctx context.Context, d deployments.Deployment, e history.Entry) error {
	row := Deployment{Deployment: d, Ended: proofOf(e)}
	if d.Decision > 0 {
		found, err := g.record.Entries(ctx, d.Decision, 1)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("read decision %d: %w", d.Decision, errors.Join(err, ctx.Err()))
		}
		decided := proofOf(found[0])
		row.Decided = &decided
	}
	g.spans(e)
	g.report.Deployments = append(g.report.Deployments, row)
	g.changes(row)
	g.irregular(row)
	return nil
}

// changes are those that a deployment brought.
func (g *gathering) changes(d Deployment) {
	line := Change{
		Deployed: d.FinishedAt, Application: d.Application, Number: d.Number, Result: string(d.Result), SyncedBy: syncedBy(d.SyncedBy),
		LetThrough: ByQuorum, Ended: d.Ended, Decided: d.Decided,
	}
	switch {
	case d.Ungated:
		line.LetThrough = ByNobody
	case d.Order != nil && d.Order.Verb == history.VerbRollback:
		line.LetThrough = ByRollback
	}
	for _, p := range d.Pulls {
		c := line
		c.Repository, c.Pull, c.Title, c.URL, c.Commit, c.Class = string(p.Repository), p.Number, p.Title, p.URL, string(p.Commit), string(p.Class)
		c.Author, c.ConfigApprovers, c.ImageApprovers = p.Author, p.ConfigApprovers, p.ImageApprovers
		c.Opened, c.Quorum, c.Merged = p.OpenedAt, p.QuorumAt, p.MergedAt
		if p.Unapproved && line.LetThrough == ByQuorum {
			c.LetThrough = ByBreakGlass
		}
		g.report.Changes = append(g.report.Changes, c)
	}
	for _, commit := range d.Direct {
		c := line
		c.Commit = commit
		if line.LetThrough == ByQuorum {
			c.LetThrough = ByBreakGlass
		}
		g.report.Changes = append(g.report.Changes, c)
	}
}

// irregular are the exceptions that a deployment is.
func (g *gathering) irregular(d Deployment) {
	e := Exception{At: d.Recorded, Application: d.Application, Number: d.Number, Who: syncedBy(d.SyncedBy), Proof: d.Ended}
	switch {
	case d.Ungated:
		e.Kind = ExceptionUngated
		e.Text = "synced without the gate being asked"
		if d.Approved > 0 {
			e.Text += fmt.Sprintf("; what was synced is approved by entry %d all the same", d.Approved)
		}
		g.except(e)
	case d.Late:
		e.Kind, e.Text = ExceptionLate, "found afterwards: nobody watched when it happened"
		g.except(e)
	}
	for _, p := range d.Pulls {
		if p.Unapproved && d.Succeeded() {
			e.Kind, e.Text = ExceptionUnapproved, fmt.Sprintf("#%d went out without its quorum", p.Number)
			g.except(e)
		}
	}
	for _, commit := range d.Direct {
		if d.Succeeded() {
			e.Kind, e.Text = ExceptionUnapproved, "commit "+commit+" went out without a pull request"
			g.except(e)
		}
	}
}

func syncedBy(s deployments.SyncedBy) string {
	if s.Text == "" {
		return s.Kind
	}
	return s.Kind + ": " + s.Text
}
