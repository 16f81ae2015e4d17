package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// Specs says more about specs than the facts about Applications do.
type Specs interface {
	// LiveSpec reads what is seen of an Application's spec. The error wraps
	// approval.ErrStale if the Application changed since it was read.
	LiveSpec(ctx context.Context, a approval.Application) (approval.LiveSpec, error)
	// Rendered are the Applications among what Argo CD renders of an Application's spec
	// of now at exact revisions, and those that ApplicationSets among it generate.
	Rendered(ctx context.Context, parent approval.Application, revisions []approval.Revision) ([]approval.RenderedSpec, error)
	// Deployers are the Applications, "namespace/name", that seem to deploy an
	// ApplicationSet.
	Deployers(ctx context.Context, set string) ([]string, error)
}

var errNoSpecs = errors.New("nothing is set up to look at specs")

// collectSpec adds what is known about how the Application's spec was approved. An
// adopted spec costs no call.
func (g *Gate) collectSpec(ctx context.Context, p approval.Policy, facts *approval.Facts, last *deployed) error {
	if !p.ApprovedSpec {
		return nil
	}
	evidence, err := g.specEvidence(ctx, p, facts.Application, last)
	if err != nil {
		facts.Missing = append(facts.Missing, approval.Missing{What: "how the Application's spec was approved", Why: strings.ToValidUTF8(err.Error(), "\uFFFD")})
		return err
	}
	facts.Spec = &evidence
	return nil
}

func (g *Gate) specEvidence(ctx context.Context, p approval.Policy, app approval.Application, last *deployed) (approval.SpecEvidence, error) {
	standing, err := g.book.Standing(ctx)
	if err != nil {
		return approval.SpecEvidence{}, err
	}
	adoption, adopted := standing.Adopted(app.UID)
	superseded := adopted && since(last, adoption, app)
	if adopted && !superseded && app.SpecDigest != "" && adoption.SpecDigest == app.SpecDigest {
		return approval.SpecEvidence{Approved: approval.SpecAdopted, By: who(adoption)}, nil
	}
	if g.specs == nil {
		return approval.SpecEvidence{}, errNoSpecs
	}
	live, err := g.specs.LiveSpec(ctx, app)
	if err != nil {
		return approval.SpecEvidence{}, err
	}
	evidence, err := g.descended(ctx, p, app, live, standing)
	if err != nil || evidence.Approved != "" {
		return evidence, err
	}
	switch {
	case superseded && adoption.SpecDigest == app.SpecDigest:
		evidence.Changed = []string{approval.SpecUnnamed}
		evidence.Origin = join(evidence.Origin, "it is the one that "+who(adoption)+" adopted, and another one was approved and deployed since")
	case adopted:
		evidence.By = who(adoption)
		evidence.Changed = approval.ChangedFields(adoption.SpecFields, live.Fields)
	default:
		if earlier, found := standing.AdoptedName(app.Key()); found {
			evidence.Origin = join(evidence.Origin, "another Application of this name was adopted by "+who(earlier)+", and has been deleted")
		}
	}
	if live.Writer != "" {
		evidence.Origin = join(evidence.Origin, live.Writer+" wrote to it last, on "+live.WrittenAt.UTC().Format(time.RFC3339))
	}
	return evidence, nil
}

// since says whether another spec was approved, and deployed, after an adoption. A
// rollback, or what break-glass let through, does not take its place.
func since(last *deployed, adoption orders.Given, app approval.Application) bool {
	if last == nil || !last.succeeded {
		return false
	}
	i := last.intent
	return i.DecisionSequence > adoption.Sequence && i.Candidate.UID == app.UID && i.Candidate.SpecDigest != adoption.SpecDigest &&
		i.Act == "" && (i.Admitted == nil || !i.Admitted.Rollback)
}

// respecified says whether another spec than the one that was deployed last has been
// approved since, so that there is something to ship although no commit is new. After
// a rollback the older spec is what somebody wants.
func respecified(last *deployed, d approval.Decision) bool {
	if last == nil || !last.succeeded || last.intent.Act != "" || last.intent.Admitted != nil && last.intent.Admitted.Rollback {
		return false
	}
	return last.intent.Candidate.UID == d.Candidate.UID && last.intent.Candidate.SpecDigest != d.Candidate.SpecDigest &&
		slices.ContainsFunc(d.Findings, func(f approval.Finding) bool {
			return f.Code == approval.CodeSpecApproved && f.Verdict == approval.Allowed
		})
}

func who(g orders.Given) string {
	return g.Person.Name + " on " + g.At.UTC().Format("2006-01-02") + " (" + g.Reason + ")"
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// inCluster is the destination at which Argo CD's own Applications are.
const inCluster = "https://kubernetes.default.svc"

// committed says by which approved commit an Application's spec is what it is: one at
// which Argo CD renders exactly this spec of the parent, or an ApplicationSet that
// generates it. What leads to the parent can be forged, which does no harm: what is
// rendered decides. The parent has to be one of the same gate, because the quorum of
// another one may be smaller.
//
// An empty result comes with a note for people on why there is none.
func (g *Gate) committed(ctx context.Context, p approval.Policy, app approval.Application, from origin, standing orders.Standing) (by, note string, err error) {
	namespace, short := splitKey(from.parent)
	parent, err := g.apps.Get(ctx, namespace, short)
	if errors.Is(err, approval.ErrNotFound) {
		return "", from.says() + ", which does not exist", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read the parent %s: %w", from.parent, err)
	}
	policies := g.policiesFor(parent)
	switch {
	case parent.UID == app.UID:
		return "", "it carries its own mark", nil
	case len(policies) != 1 || policies[0].Gate != p.Gate:
		return "", from.says() + ", which gate " + p.Gate + " does not protect", nil
	case parent.Server != inCluster || parent.Deleting || len(parent.Unsupported) > 0:
		return "", from.says() + ", which cannot be judged or deploys elsewhere", nil
	case parent.MultiSource:
		// Argo CD's API server renders several sources from an object that all requests
		// share (docs/design/2026-11-21-previews.md), so somebody else's request at the same
		// moment could be what is answered.
		return "", from.says() + ", which has several sources: what Argo CD says that those are rendered to can be of other revisions", nil
	}
	candidates, err := g.approvedOf(ctx, p, parent, standing)
	if err != nil {
		return "", "", err
	}
	if len(candidates) == 0 {
		return "", from.says() + ", of which nothing was approved with the spec that it has", nil
	}
	if wait := g.rendered.unsettled(parent, g.now()); wait > 0 {
		return "", "", tooSoon{from.parent, wait}
	}
	for i, c := range candidates {
		found, err := g.rendered.of(parent, c.Revisions, g.now, func() (*brood, error) { return g.render(ctx, parent, c.Revisions) })
		if err != nil {
			return "", "", fmt.Errorf("what %s is rendered to: %w", from.parent, err)
		}
		if spec, ok := found.has(app); ok {
			return byCommit(c, from.parent, spec), "", nil
		}
		if i == 0 {
			note = from.differs(found, revisions(c))
		}
	}
	return "", note, nil
}

// approvedOf are candidates of a parent, newest first, that were approved with the spec
// that it has now: the one that its newest decision allows under the policy of now, and
// the one that was deployed last.
func (g *Gate) approvedOf(ctx context.Context, p approval.Policy, parent approval.Application, standing orders.Standing) ([]approval.Candidate, error) {
	var found []approval.Candidate
	add := func(c approval.Candidate) {
		if c.UID == parent.UID && c.SpecDigest == parent.SpecDigest && c.SpecDigest != "" && len(c.Revisions) == len(parent.Sources) &&
			!slices.ContainsFunc(found, c.Equal) {
			found = append(found, c)
		}
	}
	entry, ok, err := g.record.LatestDecision(ctx, parent.UID, p.Gate)
	if err != nil {
		return nil, fmt.Errorf("read the latest decision on %s: %w", parent.Key(), err)
	}
	if ok {
		decided, err := history.Decode[history.DecisionPayload](entry)
		if err != nil {
			return nil, fmt.Errorf("read the latest decision on %s: %w", parent.Key(), err)
		}
		digest, err := history.DigestOf(p)
		if err != nil {
			return nil, fmt.Errorf("digest of the policy: %w", err)
		}
		if decided.PolicyDigest == digest && decided.Decision.Allowed() && decided.Decision.Override == "" {
			add(decided.Decision.Candidate)
		}
	}
	intent, _, ok, err := g.record.LastDeployed(ctx, parent.UID)
	if err != nil {
		return nil, fmt.Errorf("read the last deployment of %s: %w", parent.Key(), err)
	}
	if order, ordered := standing.Order(parent.UID, intent.Act); ok && intent.Gate == p.Gate &&
		(intent.Act == "" || ordered && order.Verb == history.VerbRollback) {
		add(intent.Candidate)
	}
	return found, nil
}

// wakeChildren judges those again whose specs may be what an Application is rendered to:
// those that carry its mark, and those that wait for an approval of their spec. The mark
// of an Application that is new to its parent is no fact, so nothing else tells of it.
func (g *Gate) wakeChildren(parent approval.Application) {
	for _, child := range g.rendered.children(parent.Key()) {
		g.queue.Add(Key{Application: child})
	}
	if parent.Server != inCluster {
		return
	}
	for _, app := range g.memory.waitingForSpec() {
		if app != parent.Key() {
			g.queue.Add(Key{Application: app})
		}
	}
}

// render asks what a parent is rendered to, and makes sure that its spec was the same
// before and after.
func (g *Gate) render(ctx context.Context, parent approval.Application, revisions []approval.Revision) (*brood, error) {
	found, err := g.specs.Rendered(ctx, parent, revisions)
	if err != nil {
		return nil, err
	}
	after, err := g.apps.Get(ctx, parent.Namespace, parent.Name)
	if err != nil {
		return nil, fmt.Errorf("read the parent %s: %w", parent.Key(), err)
	}
	if after.UID != parent.UID || after.SpecDigest != parent.SpecDigest {
		return nil, fmt.Errorf("render %s: %w", parent.Key(), approval.ErrStale)
	}
	return broodOf(found), nil
}

func repositoriesOf(c approval.Candidate) string {
	var names []string
	for _, r := range c.Revisions {
		if !slices.Contains(names, string(r.Repository)) {
			names = append(names, string(r.Repository))
		}
	}
	return strings.Join(names, ", ")
}

// tooSoon says that a parent's spec was just changed.
type tooSoon struct {
	parent string
	wait   time.Duration
}

func (e tooSoon) Error() string { return "the spec of " + e.parent + " was changed a moment ago" }

// unready says whether facts are a snapshot that is known to be out of date, or will be
// complete in a moment. Nothing is decided on those.
func unready(collected error) (wait time.Duration, err error) {
	var soon tooSoon
	switch {
	case errors.As(collected, &soon):
		return soon.wait, nil
	case errors.Is(collected, approval.ErrStale):
		return 0, collected
	default:
		return 0, nil
	}
}
