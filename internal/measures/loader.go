package measures

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/dora"
)

// Record is what the loader reads.
type Record interface {
	Entries(ctx context.Context, from uint64, limit int) ([]history.Entry, error)
}

// Loader reads observations from a record. It goes on where it stopped, so a second read
// costs what was written since. It is safe for concurrent use.
type Loader struct {
	record Record

	mu   sync.Mutex
	next uint64
	// intents are those without an outcome, by ID.
	intents map[string]dora.Operation
	// names are the Applications of the intents.
	names map[string]known
	// acts are the verbs of orders, by ID.
	acts map[string]history.Verb
	apps map[string]*dora.Application // by UID
}

type known struct{ uid, name, gate string }

// NewLoader makes a Loader that has read nothing yet.
func NewLoader(record Record) *Loader {
	return &Loader{
		record: record, next: 1, intents: map[string]dora.Operation{}, names: map[string]known{},
		acts: map[string]history.Verb{}, apps: map[string]*dora.Application{},
	}
}

// page is how many entries are read at a time.
const page = 500

// Applications are all that the record tells of, by name. It returns everything up to the
// end of the record, or an error.
func (l *Loader) Applications(ctx context.Context) ([]dora.Application, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		entries, err := l.record.Entries(ctx, l.next, page)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if err := l.take(ctx, e); err != nil {
				return nil, fmt.Errorf("entry %d: %w", e.Sequence, err)
			}
			l.next = e.Sequence + 1
		}
	}
	out := make([]dora.Application, 0, len(l.apps))
	for _, app := range l.apps {
		copied := *app
		copied.Operations = slices.Clone(app.Operations)
		out = append(out, copied)
	}
	slices.SortFunc(out, func(a, b dora.Application) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// take adds what an entry tells. Kinds that tell nothing of deployments are passed over.
func (l *Loader) take(ctx context.Context, e history.Entry) error {
	switch e.Kind {
	case history.KindIntent:
		return l.intent(ctx, e)
	case history.KindOutcome:
		return l.outcome(e)
	case history.KindAbandoned:
		// An outcome may still come: a request that was in flight when its process died.
		return nil
	case history.KindAct:
		act, err := history.Decode[history.ActPayload](e)
		if err != nil {
			return err
		}
		l.acts[act.ID] = act.Verb
	default:
	}
	return nil
}

func (l *Loader) intent(ctx context.Context, e history.Entry) error {
	p, err := history.Decode[history.IntentPayload](e)
	if err != nil {
		return err
	}
	op := dora.Operation{ID: p.ID, StartedAt: e.Time}
	for _, r := range p.Candidate.Revisions {
		op.Target.Revisions = append(op.Target.Revisions, string(r.SHA))
	}
	switch verb := l.acts[p.Act]; {
	case p.Act == "":
	case verb == history.VerbRollback:
		op.Rework = append(op.Rework, dora.Rollback)
	case verb == history.VerbBreakGlass:
		op.Rework = append(op.Rework, dora.BreakGlass)
	}
	if p.Admitted != nil {
		op.Partial = p.Admitted.Partial
		if p.Admitted.Rollback && !slices.Contains(op.Rework, dora.Rollback) {
			op.Rework = append(op.Rework, dora.Rollback)
		}
	}
	if err := l.decided(ctx, p, &op); err != nil {
		return err
	}
	l.intents[p.ID] = op
	l.names[p.ID] = known{uid: e.Application, name: p.Application, gate: p.Gate}
	return nil
}

// decided adds what the decision behind an intent tells.
func (l *Loader) decided(ctx context.Context, p history.IntentPayload, op *dora.Operation) error {
	entries, err := l.record.Entries(ctx, p.DecisionSequence, 1)
	if err != nil {
		return fmt.Errorf("read its decision: %w", err)
	}
	if len(entries) == 0 || entries[0].Sequence != p.DecisionSequence {
		return fmt.Errorf("its decision, entry %d, is not on record", p.DecisionSequence)
	}
	d, err := history.Decode[history.DecisionPayload](entries[0])
	if err != nil {
		return err
	}
	op.Before = dora.Health(d.Facts.Application.Health)
	for _, line := range d.Decision.Lines {
		for _, landed := range shipped(line, p.Candidate) {
			if landed.Class != approval.ClassNone {
				op.Changes = append(op.Changes, changeOf(d.Facts, line.Repository, landed))
			}
		}
	}
	return nil
}

// shipped are the landings of a line up to what the candidate names; none when it names
// none of them.
func shipped(line approval.LineDecision, candidate approval.Candidate) []approval.LandingDecision {
	for i, landed := range slices.Backward(line.Landings) {
		if slices.ContainsFunc(candidate.Revisions, func(r approval.Revision) bool {
			return r.Repository.Equal(line.Repository) && r.SHA == landed.Commit
		}) {
			return line.Landings[:i+1]
		}
	}
	return nil
}

// changeOf is a landing as a change. When its first commit was made, and when its pull
// request was opened, is not in the facts.
func changeOf(facts approval.Facts, repository approval.RepositoryName, landed approval.LandingDecision) dora.Change {
	c := dora.Change{ID: string(repository) + "@" + string(landed.Commit)}
	for _, line := range facts.Lines {
		if !line.Repository.Equal(repository) {
			continue
		}
		for _, landing := range line.Landings {
			if landing.Commit != landed.Commit || landing.Pull == nil {
				continue
			}
			c.ID = fmt.Sprintf("%s#%d", repository, landing.Pull.Number)
			c.Merged = landing.Pull.MergedAt
			if landed.Verdict == approval.Allowed {
				c.Quorum = lastApproval(*landing.Pull, landed.Approvers)
			}
		}
	}
	return c
}

func (l *Loader) outcome(e history.Entry) error {
	p, err := history.Decode[history.OutcomePayload](e)
	if err != nil {
		return err
	}
	op, found := l.intents[p.Intent]
	if !found {
		return fmt.Errorf("its intent %q is not on record, or has an outcome already", p.Intent)
	}
	of := l.names[p.Intent]
	delete(l.intents, p.Intent)
	delete(l.names, p.Intent)

	asked := op.Target
	op.Phase, op.FinishedAt = dora.Phase(p.Phase), p.FinishedAt
	if !p.StartedAt.IsZero() {
		op.StartedAt = p.StartedAt
	}
	if op.FinishedAt.IsZero() {
		op.FinishedAt = e.Time
	}
	if len(p.Revisions) > 0 {
		op.Target.Revisions = p.Revisions
	}
	op.Partial = op.Partial || p.Result == history.ResultPartial
	// What succeeded with what was intended, and is no deployment of it, was for show.
	op.DryRun = op.Phase == dora.Succeeded && p.Result == history.ResultMismatch && asked.Same(op.Target)
	// gitops-engine v0.7 says so of an operation that somebody stopped (pkg/sync/sync_context.go).
	op.Terminated = op.Phase != dora.Succeeded && strings.HasPrefix(p.Message, "Operation terminated")
	if op.Phase == dora.Succeeded {
		op.Applied = dora.AppliedSome
	}
	app := l.apps[of.uid]
	if app == nil {
		app = &dora.Application{}
		l.apps[of.uid] = app
	}
	// An Application that is protected by another gate now is one of that gate.
	app.Name, app.Gate = of.name, of.gate
	app.Operations = append(app.Operations, op)
	return nil
}
