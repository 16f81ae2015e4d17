package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/webhook"
)

// CheckGroup renders the check run of one gate for a merge group. It is success exactly
// when every pull request of the group, and all ahead of it, is approved or does not
// concern the gate. While something is not known, or what is ahead is not approved, it is
// left open: the queue builds the group anew without what failed. Anything else makes it
// fail, so that the queue goes on without the pull request.
func CheckGroup(r approval.GroupReport, g approval.GroupGate) CheckRun {
	s := unconcerned
	var parts []string
	sections := []string{""}
	for _, p := range worstFirst(g.Pulls) {
		ps := stateOf(p.Report)
		s = max(s, ps)
		number := "#" + strconv.Itoa(p.Number)
		if ps == unconcerned {
			parts = append(parts, number+" not concerned")
		} else {
			parts = append(parts, number+" "+checkTitle(p.Report))
		}
		sections = append(sections, "### "+ps.symbol()+" "+number+" "+text(clip(p.Title, 200))+": "+ps.String()+"\n")
		sections = append(sections, requirements(p.Report)...)
		sections = append(sections, affected(p.Report)...)
	}
	ahead := unconcerned
	for _, p := range g.Ahead {
		ps := stateOf(p.Report)
		ahead = max(ahead, ps)
		if ps > approved {
			parts = append(parts, "behind #"+strconv.Itoa(p.Number)+", which is not approved")
			sections = append(sections, "- "+ps.symbol()+" ahead of it: #"+strconv.Itoa(p.Number)+" "+text(clip(p.Title, 200))+": "+ps.String()+"\n")
		}
	}
	said := "Every pull request in this merge group has all approvals that it needs."
	switch {
	case g.Untold != "" || len(g.Pulls) == 0:
		s = blocked
		why := g.Untold
		if why == "" {
			why = "it is empty"
		}
		parts = []string{"it cannot be told what is in this group: " + why}
		said = "It cannot be told which pull requests are in this merge group: " + text(why) + ". What is not known to be approved does not land."
	case s <= approved && (ahead > approved || g.UntoldAhead != ""):
		s = unknown
		said = "What is ahead of this merge group in the queue is not approved. Once the queue gave that up, it builds the group anew."
		if g.UntoldAhead != "" {
			parts = append(parts, "it cannot be told what is ahead of it: "+g.UntoldAhead)
			said = "It cannot be told what is ahead of this merge group in the queue: " + text(g.UntoldAhead) + "."
		}
	case s == unconcerned:
		said = "Nothing in this merge group is deployed through this gate."
	case s == unknown:
		said = "Some facts are missing. Gatekeeper tries again by itself."
	case s != approved:
		said = "Not everything in this merge group is approved. Put the pull request into the queue again once it is."
	}
	status, conclusion := "completed", "failure"
	switch s {
	case unconcerned, approved:
		conclusion = "success"
	case unknown:
		status, conclusion = "in_progress", ""
	default:
	}
	sections[0] = "## " + s.symbol() + " Gate " + markdown.Code(g.Gate) + ": merge group of " + markdown.Code(r.Group.Branch) + "\n\n" + said + "\n"
	sections = append(sections, "<sub>Head "+markdown.Code(r.Group.Head.Short())+", built on "+markdown.Code(r.Group.Base.Short())+".</sub>\n")
	return CheckRun{
		Name: "gatekeeper/" + g.Gate, Status: status, Conclusion: conclusion,
		Title: clip(markdown.Line(strings.Join(parts, "; ")), titleLimit), Summary: document(summaryLimit, sections),
	}
}

// worstFirst begins with what the group waits for, since GitHub shows but the beginning of a
// title.
func worstFirst(pulls []approval.GroupPull) []approval.GroupPull {
	return slices.SortedStableFunc(slices.Values(pulls), func(a, b approval.GroupPull) int {
		return cmp.Compare(stateOf(b.Report), stateOf(a.Report))
	})
}

// PublishGroup writes the check runs of a merge group. It asks nothing of GitHub when
// nothing changed. A queue waits for them, so they do not wait for the pace of other
// writes, but for a report on the same pull request that is being written.
func (p *Publisher) PublishGroup(ctx context.Context, r approval.GroupReport) error {
	if _, err := approval.ParseSHA(string(r.Group.Head)); err != nil {
		return fmt.Errorf("report on a merge group of %s: the head: %w", r.Repository, err)
	}
	if r.Pull <= 0 {
		return fmt.Errorf("report on merge group %s of %s: it names no pull request", r.Group.Head.Short(), r.Repository)
	}
	defer p.acquire(pullKey(r.Repository, r.Pull))()
	client, err := p.github.Client(ctx, r.Repository)
	if err != nil {
		return fmt.Errorf("report on merge group %s of %s: %w", r.Group.Head.Short(), r.Repository, err)
	}
	if err := p.keepGroup(ctx, r); err != nil {
		return err
	}
	key := groupAgain(r.Repository, r.Group.Head)
	at := place{repository: r.Repository, pull: r.Pull, head: r.Group.Head, again: p.takeAgain(key)}
	at.externalID, _ = webhook.GroupExternalID(r.Group)
	var errs []error
	defer func() { p.keepAgain(key, at.again, errors.Join(errs...)) }()
	for _, g := range r.Gates {
		errs = append(errs, p.publishCheck(ctx, client, at, g.Gate, CheckGroup(r, g)))
		if limited(errs) {
			break
		}
	}
	return errors.Join(errs...)
}
