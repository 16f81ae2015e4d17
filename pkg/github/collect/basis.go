package collect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Bases identifies for open pull requests into a branch what is read of git, as it is
// after a fetch. GitHub's API is not asked. A pull request without a head, or of which
// something cannot be read, is left out.
func (c *Collector) Bases(ctx context.Context, repository approval.RepositoryName, branch string, pulls []int) (map[int]string, error) {
	r, err := c.handle(ctx, repository)
	if err != nil {
		return nil, err
	}
	if err := r.mirror.Fetch(ctx, branch, pulls...); err != nil {
		return nil, fmt.Errorf("fetch what open pull requests of %s change: %w", repository, err)
	}
	out := map[int]string{}
	for _, number := range pulls {
		head, ok, err := r.mirror.PullHead(ctx, number)
		if err != nil || !ok {
			continue
		}
		before, changes, err := c.effect(ctx, r, pull{number: number, base: branch, head: head, open: true})
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			continue
		}
		if basis, err := c.basis(ctx, r, head, before, changes); err == nil {
			out[number] = basis
		}
	}
	return out, nil
}

// basis identifies what a pull request is judged on of git: its head, which commits it
// brings, what it changes on its base, and who owns paths there.
func (c *Collector) basis(ctx context.Context, r *repo, head, before approval.SHA, changes []approval.Change) (string, error) {
	commits, err := r.mirror.Commits(ctx, head, before)
	if err != nil {
		return "", fmt.Errorf("list what %s brings: %w", head.Short(), err)
	}
	h := sha256.New()
	write := func(parts ...string) {
		for _, s := range parts {
			_, _ = fmt.Fprintf(h, "%d:%s", len(s), s) // a hash never fails
		}
	}
	write("1", string(head))
	var brought []string
	for _, commit := range commits {
		brought = append(brought, string(commit.SHA))
	}
	slices.Sort(brought)
	write(strings.Join(brought, " "))
	for _, change := range changes {
		write(change.Path, change.Before.Mode, string(change.Before.SHA), change.After.Mode, string(change.After.SHA))
	}
	for _, path := range ownersFiles() {
		e, ok, err := r.mirror.Entry(ctx, before, path)
		if err != nil {
			return "", fmt.Errorf("read %s at %s: %w", path, before.Short(), err)
		}
		if ok {
			write(path, e.Mode, string(e.SHA))
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
