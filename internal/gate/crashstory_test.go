package gate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// died is what a process panics with when it is killed.
type died struct{}

// story is one random history.
type story struct {
	*setup
	rng   *rand.Rand
	tally tally
	gates []*Gate
	// peace ends all trouble; depth is how many gates are at work on the stack.
	peace bool
	depth int
	// ever holds every revision up to which all was approved at some time.
	ever  map[approval.SHA]bool
	pulls int
	// people are those who ask Argo CD as well, nil for none.
	people *people
}

// begin starts one gate or two, and the trouble.
func (s *story) begin() {
	s.gates = []*Gate{s.gate}
	if s.chance(40) {
		s.gates = append(s.gates, s.newGate())
	}
	s.record.before = func(call string) error { return s.trouble(call) }
	s.record.after = func(call string) error {
		switch {
		case s.peace:
		case s.chance(4):
			s.die()
		case s.chance(4):
			s.tally["lost"]++
			return fmt.Errorf("the answer to %s is lost: %w", call, errDown)
		}
		return nil
	}
	s.argo.onGet = func() { s.meanwhile() }
	s.argo.onSync = s.fate
}

func (s *story) chance(percent int) bool { return s.rng.IntN(100) < percent }

func (s *story) die() {
	s.tally["crash"]++
	panic(died{})
}

// trouble happens before a call of the record.
func (s *story) trouble(call string) error {
	s.meanwhile()
	switch {
	case s.peace:
	case s.chance(3):
		s.die()
	case s.chance(3):
		return fmt.Errorf("%s: %w", call, errDown)
	}
	return nil
}

// meanwhile lets the other gate, Argo CD or a late request come in between.
func (s *story) meanwhile() {
	if s.peace || s.depth != 1 || !s.chance(12) {
		return
	}
	kinds := 4
	if s.people != nil {
		kinds += 2
	}
	switch s.rng.IntN(kinds) {
	case 0, 1:
		s.reconcileWith(s.rng.IntN(len(s.gates)))
	case 2:
		s.arriveLate()
	case 3:
		s.controller()
	case 4:
		s.people.ask()
	case 5:
		s.people.order()
	}
}

// fate is what happens to a request to sync.
func (s *story) fate(store func() error, hold func()) error {
	s.meanwhile()
	if s.peace {
		return store()
	}
	switch s.rng.IntN(12) {
	case 0:
		s.die()
	case 1:
		_ = store()
		s.die()
	case 2:
		hold()
		s.die()
	case 3:
		return errDown
	case 4:
		hold()
		return errDown
	case 5:
		_ = store()
		s.tally["lost"]++
		return errDown
	case 6:
		s.arriveLate()
	case 7:
		s.argo.edit(payments, func(*approval.Application) {})
	case 8:
		err := store()
		s.controller()
		s.controller()
		return err
	}
	err := store()
	if err != nil {
		s.tally["stale"]++
	}
	return err
}

func (s *story) arriveLate() {
	if s.argo.arrive() {
		s.tally["late"]++
		if s.chance(70) {
			s.controller()
			s.controller()
		}
	}
}

// controller is one step of Argo CD's controller.
func (s *story) controller() {
	op := s.argo.live(payments).Operation
	switch {
	case op == nil || op.Finished():
	case op.Phase == "":
		if s.people != nil {
			s.clock.advance(time.Second) // no two operations begin within one
		}
		s.argo.pick(payments)
	case s.chance(70):
		s.argo.finish(payments, phaseSucceeded)
	default:
		s.tally["failed"]++
		s.argo.finish(payments, "Failed")
	}
}

// reconcileWith lets one gate reconcile, and replaces it if it dies.
func (s *story) reconcileWith(i int) {
	s.depth++
	defer func() {
		s.depth--
		switch r := recover().(type) {
		case nil:
		case died:
			s.gates[i].queue.ShutDown()
			s.gates[i] = s.newGate()
			if s.depth == 0 && len(s.gates) == 1 {
				s.reopen()
			}
		default:
			panic(r)
		}
	}()
	g := s.gates[i]
	_, err := g.reconcile(s.t.Context(), Key{Application: payments})
	if err != nil && retryAfter(err) == 0 {
		require.NotErrorIs(s.t, err, history.ErrInvalid)
	}
	for g.queue.Len() > 0 {
		k, _ := g.queue.Get()
		g.queue.Done(k)
		if k.Pull != 0 {
			_, _ = g.reconcile(s.t.Context(), k)
		}
	}
}

// reopen opens the record anew, as the next process does.
func (s *story) reopen() {
	s.gate = s.gates[0]
	s.restart()
	s.gates[0] = s.gate
}

func (s *story) step() {
	switch s.rng.IntN(16) {
	case 0:
		if s.pulls < 6 {
			s.pulls++
			s.hub.land(s.pulls)
		}
	case 1, 2:
		if s.pulls > 0 {
			s.hub.approve(1+s.rng.IntN(s.pulls), alice)
		}
	case 3:
		if s.pulls > 0 && s.chance(50) {
			s.hub.dismiss(1 + s.rng.IntN(s.pulls))
		}
	case 4, 5:
		s.controller()
	case 6:
		s.arriveLate()
	case 7:
		s.argo.edit(payments, func(*approval.Application) {})
	case 8:
		s.clock.advance(time.Duration(s.rng.IntN(120)) * time.Second)
	case 9:
		switch s.rng.IntN(4) {
		case 0:
			s.hub.fail(errDown)
		case 1:
			s.hub.fail(limited{time.Minute})
		default:
			s.hub.fail(nil)
		}
	case 10:
		if s.people == nil && s.mayBeForeign() {
			s.tally["foreign"]++
			s.argo.foreign(payments, sha(0))
		}
	default:
		s.reconcileWith(s.rng.IntN(len(s.gates)))
	}
	s.allow()
}

// allow keeps what is approved now, after what was synced last.
func (s *story) allow() {
	trusted := 0
	for _, r := range s.argo.stored() {
		if r.phase == phaseSucceeded {
			trusted = max(trusted, number(r.revision()))
		}
	}
	s.ever[sha(s.hub.newestAllowed(trusted))] = true
}

// mayBeForeign is false while a foreign operation would replace the only trace
// of one of ours: a failed operation, or a late one of an intent that was given
// up, of which no gate has seen the end. Nobody can tell of those afterwards.
func (s *story) mayBeForeign() bool {
	op := s.argo.live(payments).Operation
	switch {
	case op == nil:
		return true
	case !op.Finished():
		return false
	case op.Intent == "":
		return true
	}
	entries, err := s.store.Intent(s.t.Context(), op.Intent)
	require.NoError(s.t, err)
	switch last := entries[len(entries)-1]; last.Kind {
	case history.KindOutcome:
		return true
	case history.KindAbandoned:
		return false
	default:
		return op.Phase == phaseSucceeded
	}
}

// pacify ends the trouble, and approves everything.
func (s *story) pacify() {
	s.peace = true
	s.hub.fail(nil)
	if len(s.gates) == 1 {
		s.reopen()
	}
	for n := 1; n <= s.pulls; n++ {
		s.hub.approve(n, bob)
	}
}

// settleDown ends the trouble and lets everything come to rest.
func (s *story) settleDown() {
	s.pacify()
	s.allow()
	for s.argo.arrive() || len(s.argo.flying) > 0 {
	}
	for range 8 {
		for i := range s.gates {
			s.argo.run(payments, phaseSucceeded)
			s.clock.advance(time.Hour)
			s.reconcileWith(i)
		}
	}
}

// became is what the record says of intents: the outcome of each, and which were given up.
// The record is intact, and leaves nothing open.
func (s *story) became() (outcomes map[string]history.OutcomePayload, abandoned map[string]bool) {
	t := s.t
	t.Helper()
	report, err := history.Verify(t.Context(), s.store)
	require.NoError(t, err)
	require.True(t, report.Intact(), "%+v", report.Fault)
	require.Zero(t, report.Open, "no intent is left open")

	outcomes, abandoned = map[string]history.OutcomePayload{}, map[string]bool{}
	for _, o := range s.outcomes() {
		require.NotContains(t, outcomes, o.Intent, "two outcomes of one intent")
		outcomes[o.Intent] = o
	}
	for _, a := range s.abandoned() {
		s.tally["abandoned"]++
		abandoned[a.Intent] = true
	}
	return outcomes, abandoned
}

func (s *story) judge() {
	t := s.t
	outcomes, abandoned := s.became()
	for _, o := range outcomes {
		if o.Message == "found in Argo CD's history" {
			s.tally["found in history"]++
		}
	}
	newest := map[approval.SHA]request{}
	for _, r := range s.argo.stored() {
		s.tally["sync"]++
		require.True(t, s.ever[r.revision()], "%s was never approved", r.revision().Short())
		before, again := newest[r.revision()]
		require.False(t, again && before.phase == phaseSucceeded, "%s was synced twice", r.revision().Short())
		newest[r.revision()] = r

		require.Contains(t, outcomes, r.intent, "a sync without an outcome")
		want := history.ResultFailed
		if r.phase == phaseSucceeded {
			want = history.ResultSucceeded
		}
		require.Equal(t, want, outcomes[r.intent].Result)
		if abandoned[r.intent] {
			s.tally["late outcome"]++
		}
		delete(outcomes, r.intent)
	}
	require.Empty(t, outcomes, "outcomes of syncs that never were")
	if head := s.pulls; head != 0 {
		require.Equal(t, phaseSucceeded, newest[sha(head)].phase, "the newest approved revision is live")
	}
}
