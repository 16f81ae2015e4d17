package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// stateAwaits begins the state of an Application whose gate syncs on command.
const stateAwaits = "approved; waits for somebody to say sync"

// collectAsked finds the order to sync that holds, for a gate that waits for one.
func (g *Gate) collectAsked(ctx context.Context, p approval.Policy, ordered standing, facts *approval.Facts) error {
	if !p.Sync.OnCommand {
		return nil
	}
	order, ok := ordered.Sync(facts.Application.UID, ordered.at)
	if !ok || order.Candidate == nil || order.Gate != p.Gate {
		return nil
	}
	over, err := g.asks.over(ctx, g.record, order)
	if err != nil {
		facts.Missing = append(facts.Missing, approval.Missing{What: "whether somebody said sync", Why: strings.ToValidUTF8(err.Error(), "\uFFFD")})
		return fmt.Errorf("read what came after order %s: %w", order.ID, err)
	}
	if !over {
		facts.SyncOrder = &approval.SyncOrder{
			ID: order.ID, Candidate: *order.Candidate, Person: order.Person.Name, Reason: order.Reason, Expires: order.Expires,
		}
	}
	return nil
}

// asks are the orders to sync with what the record has about them since. They are read
// again after a restart, and each entry once. Safe for concurrent use; the zero value is
// ready for use.
type asks struct {
	mu    sync.Mutex
	byUID map[string]asked // the newest of each Application
}

// asked is what became of an order up to an entry of the record.
type asked struct {
	order string
	// next is the first entry that was not looked at.
	next uint64
	over bool
	// intents were recorded since; true for those that carry the order out.
	intents map[string]bool
}

// over says whether an order to sync holds no more: it was carried out, however that
// ended, something was deployed since, something else was decided, or somebody holds what
// it is about. That facts were missing in between changes nothing.
func (a *asks) over(ctx context.Context, record history.Reader, order orders.Given) (bool, error) {
	const page = 500
	a.mu.Lock()
	now := a.byUID[order.UID]
	a.mu.Unlock()
	if now.order != order.ID {
		now = asked{order: order.ID, next: order.Sequence + 1}
	}
	now.intents = maps.Clone(now.intents) // another one may be reading
	for !now.over {
		entries, err := record.Entries(ctx, now.next, page)
		if err != nil {
			return false, err
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			if now.over, err = now.ends(order, e); now.over || err != nil {
				break
			}
			now.next = e.Sequence + 1
		}
		if err != nil {
			return false, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byUID == nil {
		a.byUID = map[string]asked{}
	}
	a.byUID[order.UID] = now
	return now.over, nil
}

// ends says whether an order ends with an entry.
func (a *asked) ends(order orders.Given, e history.Entry) (bool, error) {
	if e.Application != order.UID && (e.Application != "" || e.Kind != history.KindAct) {
		return false, nil
	}
	switch e.Kind {
	case history.KindDecision:
		d, err := history.Decode[history.DecisionPayload](e)
		if err != nil || d.Gate != order.Gate {
			return false, err
		}
		return d.Decision.Verdict == approval.Blocked || d.Decision.Allowed() && !d.Decision.Candidate.Equal(*order.Candidate), nil
	case history.KindAct:
		act, err := history.Decode[history.ActPayload](e)
		return act.Verb == history.VerbHold && act.Gate == order.Gate, err
	case history.KindIntent:
		intent, err := history.Decode[history.IntentPayload](e)
		if err != nil {
			return false, err
		}
		if a.intents == nil {
			a.intents = map[string]bool{}
		}
		a.intents[intent.ID] = intent.Asked == order.ID
		return false, nil
	case history.KindOutcome:
		outcome, err := history.Decode[history.OutcomePayload](e)
		if err != nil {
			return false, err
		}
		carriedOut, since := a.intents[outcome.Intent]
		return carriedOut || since && outcome.Result == history.ResultSucceeded, nil
	case history.KindAbandoned, history.KindDenied, history.KindHealth, history.KindPolicy:
		return false, nil
	case history.KindObserved:
		return true, nil // somebody has deployed since, without asking the gate
	default:
		return true, nil
	}
}

// keep forgets all other Applications.
func (a *asks) keep(uids map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.byUID, func(uid string, _ asked) bool { return !uids[uid] })
}

// judgedWait is how long somebody who says sync waits for the judgement of now.
const judgedWait = 5 * time.Second

// What somebody who says sync is told who has to ask again.
const (
	stateUnderWay = "a sync of it is under way; ask again when it has ended"
	stateJudging  = "it is being judged; ask again in a moment"
)

// Awaits judges Applications anew and says which of them wait for somebody to say that
// they are to be synced, and for what. What could not be judged in time does not wait. A
// replica that does not lead says what the leader thinks, see followedAwaits.
func (g *Gate) Awaits(ctx context.Context, applications []string) []approval.Awaited {
	if g.leads() != nil {
		return g.followedAwaits(ctx, applications)
	}
	since := g.now()
	for _, app := range applications {
		g.WakeKey(ctx, app)
	}
	ctx, cancel := context.WithTimeout(ctx, judgedWait)
	defer cancel()
	running := map[string]bool{}
	for _, a := range g.apps.List() {
		running[a.Key()] = a.Operation != nil && !a.Operation.Finished()
	}
	out := make([]approval.Awaited, len(applications))
	for i, app := range applications {
		out[i] = approval.Awaited{Application: app}
		known, ok := g.judgedSince(ctx, app, since, running[app])
		switch {
		case running[app]:
			out[i].State = stateUnderWay
		case !ok:
			out[i].State = stateJudging
		default:
			out[i] = awaited(app, known)
		}
	}
	return out
}

// judgedSince waits for a decision that was begun at that time or later.
func (g *Gate) judgedSince(ctx context.Context, app string, since time.Time, running bool) (remembered, bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !running {
		known, ok := g.memory.settled(app)
		if ok && !known.began.Before(since) {
			return known, true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return remembered{}, false
		}
	}
	return remembered{}, false
}

// firstStop is the first thing that keeps an Application from being synced; empty for
// none.
func firstStop(d approval.Decision) string {
	i := slices.IndexFunc(d.Findings, func(f approval.Finding) bool { return f.Verdict != approval.Allowed })
	if i < 0 || d.Allowed() {
		return ""
	}
	return d.Findings[i].Text
}
