package collect_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	gh "github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// needing is what a policy with these needs gets to know about #1.
func (w *world) needing(n approval.Needs) approval.PullRequest {
	w.t.Helper()
	w.delivered()
	q := w.query(w.repo.Head)
	q.Needs = n
	a, err := w.collector.CollectPull(w.t.Context(), repoName, 1, q)
	require.NoError(w.t, err)
	return a.Pull
}

// scanner is another App that writes check runs.
func (w *world) scanner(slug string) (standin.App, *gh.Client) {
	w.t.Helper()
	app, err := w.gh.CreateApp(standin.AppOptions{Slug: slug, Owner: "acme", PrivateKeyPEM: appKey(), Permissions: map[string]string{"checks": "write"}})
	require.NoError(w.t, err)
	_, err = w.gh.Install(app.ID, "acme", "env")
	require.NoError(w.t, err)
	client, err := github.NewApp(github.Options{BaseURL: w.gh.APIURL(), AppID: app.ID, PrivateKeyPEM: app.PrivateKeyPEM, Logger: w.logger(), YoungToken: time.Nanosecond})
	require.NoError(w.t, err)
	c, err := client.Client(w.t.Context(), repoName)
	require.NoError(w.t, err)
	return app, c.API()
}

// report writes a check run; without a conclusion it is under way.
func (w *world) report(c *gh.Client, name, head, conclusion string) *gh.CheckRun {
	w.t.Helper()
	o := gh.CreateCheckRunOptions{Name: name, HeadSHA: head}
	if conclusion != "" {
		o.Conclusion = &conclusion
	}
	run, _, err := c.Checks.CreateCheckRun(w.t.Context(), "acme", "env", o)
	require.NoError(w.t, err)
	return run
}

func TestChecks(t *testing.T) {
	t.Parallel()
	all := &everyRun{RoundTripper: http.DefaultTransport}
	w := newWorld(t, withTransport(all))
	app, scan := w.scanner("scanner")
	_, other := w.scanner("impostor")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	needs := approval.Needs{Checks: []approval.RequiredCheck{{Name: "scan", AppID: app.ID}}}
	one := func(head, conclusion string) []approval.Check {
		return []approval.Check{{Name: "scan", AppID: app.ID, Commit: approval.SHA(head), Conclusion: conclusion}}
	}
	require.Empty(t, w.needing(needs).Checks)

	w.report(other, "scan", p.Head, "success")
	w.report(scan, "scan again", p.Head, "success")
	require.Empty(t, w.needing(needs).Checks, "of another App, and of another name")

	w.report(scan, "scan", p.Head, "")
	require.Equal(t, one(p.Head, ""), w.needing(needs).Checks, "under way")
	w.report(scan, "scan", p.Head, "failure")
	require.Equal(t, one(p.Head, "failure"), w.needing(needs).Checks)
	run := w.report(scan, "scan", p.Head, "success")
	require.Equal(t, one(p.Head, "success"), w.needing(needs).Checks, "it was run again")
	_, _, err := scan.Checks.UpdateCheckRun(t.Context(), "acme", "env", run.GetID(), gh.UpdateCheckRunOptions{Name: "scan", Status: new("in_progress")})
	require.NoError(t, err)
	require.Equal(t, one(p.Head, ""), w.needing(needs).Checks, "it runs again")

	// With two suites GitHub answers with the latest run of each.
	all.on = true
	w.report(scan, "scan", p.Head, "success")
	require.NotEqual(t, one(p.Head, "success"), w.needing(needs).Checks, "the worst of them counts")
	all.on = false
	require.Equal(t, one(p.Head, "success"), w.needing(needs).Checks)

	head := w.push("alice", p.Number, "prod/b.yaml", "b: 1\n")
	require.Empty(t, w.needing(needs).Checks, "that was an older head")
	for range 101 {
		w.report(scan, "scan", head, "success")
	}
	all.on = true
	require.Equal(t, one(head, "success"), w.needing(needs).Checks)
	require.Positive(t, all.pages, "more than one page")
	// The one that failed is on the second page, for the newest come first.
	next := w.push("alice", p.Number, "prod/c.yaml", "c: 1\n")
	w.report(scan, "scan", next, "failure")
	for range 101 {
		w.report(scan, "scan", next, "success")
	}
	require.Equal(t, one(next, "failure"), w.needing(needs).Checks)
}

// everyRun asks for all runs of a name, as if each were of a suite of its own.
type everyRun struct {
	http.RoundTripper
	on    bool
	pages int
}

func (rt *everyRun) RoundTrip(r *http.Request) (*http.Response, error) {
	if rt.on && strings.HasSuffix(r.URL.Path, "/check-runs") {
		r = r.Clone(r.Context())
		q := r.URL.Query()
		q.Set("filter", "all")
		r.URL.RawQuery = q.Encode()
		if q.Get("page") == "2" {
			rt.pages++
		}
	}
	return rt.RoundTripper.RoundTrip(r)
}

// What GitHub's filters let through is looked at once more.
func TestFiltersAreNotTrusted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTransport(unfiltered{http.DefaultTransport}))
	app, scan := w.scanner("scanner")
	_, other := w.scanner("impostor")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.report(other, "scan", p.Head, "success")
	w.report(scan, "lint", p.Head, "success")
	require.Empty(t, w.needing(approval.Needs{Checks: []approval.RequiredCheck{{Name: "scan", AppID: app.ID}}}).Checks)
}

type unfiltered struct{ http.RoundTripper }

func (rt unfiltered) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/check-runs") {
		r = r.Clone(r.Context())
		q := r.URL.Query()
		q.Del("app_id")
		q.Del("check_name")
		r.URL.RawQuery = q.Encode()
	}
	return rt.RoundTripper.RoundTrip(r)
}

func TestPushers(t *testing.T) {
	t.Parallel()
	pushers := func(w *world) []string {
		t.Helper()
		pr := w.needing(approval.Needs{Pushers: true})
		if pr.Pushers == nil {
			return nil
		}
		out := []string{}
		for _, u := range pr.Pushers {
			require.Equal(t, w.userID(u.Login), u.ID)
			out = append(out, u.Login)
		}
		return out
	}
	t.Run("all who ever pushed", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.push("bob", p.Number, "prod/a.yaml", "a: 2\n")
		_, err := w.gh.As("carol").ForcePushPull(repoName, p.Number, change("prod/a.yaml", "a: 3\n"))
		require.NoError(t, err)
		w.push("alice", p.Number, "prod/a.yaml", "a: 4\n")
		require.ElementsMatch(t, []string{"alice", "bob", "carol"}, pushers(w), "those whose commits are gone as well")
		require.Nil(t, w.needing(approval.Needs{}).Pushers, "nobody asked")

		// Bob's commit is gone, and his approval does not count nevertheless.
		w.settle()
		w.review("bob", p.Number, "APPROVE")
		w.merge(p.Number, "squash")
		q := w.query(w.repo.Head)
		q.Needs.Pushers = true
		a, err := w.collector.Collect(t.Context(), q)
		require.NoError(t, err)
		policy := w.policy()
		require.True(t, explain(policy, w.facts(a)).Allowed())
		policy.Exclude.Pushers = true
		d := explain(policy, w.facts(a))
		require.False(t, d.Allowed())
		require.Contains(t, codesOf(d.Findings), approval.CodeApprovalFormerPusher)
	})
	t.Run("more than one page", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("mallory", "prod/a.yaml", "a: 1\n")
		for i := range 101 {
			w.push("alice", p.Number, "prod/a.yaml", fmt.Sprintf("a: %d\n", i+2))
		}
		require.ElementsMatch(t, []string{"alice", "mallory"}, pushers(w))
	})
	t.Run("a fork", func(t *testing.T) {
		w := newWorld(t)
		fork, err := w.gh.As("alice").Fork(repoName)
		require.NoError(t, err)
		_, err = w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: fork.Name, Branch: "topic", Change: change("prod/a.yaml", "a: 1\n")})
		require.NoError(t, err)
		require.Nil(t, pushers(w), "there is no log that we may read")
	})
	t.Run("a deleted account", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.push("mallory", p.Number, "prod/a.yaml", "a: 2\n")
		w.push("alice", p.Number, "prod/a.yaml", "a: 3\n")
		require.NoError(t, w.gh.DeleteUser("mallory"))
		require.Nil(t, pushers(w), "it could be anybody")
	})
}

func TestReviewAskedForAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	needs := approval.Needs{Requested: true}
	require.Equal(t, []approval.UserID{}, w.needing(needs).Requested, "known to be nobody")
	require.Nil(t, w.needing(approval.Needs{}).Requested)
	require.NoError(t, w.gh.As("alice").RequestReview(repoName, p.Number, "bob", "acme/sre"))
	require.Equal(t, []approval.UserID{w.userID("bob")}, w.needing(needs).Requested, "and the team asks nobody in particular")
	w.review("bob", p.Number, "APPROVE")
	require.Empty(t, w.needing(needs).Requested)
	require.NoError(t, w.gh.As("alice").RequestReview(repoName, p.Number, "bob"))
	w.merge(p.Number, "squash")
	q := w.query(w.repo.Head)
	q.Needs = needs
	w.delivered()
	a, err := w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	policy := w.policy()
	require.True(t, explain(policy, w.facts(a)).Allowed())
	policy.Exclude.Rerequested = true
	d := explain(policy, w.facts(a))
	require.False(t, d.Allowed())
	require.Contains(t, codesOf(d.Findings), approval.CodeApprovalRerequested)
}

// Teams change, and what they are now is what counts.
func TestTeamsOfAllKinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	_, err := w.gh.CreateTeam("acme", "sre/oncall", "mallory")
	require.NoError(t, err)
	require.NoError(t, w.gh.InviteTeamMember("acme", "sre", "alice"))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	_, err = w.gh.CreateUser("erin", "Erin", "erin@example.com")
	require.NoError(t, err)
	require.NoError(t, w.gh.SetCollaborator(repoName, "erin", "write"))
	require.NoError(t, w.gh.InviteTeamMember("acme", "sre", "erin"))
	w.review("erin", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	w.blocked(approval.CodeApprovalOutsider) // invited, and did not accept
	w.settle()
	id := w.review("mallory", p.Number, "APPROVE")
	w.allowed(sha) // a member of the child team

	require.NoError(t, w.gh.RenameTeam("acme", "sre", "platform"))
	w.collector.Forget()
	d := w.blocked()
	require.Contains(t, fmt.Sprint(d.Findings), "acme/sre")
	// Somebody makes a team of the former name.
	_, err = w.gh.CreateTeam("acme", "sre", "erin")
	require.NoError(t, err)
	require.NoError(t, w.gh.DeleteTeam("acme", "platform"))
	require.NoError(t, w.gh.As("mallory").Dismiss(repoName, p.Number, id, "gone"))
	w.collector.Forget()
	w.allowed(sha) // the policy names the team, and who may make teams decides who is in it

	require.NoError(t, w.gh.DeleteTeam("acme", "sre"))
	w.collector.Forget()
	a := w.collect(w.repo.Head)
	require.Equal(t, []approval.Team{{Name: "acme/sre", Gone: true}}, a.Directory.Teams)
	d = w.blocked()
	require.Contains(t, fmt.Sprint(d.Findings), "acme/sre")
}

// A run that is under way says nothing, even if it still has the conclusion that
// it had before.
func TestRunThatIsUnderWayAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTransport(underWay{http.DefaultTransport}))
	app, scan := w.scanner("scanner")
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.report(scan, "scan", p.Head, "success")
	checks := w.needing(approval.Needs{Checks: []approval.RequiredCheck{{Name: "scan", AppID: app.ID}}}).Checks
	require.Equal(t, []approval.Check{{Name: "scan", AppID: app.ID, Commit: approval.SHA(p.Head)}}, checks)
}

type underWay struct{ http.RoundTripper }

func (rt underWay) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := rt.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/check-runs") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = resp.Body.Close()
	}
	body = bytes.ReplaceAll(body, []byte(`"status":"completed"`), []byte(`"status":"in_progress"`))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, err
}
