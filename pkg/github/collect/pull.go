package collect

import (
	"context"
	"fmt"
	"slices"
	"time"

	gh "github.com/google/go-github/v60/github"
	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// pull is what the API says of a pull request, apart from its reviews.
type pull struct {
	number         int
	title, url     string
	author         approval.User // the zero User when the account was deleted
	open, merged   bool
	head           approval.SHA
	headRef        string
	headRepository int64 // 0 when it was deleted
	base           string
	baseRepository int64
	mergeCommit    approval.SHA // after the merge; before it GitHub names a test merge
	mergedAt       time.Time
	queued         bool // a merge queue merged it
	recalled       bool // by an earlier process, see recallPull
	draft          bool
	asked          approval.RequestedReviewers // while it is open, as are the labels
	labels         []string
	openedAt       time.Time
	tags           []string // its labels, whether it is open or not
}

type pullKey struct {
	repository int64
	number     int
}

// readPull reads a pull request by its number. A merged one cannot change any
// more in what is used of it, except for its title, so it is read once.
func (c *Collector) readPull(ctx context.Context, r *repo, number int) (pull, error) {
	return c.pulls.get(ctx, pullKey{r.id, number}, func(ctx context.Context) (pull, time.Duration, error) {
		if p, ok := c.recallPull(ctx, r, number); ok {
			return p, forever, nil
		}
		p, err := readPull(ctx, r, number)
		if err != nil || !p.merged {
			return p, -1, err
		}
		return p, forever, nil
	})
}

// readPullAnew never shares a read that began before the call.
func (c *Collector) readPullAnew(ctx context.Context, r *repo, number int) (pull, error) {
	key := pullKey{r.id, number}
	if p, ok := c.pulls.peek(key); ok {
		return p, nil
	}
	p, err := readPull(ctx, r, number)
	if err == nil && p.merged {
		c.pulls.put(key, p, forever)
	}
	return p, err
}

func readPull(ctx context.Context, r *repo, number int) (pull, error) {
	p, _, err := readPullAndBase(ctx, r, number)
	return p, err
}

// readPullAndBase reads a pull request with its repository's facts.
func readPullAndBase(ctx context.Context, r *repo, number int) (pull, repositoryFacts, error) {
	op := fmt.Sprintf("read #%d", number)
	answer, _, err := r.client.API().PullRequests.Get(ctx, r.name.Owner(), r.name.Name(), number)
	if err != nil {
		return pull{}, repositoryFacts{}, github.Wrap(op, r.name, err)
	}
	p, err := parsePull(answer)
	if err == nil && p.number != number {
		err = fmt.Errorf("GitHub answered with #%d", p.number)
	}
	if err != nil {
		return pull{}, repositoryFacts{}, github.Wrap(op, r.name, err)
	}
	base := answer.GetBase().GetRepo()
	return p, repositoryFacts{id: base.GetID(), defaultBranch: base.GetDefaultBranch()}, nil
}

// queueBot is who merges for merge queues. Nobody else can have the name: logins
// of people have no brackets.
const queueBot = "github-merge-queue[bot]"

func parsePull(a *gh.PullRequest) (pull, error) {
	p := pull{
		number: a.GetNumber(), title: a.GetTitle(), url: a.GetHTMLURL(),
		open: a.GetState() == "open", merged: a.GetMerged(),
		headRef: a.GetHead().GetRef(), headRepository: a.GetHead().GetRepo().GetID(),
		base: a.GetBase().GetRef(), baseRepository: a.GetBase().GetRepo().GetID(),
		openedAt: a.GetCreatedAt().UTC(), tags: labelsOf(a),
	}
	if p.open {
		p.draft, p.asked, p.labels = a.GetDraft(), askedOf(a), labelsOf(a)
	}
	if u := person(a.GetUser()); u != nil {
		p.author = *u
	}
	var err error
	if p.head, err = approval.ParseSHA(a.GetHead().GetSHA()); err != nil {
		return pull{}, fmt.Errorf("the head: %w", err)
	}
	if p.base == "" || p.baseRepository <= 0 {
		return pull{}, fmt.Errorf("the base is missing")
	}
	if p.merged {
		if p.open {
			return pull{}, fmt.Errorf("it is both open and merged")
		}
		// REST version 2026-03-10 leaves the merge commit out. go-github v60 asks
		// for 2022-11-28, which has it; without it nothing can be matched.
		if p.mergeCommit, err = approval.ParseSHA(a.GetMergeCommitSHA()); err != nil {
			return pull{}, fmt.Errorf("the merge commit: %w", err)
		}
		p.queued = a.GetMergedBy().GetLogin() == queueBot && a.GetMergedBy().GetType() == "Bot"
		if p.mergedAt = a.GetMergedAt().UTC(); p.mergedAt.IsZero() {
			return pull{}, fmt.Errorf("the time of the merge is missing")
		}
	}
	return p, nil
}

// person is nil for accounts that were deleted.
func person(u *gh.User) *approval.User {
	if u.GetID() <= 0 {
		return nil
	}
	return &approval.User{ID: approval.UserID(u.GetID()), Login: u.GetLogin(), Type: u.GetType()}
}

// change is what a pull request changes. Before is the commit of the base branch
// before it: what is reachable from there is not part of it.
type change struct {
	before  approval.SHA
	changes []approval.Change
}

// fill makes the pull request of the facts.
func (c *Collector) fill(ctx context.Context, r *repo, p pull, about change, reviews []approval.Review, needs approval.Needs) (*approval.PullRequest, error) {
	pr := p.basics(r)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		parts, err := c.contributorsOf(ctx, r, p, about.before)
		pr.Contributors, pr.FirstCommitAt = parts.all, parts.first
		return err
	})
	g.Go(func() error {
		// Who pushed comes after the reviews: it depends on them what is asked.
		var before *past
		var err error
		if pr.Reviews, before, err = c.witnessed(ctx, r, p, reviews); err != nil {
			return err
		}
		if needs.Comments {
			var said []approval.Review
			if said, before, err = c.commentsOf(ctx, r, p, before); err != nil {
				return err
			}
			pr.Reviews = append(pr.Reviews, said...)
		}
		t, err := tell(ctx, r, p, pr.Reviews, before, about.before)
		if err != nil {
			return err
		}
		pushed, err := c.pusherOf(ctx, r, p, t)
		if err != nil {
			return err
		}
		pr.Pusher, pr.HeadPushedAt = pushed.by, pushed.at
		pr.Kept, err = c.keptOf(ctx, r, p, pushed, t, about.before)
		return err
	})
	g.Go(func() error { return c.fillNeeds(ctx, r, p, about, needs, pr) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return pr, nil
}

// fillNeeds adds what only some policies ask for.
func (c *Collector) fillNeeds(ctx context.Context, r *repo, p pull, about change, needs approval.Needs, pr *approval.PullRequest) error {
	g, ctx := errgroup.WithContext(ctx)
	if needs.CodeOwners {
		g.Go(func() (err error) {
			pr.Owners, err = c.ownersOf(ctx, r, about.before, about.changes)
			return err
		})
	}
	if needs.Pushers {
		g.Go(func() (err error) {
			pr.Pushers, err = c.pushers.get(ctx, r.shared, pushersKey{r.pullName(p.number), p.headRepository, p.headRef}, func(ctx context.Context) ([]approval.User, error) {
				return c.pushersOf(ctx, r, p)
			})
			pr.Pushers = slices.Clone(pr.Pushers)
			return err
		})
	}
	if needs.Requested {
		g.Go(func() (err error) {
			pr.Requested, err = c.requested.get(ctx, r.shared, r.pullName(p.number), func(ctx context.Context) ([]approval.UserID, error) {
				return readRequested(ctx, r, p.number)
			})
			pr.Requested = slices.Clone(pr.Requested)
			return err
		})
	}
	if len(needs.Checks) > 0 {
		g.Go(func() (err error) {
			pr.Checks, err = c.checksOf(ctx, r, p.head, needs.Checks)
			return err
		})
	}
	return g.Wait()
}

// basics is the pull request without its people and reviews. It has the name by
// which the query knows the repository, which may be an older one.
func (p pull) basics(r *repo) *approval.PullRequest {
	return &approval.PullRequest{
		Repository: r.name, Number: p.number, Title: p.title, URL: p.url,
		BaseRepositoryID: p.baseRepository, Base: p.base, Merged: p.merged, MergedAt: p.mergedAt, Head: p.head, Author: p.author,
		OpenedAt: p.openedAt, Labels: p.tags,
	}
}
