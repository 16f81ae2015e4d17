package evidence

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/deployments"
)

// deployments reads what was deployed, Application by Application.
func (g *gathering) deployments(ctx context.Context) error {
	for _, uid := range slices.Sorted(maps.Keys(g.ended)) {
		if err := g.application(ctx, uid, g.ended[uid]); err != nil {
			return err
		}
	}
	slices.SortFunc(g.report.Deployments, func(a, b Deployment) int { return cmp.Compare(a.Sequence, b.Sequence) })
	slices.SortStableFunc(g.report.Changes, func(a, b Change) int { return cmp.Compare(a.Ended.Entry, b.Ended.Entry) })
	return nil
}

// application reads the deployments that some entries tell of. One that the read model
// does not have is an error: a report would lack it.
func (g *gathering) application(ctx context.Context, uid string, ended []history.Entry) error {
	missing := map[uint64]history.Entry{}
	for _, e := range ended {
		missing[e.Sequence] = e
	}
	first, err := g.model.Number(ctx, uid, ended[0].Sequence)
	if err != nil {
		return err
	}
	last, err := g.model.Number(ctx, uid, ended[len(ended)-1].Sequence)
	if err != nil {
		return err
	}
	for from := first; from <= last; from += deployments.PageMost {
		found, err := g.model.Range(ctx, uid, from, min(last, from+deployments.PageMost-1))
		if err != nil {
			return err
		}
		for _, d := range found {
			e, ok := missing[d.Sequence]
			if !ok {
				continue // recorded at another time, or at another gate
			}
			delete(missing, d.Sequence)
			if err := g.deployment(ctx, d, e); err != nil {
				return fmt.Errorf("report the deployment of entry %d: %w", d.Sequence, err)
			}
			g.options.Progress("deployments", len(g.report.Deployments))
		}
	}
	for sequence := range missing {
		return fmt.Errorf("entry %d is a deployment of %s that cannot be read as one", sequence, uid)
	}
	return nil
}

// decided is what is known of a decision.
type decided struct {
	history.DecisionPayload
	proof    Proof
	landings map[string]landed
}

type landed struct {
	repository approval.RepositoryName
	decision   approval.LandingDecision
	facts      approval.Landing
}

func (g *gathering) decision(ctx context.Context, sequence uint64) (*decided, error) {
	found, err := g.record.Entries(ctx, sequence, 1)
	if err != nil {
		return nil, fmt.Errorf("read decision %d: %w", sequence, err)
	}
	if len(found) == 0 || found[0].Sequence != sequence {
		return nil, fmt.Errorf("decision %d is not on record", sequence)
	}
	p, err := history.Decode[history.DecisionPayload](found[0])
	if err != nil {
		return nil, err
	}
	out := &decided{DecisionPayload: p, proof: proofOf(found[0]), landings: map[string]landed{}}
	for i, l := range p.Decision.Lines {
		for _, d := range l.Landings {
			known := landed{repository: l.Repository, decision: d}
			if i < len(p.Facts.Lines) {
				at := slices.IndexFunc(p.Facts.Lines[i].Landings, func(f approval.Landing) bool { return f.Commit == d.Commit })
				if at >= 0 {
					known.facts = p.Facts.Lines[i].Landings[at]
				}
			}
			out.landings[string(d.Commit)] = known
		}
	}
	return out, nil
}

func (g *gathering) deployment(ctx context.Context, d deployments.Deployment, e history.Entry) error {
	row := Deployment{Deployment: d, Ended: proofOf(e)}
	var by *decided
	if d.Decision > 0 {
		var err error
		if by, err = g.decision(ctx, d.Decision); err != nil {
			return err
		}
		row.Decided = &by.proof
	}
	row.LetThrough = g.grounds(d, by)
	changes := changesOf(row, by)
	if row.LetThrough == ByQuorum && slices.ContainsFunc(changes, func(c Change) bool { return c.LetThrough == ByUnknown }) {
		row.LetThrough = ByUnknown
	}
	g.spans(e)
	g.setBack(e, d.Application, syncedBy(d.SyncedBy))
	g.report.Deployments = append(g.report.Deployments, row)
	g.report.Changes = append(g.report.Changes, changes...)
	g.irregular(row, changes)
	return nil
}

// grounds are those on which a deployment was let through. What the record does not tell
// is unknown, and an exception.
func (g *gathering) grounds(d deployments.Deployment, by *decided) string {
	switch {
	case d.Before:
		return ByFirstSight
	case d.Ungated:
		return ByNobody
	}
	i := g.intents[d.Intent]
	if i == nil || by == nil {
		return ByUnknown
	}
	allowed := by.Decision.Allowed() && by.Decision.Candidate.Equal(i.Candidate)
	switch order, known := g.byID[i.Act]; {
	case known && (order.Candidate == nil || !order.Candidate.Equal(i.Candidate)):
		return ByUnknown // an order is about exactly one candidate
	case known && order.Verb == history.VerbBreakGlass:
		return ByBreakGlass
	case known && order.Verb == history.VerbRollback:
		return ByRollback
	case i.Act != "" || allowed && (by.Decision.Override != "" || by.Decision.Rollback != ""):
		return ByUnknown
	case i.Admitted != nil && i.Admitted.Rollback:
		return ByRollback
	case allowed:
		return ByQuorum
	case by.Decision.Baseline.UID != "" && by.Decision.Baseline.Equal(i.Candidate):
		return ByTrust
	}
	return ByUnknown
}

// changesOf are those that a deployment brought.
func changesOf(d Deployment, by *decided) []Change {
	line := Change{
		Deployed: d.FinishedAt, Recorded: d.Recorded, Application: d.Application, UID: d.UID, Number: d.Number, Result: string(d.Result),
		SyncedBy: syncedBy(d.SyncedBy), SyncSaidBy: saidBy(d.Deployment), LetThrough: d.LetThrough, Ended: d.Ended, Decided: d.Decided,
	}
	var out []Change
	add := func(commit string, edit func(*Change)) {
		c := line
		c.Commit = commit
		if by == nil { // what an ungated one brought, as far as the decisions of its time tell
			edit(&c)
			out = append(out, c)
			return
		}
		c.LetThrough = ByUnknown
		if known, ok := by.landings[commit]; ok {
			c.Repository, c.Kind, c.Class = string(known.repository), string(known.decision.Kind), string(known.decision.Class)
			c.Title, c.Landed, c.LetThrough = known.facts.Title, string(known.facts.Proof.Result), d.change(known.decision)
		}
		edit(&c)
		out = append(out, c)
	}
	for _, p := range d.Pulls {
		add(string(p.Commit), func(c *Change) {
			c.Repository, c.Pull, c.Title, c.URL, c.Class = string(p.Repository), p.Number, p.Title, p.URL, string(p.Class)
			c.Author, c.ConfigApprovers, c.ImageApprovers = p.Author, p.ConfigApprovers, p.ImageApprovers
			c.Opened, c.Quorum, c.Merged = p.OpenedAt, p.QuorumAt, p.MergedAt
		})
	}
	for _, commit := range d.Direct {
		add(commit, func(c *Change) { c.Kind = string(approval.KindDirect) })
	}
	if d.Result != history.ResultMismatch && (regular(d.LetThrough) || len(out) > 0) {
		return out
	}
	for _, r := range d.Revisions {
		c := line
		c.Repository, c.Commit = string(r.Repository), r.Revision
		if d.Result == history.ResultMismatch {
			c.LetThrough = ByUnknown
		}
		// Several sources of one repository are one revision of it.
		if !slices.ContainsFunc(out, func(o Change) bool { return o.Repository == c.Repository && o.Commit == c.Commit && o.Kind == "" }) {
			out = append(out, c)
		}
	}
	return out
}

// change says on what grounds a change was let through, as a part of the deployment.
func (d Deployment) change(c approval.LandingDecision) string {
	switch {
	case c.Verdict == approval.Allowed:
		return ByQuorum
	case c.Undone:
		return ByUndoing
	case d.LetThrough == ByBreakGlass || d.LetThrough == ByRollback:
		return d.LetThrough
	}
	return ByUnknown
}

// regular says whether grounds need no explanation.
func regular(grounds string) bool {
	return grounds == ByQuorum || grounds == ByTrust || grounds == ByUndoing
}

// irregular are the exceptions that a deployment is.
func (g *gathering) irregular(d Deployment, changes []Change) {
	e := Exception{At: d.Recorded, Application: d.Application, UID: d.UID, Number: d.Number, Who: syncedBy(d.SyncedBy), Proof: d.Ended}
	if d.Order != nil {
		e.Who, e.Reason = d.Order.Person.Name, d.Order.Reason
	}
	if d.Result == history.ResultMismatch {
		wrong := e
		wrong.Kind, wrong.Text = ExceptionMismatch, "deployed "+revisions(d.Revisions)
		if i := g.intents[d.Intent]; i != nil {
			var wanted []string
			for _, r := range i.Candidate.Revisions {
				wanted = append(wanted, string(r.SHA))
			}
			wrong.Text += ", and not what was let through, " + strings.Join(wanted, ", ")
		}
		g.except(wrong)
		if d.LetThrough == ByUnknown {
			return // it is unknown since it is a mismatch
		}
	}
	if regular(d.LetThrough) {
		return
	}
	switch d.LetThrough {
	case ByNobody:
		e.Kind, e.Text = ExceptionUngated, "synced "+revisions(d.Revisions)+" without the gate being asked"
		if d.Approved > 0 {
			e.Text += fmt.Sprintf("; entry %d allows or trusts that revision all the same", d.Approved)
		}
	case ByFirstSight:
		e.Kind, e.Text = ExceptionFirstSight, revisions(d.Revisions)+" was there when the gate saw the Application for the first time"
		if uids := g.uids[d.Application]; len(uids) > 0 && uids[0] != d.UID {
			e.Text += "; there was an Application of this name before, which was deleted or moved"
		}
	case ByBreakGlass:
		e.Kind, e.Text = ExceptionOverridden, fmt.Sprintf("let through by order %s (entry %d)", d.Order.ID, g.byID[d.Order.ID].entry.Sequence)
		if without := withoutQuorum(changes); len(without) > 0 {
			e.Text += "; without quorum: " + strings.Join(without, ", ")
		} else {
			e.Text += "; all changes had their quorum, something else stood against it"
		}
	case ByRollback:
		e.Kind, e.Text = ExceptionRollback, "went back to "+revisions(d.Revisions)
		if d.BackTo > 0 {
			e.Text += fmt.Sprintf(", deployment #%d", d.BackTo)
		}
		if d.Order != nil {
			e.Text += fmt.Sprintf(", by order %s (entry %d)", d.Order.ID, g.byID[d.Order.ID].entry.Sequence)
		}
	default:
		e.Kind, e.Text = ExceptionUnapproved, "the record does not tell on what grounds it was let through"
		if without := withoutQuorum(changes); len(without) > 0 {
			e.Text = "without quorum: " + strings.Join(without, ", ")
		}
	}
	if d.Late {
		e.Text += "; found afterwards: nobody watched when it happened"
	}
	switch d.Result {
	case history.ResultFailed:
		e.Text += "; the sync failed, and may have applied a part"
	case history.ResultPartial:
		e.Text += "; some resources were synced alone"
	case history.ResultSucceeded, history.ResultMismatch:
	}
	g.except(e)
}

func withoutQuorum(changes []Change) []string {
	var out []string
	for _, c := range changes {
		switch {
		case regular(c.LetThrough):
		case c.Pull > 0:
			out = append(out, fmt.Sprintf("%s#%d", c.Repository, c.Pull))
		default:
			out = append(out, "commit "+c.Commit)
		}
	}
	return out
}

func revisions(all []deployments.Revision) string {
	if len(all) == 0 {
		return "revisions that are not known"
	}
	var out []string
	for _, r := range all {
		if !slices.Contains(out, r.Revision) {
			out = append(out, r.Revision)
		}
	}
	return strings.Join(out, ", ")
}

// syncedBy is who asked Argo CD, in one line.
// saidBy is who said sync; empty where the gate waits for nobody.
func saidBy(d deployments.Deployment) string {
	if d.Word == nil {
		return ""
	}
	return d.Word.Person.Name
}

func syncedBy(s deployments.SyncedBy) string {
	switch {
	case s.Text == "" && s.Kind == deployments.ByPerson:
		return "not known"
	case s.Text == "":
		return s.Kind
	case strings.HasPrefix(s.Text, s.Kind+":"):
		return s.Text
	}
	return s.Kind + ": " + s.Text
}

// unsettled are syncs that were about to be requested, and of which nothing is known. An
// intent that was abandoned was never acted on.
func (g *gathering) unsettled() {
	for _, i := range g.intents {
		if !i.within || i.outcome > 0 || i.abandoned {
			continue
		}
		g.except(Exception{
			Kind: ExceptionUnsettled, At: i.at, Application: i.Application, UID: i.uid, Who: i.InitiatedBy,
			Text:  fmt.Sprintf("the sync of intent %s was about to be requested; up to entry %d nothing tells what became of it", i.ID, g.record.head.Sequence),
			Proof: Proof{Entry: i.sequence, Digest: i.digest},
		})
	}
}

// distinct leaves out what several sources of one repository say alike.
func distinct(all []deployments.Revision) []deployments.Revision {
	var out []deployments.Revision
	for _, r := range all {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
