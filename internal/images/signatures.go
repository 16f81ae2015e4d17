package images

import (
	"context"
	"fmt"
	"time"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
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
	out := make([]approval.CommitSignature, 0, len(commits))
	open := false // some signature is not trusted with the gate's own keys
	for _, commit := range commits {
		object, err := m.CommitObject(ctx, commit.SHA)
		if err != nil {
			return nil, err
		}
		s := g.Verifier.Verify(commit.SHA, object, pr.HeadPushedAt)
		s.Commit = commit.SHA
		if s.State != approval.SignatureTrusted && len(commit.Parents) == 2 {
			neutral, err := m.NeutralMerge(ctx, commit)
			if err != nil {
				return nil, err
			}
			if neutral {
				s = approval.CommitSignature{Commit: commit.SHA, State: approval.SignatureNeutral}
			}
		}
		open = open || s.State != approval.SignatureTrusted && s.State != approval.SignatureNeutral
		out = append(out, s)
	}
	if g.Witness == nil {
		c.signed.Add(key, out)
		return out, nil
	}
	if !open {
		return out, nil
	}
	seen, err := g.Witness.Signatures(ctx, repository, pr.Number)
	if err != nil {
		return nil, err
	}
	for i := range out {
		s := &out[i]
		said, ok := seen[s.Commit]
		if ok && s.State != approval.SignatureTrusted && s.State != approval.SignatureNeutral && said.State == approval.SignatureTrusted {
			said.Commit = s.Commit
			*s = said
		}
	}
	return out, nil
}
