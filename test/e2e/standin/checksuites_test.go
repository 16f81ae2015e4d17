package standin_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestCheckSuites(t *testing.T) {
	w := newWorld(t)
	reader := must(w.s.CreateApp(standin.AppOptions{Slug: "reader", Owner: "acme", PrivateKeyPEM: key(t),
		Permissions: map[string]string{"checks": "read"}, Events: []string{"check_suite"}}))(t)
	require.NoError(t, w.s.SetWebhook(reader.ID, w.hooks.url, secret))
	must(w.s.Install(reader.ID, "acme", "env"))(t)
	client := w.client()
	w.takeAll()
	pr := w.openPull("replicas: 2\n")
	events := w.takeAll()
	require.Equal(t, []string{"push", "check_suite.requested", "pull_request.opened"}, names(events), "only Apps that write checks get a suite")
	suite := events[1].payload.(*github.CheckSuiteEvent).GetCheckSuite()
	require.Equal(t, pr.Head, suite.GetAfterSHA())
	require.Equal(t, pr.Branch, suite.GetHeadBranch())
	require.Equal(t, "queued", suite.GetStatus())

	list, _, err := client.Checks.ListCheckSuitesForRef(t.Context(), "acme", "env", pr.Branch, &github.ListCheckSuiteOptions{AppID: new(int(w.app.ID))})
	require.NoError(t, err)
	require.Equal(t, 1, list.GetTotal())
	require.Equal(t, suite.GetID(), list.CheckSuites[0].GetID())
	list, _, err = client.Checks.ListCheckSuitesForRef(t.Context(), "acme", "env", pr.Branch, &github.ListCheckSuiteOptions{AppID: new(int(reader.ID))})
	require.NoError(t, err)
	require.Zero(t, list.GetTotal())
	list, _, err = client.Checks.ListCheckSuitesForRef(t.Context(), "acme", "env", pr.Branch, &github.ListCheckSuiteOptions{CheckName: new("gate")})
	require.NoError(t, err)
	require.Zero(t, list.GetTotal())

	run := func(name, conclusion string) *github.CheckRun {
		o := github.CreateCheckRunOptions{Name: name, HeadSHA: pr.Head}
		if conclusion != "" {
			o.Conclusion = &conclusion
		}
		made, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "env", o)
		require.NoError(t, err)
		require.Equal(t, suite.GetID(), made.GetCheckSuite().GetID())
		return made
	}
	run("gate", "success")
	events = w.takeAll()
	require.ElementsMatch(t, []string{"check_run.created", "check_run.completed", "check_suite.completed", "check_suite.completed"}, names(events),
		"one each for both Apps")
	open := run("lint", "")
	got, _, err := client.Checks.GetCheckSuite(t.Context(), "acme", "env", suite.GetID())
	require.NoError(t, err)
	require.Equal(t, "in_progress", got.GetStatus())
	w.takeAll()
	_, _, err = client.Checks.UpdateCheckRun(t.Context(), "acme", "env", open.GetID(), github.UpdateCheckRunOptions{Name: "lint", Conclusion: new("failure")})
	require.NoError(t, err)
	require.Contains(t, names(w.takeAll()), "check_suite.completed")
	got, _, err = client.Checks.GetCheckSuite(t.Context(), "acme", "env", suite.GetID())
	require.NoError(t, err)
	require.Equal(t, "completed failure", got.GetStatus()+" "+got.GetConclusion())
	runs, _, err := client.Checks.ListCheckRunsCheckSuite(t.Context(), "acme", "env", suite.GetID(), nil)
	require.NoError(t, err)
	require.Equal(t, 2, runs.GetTotal())

	_, err = client.Checks.ReRequestCheckSuite(t.Context(), "acme", "env", suite.GetID())
	require.NoError(t, err)
	require.Equal(t, []string{"check_suite.rerequested"}, names(w.takeAll()), "its own App alone")
	got, _, err = client.Checks.GetCheckSuite(t.Context(), "acme", "env", suite.GetID())
	require.NoError(t, err)
	require.Equal(t, "queued", got.GetStatus())
	require.NoError(t, w.s.As("bob").RerequestSuite("acme/env", w.app.ID, pr.Head))
	refused(t, w.s.As("mallory").RerequestSuite("acme/env", w.app.ID, pr.Head), 403, "")
	_, err = client.Checks.ReRequestCheckRun(t.Context(), "acme", "env", open.GetID())
	require.NoError(t, err)
	require.Equal(t, []string{"check_suite.rerequested", "check_run.rerequested"}, names(w.takeAll()))

	_, resp, err := client.Checks.CreateCheckSuite(t.Context(), "acme", "env", github.CreateCheckSuiteOptions{HeadSHA: pr.Head})
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "it exists")
	_, resp, err = client.Checks.CreateCheckSuite(t.Context(), "acme", "env", github.CreateCheckSuiteOptions{HeadSHA: w.repo.Head})
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	_, resp, err = client.Checks.GetCheckSuite(t.Context(), "acme", "env", 1)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
}

func TestCheckRunsAreFilteredAndPruned(t *testing.T) {
	w := newWorld(t)
	client := w.client()
	w.s.SetRateLimit(10000)
	tok, _, err := w.appClient().Apps.CreateInstallationToken(t.Context(), w.installation, nil)
	require.NoError(t, err)
	require.NoError(t, w.s.SetWebhook(w.app.ID, "", ""))
	for i := range 1002 {
		status, _, body := w.send("POST", "/repos/acme/env/check-runs", "token "+tok.GetToken(),
			fmt.Sprintf(`{"name":"gate","head_sha":%q,"external_id":"%d"}`, w.repo.Head, i))
		require.Equal(t, http.StatusCreated, status, body)
	}
	_, _, err = client.Checks.CreateCheckRun(t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "lint", HeadSHA: w.repo.Head, Conclusion: new("success")})
	require.NoError(t, err)
	total := func(o github.ListCheckRunsOptions) int {
		runs, _, err := client.Checks.ListCheckRunsForRef(t.Context(), "acme", "env", "main", &o)
		require.NoError(t, err)
		return runs.GetTotal()
	}
	require.Equal(t, 1001, total(github.ListCheckRunsOptions{Filter: new("all")}), "a thousand of one name are kept")
	require.Equal(t, 2, total(github.ListCheckRunsOptions{}))
	require.Equal(t, 1, total(github.ListCheckRunsOptions{CheckName: new("lint")}))
	require.Equal(t, 1, total(github.ListCheckRunsOptions{Status: new("queued")}))
	require.Zero(t, total(github.ListCheckRunsOptions{AppID: new(int64(1))}))
	require.Equal(t, "2", must(w.s.CheckRuns("acme/env", w.repo.Head))(t)[0].ExternalID, "the oldest went")
}

func TestAnnotationsAreAppended(t *testing.T) {
	w := newWorld(t)
	client := w.client()
	notes := func(n int) (out []*github.CheckRunAnnotation) {
		for i := range n {
			out = append(out, &github.CheckRunAnnotation{Path: new("a"), StartLine: new(i + 1), EndLine: new(i + 1), AnnotationLevel: new("notice"),
				Message: new(strconv.Itoa(i)), StartColumn: new(1)})
		}
		return out
	}
	output := func(n int) *github.CheckRunOutput {
		return &github.CheckRunOutput{Title: new("t"), Summary: new("s"), Annotations: notes(n)}
	}
	run, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "env", github.CreateCheckRunOptions{Name: "gate", HeadSHA: w.repo.Head, Output: output(50)})
	require.NoError(t, err)
	_, resp, err := client.Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), github.UpdateCheckRunOptions{Name: "gate", Output: output(51)})
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	run, _, err = client.Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), github.UpdateCheckRunOptions{Name: "gate", Output: output(3)})
	require.NoError(t, err)
	require.Equal(t, 53, run.GetOutput().GetAnnotationsCount())
	list, _, err := client.Checks.ListCheckRunAnnotations(t.Context(), "acme", "env", run.GetID(), &github.ListOptions{PerPage: 100})
	require.NoError(t, err)
	require.Len(t, list, 53)
	require.Equal(t, "0", list[50].GetMessage())
	for _, bad := range []*github.CheckRunAnnotation{{}, {Path: new("a"), StartLine: new(2), EndLine: new(1), AnnotationLevel: new("notice"), Message: new("x")},
		{Path: new("a"), StartLine: new(1), EndLine: new(1), AnnotationLevel: new("fatal"), Message: new("x")},
		{Path: new("a"), StartLine: new(1), EndLine: new(2), StartColumn: new(1), AnnotationLevel: new("notice"), Message: new("x")},
		{Path: new("a"), StartLine: new(1), EndLine: new(1), AnnotationLevel: new("notice"), Message: new("x"), Title: new(strings.Repeat("x", 256))}} {
		_, resp, err := client.Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), github.UpdateCheckRunOptions{Name: "gate",
			Output: &github.CheckRunOutput{Summary: new("s"), Annotations: []*github.CheckRunAnnotation{bad}}})
		require.Error(t, err)
		require.Equal(t, 422, resp.StatusCode)
	}
}

func TestCombinedStatus(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("watcher", nil, "status")
	w.protect(standin.Protection{})
	combined := func() *github.CombinedStatus {
		got, _, err := client.Repositories.GetCombinedStatus(t.Context(), "acme", "env", "main", nil)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, "pending", combined().GetState(), "without statuses")
	for _, c := range []struct{ context, state, all string }{
		{"a", "success", "success"}, {"b", "pending", "pending"}, {"c", "error", "failure"}, {"c", "success", "pending"}, {"b", "success", "success"}, {"a", "failure", "failure"}} {
		_, _, err := client.Repositories.CreateStatus(t.Context(), "acme", "env", w.repo.Head, &github.RepoStatus{State: &c.state, Context: &c.context})
		require.NoError(t, err)
		require.Equal(t, c.all, combined().GetState(), c)
	}
	require.Equal(t, 3, combined().GetTotalCount(), "the latest of each context")
	events := w.take()
	require.Len(t, events, 6)
	status := events[5].payload.(*github.StatusEvent)
	require.Equal(t, "failure", status.GetState())
	require.Equal(t, "main", status.Branches[0].GetName())
	require.True(t, status.Branches[0].GetProtected())
	_, resp, err := client.Repositories.GetCombinedStatus(t.Context(), "acme", "env", "nowhere", nil)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
}
