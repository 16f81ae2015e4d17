package gate

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/internal/calendar"
	"github.com/argo-gatekeeper/gatekeeper/internal/orders"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// usesRead bounds how far back uses of break-glass are looked for. What may be further
// back counts as used.
const usesRead = 50

// calendars are the gates' windows by the gates' names. A policy whose windows cannot
// be read has none here, so that its decisions lack facts.
func calendars(policies []approval.Policy) map[string]*calendar.Calendar {
	out := map[string]*calendar.Calendar{}
	for _, p := range policies {
		if c, err := calendar.New(p.Windows); err == nil {
			out[p.Gate] = c
		}
	}
	return out
}

// glass is a use of break-glass that is on record.
type glass struct {
	orders.Given
	// used: a sync that it allowed ended, however it did; succeeded: one as intended.
	used, succeeded bool
	// passed: what the gate approved was deployed later.
	passed bool
}

// standing is what people have ordered for an Application, and what became of it.
type standing struct {
	orders.Standing
	at time.Time
	// glasses are the uses of break-glass that are not reviewed, oldest first.
	glasses []glass
	// tried is a use of break-glass that is only tried out, nil for none.
	tried *approval.Override
}

func (g *Gate) readStanding(ctx context.Context, app approval.Application) (standing, error) {
	read, err := g.book.Standing(ctx)
	if err != nil {
		return standing{}, fmt.Errorf("read what people have ordered: %w", err)
	}
	s := standing{Standing: read, at: g.now()}
	for _, o := range read.UnreviewedOf(app.UID) {
		s.glasses = append(s.glasses, glass{Given: o})
	}
	if len(s.glasses) == 0 {
		return s, nil
	}
	return s, g.readUses(ctx, app, &s)
}

// readUses finds which uses of break-glass were carried out.
func (g *Gate) readUses(ctx context.Context, app approval.Application, s *standing) error {
	outcomes, err := g.record.Outcomes(ctx, app.UID, usesRead)
	if err != nil {
		return fmt.Errorf("read the outcomes of %s: %w", app.Key(), err)
	}
	passed := false // newest first: something trusted was deployed after what follows
	for _, entry := range outcomes {
		o, err := history.Decode[history.OutcomePayload](entry)
		if err != nil {
			return fmt.Errorf("read an outcome of %s: %w", app.Key(), err)
		}
		intent, found, err := g.intent(ctx, o.Intent)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		for i := range s.glasses {
			if u := &s.glasses[i]; u.ID == intent.Act {
				u.passed = passed && !u.used || u.passed // by the newest use
				u.used, u.succeeded = true, u.succeeded || o.Result == history.ResultSucceeded
			}
		}
		passed = passed || o.Result == history.ResultSucceeded && s.Trusts(app.UID, intent.Act)
	}
	if len(outcomes) < usesRead {
		return nil
	}
	for i := range s.glasses {
		if u := &s.glasses[i]; !u.used && u.Sequence < outcomes[len(outcomes)-1].Sequence {
			u.used, u.succeeded, u.passed = true, true, passed
		}
	}
	return nil
}

// trusted is the newest deployment that may be a baseline, nil if there is none among
// those that are looked at.
func (g *Gate) trusted(ctx context.Context, app approval.Application, s standing) (*history.IntentPayload, error) {
	deployments, err := g.record.Deployments(ctx, app.UID, usesRead)
	if err != nil {
		return nil, fmt.Errorf("read the deployments of %s: %w", app.Key(), err)
	}
	for i := range deployments {
		if s.Trusts(app.UID, deployments[i].Intent.Act) {
			return &deployments[i].Intent, nil
		}
	}
	return nil, nil //nolint:nilnil // then the enrolment is the baseline
}

// operate adds what people and calendars say to the facts.
func (g *Gate) operate(p approval.Policy, s standing, last *deployed, facts *approval.Facts) {
	app := facts.Application
	facts.Holds = s.Holds(p.Gate, app.UID, s.at)
	facts.Calendar, facts.Opens = g.windows(p, s.at)
	facts.Override = override(s, app.UID)
	facts.Rollback = s.rollback(app.UID, last)
	for _, u := range s.glasses {
		if !u.used || facts.Override != nil && facts.Override.ID == u.ID {
			continue
		}
		facts.BrokenGlass = append(facts.BrokenGlass, approval.BrokenGlass{
			ID: u.ID, Candidate: *u.Candidate, Person: u.Person.Name, Reason: u.Reason,
			ReviewBy: u.ReviewBy, Overdue: !s.at.Before(u.ReviewBy), Passed: u.passed,
		})
	}
}

// glassOf is the use of break-glass by which an intent's candidate was deployed; empty
// for none.
func (s standing) glassOf(uid string, intent history.IntentPayload) string {
	if order, ok := s.Order(uid, intent.Act); ok && order.Verb == history.VerbBreakGlass {
		return intent.Act
	}
	return ""
}

// override is the newest use of break-glass that is in force and was not carried out;
// an earlier one gives way to it.
func override(s standing, uid string) *approval.Override {
	if s.tried != nil {
		return s.tried
	}
	inForce := s.BrokenGlass(uid, s.at)
	if len(inForce) == 0 {
		return nil
	}
	o := inForce[0]
	i := slices.IndexFunc(s.glasses, func(u glass) bool { return u.ID == o.ID })
	if i < 0 || s.glasses[i].succeeded {
		return nil // reviewed, or carried out
	}
	return &approval.Override{
		ID: o.ID, Candidate: *o.Candidate, Person: o.Person.Name, Reason: o.Reason, Expires: o.Expires, ReviewBy: o.ReviewBy,
	}
}

// windows are the states of a gate's windows, and when they let something through next.
func (g *Gate) windows(p approval.Policy, at time.Time) ([]approval.WindowState, *approval.Opening) {
	c, ok := g.rules().calendars[p.Gate]
	if !ok || len(p.Windows) == 0 {
		return nil, nil
	}
	states := c.States(at)
	if c.Open(at) {
		return states, nil
	}
	next, ok := c.NextOpening(at)
	if !ok {
		return states, nil
	}
	return states, &approval.Opening{At: next, Text: calendar.Written(next, c.Windows()[0].Zone())}
}

// stops are what keeps all Applications of a gate from being synced now.
func (g *Gate) stops(p approval.Policy, ordered orders.Standing) []approval.Finding {
	at := g.now()
	facts := approval.Facts{Holds: ordered.Holds(p.Gate, "", at)}
	facts.Calendar, facts.Opens = g.windows(p, at)
	return approval.Stops(p, facts)
}

// stoppedSince finds a stop that may be newer than a decision: the gate is woken when a
// hold is recorded, at the edge of a window and at the end of break-glass, and somebody
// else's sync may be faster.
func (g *Gate) stoppedSince(p approval.Policy, app approval.Application, ordered standing, d approval.Decision) (approval.Finding, bool) {
	if d.Override != "" {
		if o := override(ordered, app.UID); o == nil || o.ID != d.Override {
			return approval.Finding{Code: approval.CodeBreakGlassVoid, Text: "the use of break-glass has ended"}, true
		}
		return approval.Finding{}, false
	}
	facts := approval.Facts{Application: app, Holds: ordered.Holds(p.Gate, app.UID, ordered.at)}
	if d.Rollback != "" { // its own hold does not stop it, and no window does
		order, _ := ordered.Order(app.UID, d.Rollback)
		facts.Holds = slices.DeleteFunc(facts.Holds, func(h approval.Hold) bool { return h.ID == order.Hold })
		p.Windows = nil
	} else {
		facts.Calendar, facts.Opens = g.windows(p, ordered.at)
	}
	if stops := approval.Stops(p, facts); len(stops) > 0 {
		return stops[0], true
	}
	return approval.Finding{}, false
}

// operateAgain is when what people and calendars say changes by itself, 0 for never.
func operateAgain(facts approval.Facts, at time.Time) time.Duration {
	again := time.Duration(0)
	until := func(t time.Time) {
		if t.After(at) {
			again = sooner(again, t.Sub(at))
		}
	}
	for _, h := range facts.Holds {
		until(h.Expires)
	}
	for _, w := range facts.Calendar {
		until(w.Next)
	}
	if facts.Opens != nil {
		until(facts.Opens.At)
	}
	if facts.Override != nil {
		until(facts.Override.Expires)
	}
	for _, b := range facts.BrokenGlass {
		until(b.ReviewBy)
	}
	if facts.SyncOrder != nil {
		until(facts.SyncOrder.Expires)
	}
	return again
}

// owed counts reviews that are owed, and says when one becomes overdue.
func (g *Gate) owed(ctx context.Context, app approval.Application, p approval.Policy, broken []approval.BrokenGlass) {
	for _, b := range g.reviews.set(app.Key(), p.Gate, broken) {
		g.log.LogAttrs(ctx, slog.LevelError, "breakglass_overdue",
			slog.String("application", app.Key()), slog.String("gate", p.Gate), slog.String("order", b.ID),
			slog.String("person", b.Person), slog.String("reason", b.Reason), slog.Time("review_by", b.ReviewBy.UTC()))
	}
	g.metrics.owed(g.Policies(), g.reviews.counts())
}
