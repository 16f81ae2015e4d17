package deployments

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
)

// decision reads the decision of an entry.
func (m *Model) decision(ctx context.Context, sequence uint64) (history.DecisionPayload, error) {
	entries, err := m.record.Entries(ctx, sequence, 1)
	if err != nil {
		return history.DecisionPayload{}, fmt.Errorf("read the decision of entry %d: %w", sequence, err)
	}
	if len(entries) == 0 || entries[0].Sequence != sequence {
		return history.DecisionPayload{}, fmt.Errorf("the decision of entry %d is not on record", sequence)
	}
	return history.Decode[history.DecisionPayload](entries[0])
}

// afterwards is how far after an ungated sync its Application's next decision is looked for:
// the gate decides right after it has seen one.
const afterwards = 8

// brought fills in what an ungated sync brought, as far as a decision from about that time
// has its revisions among what had landed.
func (m *Model) brought(ctx context.Context, d *Deployment, decision uint64) error {
	var told []history.DecisionPayload
	if decision > 0 {
		p, err := m.decision(ctx, decision)
		if err != nil && !errors.Is(err, history.ErrArchived) {
			return err
		}
		if err == nil {
			told = append(told, p)
		}
	}
	later, err := m.following(ctx, d.Sequence)
	if err != nil {
		return err
	}
	for _, entry := range later {
		if entry.Kind != history.KindDecision || entry.Application != d.UID || entry.Archived() {
			continue
		}
		p, err := history.Decode[history.DecisionPayload](entry)
		if err != nil {
			return err
		}
		told = append(told, p)
	}
	for _, p := range told {
		var known []approval.Revision
		for _, l := range p.Decision.Lines {
			for _, r := range d.Revisions {
				revision := approval.Revision{Repository: l.Repository, SHA: approval.SHA(r.Revision)}
				if reach(l, []approval.Revision{revision}) > 0 && !slices.Contains(known, revision) {
					known = append(known, revision)
				}
			}
		}
		if len(known) == 0 {
			continue
		}
		for i := range d.Revisions {
			for _, r := range known {
				if string(r.SHA) == d.Revisions[i].Revision {
					d.Revisions[i].Repository = r.Repository
				}
			}
		}
		return tell(d, p, known)
	}
	return nil
}

// following are the entries right after one.
func (m *Model) following(ctx context.Context, sequence uint64) (all []history.Entry, err error) {
	for len(all) < afterwards {
		more, err := m.record.Entries(ctx, sequence+1+uint64(len(all)), afterwards-len(all))
		if err != nil {
			return nil, fmt.Errorf("read what follows entry %d: %w", sequence, err)
		}
		if len(more) == 0 {
			break
		}
		all = append(all, more...)
	}
	return all, nil
}

// tell fills in what a decision tells of the landings up to some revisions.
func tell(d *Deployment, p history.DecisionPayload, revisions []approval.Revision) error {
	for _, l := range p.Decision.Lines {
		d.Baseline = append(d.Baseline, Revision{Repository: l.Repository, Revision: string(l.Baseline)})
		for i := reach(l, revisions) - 1; i >= 0; i-- {
			landed := l.Landings[i]
			if landed.Class == approval.ClassNone {
				continue
			}
			facts, ok := landingOf(p.Facts, l.Repository, landed.Commit)
			if !ok {
				return fmt.Errorf("a decision is on %s, which is not in its facts", landed.Commit)
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

// reach is how many landings of a line are up to the revision of its repository.
func reach(l approval.LineDecision, revisions []approval.Revision) int {
	for _, r := range revisions {
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
		Labels: pr.Labels, FirstCommitAt: pr.FirstCommitAt, OpenedAt: pr.OpenedAt, PushedAt: pr.HeadPushedAt, MergedAt: pr.MergedAt, QuorumAt: quorumAt(*pr, landed),
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
