package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/argo-gatekeeper/gatekeeper/internal/tracing"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// How soon an Application is looked at again when nothing wakes it.
const (
	againSyncing = 30 * time.Second
	againWindow  = time.Minute
	// windowTimeout is for the question to Argo CD whether its windows are open.
	windowTimeout = 3 * time.Second
)

// stateSynced begins the state of an Application that runs what it may.
const stateSynced = "synced to "

// reconcileApplication takes one Application one step further.
func (g *Gate) reconcileApplication(ctx context.Context, key Key) (again time.Duration, err error) {
	share := g.sharing.take(key)
	g.memory.begin(key.Application, g.now())
	defer g.memory.end(key.Application)

	// The head is read before anything that the decision rests on: if another
	// process appends for this Application meanwhile, our append is refused.
	head, err := g.record.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the record's head: %w", err)
	}
	namespace, name := splitKey(key.Application)
	app, err := g.apps.Get(ctx, namespace, name)
	if errors.Is(err, approval.ErrNotFound) {
		known, _ := g.memory.get(key.Application)
		g.forget(key.Application, known.uid)
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read application %s: %w", key, err)
	}
	now := g.rules()
	policies := now.protecting(app)
	if len(policies) == 0 {
		return g.leftOver(ctx, head, app)
	}

	head, busy, told, err := g.settle(ctx, head, app)
	if err != nil {
		return 0, fmt.Errorf("settle open intents of %s: %w", key, err)
	}
	// Told when the state is known that they are to be told.
	for _, k := range told {
		g.debts.owe(ctx, k) // the outcome is on record by now, and is not said again
	}
	defer func() { g.tell(ctx, told...) }()
	if busy {
		return g.underWay(ctx, app, policies)
	}
	g.stalls.ended(key.Application)
	g.moves(ctx, key.Application)
	live, err := g.liveOperation(ctx, app)
	if err != nil {
		return 0, err
	}
	head, soon, err := g.watchHealth(ctx, head, app, live)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err == nil {
			again = sooner(again, soon)
		}
	}()
	ordered, err := g.readStanding(ctx, app)
	if err != nil {
		return 0, err
	}
	last, err := g.lastDeployed(ctx, app, ordered)
	if err != nil {
		return 0, err
	}

	if err := g.deployed(ctx, app, last); err != nil {
		return 0, err
	}

	if len(policies) > 1 {
		g.ambiguous(ctx, now, app, policies)
		return 0, nil
	}
	p := policies[0]
	if err := g.enacts(ctx, head, now, p.Gate); err != nil {
		return 0, err
	}
	facts, collected := g.collect(ctx, p, app, last, ordered, share)
	facts.Ungated = ungated(live, last)
	g.contents.learn(facts)
	if wait, err := unready(collected); wait > 0 || err != nil {
		return wait, err
	}
	_, deciding := g.tracer.Child(ctx, "decide", trace.SpanKindInternal)
	decision := approval.Explain(p, facts)
	deciding.End()
	if err := g.leads(); err != nil {
		return 0, err // another replica may have begun while the facts were collected
	}
	if err := g.current(now); err != nil {
		return 0, err
	}
	g.metrics.decided(p.Gate, decision.Verdict)
	g.owed(ctx, app, p, facts.BrokenGlass)
	g.revert(ctx, p, facts)

	state, wait, ready := g.readiness(ctx, app, decision, last)
	span := tracing.From(ctx)
	span.Text(tracing.Gate, p.Gate)
	span.Text(tracing.Verdict, string(decision.Verdict))
	span.Text(tracing.State, ownWords(state))
	state = withUngated(withFailure(app, state, last), facts.Ungated)
	if ready {
		state, on, err := g.act(ctx, head, now, p, facts, decision)
		g.remember(ctx, now, app, p, decision, state, told...)
		g.memory.recorded(app, "", on)
		return againSyncing, err
	}
	g.learnContent(ctx, facts) // nothing is to be synced that would have to wait for it
	digest, on, err := g.recordDecision(ctx, head, now, p, facts, decision)
	if err != nil {
		return 0, fmt.Errorf("record the decision on %s: %w", key, err)
	}
	g.remember(ctx, now, app, p, decision, state, told...)
	g.memory.recorded(app, digest, on)
	if collected != nil {
		return 0, fmt.Errorf("collect facts of %s: %w", key, collected)
	}
	if soon := imagesAgain(p, facts); soon > 0 && (wait == 0 || soon < wait) {
		wait = soon
	}
	return sooner(wait, operateAgain(facts, g.now())), nil
}

// collect gathers the facts of a decision. When it fails, the facts say what is
// missing, and the error is returned as well so that the key is tried again. With share,
// what was read for another Application since the newest event will do.
func (g *Gate) collect(ctx context.Context, p approval.Policy, app approval.Application, last *deployed, ordered standing, share bool) (approval.Facts, error) {
	facts := approval.Facts{Application: app}
	g.operate(p, ordered, last, &facts)
	specErr := errors.Join(g.collectSpec(ctx, p, &facts, last), g.collectAsked(ctx, p, ordered, &facts))
	q := approval.Query{Ranges: ranges(p, app, last), Shared: share}
	q.Teams, q.Users = p.People()
	if facts.Override != nil && p.BreakGlass != nil {
		q.Teams, q.Users = approval.AlsoNamed(q.Teams, q.Users, p.BreakGlass.Named)
	}
	q.Needs = p.Needs()
	if len(q.Ranges) > 0 {
		answer, err := g.collector.Collect(ctx, q)
		if err != nil {
			facts.Missing = append(facts.Missing, approval.Missing{What: "the state of the pull requests", Why: strings.ToValidUTF8(err.Error(), "\uFFFD")})
			facts.CollectedAt = g.now().UTC()
			return facts, errors.Join(err, specErr)
		}
		facts.Lines, facts.Directory = answer.Lines, answer.Directory
		for _, l := range answer.Lines {
			g.names.learn(l.RepositoryID, l.Repository)
		}
	}
	g.collectRollback(ctx, &facts)
	err := g.collectImages(ctx, p, &facts)
	if err == nil {
		err = g.collectClosure(ctx, p, &facts)
	}
	if err == nil {
		g.collectBaseline(ctx, p, &facts, last)
	}
	facts.CollectedAt = g.now().UTC()
	return facts, errors.Join(err, specErr)
}

// collectClosure reads what the prospective candidate is rendered from.
func (g *Gate) collectClosure(ctx context.Context, p approval.Policy, facts *approval.Facts) error {
	prospect, ok := approval.Prospect(p, *facts)
	if !ok {
		return nil // nothing could be allowed, whatever it is rendered from
	}
	closure, err := g.closures.Closure(ctx, facts.Application, prospect.Revisions)
	if err != nil {
		facts.Missing = append(facts.Missing, approval.Missing{What: "what the Application is rendered from", Why: strings.ToValidUTF8(err.Error(), "\uFFFD")})
		return err
	}
	facts.Closure = &closure
	return nil
}

// ranges asks for one line for each protected repository that the Application's
// sources name, after what is trusted: what the record says was deployed, or
// where the gate was enrolled. Once the configuration enrols the repository at
// another commit or branch than it did for that deployment, the new enrolment
// holds: that is how an operator says what to trust after a branch was rewritten.
func ranges(p approval.Policy, app approval.Application, last *deployed) []approval.Range {
	var out []approval.Range
	for _, s := range app.Sources {
		r, ok := p.Repository(s.Repository)
		if s.Repository == "" || !ok {
			continue
		}
		if slices.ContainsFunc(out, func(o approval.Range) bool { return o.Repository == r.Name }) {
			continue
		}
		baseline := r.EnrolledAt
		if last != nil && last.baseline != nil && enrolledAlike(last.policy, r) {
			for _, rev := range last.baseline.Candidate.Revisions {
				if rev.Repository.Equal(r.Name) {
					baseline = rev.SHA
				}
			}
		}
		out = append(out, approval.Range{Repository: r.Name, Branch: r.Branch, Baseline: baseline})
	}
	return out
}

// enrolledAlike says whether a policy had the repository enrolled as it is now.
func enrolledAlike(before approval.Policy, now approval.ProtectedRepository) bool {
	was, ok := before.Repository(now.Name)
	return ok && was.EnrolledAt == now.EnrolledAt && was.Branch == now.Branch
}

// readiness says whether an allowed decision is to be acted on now, and if not,
// what people are told and when to look again.
func (g *Gate) readiness(ctx context.Context, app approval.Application, d approval.Decision, last *deployed) (state string, again time.Duration, ready bool) {
	// What is not settled may be newer than all that is approved and synced.
	again = g.againSettled(ctx, app, d)
	switch {
	case !d.Allowed():
		return "not synced", again, false
	case d.Override+d.Rollback == "" && isLive(last, d.Candidate):
		return stateSynced + revisions(d.Candidate), again, false
	case !d.Advances && !goesBack(last, d.Candidate) && !respecified(last, d):
		return "nothing approved to sync", again, false
	}
	if d.Waits {
		return stateAwaits, again, false
	}
	// Whoever asks anew after a failure does not want to wait.
	if wait := g.backoff(last, d.Candidate); wait > 0 && d.Asked == "" {
		return "the next try is in " + wait.Round(time.Second).String(), sooner(again, wait), false
	}
	// While it is asked, what people sync has to wait for the answer.
	asking, cancel := context.WithTimeout(ctx, windowTimeout)
	allowed, reason, err := g.apps.SyncAllowed(asking, app)
	cancel()
	switch {
	case err != nil:
		g.log.LogAttrs(ctx, slog.LevelWarn, "sync_window_unknown", slog.String("application", app.Key()), slog.Any("error", err))
		return "waiting: Argo CD does not say whether a sync window is open", sooner(again, againSyncing), false
	case !allowed:
		return stateWindow + ": " + reason, sooner(again, againWindow), false
	}
	return "", again, true
}

// stateWindow begins the state of an Application for which Argo CD's own windows are closed.
const stateWindow = "waiting for an Argo CD sync window"

// ownWords is a state of readiness without what Argo CD says, which is for people and not for a
// collector of traces.
func ownWords(state string) string {
	if strings.HasPrefix(state, stateWindow) {
		return stateWindow
	}
	return state
}

// sooner is the sooner of two times to look again, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// backoff is how long to wait before a candidate that failed is tried again.
func (g *Gate) backoff(last *deployed, c approval.Candidate) time.Duration {
	if last == nil || last.failures == 0 || !last.failed.Equal(c) {
		return 0
	}
	wait := 30 * time.Second << min(last.failures-1, 6)
	return max(0, min(wait, 30*time.Minute)-g.now().Sub(last.failedAt))
}

// ambiguous blocks an Application that more than one gate protects: which
// quorum holds must not depend on the order of a file.
func (g *Gate) ambiguous(ctx context.Context, now *rules, app approval.Application, policies []approval.Policy) {
	text := "it is protected by " + strconv.Itoa(len(policies)) + " gates (" + gateNames(policies) + ")"
	g.log.LogAttrs(ctx, slog.LevelError, "gates_overlap", slog.String("application", app.Key()), slog.String("gates", gateNames(policies)))
	g.metrics.decided(policies[0].Gate, approval.Blocked)
	g.remember(ctx, now, app, policies[0], approval.Decision{
		Gate: policies[0].Gate, Application: app.Key(), Verdict: approval.Blocked,
		Findings: []approval.Finding{{
			Code: approval.CodeApplicationSpec, Verdict: approval.Blocked, Text: text,
			Remedy: "change the gates' application selectors so that one gate protects it",
		}},
	}, text)
}

func gateNames(policies []approval.Policy) string {
	names := make([]string, len(policies))
	for i, p := range policies {
		names[i] = p.Gate
	}
	return strings.Join(names, ", ")
}

func revisions(c approval.Candidate) string {
	var short []string
	for _, r := range c.Revisions {
		if !slices.Contains(short, r.SHA.Short()) {
			short = append(short, r.SHA.Short())
		}
	}
	return strings.Join(short, ", ")
}
