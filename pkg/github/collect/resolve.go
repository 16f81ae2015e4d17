package collect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// maxPullsOfCommit bounds the pull requests that hold one commit.
const maxPullsOfCommit = 300

// mergeLag is the age of a merge up to which a pull request that names another
// commit is read again next time. A wrong clock costs calls and nothing else.
const mergeLag = time.Hour

// commitKey names a commit of a protected branch.
type commitKey struct {
	repository int64
	branch     string
	commit     approval.SHA
}

// origin is where a commit of a line came from. The zero origin is a direct push.
type origin struct {
	// pulls are the merged pull requests that name the commit as theirs. More
	// than one is possible when their heads are the same.
	pulls []pull
	// unsettled says why it is not known yet.
	unsettled string
}

// resolve finds the pull request that landed with a commit.
func (c *Collector) resolve(ctx context.Context, r *repo, branch string, commit mirror.Commit) (origin, error) {
	key := commitKey{r.id, branch, commit.SHA}
	firstSeen := c.firstSeen(key)

	witnessed, ok, err := c.witness.MergedPull(ctx, r.id, commit.SHA)
	if err != nil {
		return origin{}, fmt.Errorf("look up the pull request of %s: %w", commit.SHA.Short(), err)
	}
	contradiction := ""
	if ok {
		p, why, err := c.claim(ctx, r, branch, commit.SHA, witnessed)
		if err != nil {
			return origin{}, err
		}
		if why == "" {
			return origin{pulls: []pull{p}}, nil
		}
		contradiction = "a webhook named " + why
	}
	if _, known := c.direct.peek(key); known && !ok {
		return origin{}, nil
	}
	hint, ok := mentioned(commit.Subject)
	if listed := c.listedAt(r.id, branch, commit.SHA); len(listed) == 1 {
		hint, ok = listed[0].number, true
	}
	if ok && hint != witnessed {
		p, why, err := c.claim(ctx, r, branch, commit.SHA, hint)
		if err != nil {
			return origin{}, err
		}
		if why == "" {
			return origin{pulls: []pull{p}}, nil
		}
	}
	return c.resolveByIndex(ctx, r, key, contradiction, time.Since(firstSeen) < c.grace)
}

// resolveByIndex asks GitHub's index of commits, which lags behind.
func (c *Collector) resolveByIndex(ctx context.Context, r *repo, key commitKey, contradiction string, early bool) (origin, error) {
	items, err := readIndex(ctx, r, key.commit)
	if err != nil {
		if early && notIndexed(err) {
			return origin{unsettled: "waiting for GitHub to index the commit"}, nil
		}
		return origin{}, err
	}
	var found origin
	indexed := false
	for _, item := range items {
		if item.GetMergedAt().IsZero() || item.GetBase().GetRef() != key.branch || item.GetBase().GetRepo().GetID() != r.id {
			continue
		}
		if item.GetMergeCommitSHA() != string(key.commit) {
			// The commit is inside of a pull request that landed with another one.
			indexed = indexed || item.GetMergeCommitSHA() != ""
			continue
		}
		p, why, err := c.claim(ctx, r, key.branch, key.commit, item.GetNumber())
		if err != nil {
			return origin{}, err
		}
		if why != "" {
			contradiction = "GitHub lists " + why
			continue
		}
		found.pulls = append(found.pulls, p)
	}
	switch {
	case len(found.pulls) > 0:
		slices.SortFunc(found.pulls, func(a, b pull) int { return a.number - b.number })
		return found, nil
	case contradiction != "":
		return origin{unsettled: contradiction}, nil
	case early && !indexed:
		return origin{unsettled: "waiting for GitHub to index the commit"}, nil
	}
	c.direct.put(key, true, directTTL)
	return origin{}, nil
}

// claim reads a pull request that is said to have landed with the commit, and
// says in words why it did not, if so.
func (c *Collector) claim(ctx context.Context, r *repo, branch string, commit approval.SHA, number int) (pull, string, error) {
	name := "#" + strconv.Itoa(number)
	p, err := c.readPull(ctx, r, number)
	if err == nil && p.recalled && (p.base != branch || p.mergeCommit != commit) {
		// The branch may have another name by now. What GitHub says now counts.
		if p, err = readPull(ctx, r, number); err == nil && p.merged {
			c.pulls.put(pullKey{r.id, number}, p, forever)
		}
	}
	switch {
	case errors.Is(err, approval.ErrNotFound):
		return pull{}, name + " for this commit, but GitHub knows no such pull request", nil
	case err != nil:
		return pull{}, "", err
	case !p.merged:
		return pull{}, name + " for this commit, but GitHub does not say that it is merged", nil
	case p.base != branch || p.baseRepository != r.id:
		return pull{}, name + " for this commit, but that was merged into " + p.base, nil
	case p.mergeCommit != commit:
		if time.Since(p.mergedAt) < mergeLag {
			c.pulls.drop(pullKey{r.id, number}) // it may name the test merge still
		}
		return pull{}, name + " for this commit, but that landed at " + p.mergeCommit.Short(), nil
	case p.author.ID == 0:
		return pull{}, name + " for this commit, but not who opened it", nil
	}
	return p, "", nil
}

// readIndex lists the pull requests of a commit, merged or not.
func readIndex(ctx context.Context, r *repo, commit approval.SHA) ([]*gh.PullRequest, error) {
	items, err := github.All(maxPullsOfCommit, func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return r.client.API().PullRequests.ListPullRequestsWithCommit(ctx, r.name.Owner(), r.name.Name(), string(commit), &o)
	})
	return items, github.Wrap("list the pull requests of "+commit.Short(), r.name, err)
}

// notIndexed recognizes GitHub's answers about a commit that it does not know
// yet: 404, and 422 "No commit found for SHA".
func notIndexed(err error) bool {
	var e *github.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusUnprocessableEntity)
}

// firstSeen is when this process saw the commit first.
func (c *Collector) firstSeen(key commitKey) time.Time {
	if at, ok := c.seen.peek(key); ok {
		return at
	}
	now := time.Now()
	c.seen.put(key, now, forever)
	return now
}

// mentioned finds the number in the subjects that GitHub writes by default,
// "Merge pull request #12 from acme/topic" and "Title (#12)". Anybody can write
// such a subject, so it is only a hint of what to read.
func mentioned(subject string) (int, bool) {
	if rest, ok := strings.CutPrefix(subject, "Merge pull request #"); ok {
		number, _, ok := strings.Cut(rest, " ")
		return pullNumber(number, ok)
	}
	if rest, ok := strings.CutSuffix(strings.TrimSpace(subject), ")"); ok {
		if i := strings.LastIndex(rest, "(#"); i >= 0 {
			return pullNumber(rest[i+2:], true)
		}
	}
	return 0, false
}

func pullNumber(s string, ok bool) (int, bool) {
	if !ok || s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" || s[0] == '0' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
