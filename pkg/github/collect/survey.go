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
// reading each pull request, and the activity of each head, would give. It reads
// the newest activity of the whole repository, once, if one of them is listed.
//
// A pull request is adopted only if the activity says that a person merged it
// just there. Of others the list does not tell what the pull request itself
// does: that a merge queue merged it.
func (c *Collector) adopt(ctx context.Context, r *repo, branch string, commits []mirror.Commit) error {
	if !slices.ContainsFunc(commits, func(commit mirror.Commit) bool {
		return len(c.listedAt(r.id, branch, commit.SHA)) > 0
	}) {
		return nil
	}
	_, err := c.adopted.get(ctx, r.id, func(ctx context.Context) (bool, time.Duration, error) {
		listed, _ := c.listed.peek(r.id)
		query := url.Values{"per_page": {strconv.Itoa(github.PageSize)}, "direction": {"desc"}}
		var entries []activity
		path := fmt.Sprintf("repos/%s/%s/activity?%s", r.name.Owner(), r.name.Name(), query.Encode())
		if _, err := r.client.Get(ctx, "list the newest pushes", path, &entries); err != nil {
			return false, 0, err
		}
		if entries == nil {
			return false, 0, github.Wrap("list the newest pushes", r.name, errors.New("a list was expected"))
		}
		for _, p := range listed {
			if mergedByPerson(entries, p) {
				c.pulls.put(pullKey{r.id, p.number}, p, forever)
			}
			// The log was read after the merge, so it has every arrival of the head
			// that is newer than its oldest entry.
			if found, ok := newestPush(entries, p, p.head); ok && p.headRepository == p.baseRepository && found.by != nil {
				c.pushers.put(pusherKey{r.id, p.number, p.head, true}, found, forever)
			}
		}
		return true, forever, nil
	})
	return err
}

// mergedByPerson says whether the log has the merge of a pull request by
// somebody who pressed the button, or made the call.
func mergedByPerson(entries []activity, p pull) bool {
	return slices.ContainsFunc(entries, func(e activity) bool {
		return e.Type == "pr_merge" && e.Ref == "refs/heads/"+p.base && e.After == string(p.mergeCommit)
	})
}

// newestPush is the newest arrival of a head at the pull request's branch, in entries that
// begin with the newest. The push is the zero one, which stays unknown, when the
// account of whoever pushed was deleted.
func newestPush(entries []activity, p pull, head approval.SHA) (push, bool) {
	for _, e := range entries {
		if e.After != string(head) || e.Ref != "refs/heads/"+p.headRef || !arrives(e.Type) {
			continue
		}
		if e.Actor == nil || e.Actor.ID <= 0 || e.Timestamp.IsZero() {
			return push{}, true
		}
		found := push{
			by: &approval.User{ID: approval.UserID(e.Actor.ID), Login: e.Actor.Login, Type: e.Actor.Type},
			at: e.Timestamp.UTC(), logged: true,
		}
		found.before, _ = approval.ParseSHA(e.Before) // unknown if it is none
		return found, true
	}
	return push{}, false
}

// readRepository reads a repository's ID and default branch.
func (c *Collector) readRepository(ctx context.Context, client *github.Client, name approval.RepositoryName) (repositoryFacts, error) {
	key := strings.ToLower(string(name))
	if _, before := c.surveyed.peek(key); !before {
		facts, ok, err := c.survey(ctx, client, name)
		if err != nil {
			return repositoryFacts{}, err
		}
		c.surveyed.put(key, true, forever)
		if ok {
			return facts, nil
		}
	}
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
