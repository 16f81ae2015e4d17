package standin_test

import (
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestComments(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	w.take()
	client := w.client()
	made, _, err := client.Issues.CreateComment(t.Context(), "acme", "env", n, &github.IssueComment{Body: new("waiting for 1 more")})
	require.NoError(t, err)
	require.Equal(t, "gatekeeper[bot]", made.GetUser().GetLogin())
	id := must(w.s.As("bob").Comment("acme/env", n, "/gatekeeper approve"))(t)
	edited, _, err := client.Issues.EditComment(t.Context(), "acme", "env", made.GetID(), &github.IssueComment{Body: new("done")})
	require.NoError(t, err)
	require.Equal(t, "done", edited.GetBody())
	_, _, err = w.as(w.alice).Issues.EditComment(t.Context(), "acme", "env", id, &github.IssueComment{Body: new("forged")})
	require.NoError(t, err, "writers may edit the comments of others")
	require.NoError(t, w.s.SetCollaborator("acme/env", "mallory", "read"))
	require.ErrorContains(t, w.s.As("mallory").EditComment("acme/env", id, "forged"), "403")
	_, err = client.Issues.DeleteComment(t.Context(), "acme", "env", made.GetID())
	require.NoError(t, err)
	events := w.take()
	require.Equal(t, []string{"issue_comment.created", "issue_comment.created", "issue_comment.edited", "issue_comment.edited", "issue_comment.deleted"}, names(events))
	require.True(t, events[1].payload.(*github.IssueCommentEvent).GetIssue().IsPullRequest())
	require.Equal(t, "/gatekeeper approve", events[3].payload.(*github.IssueCommentEvent).GetChanges().GetBody().GetFrom())
	list, _, err := client.Issues.ListComments(t.Context(), "acme", "env", n, nil)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, _, err = client.Issues.CreateComment(t.Context(), "acme", "env", n, &github.IssueComment{Body: new(strings.Repeat("ü", 65536))})
	require.NoError(t, err, "the limit counts characters")
	for _, body := range []string{"", strings.Repeat("x", 65537)} {
		_, _, err = client.Issues.CreateComment(t.Context(), "acme", "env", n, &github.IssueComment{Body: &body})
		require.ErrorContains(t, err, "422")
	}
	require.Len(t, must(w.s.Comments("acme/env", n))(t), 2)
}

func TestCheckRuns(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	w.take()
	client := w.client()
	options := github.CreateCheckRunOptions{Name: "gatekeeper: prod", HeadSHA: opened.Head, Status: new("in_progress"),
		Output:  &github.CheckRunOutput{Title: new("0 of 1"), Summary: new("waiting")},
		Actions: []*github.CheckRunAction{{Label: "Hold", Description: "Stop it", Identifier: "hold"}}}
	run, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "env", options)
	require.NoError(t, err)
	require.Equal(t, w.app.ID, run.GetApp().GetID())
	require.Len(t, run.PullRequests, 1)
	events := w.take()
	require.Equal(t, []string{"check_run.created"}, names(events))
	require.Equal(t, opened.Head, events[0].payload.(*github.CheckRunEvent).GetCheckRun().GetCheckSuite().GetHeadSHA())
	done, _, err := client.Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), github.UpdateCheckRunOptions{Name: run.GetName(), Conclusion: new("success")})
	require.NoError(t, err)
	require.Equal(t, "completed success 0 of 1", done.GetStatus()+" "+done.GetConclusion()+" "+done.GetOutput().GetTitle())
	second, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "env", options)
	require.NoError(t, err)
	require.Equal(t, run.GetCheckSuite().GetID(), second.GetCheckSuite().GetID())
	require.NoError(t, w.s.As("bob").ClickAction("acme/env", second.GetID(), "hold"))
	require.NoError(t, w.s.As("bob").Rerequest("acme/env", second.GetID()))
	require.Error(t, w.s.As("bob").ClickAction("acme/env", second.GetID(), "unknown"))
	events = w.take()
	require.Equal(t, []string{"check_run.completed", "check_run.created", "check_run.requested_action", "check_run.rerequested"}, names(events))
	clicked := events[2].payload.(*github.CheckRunEvent)
	require.Equal(t, "hold bob", clicked.GetRequestedAction().Identifier+" "+clicked.GetSender().GetLogin())
	list, _, err := client.Checks.ListCheckRunsForRef(t.Context(), "acme", "env", opened.Branch, &github.ListCheckRunsOptions{AppID: &w.app.ID})
	require.NoError(t, err)
	require.Equal(t, 1, list.GetTotal(), "the latest of each name")
	require.Equal(t, second.GetID(), list.CheckRuns[0].GetID())
	all, _, err := client.Checks.ListCheckRunsForRef(t.Context(), "acme", "env", opened.Head, &github.ListCheckRunsOptions{Filter: new("all")})
	require.NoError(t, err)
	require.Equal(t, 2, all.GetTotal())
	require.Len(t, must(w.s.CheckRuns("acme/env", opened.Head))(t), 2)
}

func TestCheckRunLimits(t *testing.T) {
	w := newWorld(t)
	head := w.openPull("replicas: 2\n").Head
	action := func(label, description, identifier string) *github.CheckRunAction {
		return &github.CheckRunAction{Label: label, Description: description, Identifier: identifier}
	}
	ok := action("l", "d", "i")
	text := func(n int) *github.CheckRunOutput {
		return &github.CheckRunOutput{Title: new("t"), Summary: new(strings.Repeat("x", n))}
	}
	for name, o := range map[string]github.CreateCheckRunOptions{
		"four actions":     {Actions: []*github.CheckRunAction{ok, ok, ok, ok}},
		"long label":       {Actions: []*github.CheckRunAction{action(strings.Repeat("l", 21), "d", "i")}},
		"long description": {Actions: []*github.CheckRunAction{action("l", strings.Repeat("d", 41), "i")}},
		"long identifier":  {Actions: []*github.CheckRunAction{action("l", "d", strings.Repeat("i", 21))}},
		"long summary":     {Output: text(65536)},
		"no conclusion":    {Status: new("completed")},
		"bad conclusion":   {Conclusion: new("stale")},
		"unknown commit":   {HeadSHA: strings.Repeat("0", 40)},
	} {
		if o.HeadSHA == "" {
			o.HeadSHA = head
		}
		o.Name = name
		_, resp, err := w.client().Checks.CreateCheckRun(t.Context(), "acme", "env", o)
		require.Error(t, err, name)
		require.Equal(t, 422, resp.StatusCode, name)
	}
	run, _, err := w.client().Checks.CreateCheckRun(t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "ok", HeadSHA: head, Output: text(65535), Actions: []*github.CheckRunAction{ok, ok, ok}})
	require.NoError(t, err)
	_, resp, err := w.as(w.bob).Checks.CreateCheckRun(t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode, "only Apps make check runs")
	other := *w
	other.app = must(w.s.CreateApp(standin.AppOptions{Slug: "other", Owner: "acme", PrivateKeyPEM: key(t), Permissions: map[string]string{"checks": "write"}}))(t)
	other.installation = must(w.s.Install(other.app.ID, "acme"))(t)
	_, resp, err = other.client().Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), github.UpdateCheckRunOptions{Name: "mine"})
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode, "only the App that made it")
}

func TestStatuses(t *testing.T) {
	w := newWorld(t)
	head := w.openPull("replicas: 2\n").Head
	st, _, err := w.client().Repositories.CreateStatus(t.Context(), "acme", "env", head, &github.RepoStatus{State: new("success"), Context: new("scan")})
	require.NoError(t, err)
	require.Equal(t, "gatekeeper[bot]", st.GetCreator().GetLogin())
	_, _, err = w.client().Repositories.CreateStatus(t.Context(), "acme", "env", head, &github.RepoStatus{State: new("green")})
	require.ErrorContains(t, err, "422")
	require.Equal(t, []standin.Status{{Context: "scan", State: "success", Creator: "gatekeeper[bot]"}}, must(w.s.Statuses("acme/env", head))(t))
}
