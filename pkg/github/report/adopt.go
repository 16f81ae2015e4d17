package report

import (
	"context"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
)

// maxComments bounds the search for a comment of ours.
const maxComments = 1000

// comment is what go-github v60 leaves out: the App with which a comment was made
// (docs.github.com, "List issue comments", performed_via_github_app).
type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	App  *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

// findComment looks for a comment that our App wrote before: a process that is
// killed after it commented and before it remembered the comment would write a
// second one. A comment is recognised by its App, which nobody else can act as,
// and never by its content. 0 means that there is none.
func findComment(ctx context.Context, client *github.Client, app int64, r approval.PullReport) (int64, error) {
	op := fmt.Sprintf("look for our comment on #%d", r.Number)
	comments, err := github.All(maxComments, func(o gh.ListOptions) ([]comment, *gh.Response, error) {
		var page []comment
		resp, err := client.Get(ctx, op, fmt.Sprintf("repos/%s/issues/%d/comments?per_page=%d&page=%d", r.Repository, r.Number, o.PerPage, o.Page), &page)
		return page, resp, err
	})
	if err != nil {
		return 0, github.Wrap(op, r.Repository, err)
	}
	for _, c := range comments {
		// What answers a command is ours as well, and begins as nothing here does.
		if c.App != nil && c.App.ID == app && !strings.HasPrefix(c.Body, command.ReplyPrefix) {
			return c.ID, nil
		}
	}
	return 0, nil
}
