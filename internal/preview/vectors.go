package preview

import (
	"fmt"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Unfit says, in words for people, why nothing can be compared.
type Unfit string

func (u Unfit) Error() string { return string(u) }

// Live are the revisions that Argo CD deployed last, one for each source as it is now.
// Argo CD's own history is asked and not the record: it also has what was synced past
// Gatekeeper, and that is what is live.
func Live(app approval.Application) ([]approval.Revision, error) {
	if len(app.Deployed) == 0 {
		return nil, Unfit("Argo CD has not deployed it yet")
	}
	last := app.Deployed[len(app.Deployed)-1].Revisions
	if len(last) != len(app.Sources) {
		return nil, Unfit("its sources are not those with which it was deployed last")
	}
	out := make([]approval.Revision, len(last))
	for i, revision := range last {
		sha, err := approval.ParseSHA(revision)
		if err != nil || app.Sources[i].Repository == "" {
			return nil, Unfit(fmt.Sprintf("source %d is not a git repository on GitHub", i+1))
		}
		out[i] = approval.Revision{Repository: app.Sources[i].Repository, SHA: sha}
	}
	return out, nil
}

// Pull compares what a pull request changes: the sources that read from its repository
// go from one commit to another, and the others stay where they are.
func Pull(app approval.Application, repository approval.RepositoryName, from, to approval.SHA, others []approval.Revision) (approval.Comparison, error) {
	c := approval.Comparison{Application: app}
	found := false
	for i, s := range app.Sources {
		switch {
		case s.Repository.Equal(repository):
			found = true
			c.From = append(c.From, approval.Revision{Repository: s.Repository, SHA: from})
			c.To = append(c.To, approval.Revision{Repository: s.Repository, SHA: to})
		case s.Repository == "":
			return approval.Comparison{}, Unfit(fmt.Sprintf("source %d is not a git repository on GitHub", i+1))
		case i < len(others) && others[i].Repository.Equal(s.Repository):
			c.From, c.To = append(c.From, others[i]), append(c.To, others[i])
		default:
			return approval.Comparison{}, Unfit(fmt.Sprintf("it is not known which revision of %s to take", s.Repository))
		}
	}
	if !found {
		return approval.Comparison{}, Unfit("it has no source in " + string(repository))
	}
	return c, nil
}

// Sync compares what is live with what a sync would ship: the candidate when the
// decision allows one that is not live, else the newest commit of each branch. What is
// shipped are the landings between the two. The comparison has no To when there is
// nothing to ship.
func Sync(app approval.Application, d approval.Decision) (p approval.Preview, err error) {
	live, err := Live(app)
	if err != nil {
		return approval.Preview{}, err
	}
	p = approval.Preview{Application: app.Key(), Kind: approval.PreviewSync, Comparison: approval.Comparison{Application: app, From: live}}
	if d.Allowed() && len(d.Candidate.Revisions) == len(live) && differ(live, d.Candidate.Revisions) {
		p.To, p.Allowed = d.Candidate.Revisions, true
	} else {
		to := make([]approval.Revision, len(live))
		for i, was := range live {
			to[i] = was
			for _, l := range d.Lines {
				if l.Repository.Equal(was.Repository) && l.Head != "" {
					to[i].SHA = l.Head
				}
			}
		}
		if !differ(live, to) {
			return p, nil
		}
		p.To = to
	}
	p.Shipped = shipped(p.Comparison, d)
	return p, nil
}

func differ(a, b []approval.Revision) bool {
	for i := range a {
		if a[i].SHA != b[i].SHA {
			return true
		}
	}
	return false
}

// shipped are the landings of a decision that come after what is live, up to what would
// be shipped. They are none when the decision does not know all of them, as when what is
// live is older than its baseline.
func shipped(c approval.Comparison, d approval.Decision) []approval.Shipped {
	var out []approval.Shipped
	for _, l := range d.Lines {
		from, to, found := ends(c, l.Repository)
		if !found || from == to {
			continue
		}
		first, last := -1, -1
		if from == l.Baseline {
			first = 0
		}
		for i, landing := range l.Landings {
			if landing.Commit == from {
				first = i + 1
			}
			if landing.Commit == to {
				last = i
			}
		}
		if first < 0 || last < first {
			return nil
		}
		for _, landing := range l.Landings[first : last+1] {
			out = append(out, approval.Shipped{Repository: l.Repository, LandingDecision: landing})
		}
	}
	return out
}

func ends(c approval.Comparison, repository approval.RepositoryName) (from, to approval.SHA, found bool) {
	for i, r := range c.From {
		if r.Repository.Equal(repository) {
			return r.SHA, c.To[i].SHA, true
		}
	}
	return "", "", false
}

// OfPull compares what a pull request changes: from where it left its base to its head,
// and after the merge from the commit before it to where it landed.
func OfPull(app approval.Application, repository approval.RepositoryName, a approval.PullAnswer, others []approval.Revision) (approval.Comparison, error) {
	switch {
	case a.Pull.Merged:
		return Pull(app, repository, a.BaseHead, a.MergeCommit, others)
	case a.Fork:
		return approval.Comparison{}, Unfit("its head is in a fork, and only what is in the repository itself is rendered")
	case a.MergeBase == "":
		return approval.Comparison{}, Unfit("it has no history in common with its base")
	default:
		return Pull(app, repository, a.MergeBase, a.Pull.Head, others)
	}
}
