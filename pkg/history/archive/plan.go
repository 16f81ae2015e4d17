package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

const (
	// KeptOperations is how many operations, outcomes, deployments and intents of each
	// Application stay whole, whatever their age. The gate looks back as far as 50 of each:
	// for what a rollback may go back to, for uses of break-glass, and for operations that
	// Argo CD still shows.
	KeptOperations = 60
	// Youngest is what an entry must be older than. Health is observed after a deployment for
	// an hour unless the configuration says otherwise, and words to sync expire within days.
	Youngest = 7 * 24 * time.Hour

	page = 512
)

// ErrNothing says that nothing can be archived.
var ErrNothing = errors.New("there is nothing to archive")

// Plan is what can be archived.
type Plan struct {
	// From and To are the first and the last entry of the range.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	// Kept are the entries of the range that stay whole.
	Kept []uint64 `json:"kept"`
	// Stubs is the digest of the stubs of the range.
	Stubs history.Digest `json:"-"`
}

// Archived counts the entries whose payloads go.
func (p Plan) Archived() int { return int(p.To-p.From) + 1 - len(p.Kept) } //nolint:gosec // a record never has 2^63 entries

// Make reads the whole record and plans to archive what was recorded before a time. The
// range begins after the last one that was archived, and ends before the first entry of
// that time or later, and before the first order to sync that may still be carried out.
// What it holds in memory of operations does not grow with how many are on record.
func Make(ctx context.Context, r history.Reader, before, now time.Time) (Plan, error) {
	return keeping(ctx, r, before, now, KeptOperations)
}

// keeping is Make, and keeps that many operations.
func keeping(ctx context.Context, r history.Reader, before, now time.Time, operations int) (Plan, error) {
	if now.Sub(before) < Youngest {
		return Plan{}, fmt.Errorf("%w: what is younger than %d days stays, whatever is asked for", ErrNothing, int(Youngest.Hours()/24))
	}
	done, err := history.Archives(ctx, r)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{From: 1}
	if len(done) > 0 {
		p.From = done[len(done)-1].To + 1
	}
	s := newSurvey(r, before, now, p.From, operations)
	if err := s.read(ctx); err != nil {
		return Plan{}, err
	}
	p.To, p.Stubs = s.to, s.stubs.Digest()
	if p.To < p.From {
		return Plan{}, fmt.Errorf("%w: from entry %d on, nothing was recorded before %s, or an order to sync from then is still in force", ErrNothing, p.From, before.UTC().Format(time.RFC3339))
	}
	if p.Kept, err = s.kept(ctx, p.From, p.To); err != nil {
		return Plan{}, err
	}
	if p.Archived() == 0 {
		return Plan{}, fmt.Errorf("%w: the entries %d to %d are all still needed to decide", ErrNothing, p.From, p.To)
	}
	return p, nil
}

// survey is what it takes to know which entries the gate may still read.
type survey struct {
	r           history.Reader
	keeps       int
	now, before time.Time
	from        uint64
	// to is the last entry of the range; done is true once it is found.
	to    uint64
	done  bool
	stubs history.StubsDigest

	// intents are those that may have to stay: what is settled, and not among the newest, is
	// left out.
	intents      map[string]*intent
	applications map[string]*application
	latest       map[latest]uint64
	// always stay whatever else does.
	always []uint64
}

func newSurvey(r history.Reader, before, now time.Time, from uint64, operations int) *survey {
	return &survey{r: r, keeps: operations, now: now, before: before, from: from, intents: map[string]*intent{}, applications: map[string]*application{}, latest: map[latest]uint64{}}
}

// latest names the newest decision of a gate on an Application.
type latest struct{ application, gate string }

type intent struct {
	// entries are its own and those of what became of it; decision is what it rests on.
	entries  []uint64
	decision uint64
	// settled is true once something became of it, and listed is in how many places it is
	// among the newest of its Application.
	settled bool
	listed  int
}

// application has the newest entries of each sort, oldest first.
type application struct {
	operations, outcomes, deployments, intents []operation
	// rollback is the intent that the newest order to go back names.
	rollback string
	health   []health
}

type operation struct {
	entry  uint64
	intent string
}

type health struct{ entry, of uint64 }

func (s *survey) read(ctx context.Context) error {
	for next := uint64(1); ; {
		entries, err := s.r.Entries(ctx, next, page)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			return nil
		}
		for _, e := range entries {
			if e.Sequence != next {
				return fmt.Errorf("entry %d is missing; gatekeeper ledger verify says more", next)
			}
			next++
			if err := s.add(ctx, e); err != nil {
				return err
			}
		}
	}
}

// gateOf is the gate of a decision, which is read without the rest.
type gateOf struct {
	Gate string `json:"gate"`
}

func (s *survey) add(ctx context.Context, e history.Entry) error {
	if err := s.bound(e); err != nil {
		return err
	}
	if e.Archived() {
		return nil // nothing of it was needed then, and nothing is now
	}
	app := s.applications[e.Application]
	if app == nil {
		app = &application{}
		s.applications[e.Application] = app
	}
	switch e.Kind {
	case history.KindDecision:
		var d gateOf
		if err := json.Unmarshal(e.Payload, &d); err != nil {
			return fmt.Errorf("read entry %d: %w", e.Sequence, err)
		}
		s.latest[latest{e.Application, d.Gate}] = e.Sequence
	case history.KindIntent:
		p, err := history.Decode[history.IntentPayload](e)
		if err != nil {
			return err
		}
		s.intents[e.Intent] = &intent{entries: []uint64{e.Sequence}, decision: p.DecisionSequence}
		app.intents = s.newest(app.intents, operation{e.Sequence, e.Intent})
	case history.KindOutcome:
		p, err := history.Decode[history.OutcomePayload](e)
		if err != nil {
			return err
		}
		if err := s.became(ctx, e); err != nil {
			return err
		}
		o := operation{e.Sequence, e.Intent}
		if app.operations, app.outcomes = s.newest(app.operations, o), s.newest(app.outcomes, o); p.Result == history.ResultSucceeded {
			app.deployments = s.newest(app.deployments, o)
		}
	case history.KindAbandoned:
		if err := s.became(ctx, e); err != nil {
			return err
		}
		s.list(e.Intent, 0)
	case history.KindObserved:
		app.operations = s.newest(app.operations, operation{e.Sequence, ""})
	case history.KindHealth:
		p, err := history.Decode[history.HealthPayload](e)
		if err != nil {
			return err
		}
		app.health = append(app.health, health{e.Sequence, p.Of})
	case history.KindAct:
		p, err := history.Decode[history.ActPayload](e)
		if err != nil {
			return err
		}
		if p.Verb == history.VerbRollback {
			app.rollback = p.Intent
		}
		s.always = append(s.always, e.Sequence)
	case history.KindArchived, history.KindPolicy: // the newest policies are what is judged by, and all are read
		s.always = append(s.always, e.Sequence)
	case history.KindDenied:
	}
	return nil
}

func (s *survey) became(ctx context.Context, e history.Entry) error {
	// What was given up long ago may end after all.
	if err := s.recall(ctx, e.Intent, e.Sequence); err != nil {
		return err
	}
	if i := s.intents[e.Intent]; i != nil {
		i.entries, i.settled = append(i.entries, e.Sequence), true
	}
	return nil
}

// recall reads an intent that is not held, with what became of it before an entry. It stays
// unknown when it is archived: then nothing of it was needed, and nothing is now.
func (s *survey) recall(ctx context.Context, id string, before uint64) error {
	if id == "" || s.intents[id] != nil {
		return nil
	}
	entries, err := s.r.Intent(ctx, id)
	if err != nil {
		return fmt.Errorf("read intent %q: %w", id, err)
	}
	for _, e := range entries {
		if e.Archived() || e.Sequence >= before {
			continue
		}
		if e.Kind != history.KindIntent {
			if i := s.intents[id]; i != nil {
				i.entries, i.settled = append(i.entries, e.Sequence), true
			}
			continue
		}
		p, err := history.Decode[history.IntentPayload](e)
		if err != nil {
			return err
		}
		s.intents[id] = &intent{entries: []uint64{e.Sequence}, decision: p.DecisionSequence}
	}
	return nil
}

// list counts in how many places an intent is among the newest, and forgets it once that is
// none and it is settled.
func (s *survey) list(id string, more int) {
	i := s.intents[id]
	if i == nil {
		return
	}
	if i.listed += more; i.listed > 0 || !i.settled {
		return
	}
	if s.done && i.entries[len(i.entries)-1] > s.to {
		s.keep(id) // what comes after the range stays whole, and rests on this
	}
	delete(s.intents, id)
}

// bound finds the end of the range.
func (s *survey) bound(e history.Entry) error {
	if s.done || e.Sequence < s.from {
		return nil
	}
	if s.done = !e.Time.Before(s.before); !s.done && e.Kind == history.KindAct {
		p, err := history.Decode[history.ActPayload](e)
		if err != nil {
			return err
		}
		// What the gate does about it rests on all entries since.
		s.done = p.Verb == history.VerbSync && s.now.Before(p.Expires)
	}
	if !s.done {
		if !e.Sealed() {
			return fmt.Errorf("entry %d does not fit its digest; gatekeeper ledger verify says more", e.Sequence)
		}
		s.to = e.Sequence
		s.stubs.Add(e)
	}
	return nil
}

// keep keeps an intent, what became of it, and what it rests on.
func (s *survey) keep(id string) {
	i := s.intents[id]
	if i == nil {
		return
	}
	for _, entry := range append(i.entries, i.decision) {
		if !s.done || entry <= s.to {
			s.always = append(s.always, entry)
		}
	}
}

func (s *survey) kept(ctx context.Context, from, to uint64) ([]uint64, error) {
	for _, sequence := range s.latest {
		s.always = append(s.always, sequence)
	}
	for _, app := range s.applications {
		for _, o := range slices.Concat(app.operations, app.outcomes, app.deployments, app.intents) {
			s.always = append(s.always, o.entry)
			s.keep(o.intent)
		}
		if err := s.recall(ctx, app.rollback, math.MaxUint64); err != nil {
			return nil, err
		}
		s.keep(app.rollback)
	}
	for id, i := range s.intents {
		if !i.settled || i.entries[len(i.entries)-1] > to {
			s.keep(id)
		}
	}
	slices.Sort(s.always)
	operations := slices.Clone(s.always)
	for _, app := range s.applications {
		for _, h := range app.health {
			if _, stays := slices.BinarySearch(operations, h.of); stays {
				s.always = append(s.always, h.entry)
			}
		}
	}
	slices.Sort(s.always)
	all := slices.Compact(s.always)
	return slices.DeleteFunc(all, func(n uint64) bool { return n < from || n > to }), nil
}

// newest adds an operation, and leaves out what is more than is kept.
func (s *survey) newest(all []operation, o operation) []operation {
	s.list(o.intent, 1)
	if all = append(all, o); len(all) > s.keeps {
		s.list(all[0].intent, -1)
		return all[1:]
	}
	return all
}
