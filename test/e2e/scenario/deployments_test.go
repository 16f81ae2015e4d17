package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
)

// deployed waits until the Deployment of a commit is in a state, and returns it.
func (s *story) deployed(sha, state string) payments.Deployment {
	s.t.Helper()
	var d payments.Deployment
	err := payments.Await(s.ctx, "the deployment of "+sha+" to be "+state, func(ctx context.Context) (bool, string, error) {
		all, err := s.Deployments(ctx, sha)
		switch {
		case err != nil || len(all) == 0:
			return false, "", err
		case len(all) > 1:
			return false, "", fmt.Errorf("%d deployments of one commit: %+v", len(all), all)
		}
		d = all[0]
		return d.Last().State == state, fmt.Sprintf("%+v", d.Statuses), nil
	})
	require.NoError(s.t, err)
	return d
}

// shownOnGitHub: a GitHub Deployment follows what became of each landed pull request,
// until something newer takes its place. Nothing is written twice.
func shownOnGitHub(t *testing.T, s *story) {
	require.NoError(t, s.ConfigureGate("    applicationLinks: true\n    applicationNotices: true\n    deployments: {url: \"https://payments.example.com\"}\n"))
	gatekeeper := s.run()
	name := s.Application("prod", payments.Ledger)
	first := s.propose(payments.Alice, payments.Ledger, "2000")
	s.approve(payments.Bob, first.Number)
	s.check(first.Head, "1 of 2")
	sha := s.merge(first.Number, "merge")
	waiting := s.deployed(sha, "pending")
	require.Contains(t, waiting.Last().Description, "1 more of acme/sre")
	require.Equal(t, []any{"prod", true, sha, "gatekeeper"}, []any{waiting.Environment, waiting.Production, waiting.Ref, waiting.Task})
	var extra struct {
		Gatekeeper struct {
			Gate         string
			Pull         int
			Applications []string
		}
	}
	require.NoError(t, json.Unmarshal(waiting.Payload, &extra))
	require.Equal(t, "prod", extra.Gatekeeper.Gate)
	require.Equal(t, first.Number, extra.Gatekeeper.Pull)
	require.Equal(t, []string{"argocd/" + name}, extra.Gatekeeper.Applications)
	require.Equal(t, fmt.Sprintf("%s/%s/pull/%d", s.GitHub.URL(), payments.Repository, first.Number), waiting.Last().LogURL)
	require.Equal(t, "https://payments.example.com", waiting.Last().EnvironmentURL)
	address := fmt.Sprintf("%s/%s/pull/%d", s.GitHub.URL(), payments.Repository, first.Number)
	s.linked(fmt.Sprintf("Gatekeeper: #%d waits|%s", first.Number, address))
	s.noticed("waiting for 1 more of acme/sre", address)
	s.happened("GatekeeperWaiting", "1 more of acme/sre")
	s.approve(payments.Carol, first.Number)
	s.runs(payments.Ledger, sha, "2000", 2)
	s.linked(fmt.Sprintf("Gatekeeper: #%d|%s", first.Number, address))
	s.noticed("", "")
	s.happened("GatekeeperSynced", fmt.Sprintf("gatekeeper: PR #%d (bob, carol): %s", first.Number, sha[:7]))
	live := s.deployed(sha, "success")
	require.Equal(t, "1 of 1 synced", live.Last().Description)

	// A sync that does not end, and is terminated.
	hook, err := s.ProposeFile(payments.Alice, "charts/service/templates/hook.yaml", blockingHook, "Migrate first")
	require.NoError(t, err)
	s.approve(payments.Bob, hook.Number)
	s.approve(payments.Carol, hook.Number)
	hooked := s.merge(hook.Number, "merge")
	s.phase(payments.Ledger, "Running")
	s.deployed(hooked, "in_progress")
	s.argocd("app", "terminate-op", name)
	require.Contains(t, s.deployed(hooked, "failure").Last().Description, "argocd/"+name)
	require.Equal(t, "success", s.deployed(sha, "success").Last().State, "it is what is live")

	// What mends it takes the place of both.
	revert, err := s.Revert(payments.Alice, hooked)
	require.NoError(t, err)
	s.approve(payments.Bob, revert.Number)
	s.approve(payments.Carol, revert.Number)
	mended := s.merge(revert.Number, "merge")
	s.deployed(mended, "success")
	last := s.deployed(hooked, "inactive")
	require.Contains(t, last.Last().Description, fmt.Sprintf("#%d", revert.Number))
	require.Contains(t, s.deployed(sha, "inactive").Last().Description, fmt.Sprintf("#%d", revert.Number))

	// Every write is one that is seen, and a restart adds none.
	require.NoError(t, gatekeeper.Stop(s.ctx))
	s.run()
	require.NoError(t, s.Quiet(s.ctx))
	statuses := 0
	for commit, state := range map[string]string{sha: "inactive", hooked: "inactive", mended: "success"} {
		states := s.deployed(commit, state).States()
		require.Len(t, slices.Compact(slices.Clone(states)), len(states), "written twice: %v", states)
		t.Log(states)
		statuses += len(states)
	}
	writes := s.Writes()
	require.Equal(t, 3, writes["/repos/{owner}/{repo}/deployments POST"], "%v", writes)
	require.Equal(t, statuses, writes["/repos/{owner}/{repo}/deployments/{deployment_id}/statuses POST"], "%v", writes)
	t.Log(writes)
}

// linked waits until the ledger's Application links to a pull request, where Argo CD looks
// for links.
func (s *story) linked(want string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the link "+want, func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", payments.Ledger)
		if err != nil {
			return false, "", err
		}
		got := l.Object.GetAnnotations()["link.argocd.argoproj.io/gatekeeper"]
		return got == want, got, nil
	})
	require.NoError(s.t, err)
}

// noticed waits until Argo CD has a notice of the ledger with a text in it, and where it
// leads; without a text until there is none.
func (s *story) noticed(text, address string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the notice "+text, func(ctx context.Context) (bool, string, error) {
		l, err := s.Live(ctx, "prod", payments.Ledger)
		if err != nil {
			return false, "", err
		}
		content, there := l.Object.GetAnnotations()["notice.argocd.argoproj.io/content"]
		url := l.Object.GetAnnotations()["notice.argocd.argoproj.io/url"]
		return there == (text != "") && strings.Contains(content, text) && url == address, content + " " + url, nil
	})
	require.NoError(s.t, err)
}

// happened waits until Kubernetes has an Event about the ledger.
func (s *story) happened(reason, text string) {
	s.t.Helper()
	err := payments.Await(s.ctx, "the event "+reason, func(ctx context.Context) (bool, string, error) {
		texts, err := s.Events(ctx, payments.Ledger, reason)
		return slices.ContainsFunc(texts, func(got string) bool { return strings.Contains(got, text) }), strings.Join(texts, "; "), err
	})
	require.NoError(s.t, err)
}
