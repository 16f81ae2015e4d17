package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

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
