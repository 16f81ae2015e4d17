package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// The codes of refusals that are not findings of a decision.
const (
	refusedUnknown   = "admission.unknown"
	refusedAmbiguous = "admission.several_gates"
	refusedCandidate = "admission.not_approved"
	refusedIntent    = "admission.foreign_intent"
	refusedOption    = "admission.option"
	refusedDelete    = "admission.delete"
	refusedLeave     = "admission.leave"
	refusedRecord    = "admission.not_recorded"
	refusedPolicy    = "admission.policy_changes"
)

// settleWait is how long an answer waits for a judgement that is being made. The
// API server waits three times as long for the answer.
const settleWait = 600 * time.Millisecond

// decisionsKept is how many times over a decision must be renewed before it is too old to
// let somebody's sync through: what is late blocks.
const decisionsKept = 3

// Admit answers whether a write may be stored. It asks nobody: the answer rests on
// the latest decision, and on the record. What is not known is refused.
//
// An operation that somebody else than Gatekeeper starts is recorded before it is
// let through, as an intent of that person. If the write is not stored after all,
// the intent is abandoned by a later reconcile.
func (g *Gate) Admit(ctx context.Context, r AdmissionRequest) Admission {
	now := g.rules()
	policies := now.touched(r)
	answer := Admission{Allowed: true}
	if len(policies) > 0 {
		answer = g.admit(ctx, now, policies, r)
	}
	if answer.Allowed && g.current(now) != nil {
		answer = deny(refusedPolicy, "the policies have just been exchanged; try again in a moment")
		policies = append(policies, g.rules().touched(r)...)
	}
	if len(policies) == 0 {
		return Admission{Allowed: true}
	}
	answer.Gate = policies[0].Gate
	g.metrics.admitted(answer, r)
	if app := r.application(); !answer.Allowed && !r.DryRun {
		g.denials.tell(denial{
			gate: answer.Gate, application: app.Key(), uid: app.UID, user: r.User, initiatedBy: shortened(r.initiatedBy(), initiatedByLimit),
			asked: r.asked(), code: answer.Code, text: answer.Text,
		})
	}
	return answer
}

// touched are the policies that protect the Application before or after the
// write.
func (r *rules) touched(by AdmissionRequest) []approval.Policy {
	var out []approval.Policy
	for _, p := range r.Policies {
		if (by.Before != nil && p.Protects(*by.Before)) || (by.After != nil && p.Protects(*by.After)) {
			out = append(out, p)
		}
	}
	return out
}

func deny(code, text string) Admission { return Admission{Code: code, Text: text} }

func (g *Gate) admit(ctx context.Context, now *rules, policies []approval.Policy, r AdmissionRequest) Admission {
	if len(r.Refused) > 0 {
		return deny(r.Refused[0].Rule, r.Refused[0].Text)
	}
	switch {
	case r.Verb == VerbDelete && r.Before != nil:
		return g.admitByPermit(ctx, policies, *r.Before, history.PermitDelete, refusedDelete,
			"deleting it removes what it deploys; permit it first: gatekeeper permit "+r.Before.Key()+" delete")
	case r.After == nil, r.Verb != VerbCreate && r.Before == nil:
		return deny(refusedUnknown, "the request has no object")
	}
	if r.Before != nil {
		for _, p := range policies {
			if p.Protects(*r.Before) && !p.Protects(*r.After) {
				answer := g.admitByPermit(ctx, []approval.Policy{p}, *r.Before, history.PermitLeave, refusedLeave,
					"with this project or destination gate "+p.Gate+" would not protect it any more; permit it first: gatekeeper permit "+r.Before.Key()+" leave")
				if !answer.Allowed {
					return answer
				}
			}
		}
	}
	for _, p := range policies {
		if r.Prunes && !p.Sync.Prune {
			return deny(refusedOption, "gate "+p.Gate+" does not permit pruning by hand")
		}
	}
	if r.Start == nil {
		return Admission{Allowed: true}
	}
	if r.Start.DryRun {
		return g.admitShow(ctx, *r.After, r)
	}
	if r.Before == nil {
		return deny(refusedUnknown, "an Application is not created with an operation")
	}
	if len(policies) > 1 {
		return deny(refusedAmbiguous, "the gates "+gateNames(policies)+" all protect it; which quorum holds is not decided")
	}
	return g.admitStart(ctx, now, policies[0], *r.After, r)
}

// admitShow lets a sync for show through, which takes the place of the last operation as
// any other.
func (g *Gate) admitShow(ctx context.Context, app approval.Application, r AdmissionRequest) Admission {
	if r.DryRun || r.Before == nil {
		return Admission{Allowed: true}
	}
	for range 2 {
		head, err := g.record.Head(ctx)
		if err == nil {
			_, err = g.settleFirst(ctx, head, *r.Before)
		}
		switch {
		case err == nil:
			return Admission{Allowed: true}
		case !errors.Is(err, errRaced):
			return g.unrecorded(ctx, app, err)
		}
	}
	return deny(refusedUnknown, "what became of its last sync is being recorded; try again in a moment")
}

// admitByPermit lets through what a person permitted.
func (g *Gate) admitByPermit(ctx context.Context, policies []approval.Policy, app approval.Application, what, code, text string) Admission {
	ordered, err := g.book.Standing(ctx)
	if err != nil {
		g.log.LogAttrs(ctx, slog.LevelError, "admission_without_record", slog.String("application", app.Key()), slog.Any("error", err))
		return deny(refusedRecord, "the record cannot be read, so nothing can be permitted")
	}
	for _, p := range policies {
		if permit, ok := ordered.Permit(app.UID, what, g.now()); !ok || permit.Gate != p.Gate {
			return deny(code, "gate "+p.Gate+": "+text)
		}
	}
	return Admission{Allowed: true}
}

// admitStart judges an operation that begins.
func (g *Gate) admitStart(ctx context.Context, now *rules, p approval.Policy, app approval.Application, r AdmissionRequest) Admission {
	if r.Start.Intent != "" {
		return g.admitIntent(ctx, now, app, r)
	}
	if answer := checkOptions(p, *r.Start); !answer.Allowed {
		return answer
	}
	// Somebody else may record something for the Application between our look at the
	// record and our entry. Then the answer is thought over once.
	for range 2 {
		head, err := g.record.Head(ctx)
		if err != nil {
			return g.unrecorded(ctx, app, err)
		}
		if err := g.enacts(ctx, head, now, p.Gate); errors.Is(err, errNotEnacted) {
			return deny(refusedPolicy, "the policy of gate "+p.Gate+" is being changed; try again in a moment")
		} else if err != nil {
			return g.unrecorded(ctx, app, err)
		}
		if !r.DryRun {
			head, err = g.settleFirst(ctx, head, *r.Before)
			if errors.Is(err, errRaced) {
				continue
			}
			if err != nil {
				return g.unrecorded(ctx, app, err)
			}
		}
		known, answer := g.decisionNow(ctx, now, p, app)
		if !answer.Allowed {
			return answer
		}
		if g.now().Sub(known.at) > decisionsKept*g.resync {
			return deny(refusedUnknown, "gate "+p.Gate+" has not judged it for too long; see its log, or try again in a moment")
		}
		ordered, err := g.readStanding(ctx, app)
		if err != nil {
			return g.unrecorded(ctx, app, err)
		}
		var grounds grounds
		var rollback bool
		grounds, rollback, answer = g.groundsFor(ctx, p, app, known, ordered, r.Start.Candidate)
		if !answer.Allowed || r.DryRun {
			return answer
		}
		if grounds.sequence > head.Sequence {
			continue // decided since we looked at the record, which has to come first
		}
		err = g.recordAdmitted(ctx, head, p, app, r, grounds, rollback)
		if errors.Is(err, errRaced) {
			continue
		}
		if err != nil {
			return g.unrecorded(ctx, app, err)
		}
		g.queue.AddAfter(Key{Application: app.Key()}, admittedGrace+time.Second)
		return answer
	}
	return deny(refusedUnknown, "gate "+p.Gate+" is syncing it at the same moment; look again, and try again if needed")
}

func (g *Gate) unrecorded(ctx context.Context, app approval.Application, err error) Admission {
	g.log.LogAttrs(ctx, slog.LevelError, "admission_without_record", slog.String("application", app.Key()), slog.Any("error", err))
	return deny(refusedRecord, "the record cannot be written, and what is not recorded is not done; try again")
}

// checkOptions refuses what changes the effect of a sync beyond its candidate.
func checkOptions(p approval.Policy, s Start) Admission {
	rules := p.Sync
	for _, c := range []struct {
		asked, permitted bool
		what             string
	}{
		{s.Automated, rules.Automated, "automatic syncs"}, {s.Partial, rules.Partial, "syncs of single resources"},
		{s.Prune, rules.Prune, "pruning by hand"}, {s.Force, rules.Force, "force"},
	} {
		if c.asked && !c.permitted {
			return deny(refusedOption, "gate "+p.Gate+" does not permit "+c.what)
		}
	}
	for _, option := range s.Options {
		if !rules.Permits(option) {
			return deny(refusedOption, "gate "+p.Gate+" does not permit the sync option "+shortened(option, 60)+", which is not in the Application's spec")
		}
	}
	return Admission{Allowed: true}
}

// admitIntent lets Gatekeeper's own sync through: its intent is open, and the write
// is bound to the very version of the Application that was decided on. Whoever sends
// it, it deploys what is on record, and as Gatekeeper would.
func (g *Gate) admitIntent(ctx context.Context, now *rules, app approval.Application, r AdmissionRequest) Admission {
	entries, err := g.record.Intent(ctx, r.Start.Intent)
	if err != nil {
		return g.unrecorded(ctx, app, err)
	}
	foreign := deny(refusedIntent, "the operation claims to be Gatekeeper's own, and is not on record")
	if len(entries) != 1 || entries[0].Application != app.UID {
		return foreign
	}
	intent, err := history.Decode[history.IntentPayload](entries[0])
	// What it syncs with is the Application's own, see package argosync.
	other := r.Start.Partial || r.Start.DryRun || r.Start.Force || r.Start.Automated || len(r.Start.Options) > 0
	if err != nil || intent.Admitted != nil || other ||
		r.Before.ResourceVersion != intent.ResourceVersion || !sameCandidate(intent.Candidate, r.Start.Candidate) {
		return foreign
	}
	return g.admitDecided(ctx, now, app, intent)
}

// admitDecided lets through what was decided on by the rules of now: after the record was told
// about them, since two decisions by one policy may rest on different keys.
func (g *Gate) admitDecided(ctx context.Context, now *rules, app approval.Application, intent history.IntentPayload) Admission {
	if now.File == "" {
		return Admission{Allowed: true}
	}
	head, err := g.record.Head(ctx)
	if err == nil {
		err = g.enacts(ctx, head, now, intent.Gate)
	}
	switch {
	case err != nil && !errors.Is(err, errNotEnacted):
		return g.unrecorded(ctx, app, err)
	case err != nil, now.digests[intent.Gate] != intent.PolicyDigest, intent.DecisionSequence <= g.enacted.entry(intent.Gate):
		return deny(refusedPolicy, "the policy of gate "+intent.Gate+" has changed since the sync was decided on")
	}
	return Admission{Allowed: true}
}

// settledDecision is the latest decision on an Application, by these rules. While one is being made
// it waits, but not for long.
func (g *Gate) settledDecision(ctx context.Context, now *rules, app approval.Application) (remembered, bool) {
	deadline := time.NewTimer(settleWait)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		known, ok := g.memory.settled(app.Key())
		if ok && known.uid == app.UID && known.by == now.identity(known.gate) {
			return known, true
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return remembered{}, false
		case <-ctx.Done():
			return remembered{}, false
		}
	}
}

// recordAdmitted records that somebody's sync is about to be let through.
func (g *Gate) recordAdmitted(ctx context.Context, head history.Head, p approval.Policy, app approval.Application, r AdmissionRequest, on grounds, rollback bool) error {
	by := r.Start.InitiatedBy
	if by == "" {
		by = r.User
	}
	if r.Start.Automated {
		by = automatedSync
	}
	intent := history.IntentPayload{
		ID: rand.Text(), Gate: p.Gate, Application: app.Key(), ResourceVersion: r.Before.ResourceVersion,
		Candidate: on.candidate, PolicyDigest: on.policy, FactsDigest: on.facts, DecisionSequence: on.sequence,
		InitiatedBy: strings.ToValidUTF8(shortened(by, initiatedByLimit), "\uFFFD"), Approvers: on.approvers,
		Act:      on.act,
		Admitted: &history.Admission{User: r.User, Partial: r.Start.Partial, Rollback: rollback, Automated: r.Start.Automated},
	}
	if _, err := g.appendFor(ctx, head, app.UID, just(intent)); err != nil {
		return fmt.Errorf("record the sync of %s by %s: %w", app.Key(), by, err)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "sync_admitted",
		slog.String("application", app.Key()), slog.String("gate", p.Gate), slog.String("intent", intent.ID),
		slog.String("revision", revisions(on.candidate)), slog.String("user", r.User), slog.String("initiated_by", intent.InitiatedBy))
	return nil
}

// automatedSync is how package argo names the initiator of an automatic sync.
const automatedSync = "automated sync policy"
