package commands

import (
	"context"
	"log/slog"
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// takesComments says whether a requirement of a gate takes approvals by comment.
func takesComments(p approval.Policy) bool { return p.Needs().Comments }

// approve keeps that the comment approves the head that it was written about. What it is
// worth is judged like a review, each time anew, by every gate that takes comments.
func (w *work) approve(ctx context.Context) (answer, error) {
	report, facts, err := w.look(ctx)
	if err != nil {
		return answer{}, err
	}
	if !facts.Open && !facts.Pull.Merged {
		return refuse("the pull request is closed, so there is nothing to approve", ""), nil
	}
	var taking []string
	for _, g := range report.Gates {
		if p, ok := w.policy(g.Gate); ok && g.Class != approval.ClassNone && takesComments(p) {
			taking = append(taking, g.Gate)
		}
	}
	if len(taking) == 0 {
		return refuse("no gate that this pull request concerns takes an approval by comment", "approve it with a review on GitHub's page"), nil
	}
	pushed := facts.Pull.HeadPushedAt
	switch {
	case facts.Pull.Head != w.progress.Head || facts.Pull.Base != w.progress.Base:
		return answer{}, &console.Error{Code: console.CodeChanged, Text: "the pull request got another head or base meanwhile, so nothing was approved", Remedy: "look at it again and repeat the command"}
	case pushed.IsZero():
		return refuse("it is not known when the head "+facts.Pull.Head.Short()+" was pushed, so it is not certain that it is what you saw", "approve it with a review on GitHub's page"), nil
	case !w.asked.At.After(pushed):
		return refuse("the head "+facts.Pull.Head.Short()+" was pushed after the comment was written, or in the same second, so nothing was approved",
			"look at it again and repeat the command"), nil
	case w.asked.Comment == 0:
		return refuse("no button approves", "write /gk approve, or review it"), nil
	}
	if err := w.Store.SaveComment(ctx, approval.WitnessedComment{
		RepositoryID: w.asked.RepositoryID, Pull: w.asked.Pull, Comment: w.asked.Comment, Person: w.asked.Person,
		Commit: facts.Pull.Head, Base: facts.Pull.Base, At: w.asked.At, Body: w.progress.Text,
	}); err != nil {
		return answer{}, err
	}
	w.Gates.WakePull(ctx, w.repository, w.asked.Pull)
	head := facts.Pull.Head
	switch report, facts, err = w.look(ctx); {
	case ctx.Err() != nil:
		return answer{}, ctx.Err() // it is carried out again after the start
	case err != nil:
		// What is kept is kept, so that this is no refusal, and no reason to try again.
		w.Logger.LogAttrs(ctx, slog.LevelWarn, "approval_not_judged", slog.String("request", w.id), slog.Any("error", err))
		return answer{Text: "The approval of " + code(head.Short()) + " was noted. Whether it counts could not be read; `/gk why` tells. `/gk cancel` takes it back.\n"}, nil
	}
	if facts.Pull.Head != w.progress.Head {
		return answer{}, &console.Error{Code: console.CodeChanged, Text: "the pull request got another head meanwhile; the approval is of the one before", Remedy: "look at it again and repeat the command"}
	}
	return approvedText(report, taking, w.asked.Person, facts.Pull.Head), nil
}

// saidOf finds what a gate's judgement says of a person, and whether they were counted.
func saidOf(f approval.Finding, who approval.UserID) (text string, counted bool) {
	if f.User != nil && f.User.ID == who {
		return f.Text, f.Verdict == approval.Allowed
	}
	for _, c := range f.Children {
		t, ok := saidOf(c, who)
		if ok || text == "" {
			text, counted = t, ok || counted
		}
		if counted {
			return text, true
		}
	}
	return text, counted
}

// approvedText tells what came of an approval.
func approvedText(report approval.PullReport, gates []string, who approval.User, head approval.SHA) answer {
	a := answer{}
	for _, g := range report.Gates {
		if !slices.Contains(gates, g.Gate) {
			continue
		}
		text, counted := saidOf(g.Quorum, who.ID)
		if text == "" {
			text = "nothing was said of the approval of " + who.Login
		}
		a.OK = a.OK || counted
		a.Text += gateLine(g, text)
	}
	if a.OK {
		a.Text = "Approved " + code(head.Short()) + ".\n\n" + a.Text + "\nIt counts as long as the comment stays as it is, and this is the head. `/gk cancel` takes it back.\n"
	} else {
		a.Text = "The approval of " + code(head.Short()) + " was noted, and does not count.\n\n" + a.Text
	}
	return a
}
