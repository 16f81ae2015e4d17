package gate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// TestCrashesEnforced is TestCrashes with people: they sync in Argo CD what is approved
// and what is not, go back, sync in part or for show, lend themselves Gatekeeper's mark,
// and give orders in between. The API server asks one of the gates before it stores any
// operation, Gatekeeper's own included; its answer may be lost, the write may conflict,
// come late or never, and the process that answers may die at any of its calls.
//
// GATE_SEEDS sets how many histories are played.
func TestCrashesEnforced(t *testing.T) {
	t.Parallel()
	playSeeds(t, 150, playEnforced,
		"crash", "crash in admission", "late", "lost", "stale", "abandoned", "failed",
		"admitted", "refused", "conflict", "write lost", "write late", "rollback", "partial", "dry run", "lent mark",
		"hold", "release", "rollback ordered")
}

// people are those who ask Argo CD and give orders.
type people struct {
	*story
	holds   int
	problem []string
	// claimed are the intents of which the write is known.
	claimed map[string]bool
}

func playEnforced(t *testing.T, seed uint64, mine tally) {
	base := newSetup(t)
	base.gate.queue.ShutDown()
	base.policies = []approval.Policy{openPolicy()}
	base.gate = base.newGate()
	s := &story{setup: base, rng: rand.New(rand.NewPCG(seed, 11)), tally: mine, ever: map[approval.SHA]bool{sha(0): true}}
	p := &people{story: s, claimed: map[string]bool{}}
	s.people = p
	s.begin()
	s.argo.onStore = p.stores
	for range 80 {
		switch s.rng.IntN(12) {
		case 0, 1, 2:
			p.ask()
		case 3:
			p.order()
		case 4:
			p.window()
		default:
			s.step()
		}
		p.allow()
	}
	p.settleDown()
	p.judge()
}

// wrong keeps what must never happen; judged at the end, since it may be noticed within
// a call of a gate.
func (p *people) wrong(format string, args ...any) {
	p.problem = append(p.problem, fmt.Sprintf(format, args...))
}

// allow keeps what is approved now, whatever was synced before.
func (p *people) allow() {
	p.ever[sha(p.hub.newestAllowed(0))] = true
	for _, r := range p.argo.stored() {
		if r.phase == phaseSucceeded && !r.partial {
			p.ever[sha(p.hub.newestAllowed(number(r.revision())))] = true
		}
	}
}

// free picks a gate that has decided and is not in the middle of something: others answer
// that they are judging it, after a while.
func (p *people) free() (int, bool) {
	i := p.rng.IntN(len(p.gates))
	for range p.gates {
		if _, ok := p.gates[i].memory.settled(payments); ok {
			return i, true
		}
		i = (i + 1) % len(p.gates)
	}
	return 0, false
}

func (m *memory) isWorking(app string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, working := m.working[app]
	return working
}

// settleDown ends the trouble, lifts all holds, and lets everything come to rest.
func (p *people) settleDown() {
	p.argo.window = ""
	p.pacify()
	p.allow()
	for p.argo.arrive() || len(p.argo.flying) > 0 {
	}
	for range 12 {
		for i := range p.gates {
			p.clock.advance(time.Second)
			p.argo.run(payments, phaseSucceeded)
			p.clock.advance(time.Hour)
			p.reconcileWith(i)
			p.allow()
			p.releaseAll()
		}
	}
}

func (p *people) releaseAll() {
	standing, err := orders.NewBook(p.store).Standing(p.t.Context())
	require.NoError(p.t, err)
	for _, hold := range standing.Holds("prod", "uid-payments", p.clock.now()) {
		p.setup.order(history.ActPayload{Verb: history.VerbRelease, Application: payments, Of: hold.ID})
	}
}

func (p *people) judge() {
	t := p.t
	require.Empty(t, p.problem)
	outcomes, abandoned := p.became()
	intents := map[string]history.IntentPayload{}
	for _, i := range p.intents() {
		intents[i.ID] = i
	}
	held := p.heldIntents()

	stored := map[string]bool{}
	var newest, live request
	for _, r := range p.argo.stored() {
		if r.dryRun {
			continue
		}
		id := r.intent + r.admittedAs
		require.False(t, stored[id], "two syncs stored for one intent")
		stored[id] = true
		intent, ok := intents[id]
		require.True(t, ok, "a sync without an intent")
		require.True(t, sameCandidate(intent.Candidate, r.candidate), "the intent is for something else")
		if r.admittedAs != "" {
			p.tally["sync of a person"]++
			require.Equal(t, r.by, intent.InitiatedBy)
		} else {
			p.tally["own sync"]++
			require.False(t, newest.phase == phaseSucceeded && !newest.partial && newest.revision() == r.revision() && intent.Act == "",
				"%s was synced by Gatekeeper, which was live", r.revision().Short())
		}
		require.Empty(t, held[id], "synced although it was held")

		o, ok := outcomes[id]
		for twin, of := range outcomes {
			if !ok && alike(intents[twin], intent) {
				o, ok, id = of, true, twin
			}
		}
		require.True(t, ok, "a sync of %s without an outcome: %s", intent.InitiatedBy, r.revision().Short())
		want := history.ResultFailed
		if r.phase == phaseSucceeded {
			want = history.ResultSucceeded
			if r.partial {
				want = history.ResultPartial
			}
		}
		require.Equal(t, want, o.Result)
		require.True(t, r.began.Equal(o.StartedAt), "the outcome is that of another sync: began %s, recorded %s", r.began, o.StartedAt)
		if abandoned[id] {
			p.tally["late outcome"]++
		}
		delete(outcomes, id)
		newest = r
		if r.phase == phaseSucceeded && !r.partial {
			live = r
		}
	}
	require.Empty(t, outcomes, "outcomes of syncs that never were")
	if head := p.pulls; head != 0 {
		require.Equal(t, sha(head), live.revision(), "the newest approved revision is live")
	}
}

// alike says whether two writes of one person, of which one can be stored, ask for the
// same: nobody can tell which one was.
func alike(a, b history.IntentPayload) bool {
	return a.Admitted != nil && b.Admitted != nil && a.ResourceVersion == b.ResourceVersion && a.InitiatedBy == b.InitiatedBy &&
		a.Admitted.Partial == b.Admitted.Partial && sameCandidate(a.Candidate, b.Candidate)
}

// heldIntents are those that were recorded while a hold was in force, other than the one
// that came with the rollback which they carry out; with the hold.
func (p *people) heldIntents() map[string]string {
	held := map[string]string{}
	holds := map[string]history.ActPayload{}
	own := map[string]string{}
	for _, e := range p.entries() {
		switch e.Kind {
		case history.KindAct:
			act, err := history.Decode[history.ActPayload](e)
			require.NoError(p.t, err)
			switch act.Verb {
			case history.VerbHold:
				holds[act.ID] = act
			case history.VerbRelease:
				delete(holds, act.Of)
			case history.VerbRollback:
				own[act.ID] = act.Hold
			case history.VerbAdopt, history.VerbBreakGlass, history.VerbReview, history.VerbPermit, history.VerbSync, history.VerbMark:
			}
		case history.KindDecision, history.KindOutcome, history.KindAbandoned, history.KindDenied, history.KindObserved, history.KindHealth, history.KindPolicy, history.KindArchived:
		case history.KindIntent:
			intent := decode[history.IntentPayload](p.t, e)
			for id, hold := range holds {
				if (hold.Expires.IsZero() || e.Time.Before(hold.Expires)) && (intent.Act == "" || own[intent.Act] != id) {
					held[intent.ID] = strings.TrimSpace(id + " " + hold.Reason)
				}
			}
		}
	}
	return held
}
