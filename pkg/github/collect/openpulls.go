package collect

import (
	"context"
	"errors"
	"net/http"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// maxOpenPulls bounds the open pull requests into one branch.
const maxOpenPulls = 20_000

// OpenPulls lists the open pull requests into a branch, newest first, drafts and those
// from forks included. What is listed says nothing but their heads: each has to be read
// before anything is said of it.
func (c *Collector) OpenPulls(ctx context.Context, repository approval.RepositoryName, branch string) ([]approval.OpenPull, error) {
	const op = "list the open pull requests"
	client, err := c.github.Client(ctx, repository)
	if err != nil {
		return nil, err
	}
	// A page of 50 is read whatever their texts are, see surveyPage.
	items, err := github.All(maxOpenPulls, func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		o.PerPage = surveyPage
		return client.API().PullRequests.List(ctx, repository.Owner(), repository.Name(), &gh.PullRequestListOptions{State: "open", Base: branch, ListOptions: o})
	})
	if err != nil {
		return nil, github.Wrap(op, repository, err)
	}
	var out []approval.OpenPull
	for _, item := range items {
		head, err := approval.ParseSHA(item.GetHead().GetSHA())
		if err == nil && (item.GetNumber() <= 0 || item.GetBase().GetRef() != branch) {
			err = errors.New("one of them has no number, or another base")
		}
		if err != nil {
			return nil, github.Wrap(op, repository, &github.Error{Status: http.StatusOK, Err: err})
		}
		out = append(out, approval.OpenPull{Number: item.GetNumber(), Head: head})
	}
	return out, nil
}
