package evidence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// Options say what a report is about.
type Options struct {
	Gate     string
	From, To time.Time
	Made     time.Time
	// Gates are those that are configured. A gate that is neither among them nor on record
	// is an error; one that is on record alone is not.
	Gates []string
	// Checkpoint signs a head, if there is a key; nil for none.
	Checkpoint func(ctx context.Context, head history.Head) (string, error)
	// Progress hears what is being done, and how much of it is; nil for nobody.
	Progress func(step string, done int)
}

// Errors of Gather.
var (
	// ErrNotIntact says that the record is not what was written.
	ErrNotIntact = errors.New("the record is not intact")
	// ErrNoTime says that the time has no length, or an end that is still to come.
	ErrNoTime = errors.New("not a time to report on")
	// ErrUnknownGate says that there is no such gate, and never was.
	ErrUnknownGate = errors.New("no such gate")
)

// page is how many entries are read at a time.
const page = 500

// Gather verifies the record and gathers a report. An error that wraps ErrNotIntact says
// what is wrong with the record; no report is made of it. What is appended meanwhile is not
// in the report.
func Gather(ctx context.Context, record history.Reader, o Options) (Report, error) {
	if !o.From.Before(o.To) {
		return Report{}, fmt.Errorf("from %s to %s: %w", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339), ErrNoTime)
	}
	if o.To.After(o.Made) {
		return Report{}, fmt.Errorf("the end %s is after %s, when the report is made, so that it would not be complete: %w",
			o.To.Format(time.RFC3339), o.Made.Format(time.RFC3339), ErrNoTime)
	}
	if o.Progress == nil {
		o.Progress = func(string, int) {}
	}
	o.Progress("verifying the record", 0)
	verified, err := history.Verify(ctx, record)
	if err != nil {
		return Report{}, err
	}
	if !verified.Intact() {
		return Report{}, notIntact(verified)
	}
	g := newGathering(upto{record, verified.Head}, o)
	for _, step := range []func(context.Context) error{g.listed, g.scan, g.known, g.deployments, g.policies} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	g.orders()
	g.unsettled()
	g.limits()
	g.summarise()
	if o.Checkpoint != nil {
		if g.report.Record.Checkpoint, err = o.Checkpoint(ctx, verified.Head); err != nil {
			return Report{}, fmt.Errorf("sign a checkpoint for the report: %w", err)
		}
	}
	return g.report, nil
}

func notIntact(found history.Report) error {
	if found.Fault == nil {
		return ErrNotIntact
	}
	return fmt.Errorf("%w, so no report is made of it: entry %d (%s): %s", ErrNotIntact, found.Fault.Sequence, found.Fault.Kind, found.Fault.Text)
}

type gathering struct {
	record  upto
	model   *deployments.Model
	options Options
	report  Report

	// archived counts the entries of the time that are archived and not at hand, by the
	// entry that says so.
	archives []history.Archive
	archived map[uint64]*archived
	// latest is the latest time of any entry so far. Clocks are set back: what was written
	// after something of the time, and says that it was before, is reported all the same.
	latest time.Time
	// gates are those on record.
	gates map[string]bool
	// uids are those that an Application's name had, oldest first.
	uids map[string][]string
	// intents are those of the gate, by their IDs; uses those of them that name an order.
	intents map[string]*intent
	uses    map[string][]*intent
	// ended are the entries that end deployments of the gate and the time, by the
	// Application's UID.
	ended map[string][]history.Entry
	// acts are all orders of the gate, before, in and after the time, and byID the same by
	// their IDs.
	acts []given
	byID map[string]given
	// reviews are those that say that an order was looked at, by the order's ID.
	reviews  map[string]given
	refusals map[string]int
}

// intent is what is kept of one.
type intent struct {
	history.IntentPayload
	sequence uint64
	uid      string
	digest   history.Digest
	at       time.Time
	within   bool
	// outcome is the entry that tells how it ended, 0 for none.
	outcome   uint64
	abandoned bool
}

// given is an order with its entry.
type given struct {
	history.ActPayload
	entry  history.Entry
	within bool
}

func newGathering(record upto, o Options) *gathering {
	return &gathering{
		record: record, model: deployments.New(record), options: o,
		gates: map[string]bool{}, uids: map[string][]string{}, intents: map[string]*intent{}, uses: map[string][]*intent{},
		ended: map[string][]history.Entry{}, byID: map[string]given{}, reviews: map[string]given{}, refusals: map[string]int{},
		report: Report{
			Gate: o.Gate, From: o.From.UTC(), To: o.To.UTC(), Made: o.Made.UTC(), Record: Record{Head: record.head},
			Policies: []Policy{}, PolicyChanges: []PolicyChange{}, Deployments: []Deployment{}, Changes: []Change{}, Exceptions: []Exception{}, Orders: []Order{}, Refusals: []Refusal{},
		},
	}
}

func proofOf(e history.Entry) Proof { return Proof{Entry: e.Sequence, Digest: e.Digest} }

// within says whether a time belongs to the report.
func (g *gathering) within(at time.Time) bool {
	return !at.Before(g.options.From) && at.Before(g.options.To)
}

// scan looks at every entry but decisions and health, and keeps what a report needs of it.
func (g *gathering) scan(ctx context.Context) error {
	scope := history.Selection{From: 1, Kinds: []history.Kind{
		history.KindIntent, history.KindOutcome, history.KindAbandoned, history.KindObserved, history.KindAct, history.KindDenied, history.KindPolicy,
	}}
	for seen := 0; ; {
		g.options.Progress("entries", seen)
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
		seen += len(entries)
	}
}

// take keeps what is needed of an entry.
func (g *gathering) take(e history.Entry) error {
	if e.Time.After(g.latest) {
		g.latest = e.Time
	}
	// Nothing may fall between the times of two reports because a clock was set back.
	within := g.within(e.Time) || g.within(g.latest)
	if e.Archived() {
		if within {
			g.lacks(e)
		}
		return nil
	}
	switch e.Kind {
	case history.KindIntent:
		return g.takeIntent(e, within)
	case history.KindOutcome, history.KindAbandoned:
		i := g.intents[e.Intent]
		if i == nil {
			return nil // of another gate
		}
		if e.Kind == history.KindAbandoned {
			i.abandoned = true
			return nil
		}
		i.outcome = e.Sequence
		g.ends(e, within)
	case history.KindObserved:
		seen, err := history.Decode[history.ObservedPayload](e)
		if err != nil {
			return err
		}
		g.gates[seen.Gate] = true
		g.named(seen.Application, e.Application)
		if seen.Gate == g.options.Gate {
			g.ends(e, within)
		}
	case history.KindAct:
		return g.takeAct(e, within)
	case history.KindDenied:
		return g.takeDenied(e, within)
	case history.KindPolicy:
		return g.takePolicy(e, within)
	case history.KindDecision, history.KindHealth, history.KindArchived:
	}
	return nil
}

// takePolicy keeps a change of the gate's policy.
func (g *gathering) takePolicy(e history.Entry, within bool) error {
	p, err := history.Decode[history.PolicyPayload](e)
	if err != nil {
		return err
	}
	g.gates[p.Gate] = true
	if p.Gate == g.options.Gate && within {
		g.report.PolicyChanges = append(g.report.PolicyChanges, PolicyChange{
			At: e.Time, Before: p.Before, After: p.After, Keys: p.Keys, File: p.File, Cause: p.Cause, Proof: proofOf(e),
		})
	}
	return nil
}

func (g *gathering) takeIntent(e history.Entry, within bool) error {
	p, err := history.Decode[history.IntentPayload](e)
	if err != nil {
		return err
	}
	g.gates[p.Gate] = true
	g.named(p.Application, e.Application)
	if p.Gate != g.options.Gate {
		return nil
	}
	i := &intent{IntentPayload: p, sequence: e.Sequence, digest: e.Digest, uid: e.Application, at: e.Time, within: within}
	g.intents[p.ID] = i
	if p.Act != "" {
		g.uses[p.Act] = append(g.uses[p.Act], i)
	}
	return nil
}

func (g *gathering) takeAct(e history.Entry, within bool) error {
	act, err := history.Decode[history.ActPayload](e)
	if err != nil {
		return err
	}
	g.gates[act.Gate] = true
	if act.Gate != g.options.Gate {
		return nil
	}
	a := given{act, e, within}
	g.acts, g.byID[act.ID] = append(g.acts, a), a
	if act.Verb == history.VerbReview {
		g.reviews[act.Of] = a
	}
	if within {
		g.setBack(e, act.Application, act.Person.Name)
	}
	return nil
}

func (g *gathering) takeDenied(e history.Entry, within bool) error {
	denied, err := history.Decode[history.DeniedPayload](e)
	if err != nil {
		return err
	}
	g.gates[denied.Gate] = true
	if denied.Gate != g.options.Gate || !within {
		return nil
	}
	g.spans(e)
	g.setBack(e, denied.Application, denied.User)
	if !denied.Warned {
		g.refusals[denied.Code] += 1 + denied.Repeated
		return nil
	}
	text := "let through with a warning, since the gate does not enforce: " + denied.Text
	if denied.Repeated > 0 {
		text += fmt.Sprintf(" (and %d times more)", denied.Repeated)
	}
	g.except(Exception{
		Kind: ExceptionWarned, At: e.Time, Application: denied.Application, UID: e.Application, Who: denied.User, Text: text, Proof: proofOf(e),
	})
	return nil
}

// ends keeps an entry that ends a deployment of the gate.
func (g *gathering) ends(e history.Entry, within bool) {
	if within {
		g.ended[e.Application] = append(g.ended[e.Application], e)
	}
}

// named keeps which Application had a name.
func (g *gathering) named(name, uid string) {
	if !slices.Contains(g.uids[name], uid) {
		g.uids[name] = append(g.uids[name], uid)
	}
}

// setBack tells of an entry that is in the report although its own time is not of it.
func (g *gathering) setBack(e history.Entry, application, who string) {
	if g.within(e.Time) {
		return
	}
	g.except(Exception{
		Kind: ExceptionClock, At: e.Time, Application: application, UID: e.Application, Who: who, Proof: proofOf(e),
		Text: fmt.Sprintf("entry %d says %s, and an entry before it was written later than that: a clock was set back", e.Sequence, stamp(e.Time)),
	})
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

// known refuses a gate that is neither configured nor on record: a misspelt name would
// make a report without exceptions.
func (g *gathering) known(context.Context) error {
	if g.gates[g.options.Gate] || slices.Contains(g.options.Gates, g.options.Gate) {
		return nil
	}
	for _, name := range g.options.Gates {
		g.gates[name] = true
	}
	return fmt.Errorf("%w: %q is neither configured nor on record; there are %s", ErrUnknownGate, g.options.Gate,
		strings.Join(slices.Sorted(maps.Keys(g.gates)), ", "))
}
