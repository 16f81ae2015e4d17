package collect

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// besides is an error that is not about the pull request itself. It does not
// match approval.ErrNotFound: a team that is gone must not look like a pull
// request that is gone, of which nothing needs to be reported.
type besides struct{ err error }

func (b besides) Error() string { return b.err.Error() }

func (b besides) Is(target error) bool {
	return target != approval.ErrNotFound && errors.Is(b.err, target)
}

func (b besides) As(target any) bool { return errors.As(b.err, target) }

// errMoving says that a pull request got new heads faster than it could be read.
var errMoving = errors.New("the pull request changes while it is read")

// CollectPull reads what a report on one pull request needs, merged or not. Of
// the query it uses the people, and the branch of the repository's range to
// fetch it early. What Collect says about freshness and errors holds here too;
// the error matches approval.ErrNotFound only when there is no such pull request.
func (c *Collector) CollectPull(ctx context.Context, repository approval.RepositoryName, number int, q approval.Query) (approval.PullAnswer, error) {
	if number <= 0 {
		return approval.PullAnswer{}, fmt.Errorf("%d is not the number of a pull request", number)
	}
	r, first, err := c.openWith(ctx, repository, number)
	if err != nil {
		return approval.PullAnswer{}, besides{err}
	}
	g, gctx := errgroup.WithContext(ctx)
	var people approval.Directory
	g.Go(func() error {
		var err error
		if people, err = c.peopleOf(gctx, q, []*repo{r}); err != nil {
			return besides{err}
		}
		return nil
	})
	var reviews []approval.Review
	g.Go(func() error {
		var err error
		reviews, err = c.reviewsOf(gctx, r, number)
		return err
	})
	var p pull
	g.Go(func() error {
		var err error
		p, err = c.pullWithHead(gctx, r, number, branchOf(q, r), first)
		return err
	})
	if err := g.Wait(); err != nil {
		return approval.PullAnswer{}, err
	}
	answer, err := c.pullAnswer(ctx, r, p, reviews, people, q)
	if err != nil {
		return approval.PullAnswer{}, besides{fmt.Errorf("collect #%d of %s: %w", number, repository, err)}
	}
	return answer, nil
}

func (c *Collector) pullAnswer(ctx context.Context, r *repo, p pull, reviews []approval.Review, people approval.Directory, q approval.Query) (approval.PullAnswer, error) {
	before, changes, err := c.effect(ctx, r, p)
	if err != nil {
		return approval.PullAnswer{}, err
	}
	pr, err := c.fill(ctx, r, p, change{before: before, changes: changes}, reviews, q.Needs)
	if err != nil {
		return approval.PullAnswer{}, err
	}
	people, err = c.complete(ctx, q, people, []*repo{r}, []*approval.PullRequest{pr}, votesOf(r, *pr))
	if err != nil {
		return approval.PullAnswer{}, err
	}
	answer := approval.PullAnswer{
		Pull: *pr, Open: p.open, BaseHead: before, MergeCommit: p.mergeCommit, Changes: changes, Directory: people,
		Fork: p.headRepository != p.baseRepository, Draft: p.draft, Asked: p.asked, Labels: p.labels,
	}
	if !p.merged {
		if answer.MergeBase, err = r.mirror.MergeBase(ctx, before, p.head); err != nil {
			return approval.PullAnswer{}, err
		}
		answer.Basis, err = c.basis(ctx, r, p.head, before, changes)
	}
	return answer, err
}

// branchOf guesses the base branch, so that it can be fetched while the pull
// request is read.
func branchOf(q approval.Query, r *repo) string {
	for _, rg := range q.Ranges {
		if rg.Repository.Equal(r.name) {
			return rg.Branch
		}
	}
	return r.defaultBranch
}

// pullWithHead reads the pull request and fetches its head and its base. The two
// are read at the same time, so a push in between can make them differ; then
// both are read once more. The first read may have been done, by openWith.
func (c *Collector) pullWithHead(ctx context.Context, r *repo, number int, branch string, first *pull) (pull, error) {
	for range 2 {
		fetched := make(chan error, 1)
		go func(branch string) { fetched <- r.fetch(ctx, branch, number) }(branch)
		p, err := c.readPullOrTake(ctx, r, number, first)
		first = nil
		if fetchErr := <-fetched; err == nil && fetchErr != nil {
			err = besides{fetchErr}
		}
		if err != nil {
			return pull{}, err
		}
		if p.base != branch {
			branch = p.base
			if err := r.fetch(ctx, branch, number); err != nil {
				return pull{}, besides{err}
			}
		}
		head, _, err := r.mirror.PullHead(ctx, number)
		if err != nil {
			return pull{}, besides{err}
		}
		if head == p.head {
			return p, nil
		}
	}
	return pull{}, fmt.Errorf("read #%d of %s: %w", number, r.name, errMoving)
}

// readPullOrTake takes a pull request that was read already, if there is one.
func (c *Collector) readPullOrTake(ctx context.Context, r *repo, number int, read *pull) (pull, error) {
	if read == nil {
		return c.readPullAnew(ctx, r, number)
	}
	if read.merged {
		c.pulls.put(pullKey{r.id, number}, *read, forever)
	}
	return *read, nil
}

// effect is what the pull request changes, and the commit of the base branch
// before it.
func (c *Collector) effect(ctx context.Context, r *repo, p pull) (approval.SHA, []approval.Change, error) {
	if p.merged {
		l, err := r.mirror.Prove(ctx, mirror.Commit{SHA: p.mergeCommit}, p.head)
		if err != nil {
			return "", nil, err
		}
		changes, err := r.mirror.Changes(ctx, l.Parent, p.mergeCommit)
		return l.Parent, changes, err
	}
	base, err := r.mirror.Head(ctx, p.base)
	if err != nil {
		return "", nil, err
	}
	changes, clean, err := r.mirror.Preview(ctx, base, p.head)
	if err == nil && !clean {
		// With conflicts nobody knows what it will change. Everything that
		// differs is at least all that it can.
		changes, err = r.mirror.Changes(ctx, base, p.head)
	}
	return base, changes, err
}
