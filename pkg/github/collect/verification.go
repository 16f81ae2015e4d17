package collect

import (
	"context"
	"fmt"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// Verification is what GitHub says about the signature of a commit.
type Verification struct {
	Commit   approval.SHA
	Verified bool
	Reason   string
	// Committer is the account of the committer's address, by which GitHub finds the
	// key (https://docs.github.com/authentication/managing-commit-signature-verification,
	// read 2026-11-21). The zero User when there is none.
	Committer approval.User
}

// Verifications asks GitHub about the signatures of a pull request's commits, as they
// are now. GitHub lists the first 250; of the others nothing is said.
func (c *Collector) Verifications(ctx context.Context, name approval.RepositoryName, number int) ([]Verification, error) {
	r, err := c.open(ctx, name)
	if err != nil {
		return nil, err
	}
	op := fmt.Sprintf("read the signatures of #%d", number)
	commits, err := github.All(maxPullCommits, func(o gh.ListOptions) ([]*gh.RepositoryCommit, *gh.Response, error) {
		return r.client.API().PullRequests.ListCommits(ctx, r.name.Owner(), r.name.Name(), number, &o)
	})
	if err != nil {
		return nil, github.Wrap(op, r.name, err)
	}
	out := make([]Verification, 0, len(commits))
	for _, commit := range commits {
		sha, err := approval.ParseSHA(commit.GetSHA())
		if err != nil {
			return nil, github.Wrap(op, r.name, fmt.Errorf("a commit has no SHA: %w", err))
		}
		v := commit.GetCommit().GetVerification()
		said := Verification{Commit: sha, Verified: v.GetVerified(), Reason: v.GetReason()}
		if u := commit.GetCommitter(); u != nil {
			said.Committer = approval.User{ID: approval.UserID(u.GetID()), Login: u.GetLogin(), Type: u.GetType()}
		}
		out = append(out, said)
	}
	return out, nil
}
