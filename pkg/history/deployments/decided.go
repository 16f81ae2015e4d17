package deployments

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// decided fills in what the decision behind an intent tells of it.
func (m *Model) decided(ctx context.Context, d *Deployment, intent *history.IntentPayload) error {
	entries, err := m.record.Entries(ctx, intent.DecisionSequence, 1)
	if err != nil {
		return fmt.Errorf("read the decision of entry %d: %w", intent.DecisionSequence, err)
	}
	if len(entries) == 0 || entries[0].Sequence != intent.DecisionSequence {
		return fmt.Errorf("the decision of entry %d is not on record", intent.DecisionSequence)
	}
	p, err := history.Decode[history.DecisionPayload](entries[0])
	if err != nil {
		return err
	}
	for _, l := range p.Decision.Lines {
		d.Baseline = append(d.Baseline, Revision{Repository: l.Repository, Revision: string(l.Baseline)})
		for i := reach(l, intent.Candidate) - 1; i >= 0; i-- {
			landed := l.Landings[i]
			if landed.Class == approval.ClassNone {
				continue
			}
			facts, ok := landingOf(p.Facts, l.Repository, landed.Commit)
			if !ok {
				return fmt.Errorf("entry %d decides on %s, which is not in its facts", intent.DecisionSequence, landed.Commit)
			}
			d.Images = append(d.Images, imagesOf(facts, p.Facts.Images)...)
			if facts.Pull == nil {
				d.Direct = append(d.Direct, string(landed.Commit))
				continue
			}
			d.Pulls = append(d.Pulls, pullOf(p, l, landed, facts))
		}
	}
	for _, pull := range d.Pulls {
		add(&d.AskedBy, pull.Author)
		add(&d.ConfigApprovers, pull.ConfigApprovers...)
		add(&d.ImageApprovers, pull.ImageApprovers...)
	}
	return nil
}

// add appends the names that are not there.
func add(to *[]string, names ...string) {
	for _, name := range names {
		if name != "" && !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
}

// reach is how many landings of a line a candidate holds.
func reach(l approval.LineDecision, c approval.Candidate) int {
	for _, r := range c.Revisions {
		if !r.Repository.Equal(l.Repository) {
			continue
		}
		if i := slices.IndexFunc(l.Landings, func(d approval.LandingDecision) bool { return d.Commit == r.SHA }); i >= 0 {
			return i + 1
		}
	}
	return 0
}

func landingOf(f approval.Facts, repository approval.RepositoryName, commit approval.SHA) (approval.Landing, bool) {
	for _, l := range f.Lines {
		if !l.Repository.Equal(repository) {
			continue
		}
		for _, landing := range l.Landings {
			if landing.Commit == commit {
				return landing, true
			}
		}
	}
	return approval.Landing{}, false
}

func pullOf(p history.DecisionPayload, l approval.LineDecision, landed approval.LandingDecision, facts approval.Landing) Pull {
	pr := facts.Pull
	pull := Pull{
		Repository: l.Repository, Number: pr.Number, Title: pr.Title, URL: pr.URL, Author: pr.Author.Login,
		Class: landed.Class, Commit: landed.Commit, Unapproved: landed.Verdict != approval.Allowed && !landed.Undone,
		PushedAt: pr.HeadPushedAt, MergedAt: pr.MergedAt, QuorumAt: quorumAt(*pr, landed),
	}
	switch landed.Class {
	case approval.ClassConfig:
		pull.ConfigApprovers = people(landed.Approvers)
	case approval.ClassImage:
		pull.ImageApprovers = people(landed.Approvers)
	case approval.ClassMixed:
		pull.ConfigApprovers, pull.ImageApprovers = apart(p, l.Repository, landed, facts)
	case approval.ClassNone:
	}
	return pull
}

// apart counts the reviews once for each quorum, by the recorded policy and facts. Where
// the gate has no image quorum, there is one quorum for both.
func apart(p history.DecisionPayload, repository approval.RepositoryName, landed approval.LandingDecision, facts approval.Landing) (config, image []string) {
	protected, ok := p.Policy.Repository(repository)
	if !ok || p.Policy.Image == nil {
		return people(landed.Approvers), people(landed.Approvers)
	}
	counted := func(q approval.Quorum) []string {
		alone := p.Policy
		alone.Config, alone.Image = q, nil
		res := approval.JudgeQuorum(alone, protected, *facts.Pull, facts.Changes, p.Facts.Directory, nil)
		return people(slices.DeleteFunc(res.Approvers, func(u approval.User) bool {
			return !slices.ContainsFunc(landed.Approvers, func(a approval.User) bool { return a.ID == u.ID })
		}))
	}
	return counted(p.Policy.Config), counted(approval.Quorum{Requirements: p.Policy.Image.Requirements})
}

// quorumAt is when the last approval that was counted came; zero when there is none, or the
// time of one is not known.
func quorumAt(pr approval.PullRequest, landed approval.LandingDecision) time.Time {
	var last time.Time
	if landed.Verdict != approval.Allowed {
		return last
	}
	for _, approver := range landed.Approvers {
		var own time.Time
		for _, r := range pr.Reviews {
			if r.User != nil && r.User.ID == approver.ID && r.State == approval.ReviewApproved && r.SubmittedAt.After(own) {
				own = r.SubmittedAt
			}
		}
		if own.IsZero() {
			return time.Time{}
		}
		if own.After(last) {
			last = own
		}
	}
	return last
}

// imagesOf are the images that a landing moves, with the digests that the registry had.
func imagesOf(l approval.Landing, known []approval.ImageEvidence) []Image {
	var out []Image
	for _, c := range l.Changes {
		if c.Images == nil {
			continue
		}
		for _, move := range c.Images.Moves {
			image := Image{Place: c.Path, Digest: move.To.Digest}
			if move.Place != "" {
				image.Place += ": " + move.Place
			}
			if move.From != (approval.Image{}) {
				image.From = move.From.String()
			}
			if move.To != (approval.Image{}) {
				image.To = move.To.String()
			}
			for _, e := range known {
				if e.Image == move.To && image.Digest == "" {
					image.Digest = e.Digest
				}
			}
			if !slices.Contains(out, image) {
				out = append(out, image)
			}
		}
	}
	return out
}
