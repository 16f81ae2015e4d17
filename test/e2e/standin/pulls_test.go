package standin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestOpeningIsCheckedAsOnGitHub(t *testing.T) {
	w := newWorld(t)
	alice := w.as(w.alice)
	must(w.s.As("alice").PushBranch("acme/env", "feature", standin.Change{Files: map[string]string{"a": "b"}}))(t)
	require.NoError(t, w.s.As("alice").SetBranch("acme/env", "same", w.repo.Head))
	open := func(title, head, base string) (*github.PullRequest, error) {
		pr, _, err := alice.PullRequests.Create(t.Context(), "acme", "env", &github.NewPullRequest{Title: &title, Head: &head, Base: &base})
		return pr, err
	}
	for _, c := range []struct{ title, head, base, want string }{
		{"", "feature", "main", "title"},
		{"x", "unknown", "main", "head"},
		{"x", "feature", "unknown", "base"},
		{"x", "same", "main", "No commits between main and same"},
	} {
		_, err := open(c.title, c.head, c.base)
		var refused *github.ErrorResponse
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 422, refused.Response.StatusCode)
		require.Contains(t, refused.Error(), c.want)
	}
	pr, err := open("Feature", "acme:feature", "main")
	require.NoError(t, err)
	require.Equal(t, "alice", pr.GetUser().GetLogin())
	require.Equal(t, 1, pr.GetChangedFiles())
	_, err = open("Again", "feature", "main")
	require.ErrorContains(t, err, "A pull request already exists for acme:feature.")
	long := strings.Repeat("é", 65537)
	_, _, err = alice.PullRequests.Create(t.Context(), "acme", "env", &github.NewPullRequest{Title: new("x"), Head: new("same"), Base: new("main"), Body: &long})
	require.ErrorContains(t, err, "too long")
}

func TestListAndPagination(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Branch: fmt.Sprintf("b%d", i), Title: fmt.Sprint(i),
			Change: standin.Change{Files: map[string]string{"f": fmt.Sprint(i)}}}))(t)
	}
	require.NoError(t, w.s.As("alice").EditPull("acme/env", 2, "", "", "", "closed"))
	must(w.s.As("alice").PushBranch("acme/env", "release", standin.Change{Files: map[string]string{"r": "r"}}))(t)
	require.NoError(t, w.s.As("alice").EditPull("acme/env", 3, "", "", "release", ""))
	client := w.client()
	list := func(o github.PullRequestListOptions) (out []int, resp *github.Response) {
		prs, resp, err := client.PullRequests.List(t.Context(), "acme", "env", &o)
		require.NoError(t, err)
		for _, p := range prs {
			out = append(out, p.GetNumber())
		}
		return out, resp
	}
	numbers, _ := list(github.PullRequestListOptions{})
	require.Equal(t, []int{5, 4, 3, 1}, numbers)
	numbers, _ = list(github.PullRequestListOptions{State: "all", Direction: "asc"})
	require.Equal(t, []int{1, 2, 3, 4, 5}, numbers)
	numbers, _ = list(github.PullRequestListOptions{State: "closed"})
	require.Equal(t, []int{2}, numbers)
	numbers, _ = list(github.PullRequestListOptions{Base: "release"})
	require.Equal(t, []int{3}, numbers)
	numbers, _ = list(github.PullRequestListOptions{Head: "acme:b3"})
	require.Equal(t, []int{4}, numbers)

	var all []int
	o := github.PullRequestListOptions{State: "all", ListOptions: github.ListOptions{PerPage: 2}}
	for {
		page, resp := list(o)
		all = append(all, page...)
		if resp.NextPage == 0 {
			require.Equal(t, 1, resp.FirstPage)
			break
		}
		require.Equal(t, 3, resp.LastPage)
		require.Contains(t, resp.Header.Get("Link"), fmt.Sprintf("/api/v3/repositories/%d/pulls?", w.repo.ID), "as on GitHub, by ID")
		o.Page = resp.NextPage
	}
	require.Equal(t, []int{5, 4, 3, 2, 1}, all)
	numbers, _ = list(github.PullRequestListOptions{ListOptions: github.ListOptions{Page: 9}})
	require.Empty(t, numbers)
	tok, _, err := w.appClient().Apps.CreateInstallationToken(t.Context(), w.installation, nil)
	require.NoError(t, err)
	status, header, _ := w.send("GET", fmt.Sprintf("/repositories/%d/pulls?per_page=2&page=2", w.repo.ID), "token "+tok.GetToken(), "")
	require.Equal(t, 200, status)
	require.Contains(t, header.Get("Link"), `rel="prev"`)
	status, _, _ = w.send("GET", "/repos/acme/env/pulls?state=merged", "token "+tok.GetToken(), "")
	require.Equal(t, 422, status)
}

func TestEditRetargetCloseReopen(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	must(w.s.As("bob").PushBranch("acme/env", "release", standin.Change{Files: map[string]string{"r": "r"}}))(t)
	w.take()
	alice := w.as(w.alice)
	edit := func(p *github.PullRequest) *github.PullRequest {
		pr, _, err := alice.PullRequests.Edit(t.Context(), "acme", "env", opened.Number, p)
		require.NoError(t, err)
		return pr
	}
	pr := edit(&github.PullRequest{Title: new("New title"), Base: &github.PullRequestBranch{Ref: new("release")}})
	require.Equal(t, "release", pr.GetBase().GetRef())
	require.True(t, pr.GetMergeable())
	events := w.take()
	require.Equal(t, []string{"pull_request.edited"}, names(events))
	changes := events[0].payload.(*github.PullRequestEvent).GetChanges()
	require.Equal(t, "Scale up", changes.GetTitle().GetFrom())
	require.Equal(t, "main", changes.GetBase().GetRef().GetFrom())
	require.Equal(t, w.repo.Head, changes.GetBase().GetSHA().GetFrom())

	require.Equal(t, "closed", edit(&github.PullRequest{State: new("closed")}).GetState())
	require.Equal(t, "open", edit(&github.PullRequest{State: new("open")}).GetState())
	require.Equal(t, []string{"pull_request.closed", "pull_request.reopened"}, names(w.take()))
	edit(&github.PullRequest{State: new("closed")})
	must(w.s.As("alice").PushBranch("acme/env", opened.Branch, standin.Change{Files: map[string]string{"z": "z"}}))(t)
	_, _, err := alice.PullRequests.Edit(t.Context(), "acme", "env", opened.Number, &github.PullRequest{State: new("open")})
	require.ErrorContains(t, err, "cannot be reopened")
}

func TestCommitsAndFiles(t *testing.T) {
	w := newWorld(t)
	opened := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "Much", Change: standin.Change{
		Files:  map[string]string{"prod/values.yaml": "replicas: 1\nmore: 2\n", "run.sh": "#!/bin/sh\n", "docs/README.md": "env\n", "bin": "\x00\x01"},
		Modes:  map[string]string{"run.sh": "100755"},
		Delete: []string{"README.md"}, Author: &standin.Identity{Name: "Ghost", Email: "ghost@nowhere.example"}}}))(t)
	require.Contains(t, w.git("ls-tree", "-r", opened.Head), "100755 blob")
	client := w.client()
	commits, _, err := client.PullRequests.ListCommits(t.Context(), "acme", "env", opened.Number, nil)
	require.NoError(t, err)
	require.Len(t, commits, 1)
	require.Nil(t, commits[0].Author, "nobody has that e-mail")
	require.Equal(t, "ghost@nowhere.example", commits[0].GetCommit().GetAuthor().GetEmail())
	require.Equal(t, "alice", commits[0].GetCommitter().GetLogin())
	files, _, err := client.PullRequests.ListFiles(t.Context(), "acme", "env", opened.Number, nil)
	require.NoError(t, err)
	got := map[string]string{}
	for _, f := range files {
		got[f.GetFilename()] = f.GetStatus()
	}
	require.Equal(t, map[string]string{"prod/values.yaml": "modified", "run.sh": "added", "docs/README.md": "renamed", "bin": "added"}, got)
	for _, f := range files {
		switch f.GetFilename() {
		case "prod/values.yaml":
			require.Equal(t, "@@ -1 +1,2 @@\n replicas: 1\n+more: 2", f.GetPatch())
			require.Equal(t, 1, f.GetAdditions())
			require.Equal(t, w.git("rev-parse", opened.Head+":prod/values.yaml"), f.GetSHA())
		case "docs/README.md":
			require.Equal(t, "README.md", f.GetPreviousFilename())
		}
	}
}

func TestReviewRequests(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	w.take()
	client := w.client()
	pr, _, err := client.PullRequests.RequestReviewers(t.Context(), "acme", "env", opened.Number, github.ReviewersRequest{Reviewers: []string{"bob"}, TeamReviewers: []string{"sre"}})
	require.NoError(t, err)
	require.Equal(t, "bob", pr.RequestedReviewers[0].GetLogin())
	require.Equal(t, "sre", pr.RequestedTeams[0].GetSlug())
	events := w.take()
	require.Equal(t, []string{"pull_request.review_requested", "pull_request.review_requested"}, names(events))
	require.Equal(t, "gatekeeper[bot]", events[0].payload.(*github.PullRequestEvent).GetSender().GetLogin())
	_, _, err = client.PullRequests.RequestReviewers(t.Context(), "acme", "env", opened.Number, github.ReviewersRequest{Reviewers: []string{"alice"}})
	require.ErrorContains(t, err, "pull request author")
	_, _, err = client.PullRequests.RequestReviewers(t.Context(), "acme", "env", opened.Number, github.ReviewersRequest{Reviewers: []string{"mallory"}})
	require.ErrorContains(t, err, "not a collaborator")
	must(w.s.As("bob").Review("acme/env", opened.Number, "APPROVE", ""))(t)
	require.Empty(t, must(w.s.Pull("acme/env", opened.Number))(t).Reviewers, "a review answers the request")
	_, err = client.PullRequests.RemoveReviewers(t.Context(), "acme", "env", opened.Number, github.ReviewersRequest{TeamReviewers: []string{"sre"}})
	require.ErrorContains(t, err, `"reviewers" wasn't supplied`, "GitHub requires reviewers here, and go-github leaves an empty list out")
	status, _, _ := w.send("DELETE", fmt.Sprintf("/repos/acme/env/pulls/%d/requested_reviewers", opened.Number), "token "+w.alice.Token, `{"reviewers":[],"team_reviewers":["sre"]}`)
	require.Equal(t, 200, status)
	require.Empty(t, must(w.s.Pull("acme/env", opened.Number))(t).Teams)
}

func TestRenamedRepositoriesRedirect(t *testing.T) {
	w := newWorld(t)
	w.openPull("replicas: 2\n")
	require.NoError(t, w.s.RenameRepository("acme/env", "environments"))
	pr, _, err := w.client().PullRequests.Get(t.Context(), "acme", "env", 1)
	require.NoError(t, err, "go-github follows")
	require.Contains(t, pr.GetHTMLURL(), "/acme/environments/pull/1")
	status, header, _ := w.send("POST", "/repos/acme/env/pulls", "token "+w.alice.Token, "{}")
	require.Equal(t, 307, status)
	require.Contains(t, header.Get("Location"), fmt.Sprintf("/api/v3/repositories/%d/pulls", w.repo.ID))
}

// TestLabelledPullInAllShapes: a label without a description is null in the one shape of a pull request and
// empty in the other, as GitHub's description has it.
func TestLabelledPullInAllShapes(t *testing.T) {
	w := newWorld(t)
	pr := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Change: standin.Change{Files: map[string]string{"a": "1\n"}}}))(t)
	require.NoError(t, w.s.As("alice").Label("acme/env", pr.Number, "plain"))
	one, _, err := w.client().PullRequests.Get(t.Context(), "acme", "env", pr.Number)
	require.NoError(t, err)
	require.Nil(t, one.Labels[0].Description)
	asked, _, err := w.client().PullRequests.RequestReviewers(t.Context(), "acme", "env", pr.Number, github.ReviewersRequest{Reviewers: []string{"bob"}})
	require.NoError(t, err)
	require.NotNil(t, asked.Labels[0].Description)
	require.Empty(t, *asked.Labels[0].Description)
}
