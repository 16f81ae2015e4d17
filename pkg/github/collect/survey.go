package collect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
)

// surveyPage is how many pull requests the survey reads. The text of one can have
// 65,536 characters of four bytes, so a hundred could be more than is read of an
// answer, and the repository would be unreadable as long as they are the newest.
const surveyPage = 50

// survey reads the newest closed pull requests of a repository with one call. They
// carry the repository's own facts, so the first time it takes the place of
// reading those; false when there is no pull request to carry them. What was
// merged cannot change any more, so it is kept, for adopt.
func (c *Collector) survey(ctx context.Context, client *github.Client, name approval.RepositoryName) (repositoryFacts, bool, error) {
	const op = "list the newest pull requests"
	items, resp, err := client.API().PullRequests.List(ctx, name.Owner(), name.Name(), &gh.PullRequestListOptions{
		State: "closed", Sort: "updated", Direction: "desc", ListOptions: gh.ListOptions{PerPage: surveyPage},
	})
	if err == nil && (resp.StatusCode != http.StatusOK || items == nil) {
		err = errors.New("a list was expected")
	}
	if err != nil {
		return repositoryFacts{}, false, github.Wrap(op, name, err)
	}
	var facts repositoryFacts
	var listed []pull
	for _, item := range items {
		base := item.GetBase().GetRepo()
		if facts.id == 0 {
			facts = repositoryFacts{id: base.GetID(), defaultBranch: base.GetDefaultBranch()}
		}
		// Whoever needs one that is left out reads it by itself, and is told what is
		// wrong with it.
		if p, ok := parseListed(item); ok && p.baseRepository == facts.id {
			listed = append(listed, p)
		}
	}
	if facts.id <= 0 || facts.defaultBranch == "" {
		return repositoryFacts{}, false, nil
	}
	c.listed.put(facts.id, listed, forever)
	return facts, true, nil
}

// parseListed reads an entry of the list of pull requests, which says when a
// pull request was merged and, unlike the pull request itself, neither that nor
// by whom. False for those that were not merged.
func parseListed(a *gh.PullRequest) (pull, bool) {
	if a.GetMergedAt().IsZero() {
		return pull{}, false
	}
	whole := *a
	whole.Merged = new(true)
	p, err := parsePull(&whole)
	return p, err == nil && p.number > 0
}

// listedAt are the listed pull requests that name the commit as theirs.
func (c *Collector) listedAt(repository int64, branch string, commit approval.SHA) []pull {
	listed, _ := c.listed.peek(repository)
	var out []pull
	for _, p := range listed {
		if p.mergeCommit == commit && p.base == branch {
			out = append(out, p)
		}
	}
	return out
}

// adopt takes what the survey has of the landings at these commits for what
// reading each pull request would give. Of others the list does not tell what the
// pull request itself does: that a merge queue merged it. So a person's merge must
// have been witnessed, or be in the newest activity of the whole repository, which
// is read once. It says who pushed the heads as well, so it is read too when there
// are several.
func (c *Collector) adopt(ctx context.Context, r *repo, branch string, commits []mirror.Commit) error {
	var unread []pull
	for _, commit := range commits {
		for _, p := range c.listedAt(r.id, branch, commit.SHA) {
			if !c.adoptKnown(ctx, r, p) {
				unread = append(unread, p)
			}
		}
	}
	if len(unread) == 1 {
		p := unread[0]
		byPerson, err := c.pushes.MergedByPerson(ctx, r.id, p.number, p.mergeCommit)
		if err != nil {
			return fmt.Errorf("look up who merged #%d: %w", p.number, err)
		}
		if byPerson {
			c.pulls.put(pullKey{r.id, p.number}, p, forever)
			return nil
		}
	}
	if len(unread) == 0 {
		return nil
	}
	newest, err := c.newest.get(ctx, r.id, func(ctx context.Context) ([]activity, time.Duration, error) {
		query := url.Values{"per_page": {strconv.Itoa(github.PageSize)}, "direction": {"desc"}}
		var entries []activity
		path := fmt.Sprintf("repos/%s/%s/activity?%s", r.name.Owner(), r.name.Name(), query.Encode())
		if _, err := r.client.Get(ctx, "list the newest pushes", path, &entries); err != nil {
			return nil, 0, err
		}
		if entries == nil {
			return nil, 0, github.Wrap("list the newest pushes", r.name, errors.New("a list was expected"))
		}
		return entries, forever, nil
	})
	if err != nil {
		return err
	}
	for _, p := range unread {
		if mergedByPerson(newest, p) {
			c.pulls.put(pullKey{r.id, p.number}, p, forever)
		}
	}
	return nil
}

// adoptKnown says whether a listed pull request is known from elsewhere.
func (c *Collector) adoptKnown(ctx context.Context, r *repo, p pull) bool {
	key := pullKey{r.id, p.number}
	if _, ok := c.pulls.peek(key); ok {
		return true
	}
	kept, ok := c.recallPull(ctx, r, p.number)
	if ok = ok && kept.mergeCommit == p.mergeCommit && kept.base == p.base; ok {
		c.pulls.put(key, kept, forever)
	}
	return ok
}

// listedArrivals are those at a listed pull request's branch among the newest of
// the repository. These were read after the merge, so they have every arrival
// that is newer than their oldest.
func (c *Collector) listedArrivals(r *repo, p pull) arrivals {
	entries, _ := c.newest.peek(r.id)
	listed, _ := c.listed.peek(r.id)
	if !slices.ContainsFunc(listed, func(o pull) bool { return o.number == p.number && o.mergeCommit == p.mergeCommit }) {
		return arrivals{}
	}
	return arrivals{List: arrivalsIn(entries, p), Partial: true}
}

// mergedByPerson says whether the log has the merge of a pull request by
// somebody who pressed the button, or made the call.
func mergedByPerson(entries []activity, p pull) bool {
	return slices.ContainsFunc(entries, func(e activity) bool {
		return e.Type == "pr_merge" && e.Ref == "refs/heads/"+p.base && e.After == string(p.mergeCommit)
	})
}

// surveyOnce surveys a repository unless it was surveyed before.
func (c *Collector) surveyOnce(ctx context.Context, client *github.Client, name approval.RepositoryName) error {
	key := strings.ToLower(string(name))
	_, err := c.surveyed.get(ctx, key, func(ctx context.Context) (bool, time.Duration, error) {
		facts, ok, err := c.survey(ctx, client, name)
		if err == nil && ok {
			c.repositories.put(key, facts, c.repositoryTTL)
		}
		return true, forever, err
	})
	return err
}

// readRepository reads a repository's ID and default branch.
func readRepository(ctx context.Context, client *github.Client, name approval.RepositoryName) (repositoryFacts, error) {
	found, _, err := client.API().Repositories.Get(ctx, name.Owner(), name.Name())
	if err != nil {
		return repositoryFacts{}, github.Wrap("read the repository", name, err)
	}
	facts := repositoryFacts{id: found.GetID(), defaultBranch: found.GetDefaultBranch()}
	if facts.id <= 0 || facts.defaultBranch == "" {
		return repositoryFacts{}, fmt.Errorf("GitHub's answer about %s has no ID or no default branch", name)
	}
	return facts, nil
}
