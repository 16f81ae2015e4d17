package control_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin/control"
)

const env = "repositories/acme/env"

// TestEveryOperation tells one long story over HTTP, looks at the stand-in after each step, and needs
// every operation of the table to have succeeded once.
func TestEveryOperation(t *testing.T) {
	w := newWorld(t, control.Options{})
	w.ok("GET", "", "")
	w.ok("POST", "seed", string(example(t)))
	w.people()
	w.branches()
	w.pulls()
	w.reviews()
	w.apps()
	w.checks()
	w.deliveries()
	w.breakIt()
	w.rulesets()
	w.byName()
	for _, one := range w.api.Operations() {
		pattern := one.Method + " " + one.Path
		if one.Path == control.Prefix {
			pattern += "{$}"
		}
		require.NotZero(t, w.hit[pattern], "no successful request of %s", pattern)
	}
}

func (w *world) people() {
	t := w.t
	w.ok("POST", "users", `{"login":"erin","name":"Erin","emails":["erin@example.com"]}`)
	w.ok("POST", "organizations", `{"organization":"other","owners":["erin"]}`)
	w.ok("POST", "organizations/other/teams", `{"team":"ops","members":["erin"]}`)
	w.ok("PUT", "organizations/other/teams/ops/members/bob", ``)
	w.ok("PUT", "organizations/other/teams/ops/invitations/alice", ``)
	w.ok("DELETE", "organizations/other/teams/ops/members/erin", ``)
	w.ok("POST", "repositories", `{"owner":"other","name":"tools","files":{"a":"1\n"},"public":true}`)
	w.ok("PUT", "organizations/other/teams/ops/grants", `{"repo":"other/tools","role":"maintain"}`)
	w.ok("PUT", "repositories/other/tools/collaborators/alice", `{"role":"triage"}`)
	orgs := into[[]standin.OrganizationState](t, w.ok("GET", "organizations", ""))
	require.Equal(t, []standin.TeamState{{ID: 3004, Slug: "ops", Members: []string{"bob"}, Invited: []string{"alice"},
		Grants: map[string]string{"other/tools": "maintain"}}}, orgs[1].Teams)
	require.Contains(t, w.ok("GET", "users", ""), `"gatekeeper[bot]"`)
	fork := into[standin.Repository](t, w.ok("POST", "repositories/other/tools/forks", `{"as":"alice"}`))
	require.Equal(t, "alice/tools", fork.Name)
	w.ok("POST", "repositories/other/tools/rename", `{"name":"toolbox"}`)
	w.ok("GET", "repositories/other/tools/pulls", "")
	repos := into[[]standin.RepositoryState](t, w.ok("GET", "repositories", ""))
	require.Equal(t, "other/toolbox", repos[1].Name)
	require.Equal(t, map[string]string{"alice": "triage"}, repos[1].Collaborators)
	require.Equal(t, "other/toolbox", repos[2].Parent)
}

func (w *world) branches() {
	t := w.t
	sha := into[control.NewCommit](t, w.ok("POST", env+"/push", `{"as":"carol","branch":"notes/a","files":{"notes":"x\n"},"message":"Note"}`)).SHA
	require.Equal(t, sha, into[control.Branch](t, w.ok("GET", env+"/branches/notes/a", "")).SHA)
	w.ok("PUT", env+"/branches/copy", `{"as":"carol","sha":"`+sha+`"}`)
	w.ok("DELETE", env+"/branches/notes/a?as=carol", "")
	tip, err := w.s.Branch("acme/env", "copy")
	require.NoError(t, err)
	require.Equal(t, sha, tip)
	gone, err := w.s.Branch("acme/env", "notes/a")
	require.NoError(t, err)
	require.Empty(t, gone)
	w.ok("PUT", "verifications/"+sha, `{"verified":true,"reason":"valid"}`)
	w.ok("GET", env+"/statuses/"+sha, "")
	main := into[control.NewCommit](t, w.ok("POST", env+"/push", `{"as":"carol","branch":"main","files":{"bad":"x\n"}}`)).SHA
	opened := into[standin.OpenedPull](t, w.ok("POST", env+"/reverts", `{"as":"carol","sha":"`+main+`","title":"Undo"}`))
	require.Contains(t, w.ok("GET", fmt.Sprintf("%s/pulls/%d/files", env, opened.Number), ""), `"status": "removed"`)
}

func (w *world) open(title, file, content string) string {
	w.t.Helper()
	opened := into[standin.OpenedPull](w.t, w.ok("POST", env+"/pulls", fmt.Sprintf(
		`{"as":"alice","title":%q,"files":{%q:%q},"author":{"name":"Al","email":"al@example.com"}}`, title, file, content)))
	return fmt.Sprintf("%s/pulls/%d", env, opened.Number)
}

func (w *world) pull(path string) control.PullState {
	w.t.Helper()
	return into[control.PullState](w.t, w.ok("GET", path, ""))
}

func (w *world) pulls() {
	t := w.t
	pr := w.open("One", "one", "1\n")
	pushed := into[control.NewCommit](t, w.ok("POST", pr+"/push", `{"as":"alice","files":{"one":"2\n"},"modes":{"one":"100755"}}`)).SHA
	require.Equal(t, pushed, w.pull(pr).Head)
	forced := into[control.NewCommit](t, w.ok("POST", pr+"/force-push", `{"as":"alice","files":{"one":"3\n"}}`)).SHA
	require.Equal(t, []string{forced}, w.pull(pr).Commits)
	w.ok("POST", env+"/push", `{"as":"carol","branch":"main","files":{"two":"x\n"}}`)
	w.ok("POST", pr+"/update-branch", `{"as":"alice"}`)
	require.Len(t, w.pull(pr).Commits, 2, "the commit and the merge")
	w.ok("PATCH", pr, `{"as":"alice","title":"First","body":"why"}`)
	require.Equal(t, "First", w.pull(pr).Title)
	w.ok("POST", pr+"/close", `{"as":"alice"}`)
	require.Equal(t, "closed", w.pull(pr).State)
	w.ok("POST", pr+"/reopen", `{"as":"alice"}`)
	w.ok("POST", pr+"/reviewers", `{"as":"alice","from":["bob","acme/sre"]}`)
	require.Equal(t, []string{"bob"}, w.pull(pr).Reviewers)
	landed := into[control.NewCommit](t, w.ok("POST", pr+"/merge", `{"as":"bob","method":"squash"}`)).SHA
	got := w.pull(pr)
	require.True(t, got.Merged)
	require.Equal(t, landed, got.MergeCommitSHA)
	w.ok("POST", pr+"/revert", `{"as":"bob"}`)
	evil := w.open("Evil", "evil", "1\n")
	w.ok("POST", evil+"/merge-by-hand", `{"as":"bob","files":{"surprise":"x\n"}}`)
	require.True(t, w.pull(evil).Merged)
	plain := w.open("Plain", "plain", "1\n")
	w.ok("POST", plain+"/merge", `{"as":"bob"}`)
	require.Contains(t, w.ok("GET", env+"/pulls", ""), `"title": "Plain"`)
}

func (w *world) reviews() {
	t := w.t
	pr := w.open("Reviewed", "reviewed", "1\n")
	first := w.pull(pr).Head
	id := into[control.NewID](t, w.ok("POST", pr+"/reviews", `{"as":"bob","event":"APPROVE","body":"ok"}`)).ID
	forced := into[control.NewID](t, w.ok("POST", pr+"/forced-reviews", `{"login":"alice","state":"APPROVED"}`)).ID
	w.ok("POST", pr+"/push", `{"as":"alice","files":{"reviewed":"2\n"}}`)
	list := into[[]control.ReviewState](t, w.ok("GET", pr+"/reviews", ""))
	require.Len(t, list, 2)
	require.False(t, list[0].Current)
	require.Equal(t, first, list[0].Commit)
	w.ok("PUT", fmt.Sprintf("reviews/%d/commit", forced), `{"sha":"`+w.pull(pr).Head+`"}`)
	require.True(t, w.pull(pr).Reviews[1].Current)
	w.ok("POST", fmt.Sprintf("%s/reviews/%d/dismiss", pr, id), `{"as":"bob","message":"stale"}`)
	require.Equal(t, "DISMISSED", w.pull(pr).Reviews[0].State)

	comment := into[control.NewID](t, w.ok("POST", pr+"/comments", `{"as":"bob","body":"hello"}`)).ID
	w.ok("PATCH", fmt.Sprintf("%s/comments/%d", env, comment), `{"as":"bob","body":"hello again"}`)
	require.Contains(t, w.ok("GET", pr+"/comments", ""), `"hello again"`)
	w.ok("DELETE", fmt.Sprintf("%s/comments/%d?as=bob", env, comment), "")
	require.Empty(t, w.pull(pr).Comments)
}

// checks needs a check run, which only an App can make, over the API.
func (w *world) checks() {
	t := w.t
	head := w.pull(env + "/pulls/1").Head
	token := w.installationToken()
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.s.APIURL()+"repos/acme/env/check-runs", strings.NewReader(
		`{"name":"gate","head_sha":"`+head+`","status":"in_progress","actions":[{"label":"Hold","identifier":"hold","description":"Hold it"}]}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusCreated, resp.StatusCode)
	runs := into[[]standin.CheckRun](t, w.ok("GET", env+"/checks?sha="+head, ""))
	require.Len(t, runs, 1)
	check := fmt.Sprintf("%s/checks/%d", env, runs[0].ID)
	w.ok("POST", check+"/click", `{"as":"bob","action":"hold"}`)
	w.ok("POST", check+"/rerequest", `{"as":"bob"}`)
	require.Equal(t, "gate", w.pull(env + "/pulls/1").Checks[0].Name)
}

func (w *world) apps() {
	t := w.t
	app := into[control.NewApp](t, w.ok("POST", "apps", `{"slug":"second","owner":"acme","permissions":{"checks":"read","contents":"read"},"events":["push"]}`))
	require.Equal(t, int64(102), app.ID)
	i := into[control.NewID](t, w.ok("POST", "apps/102/installations", `{"account":"acme","repositories":["env"]}`)).ID
	w.ok("POST", "repositories", `{"owner":"acme","name":"more"}`)
	path := fmt.Sprintf("installations/%d", i)
	w.ok("PUT", path+"/repositories/more", "")
	require.Equal(t, []string{"acme/env", "acme/more"}, w.s.AppStates()[1].Installations[0].Repositories)
	w.ok("DELETE", path+"/repositories/env", "")
	w.ok("POST", path+"/suspend", "")
	require.True(t, w.s.AppStates()[1].Installations[0].Suspended)
	w.ok("POST", path+"/unsuspend", "")
	w.ok("PUT", "apps/102/permissions", `{"permissions":{"issues":"write"}}`)
	apps := into[[]standin.AppState](t, w.ok("GET", "apps", ""))
	require.Equal(t, map[string]string{"issues": "write", "metadata": "read"}, apps[1].Permissions)
	w.ok("DELETE", path, "")
	require.Empty(t, w.s.AppStates()[1].Installations)
}

func (w *world) deliveries() {
	t := w.t
	got := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Header.Get("X-GitHub-Event")
		rw.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(hook.Close)
	w.ok("PUT", "apps/101/webhook", `{"url":"`+hook.URL+`","secret":"s"}`)
	require.Equal(t, "ping", <-got)
	w.ok("POST", "deliveries/pause", "")
	pr := w.open("Events", "events", "1\n")
	w.ok("POST", pr+"/comments", `{"as":"bob","body":"last"}`)
	waiting := w.s.AppStates()[0].Waiting
	require.GreaterOrEqual(t, waiting, 3, "push, pull_request, issue_comment")
	require.True(t, w.s.AppStates()[0].Paused)
	w.ok("POST", "deliveries/reverse", "")
	w.ok("POST", "deliveries/resume", "")
	w.ok("POST", "deliveries/wait", `{"timeout":"20s"}`)
	var order []string
	for range waiting {
		if event := <-got; event != "check_suite" {
			order = append(order, event)
		}
	}
	require.Equal(t, []string{"issue_comment", "pull_request", "push"}, order)
	w.ok("POST", "deliveries/pause", "")
	w.ok("POST", pr+"/comments", `{"as":"bob","body":"lost"}`)
	w.ok("POST", "deliveries/lose", "")
	w.ok("POST", "deliveries/resume", "")
	w.ok("POST", "deliveries/drop", `{"count":1}`)
	w.ok("POST", pr+"/comments", `{"as":"bob","body":"dropped"}`)
	w.ok("POST", "deliveries/wait", ``)
	list := into[[]control.DeliverySummary](t, w.ok("GET", "apps/101/deliveries?event=issue_comment", ""))
	require.Len(t, list, 2)
	require.Equal(t, "failed to connect to host", list[1].Status)
	one := into[control.Delivery](t, w.ok("GET", fmt.Sprintf("apps/101/deliveries/%d", list[1].ID), ""))
	require.Contains(t, string(one.Payload), `"dropped"`)
	w.ok("POST", fmt.Sprintf("apps/101/deliveries/%d/redeliver", list[1].ID), "")
	require.Equal(t, "issue_comment", <-got)
	require.Len(t, into[[]control.DeliverySummary](t, w.ok("GET", "apps/101/deliveries?last=2", "")), 2)
}

func (w *world) breakIt() {
	t := w.t
	get := func() (int, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.s.APIURL()+"meta", nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode, resp.Header
	}
	w.ok("DELETE", "calls", "")
	w.ok("POST", "faults", `{"match":"GET /meta","status":502,"times":1,"body":"{}","header":{"X-Test":"1"}}`)
	status, header := get()
	require.Equal(t, 502, status)
	require.Equal(t, "1", header.Get("X-Test"))
	require.Empty(t, w.s.Faults(), "it is used up")
	w.ok("POST", "faults", `{"kind":"secondary-limit","match":"GET /meta","retry_after":"7s","status":429,"times":2}`)
	status, header = get()
	require.Equal(t, 429, status)
	require.Equal(t, "7", header.Get("Retry-After"))
	left := into[[]standin.ActiveFault](t, w.ok("GET", "faults", ""))
	require.Equal(t, 1, left[0].Times, "what is left")
	w.ok("DELETE", fmt.Sprintf("faults/%d", left[0].ID), "")
	w.ok("POST", "faults", `{"kind":"rate-limit","match":"GET /meta"}`)
	_, header = get()
	require.Equal(t, "0", header.Get("X-Ratelimit-Remaining"))
	w.ok("DELETE", "faults", "")
	w.ok("POST", "faults", `{"kind":"server-error","match":"GET /meta","times":1}`)
	status, _ = get()
	require.Equal(t, 500, status)
	status, _ = get()
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"count":5}`, w.ok("GET", "calls/count?kind=api&prefix=GET+/meta", ""))
	require.Len(t, into[[]standin.Call](t, w.ok("GET", "calls?kind=api&last=2", "")), 2)

	w.ok("PATCH", "knobs", `{"delay":"1ms","index_lag":"13s","rate_limit":7}`)
	require.Equal(t, standin.Knobs{Delay: time.Millisecond, IndexLag: 13 * time.Second, RateLimit: 7}, into[standin.Knobs](t, w.ok("GET", "knobs", "")))
	w.ok("PATCH", "knobs", `{"delay":"0s"}`)
	require.Equal(t, standin.Knobs{IndexLag: 13 * time.Second, RateLimit: 7}, w.s.Knobs(), "what is not named stays")
	require.Equal(t, 7, into[control.State](t, w.ok("GET", "state", "")).Knobs.RateLimit)
}

// byName makes control calls by their Go names.
func (w *world) byName() {
	t := w.t
	w.ok("PATCH", "knobs", `{"rate_limit":5000}`)
	require.Contains(t, w.ok("GET", "do", ""), `"Server.Install"`)
	require.JSONEq(t, `{"results":[]}`, w.ok("POST", "do/Server.SetDelay", `{"args":["1ms"]}`))
	require.Equal(t, time.Millisecond, w.s.Knobs().Delay)
	require.JSONEq(t, `{"results":[3005]}`, w.ok("POST", "do/Server.CreateTeam", `{"args":["acme","named","alice","bob"]}`), "variadic")
	require.Contains(t, w.ok("POST", "do/As.OpenPull", `{"as":"alice","args":["acme/env",{"title":"By name","files":{"named":"1"}}]}`), `"change-`)
	require.JSONEq(t, `{"results":[]}`, w.ok("POST", "do/Server.WaitDelivered", `{}`), "the context is left out")
	w.refused(404, "POST", "do/Server.Close", `{}`, `there is no control call "Server.Close"`)
	w.refused(404, "POST", "do/Server.Mount", `{}`, "there is no control call")
	w.refused(400, "POST", "do/Server.SetDelay", `{}`, "args: Server.SetDelay takes 1: duration, like \"1.5s\"; 0 were given")
	w.refused(400, "POST", "do/Server.SetDelay", `{"args":["1s","2s"]}`, "2 were given")
	w.refused(400, "POST", "do/Server.SetDelay", `{"args":[1]}`, "args[0]: a number where a duration is needed")
	w.refused(400, "POST", "do/As.OpenPull", `{"args":["acme/env",{}]}`, "as: is needed")
	w.refused(400, "POST", "do/As.OpenPull", `{"as":"alice","args":["acme/env",{"titel":"x"}]}`, "args[1]: titel: unknown key")
	w.refused(404, "POST", "do/As.OpenPull", `{"as":"zoe","args":["acme/env",{"title":"x"}]}`, `no user "zoe"`)
	w.refused(422, "POST", "do/As.Review", `{"as":"alice","args":["acme/env",1,"APPROVE",""]}`, "Can not approve your own")
}

func (w *world) rulesets() {
	rules := `{"source":"acme/env","name":"two eyes","rules":[{"type":"deletion"},{"type":"pull_request","parameters":{"count":1}}]}`
	w.ok("PUT", "rulesets", rules)
	pr := w.open("Ruled", "ruled", "1\n")
	status, text := w.ask("POST", pr+"/merge", `{"as":"bob"}`)
	require.Equal(w.t, http.StatusMethodNotAllowed, status, text)
	require.Contains(w.t, text, `"github": true`)
	w.refused(400, "PUT", "rulesets", strings.Replace(rules, `"count"`, `"cuont"`, 1), "rules[1].parameters: cuont: unknown key")
	w.refused(400, "PUT", "rulesets", strings.Replace(rules, `"deletion"`, `"deletion","parameters":[]`, 1), "rules[0].parameters")
	w.ok("POST", "do/Server.RemoveRuleset", `{"args":["acme/env","two eyes"]}`)
}
