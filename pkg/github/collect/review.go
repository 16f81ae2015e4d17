package collect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	gh "github.com/google/go-github/v60/github"
	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// maxReviews bounds the reviews of one pull request.
const maxReviews = 5000

// pullName names a pull request before the repository's ID is known.
type pullName struct {
	repository string // in lower case
	number     int
}

func (r *repo) pullName(number int) pullName {
	return pullName{strings.ToLower(string(r.name)), number}
}

// reviewReads reads the reviews of several pull requests at the same time.
type reviewReads struct {
	collector *Collector
	repo      *repo
	group     errgroup.Group
	got       map[int]*[]approval.Review
}

func (c *Collector) newReviewReads(r *repo) *reviewReads {
	reads := &reviewReads{collector: c, repo: r, got: map[int]*[]approval.Review{}}
	reads.group.SetLimit(parallel)
	return reads
}

// start begins to read, unless it was begun before. It may block while as many
// reads are under way as are allowed.
func (rr *reviewReads) start(ctx context.Context, numbers ...int) {
	for _, n := range numbers {
		if rr.got[n] != nil {
			continue
		}
		into := new([]approval.Review)
		rr.got[n] = into
		rr.group.Go(func() error {
			reviews, err := rr.collector.reviewsOf(ctx, rr.repo, n)
			*into = reviews
			return err
		})
	}
}

// wait ends the reads. Nothing may be started afterwards.
func (rr *reviewReads) wait() error { return rr.group.Wait() }

// reviewsOf reads all reviews of a pull request, in GitHub's order.
func (c *Collector) reviewsOf(ctx context.Context, r *repo, number int) ([]approval.Review, error) {
	reviews, err := c.reviews.get(ctx, r.shared, r.pullName(number), func(ctx context.Context) ([]approval.Review, error) {
		op := fmt.Sprintf("list the reviews of #%d", number)
		answers, err := github.All(maxReviews, func(o gh.ListOptions) ([]*gh.PullRequestReview, *gh.Response, error) {
			return r.client.API().PullRequests.ListReviews(ctx, r.name.Owner(), r.name.Name(), number, &o)
		})
		if err != nil {
			return nil, github.Wrap(op, r.name, err)
		}
		reviews := make([]approval.Review, 0, len(answers))
		seen := make(map[int64]bool, len(answers))
		for _, a := range answers {
			if a.GetID() <= 0 || seen[a.GetID()] {
				// A review that comes twice means that the list moved between two
				// pages, so another one may be missing.
				return nil, github.Wrap(op, r.name, fmt.Errorf("the list has review %d twice or without an ID", a.GetID()))
			}
			seen[a.GetID()] = true
			reviews = append(reviews, parseReview(a))
		}
		return reviews, nil
	})
	// The slice is shared with others who waited for the same read.
	return slices.Clone(reviews), err
}

func parseReview(a *gh.PullRequestReview) approval.Review {
	review := approval.Review{
		ID: a.GetID(), User: person(a.GetUser()), State: approval.ReviewState(strings.ToUpper(a.GetState())),
		SubmittedAt: a.GetSubmittedAt().Time,
	}
	// The commit is null when it was garbage-collected; then it fits no head.
	if commit, err := approval.ParseSHA(a.GetCommitID()); err == nil {
		review.Commit = commit
	}
	if !review.SubmittedAt.IsZero() {
		review.SubmittedAt = review.SubmittedAt.UTC()
	}
	return review
}

// witnessed puts in place of the API's commits those on which the reviews were
// submitted, as far as that was witnessed, and adds the branch that they were
// for. Where no witness tells, and for dismissed reviews, the timeline is read,
// if it can matter, and is returned.
func (c *Collector) witnessed(ctx context.Context, r *repo, p pull, reviews []approval.Review) ([]approval.Review, *past, error) {
	out := slices.Clone(reviews)
	untold := false
	for i := range out {
		v := &out[i]
		if !isOpinion(v.State) {
			continue
		}
		w, ok, err := c.witness.Review(ctx, r.id, v.ID)
		if err != nil {
			return nil, nil, fmt.Errorf("look up what review %d of #%d was of: %w", v.ID, p.number, err)
		}
		if ok {
			v.Commit, v.Base, v.Witnessed = w.Commit, w.Base, true
		}
	}
	for i := range out {
		untold = untold || matters(out, i, p.head)
	}
	if !untold {
		return out, nil, nil
	}
	before, err := c.pastOf(ctx, r, p, out)
	if err != nil {
		return nil, nil, err
	}
	for i := range out {
		v := &out[i]
		if v.Base == "" && isOpinion(v.State) && !v.SubmittedAt.IsZero() {
			v.Base = before.baseAt(v.SubmittedAt, p.base)
		}
		if d, ok := before.dismissed[v.ID]; ok && v.State == approval.ReviewDismissed {
			v.Dismissed = &d
		}
	}
	return out, &before, nil
}

// matters says whether the timeline tells something about the i-th review that
// could count: who dismissed it, or, of an approval of the head, for which branch
// it was. What the same person said later takes its place.
func matters(reviews []approval.Review, i int, head approval.SHA) bool {
	v := reviews[i]
	switch v.State {
	case approval.ReviewDismissed:
	case approval.ReviewApproved:
		if v.Base != "" || v.Commit != head {
			return false
		}
	case approval.ReviewChangesRequested, approval.ReviewCommented, approval.ReviewPending:
		return false
	default:
		return false
	}
	return v.User == nil || !slices.ContainsFunc(reviews, func(o approval.Review) bool {
		return o.User != nil && o.User.ID == v.User.ID && isOpinion(o.State) && o.SubmittedAt.After(v.SubmittedAt)
	})
}

func isOpinion(s approval.ReviewState) bool {
	switch s {
	case approval.ReviewCommented, approval.ReviewPending:
		return false
	case approval.ReviewApproved, approval.ReviewChangesRequested, approval.ReviewDismissed:
		return true
	default:
		return true // unknown to us, so it is not left out
	}
}
