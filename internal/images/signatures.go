package images

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxCommits bounds the commits of a pull request that moves images.
const maxCommits = 1_000

type signedKey struct {
	gate       string
	repository approval.RepositoryName
	pull       int
	head, base approval.SHA
	at         time.Time
}

// signatures verifies every commit of a pull request that is not on the base. Which
// these are is read from git, where a forgotten page cannot hide one.
func (c *Collector) signatures(ctx context.Context, g Gate, gate string, repository approval.RepositoryName, pr *approval.PullRequest, base approval.SHA) ([]approval.CommitSignature, error) {
	if pr.HeadPushedAt.IsZero() || pr.Head == "" || base == "" {
		return nil, nil // which is found to be not known
	}
	key := signedKey{gate, repository, pr.Number, pr.Head, base, pr.HeadPushedAt}
	if g.Witness == nil {
		if known, ok := c.signed.Get(key); ok {
			return known.([]approval.CommitSignature), nil
		}
	}
	m, err := c.mirrors(ctx, repository)
	if err != nil {
		return nil, err
	}
	commits, err := m.Commits(ctx, pr.Head, base)
	if err != nil {
		return nil, fmt.Errorf("list its commits: %w", err)
	}
	if len(commits) > maxCommits {
		return nil, fmt.Errorf("it has more than %d commits; split it", maxCommits)
	}
	out := make([]approval.CommitSignature, len(commits))
	verify := func(v Verifier) (open bool, err error) {
		for i, commit := range commits {
			if s := &out[i]; s.State != approval.SignatureTrusted && s.State != approval.SignatureNeutral {
				if *s, err = verifyOne(ctx, m, v, commit, pr.HeadPushedAt); err != nil {
					return false, err
				}
				open = open || s.State != approval.SignatureTrusted && s.State != approval.SignatureNeutral
			}
		}
		return open, nil
	}
	open, err := verify(g.Verifier)
	switch {
	case err != nil:
		return nil, err
	case g.Witness == nil:
		c.signed.Add(key, out)
		return out, nil
	case !open:
		return out, nil
	}
	told, err := g.Witness.Ask(ctx, repository, pr.Number)
	if err != nil {
		return nil, err
	}
	_, err = verify(told)
	return out, err
}

// verifyOne verifies one commit. A clean update merge needs no signature.
func verifyOne(ctx context.Context, m Mirror, v Verifier, commit mirror.Commit, at time.Time) (approval.CommitSignature, error) {
	object, err := m.CommitObject(ctx, commit.SHA)
	if err != nil {
		return approval.CommitSignature{}, err
	}
	s := v.Verify(commit.SHA, object, at)
	s.Commit = commit.SHA
	if s.State == approval.SignatureTrusted || len(commit.Parents) != 2 {
		return s, nil
	}
	neutral, err := m.NeutralMerge(ctx, commit)
	if err == nil && neutral {
		s = approval.CommitSignature{Commit: commit.SHA, State: approval.SignatureNeutral}
	}
	return s, err
}
