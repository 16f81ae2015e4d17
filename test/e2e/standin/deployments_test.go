package standin_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestDeployments(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("deployer", map[string]string{"deployments": "write"}, "deployment", "deployment_status")
	repos := client.Repositories
	deploy := func(environment string, payload any) *github.Deployment {
		d, resp, err := repos.CreateDeployment(t.Context(), "acme", "env", &github.DeploymentRequest{Ref: new("main"), Environment: &environment,
			Payload: payload, AutoMerge: new(false), RequiredContexts: &[]string{}})
		require.NoError(t, err)
		require.Equal(t, 201, resp.StatusCode)
		return d
	}
	status := func(d *github.Deployment, state string, inactive *bool) *github.DeploymentStatus {
		st, _, err := repos.CreateDeploymentStatus(t.Context(), "acme", "env", d.GetID(), &github.DeploymentStatusRequest{
			State: &state, AutoInactive: inactive, LogURL: new("https://logs.example.com"), Description: new("done")})
		require.NoError(t, err)
		return st
	}
	states := func(d *github.Deployment) (out []string) {
		list, _, err := repos.ListDeploymentStatuses(t.Context(), "acme", "env", d.GetID(), nil)
		require.NoError(t, err)
		for _, st := range list {
			out = append(out, st.GetState())
		}
		return out
	}
	first := deploy("staging", map[string]any{"app": "web"})
	require.Equal(t, w.repo.Head, first.GetSHA())
	require.JSONEq(t, `{"app":"web"}`, string(first.Payload))
	second := deploy("staging", `{"a":1}`)
	var text string
	require.NoError(t, json.Unmarshal(second.Payload, &text), "text stays text")
	require.JSONEq(t, `{"a":1}`, text)
	require.Equal(t, "https://logs.example.com", status(first, "success", nil).GetTargetURL())
	status(first, "in_progress", nil)
	status(second, "success", nil)
	require.Equal(t, []string{"in_progress", "success"}, states(first), "only what had succeeded becomes inactive")
	status(first, "success", nil)
	third := deploy("staging", nil)
	status(third, "success", new(false))
	require.Equal(t, []string{"success", "in_progress", "success"}, states(first))
	w.take()
	status(third, "success", nil)
	require.Equal(t, []string{"inactive", "success", "in_progress", "success"}, states(first))
	require.Equal(t, []string{"inactive", "success"}, states(second))
	require.Equal(t, []string{"deployment_status"}, names(w.take()), "inactive statuses send nothing")
	production := deploy("production", nil)
	status(production, "success", nil)
	status(deploy("production", nil), "success", nil)
	require.Equal(t, []string{"success"}, states(production), "production stays")
	require.Equal(t, []string{"deployment", "deployment_status", "deployment", "deployment_status"}, names(w.take()))
	list, _, err := repos.ListDeployments(t.Context(), "acme", "env", &github.DeploymentsListOptions{Environment: "staging"})
	require.NoError(t, err)
	require.Equal(t, []int64{third.GetID(), second.GetID(), first.GetID()}, []int64{list[0].GetID(), list[1].GetID(), list[2].GetID()})
	_, resp, err := repos.GetDeployment(t.Context(), "acme", "env", 1)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	_, err = repos.DeleteDeployment(t.Context(), "acme", "env", third.GetID())
	require.Error(t, err, "it is active")
	_, err = repos.DeleteDeployment(t.Context(), "acme", "env", first.GetID())
	require.NoError(t, err)
}

func TestDeploymentsThatAreNotMade(t *testing.T) {
	w := newWorld(t)
	must(w.s.As("bob").PushBranch("acme/env", "topic", standin.Change{Files: map[string]string{"a": "1\n"}}))(t)
	must(w.s.As("bob").PushBranch("acme/env", "clash", standin.Change{Files: map[string]string{"README.md": "mine\n"}}))(t)
	must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"README.md": "theirs\n"}}))(t)
	post := func(body string) (int, string) {
		status, _, answer := w.send("POST", "/repos/acme/env/deployments", "token "+w.bob.Token, body)
		return status, answer
	}
	status, answer := post(`{"ref":"clash"}`)
	require.Equal(t, 409, status)
	require.Contains(t, answer, "Conflict merging main into clash.")
	status, answer = post(`{"ref":"topic"}`)
	require.Equal(t, 202, status)
	require.JSONEq(t, `{"message":"Auto-merged main into topic on deployment."}`, answer)
	status, _ = post(`{"ref":"topic"}`)
	require.Equal(t, 201, status, "nothing is left to merge")
	status, answer = post(`{"ref":"topic","required_contexts":["ci"]}`)
	require.Equal(t, 409, status)
	require.Contains(t, answer, "Commit status checks failed for topic.")
	head := must(w.s.Branch("acme/env", "topic"))(t)
	state := func(v string) {
		code, _, _ := w.send("POST", "/repos/acme/env/statuses/"+head, "token "+w.bob.Token, `{"state":"`+v+`","context":"ci"}`)
		require.Equal(t, 201, code)
	}
	state("pending")
	status, _ = post(`{"ref":"topic"}`)
	require.Equal(t, 409, status, "all that are there")
	status, _ = post(`{"ref":"topic","required_contexts":[]}`)
	require.Equal(t, 201, status)
	state("success")
	status, _ = post(`{"ref":"topic","required_contexts":["ci"]}`)
	require.Equal(t, 201, status)
	status, _ = post(`{"ref":"nowhere"}`)
	require.Equal(t, 422, status)
}
