package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// errRaced says that another process recorded something for the same
// Application after we read the record, so what we decided may be out of date.
var errRaced = errors.New("the record has news of this application")

// act records the decision and the intent, and then asks Argo CD to sync. When
// the answer is lost, the intent stays open and is settled by the next
// reconcile.
func (g *Gate) act(ctx context.Context, head history.Head, now *rules, p approval.Policy, facts approval.Facts, d approval.Decision) (state string, on grounds, err error) {
	app := facts.Application
	intent := rand.Text()
	shown := asShipped(d)
	release, err := d.Release(app, intent, initiator(shown, facts))
	if err != nil {
		return "not synced", on, fmt.Errorf("release %s: %w", app.Key(), err)
	}
	decided, err := history.NewDecision(p, facts, d)
	if err != nil {
		return "not synced", on, fmt.Errorf("write the decision: %w", err)
	}
	intended := history.IntentPayload{
		ID: intent, Gate: p.Gate, Application: app.Key(), ResourceVersion: app.ResourceVersion,
		Candidate: d.Candidate, PolicyDigest: decided.PolicyDigest, FactsDigest: decided.FactsDigest,
		InitiatedBy: release.InitiatedBy(), Approvers: approvers(shown), Act: d.Override + d.Rollback, Asked: d.Asked,
	}
	if err := g.current(now); err != nil {
		return "not synced", on, err
	}
	// A failed append may have been written all the same, so until the next
	// decision the latest on record is not known.
	g.memory.recorded(app, "", grounds{})
	_, err = g.appendFor(ctx, head, app.UID, func(at history.Head) []history.Payload {
		intended.DecisionSequence = at.Sequence + 1
		return []history.Payload{decided, intended}
	})
	if err != nil {
		return "not synced: the record could not be written", on, fmt.Errorf("record the intent to sync %s: %w", app.Key(), err)
	}
	on = groundsOf(intended.DecisionSequence, decided)
	attrs := []slog.Attr{
		slog.String("application", app.Key()), slog.String("gate", p.Gate), slog.String("intent", intent),
		slog.String("revision", revisions(d.Candidate)), slog.String("initiated_by", release.InitiatedBy()),
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "sync_intended", attrs...)
	if err := g.leads(); err != nil {
		return "not synced", on, err // whoever leads now settles the intent
	}
	if err := g.current(now); err != nil {
		// The intent stays open, and is abandoned by the next reconcile.
		return "not synced: the policies have just been exchanged", on, err
	}
	if err := g.apps.Sync(ctx, release); err != nil {
		g.metrics.synced(p.Gate, "refused")
		return "not synced: Argo CD did not take the sync", on, fmt.Errorf("sync %s to %s: %w", app.Key(), revisions(d.Candidate), err)
	}
	g.metrics.synced(p.Gate, "requested")
	g.rollouts.begin(app.Key(), d.Candidate)
	g.log.LogAttrs(ctx, slog.LevelInfo, "sync_requested", attrs...)
	return "syncing to " + revisions(d.Candidate), on, nil
}

// recordDecision appends a decision that is not what was recorded last for the
// Application. It returns the decision's gist, and which entry it is.
func (g *Gate) recordDecision(ctx context.Context, head history.Head, now *rules, p approval.Policy, facts approval.Facts, d approval.Decision) (history.Digest, grounds, error) {
	app := facts.Application
	digest, err := gist(d)
	if err != nil {
		return "", grounds{}, fmt.Errorf("digest of the decision: %w", err)
	}
	known, _ := g.memory.get(app.Key())
	recorded, on := known.recorded, known.grounds
	if known.uid != app.UID {
		recorded = "" // another Application of that name
	}
	if recorded == "" {
		latest, found, err := g.record.LatestDecision(ctx, app.UID, p.Gate)
		if err != nil {
			return "", grounds{}, fmt.Errorf("read the latest decision: %w", err)
		}
		if found {
			before, err := history.Decode[history.DecisionPayload](latest)
			if err != nil {
				return "", grounds{}, fmt.Errorf("read the latest decision: %w", err)
			}
			if recorded, err = gist(before.Decision); err != nil {
				return "", grounds{}, fmt.Errorf("digest of the latest decision: %w", err)
			}
			on = groundsOf(latest.Sequence, before)
		}
	}
	// What was decided by another policy is decided anew, whatever came of it.
	if recorded == digest && on.policy == now.digests[p.Gate] {
		return digest, on, nil
	}
	if err := g.current(now); err != nil {
		return "", grounds{}, err
	}
	decided, err := history.NewDecision(p, facts, d)
	if err != nil {
		return "", grounds{}, fmt.Errorf("write the decision: %w", err)
	}
	g.memory.recorded(app, "", grounds{})
	after, err := g.appendFor(ctx, head, app.UID, just(decided))
	if err != nil {
		return "", grounds{}, err
	}
	return digest, groundsOf(after.Sequence, decided), nil
}

// gist is the digest of a decision without the words for why facts are missing.
// They differ each time, for example by how long GitHub asks to wait, and the
// decision is the same.
func gist(d approval.Decision) (history.Digest, error) {
	d.Findings = slices.Clone(d.Findings)
	for i := range d.Findings {
		if d.Findings[i].Code == approval.CodeFactsMissing {
			d.Findings[i].Text = ""
		}
	}
	return history.DigestOf(d)
}

// appendFor appends on top of the head that the caller's knowledge rests on.
// Entries of other Applications may have come in between; entries of the same
// one, and orders about whole gates, mean that what was decided may be out of date,
// and then nothing is appended.
//
// It returns the head after its append. What is appended later on the same
// knowledge goes on top of that one, so that it too is refused when somebody
// else came in between.
func (g *Gate) appendFor(ctx context.Context, head history.Head, uid string, payloads func(at history.Head) []history.Payload) (history.Head, error) {
	for {
		var drafts []history.Draft
		for _, p := range payloads(head) {
			drafts = append(drafts, history.Draft{Time: g.now(), Application: uid, Payload: p})
		}
		after, err := g.record.Append(ctx, head, drafts...)
		if err == nil {
			g.appended(after, len(drafts))
		}
		if !errors.Is(err, history.ErrConflict) {
			return after, err
		}
		const page = 500
		news, err := g.record.Entries(ctx, head.Sequence+1, page)
		if err != nil {
			return history.Head{}, fmt.Errorf("read what was recorded meanwhile: %w", err)
		}
		if len(news) == 0 {
			return history.Head{}, errRaced
		}
		for _, e := range news {
			// An order about a whole gate is about this Application, too. That somebody was
			// refused changes nothing; otherwise whoever is refused often enough could keep
			// the gate from working.
			if e.Kind != history.KindDenied && (e.Application == uid || e.Application == "") {
				return history.Head{}, errRaced
			}
			head = e.Head()
		}
	}
}

// appendAnyway appends entries that rest on nothing before them.
func (g *Gate) appendAnyway(ctx context.Context, drafts ...history.Draft) error {
	for {
		head, err := g.record.Head(ctx)
		if err != nil {
			return fmt.Errorf("read the record's head: %w", err)
		}
		after, err := g.record.Append(ctx, head, drafts...)
		if err == nil {
			g.appended(after, len(drafts))
		}
		if !errors.Is(err, history.ErrConflict) {
			return err
		}
	}
}

// just is for payloads that do not depend on where they are appended.
func just(payloads ...history.Payload) func(history.Head) []history.Payload {
	return func(history.Head) []history.Payload { return payloads }
}

// initiatedByLimit keeps the text readable in Argo CD's history.
const initiatedByLimit = 200

// initiatedBy names the pull requests that are shipped and who approved them,
// newest first: "gatekeeper: PR #42 (alice, bob)".
func initiatedBy(d approval.Decision) string {
	var parts []string
	for _, l := range d.Lines {
		for i, landing := range slices.Backward(l.Landings) {
			if !shipped(l, i) || landing.Class == approval.ClassNone || landing.Pull == 0 || landing.Verdict != approval.Allowed {
				continue
			}
			names := make([]string, len(landing.Approvers))
			for j, u := range landing.Approvers {
				names[j] = u.Login
			}
			parts = append(parts, "PR #"+strconv.Itoa(landing.Pull)+" ("+strings.Join(names, ", ")+")")
		}
	}
	if len(parts) == 0 {
		return "gatekeeper"
	}
	const prefix = "gatekeeper: "
	text := prefix + strings.Join(parts, ", ")
	if len(text) > initiatedByLimit && len(parts) > 1 {
		text = prefix + parts[0] + " and " + strconv.Itoa(len(parts)-1) + " more"
	}
	if len(text) > initiatedByLimit {
		// One pull request with very many approvers; the record names them all.
		text = strings.ToValidUTF8(text[:initiatedByLimit-len("…")], "") + "…"
	}
	return text
}

// initiator is the text for Argo CD's history.
func initiator(d approval.Decision, facts approval.Facts) string {
	var text string
	switch {
	case d.Override != "" && facts.Override != nil:
		text = "gatekeeper: break-glass by " + facts.Override.Person + " (" + facts.Override.Reason
	case d.Rollback != "" && facts.Rollback != nil:
		text = "gatekeeper: rollback by " + facts.Rollback.Person + " (" + facts.Rollback.Reason
	case d.Asked != "" && facts.SyncOrder != nil:
		text = initiatedBy(d)
		if by := "; sync said by " + facts.SyncOrder.Person; len(text)+len(by) <= initiatedByLimit {
			text += by
		}
		return text
	default:
		return initiatedBy(d)
	}
	if len(text) > initiatedByLimit-1 {
		text = strings.ToValidUTF8(text[:initiatedByLimit-len("…)")], "") + "…"
	}
	return text + ")"
}

// asShipped is the decision with its lines as far as the candidate reaches, which for
// break-glass is not as far as what is approved.
func asShipped(d approval.Decision) approval.Decision {
	if d.Rollback != "" {
		d.Lines = nil // what it ships was approved before these
		return d
	}
	if d.Override == "" {
		return d
	}
	d.Lines = slices.Clone(d.Lines)
	for i := range d.Lines {
		for _, r := range d.Candidate.Revisions {
			if r.Repository.Equal(d.Lines[i].Repository) {
				d.Lines[i].Target = r.SHA
			}
		}
	}
	return d
}

// shipped says whether the landing at index i is within the candidate.
func shipped(l approval.LineDecision, i int) bool {
	for j := i; j < len(l.Landings); j++ {
		if l.Landings[j].Commit == l.Target {
			return true
		}
	}
	return false
}

// approvers are all whose approvals carry the candidate, each once.
func approvers(d approval.Decision) []approval.User {
	var out []approval.User
	seen := map[approval.UserID]bool{}
	for _, l := range d.Lines {
		for i, landing := range l.Landings {
			if !shipped(l, i) || landing.Verdict != approval.Allowed {
				continue // one that was undone may have had some approvals
			}
			for _, u := range landing.Approvers {
				if !seen[u.ID] {
					seen[u.ID] = true
					out = append(out, u)
				}
			}
		}
	}
	return out
}
