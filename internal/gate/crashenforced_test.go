package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
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

// admit asks one gate, as the API server does. A process that dies refuses.
func (p *people) admit(i int, r AdmissionRequest) (answer Admission) {
	p.depth++
	defer func() {
		p.depth--
		switch dead := recover().(type) {
		case nil:
		case died:
			if p.gates[i].memory.isWorking(payments) {
				panic(dead) // it dies within its own work
			}
			p.tally["crash in admission"]++
			p.gates[i].queue.ShutDown()
			p.gates[i] = p.newGate()
			if p.depth == 0 && len(p.gates) == 1 {
				p.reopen()
			}
			answer = Admission{Code: "webhook failed"}
		default:
			panic(dead)
		}
	}()
	return p.gates[i].Admit(p.t.Context(), r)
}

// stores is the admission of every operation that is about to be stored.
func (p *people) stores(r *request, before approval.Application) error {
	if before.Operation != nil && before.Operation.Requested {
		return fmt.Errorf("another operation is already in progress: %w", approval.ErrStale)
	}
	i := p.rng.IntN(len(p.gates))
	if r.intent == "" {
		var ok bool
		if i, ok = p.free(); !ok {
			return errors.New("refused")
		}
	}
	after := clone(before)
	after.Operation = &approval.Operation{Intent: r.intent, Requested: true, InitiatedBy: r.by, Revisions: shas(r.candidate)}
	answer := p.admit(i, AdmissionRequest{
		Verb: VerbUpdate, Before: &before, After: &after, User: server,
		Start: &Start{Candidate: r.candidate, Intent: r.intent, InitiatedBy: r.by, Partial: r.partial, DryRun: r.dryRun},
	})
	if !answer.Allowed {
		p.tally["refused"]++
		return fmt.Errorf("denied the request: %s: %w", answer.Text, approval.ErrNotAllowed)
	}
	p.tally["admitted"]++
	if r.dryRun {
		return nil
	}
	if !p.ever[r.revision()] || r.candidate.SpecDigest != "5bec" || r.candidate.UID != "uid-payments" {
		p.wrong("%s was let through without ever being approved", r.revision().Short())
	}
	if r.intent == "" {
		p.claim(r)
	}
	return nil
}

// claim finds the intent that was recorded before the answer. An intent of nobody's
// write is abandoned later.
func (p *people) claim(r *request) {
	entries := p.entries()
	for _, e := range slices.Backward(entries) {
		if e.Kind != history.KindIntent {
			continue
		}
		intent := decode[history.IntentPayload](p.t, e)
		if intent.Admitted == nil || p.claimed[intent.ID] {
			continue
		}
		if intent.ResourceVersion != r.version || intent.InitiatedBy != r.by || !sameCandidate(intent.Candidate, r.candidate) || intent.Admitted.Partial != r.partial {
			continue
		}
		p.claimed[intent.ID] = true
		r.admittedAs = intent.ID
		if intent.Admitted.Rollback {
			p.tally["rollback"]++
		}
		return
	}
	p.wrong("%s by %s was let through, and is not on record", r.revision().Short(), r.by)
}

// ask is somebody's sync in Argo CD, whose API reads the Application, refuses while an
// operation is under way, and writes it back whole: a conflict makes it start over
// (util/argo/argo.go, SetAppOperation).
func (p *people) ask() {
	before := p.argo.live(payments)
	if p.peace || before.Operation != nil && before.Operation.Requested {
		return
	}
	r := &request{app: payments, by: []string{"carol", "erin"}[p.rng.IntN(2)], candidate: approval.Candidate{
		UID: before.UID, SpecDigest: before.SpecDigest,
		Revisions: []approval.Revision{{Repository: repository, SHA: sha(p.rng.IntN(p.pulls + 1))}},
	}}
	switch newest := p.hub.newestAllowed(0); p.rng.IntN(10) {
	case 0, 1:
		r.candidate.Revisions[0].SHA = sha(newest)
	case 3:
		r.partial, r.candidate.Revisions[0].SHA = true, sha(newest)
		p.tally["partial"]++
	case 4:
		r.dryRun = true
		p.tally["dry run"]++
	case 5:
		if p.chance(30) {
			r.candidate.SpecDigest = "0dd"
		}
	case 6:
		p.lend(r)
	case 7, 8, 9:
		if past, err := p.store.Deployments(p.t.Context(), before.UID, 5); err == nil && len(past) > 0 {
			r.candidate = past[len(past)-1].Intent.Candidate
		}
	}
	for range 3 {
		r.version = p.argo.live(payments).ResourceVersion
		if !p.send(r) {
			return
		}
		p.tally["conflict"]++
		r = &request{app: r.app, by: r.by, candidate: r.candidate, partial: r.partial, dryRun: r.dryRun, intent: r.intent}
	}
}

// window opens or closes Argo CD's window for Gatekeeper's syncs, so that people come first.
func (p *people) window() {
	p.argo.mu.Lock()
	defer p.argo.mu.Unlock()
	p.argo.window = map[bool]string{true: "closed by a test"}[p.argo.window == ""]
}

// lend puts the mark of an open intent of Gatekeeper on it.
func (p *people) lend(r *request) {
	open, err := p.store.OpenIntents(p.t.Context())
	require.NoError(p.t, err)
	for _, e := range open {
		if intent := decode[history.IntentPayload](p.t, e); intent.Admitted == nil {
			p.tally["lent mark"]++
			r.intent = intent.ID
			if p.chance(60) {
				r.candidate = intent.Candidate
			}
			return
		}
	}
}

// send puts the request to the API server, and says whether it conflicted.
func (p *people) send(r *request) (conflict bool) {
	before := p.argo.live(payments)
	if err := p.stores(r, before); err != nil {
		return false
	}
	p.meanwhile()
	switch p.rng.IntN(8) {
	case 0:
		p.tally["write lost"]++
		return false
	case 1:
		p.tally["write late"]++
		r.arriveBy = p.clock.now().Add(time.Minute)
		p.argo.mu.Lock()
		p.argo.flying = append(p.argo.flying, r)
		p.argo.mu.Unlock()
		return false
	case 2:
		p.argo.edit(payments, func(*approval.Application) {})
	}
	err := p.argo.put(r)
	if err == nil && p.chance(30) {
		p.controller()
	}
	return errors.Is(err, approval.ErrStale)
}

// order holds, releases, or goes back.
func (p *people) order() {
	if p.peace {
		return
	}
	app := p.argo.live(payments)
	desk := orders.NewDesk(orders.Options{Record: p.store, Now: p.clock.now})
	give := func(what string, given ...orders.Order) {
		for i := range given {
			given[i].UID = app.UID
			given[i].Act.Gate, given[i].Act.Application = "prod", payments
			given[i].Act.Person, given[i].Act.Reason = history.Person{Name: "ada", Via: history.ViaConsole}, "logins fail"
		}
		if _, err := desk.Give(context.WithoutCancel(p.t.Context()), nil, given...); err != nil {
			p.t.Logf("order: %v", err)
			return
		}
		p.tally[what]++
	}
	standing, err := orders.NewBook(p.store).Standing(p.t.Context())
	require.NoError(p.t, err)
	holds := standing.Holds("prod", app.UID, p.clock.now())
	switch n := p.rng.IntN(12); {
	case n == 0:
		p.holds++
		act := history.ActPayload{ID: "hold" + strconv.Itoa(p.holds), Verb: history.VerbHold}
		if p.chance(30) {
			act.Expires = p.clock.now().Add(2 * time.Minute)
		}
		give("hold", orders.Order{Act: act})
	case n <= 6 && len(holds) > 0:
		give("release", orders.Order{Act: history.ActPayload{Verb: history.VerbRelease, Of: holds[p.rng.IntN(len(holds))].ID}})
	case n >= 10:
		past, err := p.store.Deployments(p.t.Context(), app.UID, 50)
		require.NoError(p.t, err)
		if len(past) < 2 {
			return
		}
		to := past[1+p.rng.IntN(len(past)-1)].Intent
		p.holds++
		id := "hold" + strconv.Itoa(p.holds)
		give("rollback ordered",
			orders.Order{Act: history.ActPayload{ID: id, Verb: history.VerbHold}},
			orders.Order{Act: history.ActPayload{Verb: history.VerbRollback, Candidate: &to.Candidate, Intent: to.ID, Hold: id}})
	}
}

// settleDown ends the trouble, lifts all holds, and lets everything come to rest.
func (p *people) settleDown() {
	p.peace = true
	p.hub.fail(nil)
	p.argo.window = ""
	if len(p.gates) == 1 {
		p.reopen()
	}
	for n := 1; n <= p.pulls; n++ {
		p.hub.approve(n, bob)
	}
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
	report, err := history.Verify(t.Context(), p.store)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Zero(t, report.Open, "no intent is left open")

	outcomes := map[string]history.OutcomePayload{}
	for _, o := range p.outcomes() {
		require.NotContains(t, outcomes, o.Intent, "two outcomes of one intent")
		outcomes[o.Intent] = o
	}
	abandoned := map[string]bool{}
	for _, a := range p.abandoned() {
		p.tally["abandoned"]++
		abandoned[a.Intent] = true
	}
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
