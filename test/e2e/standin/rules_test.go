package standin_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// refused demands a refusal with a status and a text.
func refused(t *testing.T, err error, status int, text string) {
	t.Helper()
	refusal := &standin.APIError{}
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, status, refusal.Status, refusal.Message)
	require.Contains(t, refusal.Message, text)
}

// protect protects main.
func (w *world) protect(p standin.Protection) {
	w.t.Helper()
	require.NoError(w.t, w.s.SetProtection("acme/env", "main", p))
}

// state reads mergeable_state.
func (w *world) state(number int) string {
	w.t.Helper()
	pr, _, err := w.client().PullRequests.Get(w.t.Context(), "acme", "env", number)
	require.NoError(w.t, err)
	return pr.GetMergeableState()
}

// more is the world with an App that has more permissions, installed on acme/env.
func (w *world) more(slug string, permissions map[string]string, events ...string) (standin.App, *github.Client) {
	w.t.Helper()
	all := maps.Clone(gatekeeperPermissions)
	maps.Copy(all, permissions)
	a := must(w.s.CreateApp(standin.AppOptions{Slug: slug, Owner: "acme", Permissions: all, PrivateKeyPEM: key(w.t),
		Events: events, WebhookURL: w.hooks.url, WebhookSecret: secret}))(w.t)
	other := *w
	other.app, other.installation = a, must(w.s.Install(a.ID, "acme", "env"))(w.t)
	w.take()
	return a, other.client()
}

const needOne = "At least 1 approving review is required by reviewers with write access."

func TestRequiredReviewsAreCountedAsOnGitHub(t *testing.T) {
	w := newWorld(t)
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}})
	pr := w.openPull("replicas: 2\n")
	merge := func(who string) error {
		_, err := w.s.As(who).Merge("acme/env", pr.Number, "squash")
		return err
	}
	refused(t, merge("bob"), 405, needOne)
	require.Equal(t, "blocked", w.state(pr.Number))
	must(w.s.As("mallory").Review("acme/env", pr.Number, "COMMENT", "hm"))
	require.NoError(t, w.s.SetCollaborator("acme/env", "mallory", "triage"))
	must(w.s.As("mallory").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	refused(t, merge("bob"), 405, needOne) // may not write
	must(w.s.ForceReview("acme/env", pr.Number, "alice", "APPROVED", "", ""))(t)
	must(w.s.ForceReview("acme/env", pr.Number, "", "APPROVED", "", ""))(t)
	must(w.s.ForceReview("acme/env", pr.Number, "gatekeeper[bot]", "APPROVED", "", ""))(t)
	refused(t, merge("bob"), 405, needOne) // the author; nobody; an App that may not write contents
	review := must(w.s.As("bob").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	must(w.s.As("bob").Review("acme/env", pr.Number, "COMMENT", "still fine"))(t)
	require.Equal(t, "clean", w.state(pr.Number), "a comment does not take an approval back")
	must(w.s.As("carol").Review("acme/env", pr.Number, "REQUEST_CHANGES", "no"))(t)
	refused(t, merge("bob"), 405, "Changes have been requested")
	must(w.s.As("carol").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	require.NoError(t, w.s.As("carol").Dismiss("acme/env", pr.Number, review, "wrong"))
	require.Equal(t, "clean", w.state(pr.Number), "carol's is left")
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 2}})
	refused(t, merge("bob"), 405, "At least 2 approving reviews are required by reviewers with write access.")
	require.NoError(t, w.s.SetCollaborator("acme/env", "mallory", "write"))
	require.NoError(t, merge("bob"), "whoever may write now counts")
}

func TestAdminsAreBoundOnlyWhenEnforced(t *testing.T) {
	w := newWorld(t)
	p := standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}, EnforceAdmins: true}
	w.protect(p)
	pr := w.openPull("replicas: 2\n")
	_, err := w.s.As("carol").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, needOne)
	p.Reviews.Bypass = &standin.Actors{Teams: []string{"sre"}}
	w.protect(p)
	_, err = w.s.As("carol").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, needOne)
	must(w.s.As("bob").Merge("acme/env", pr.Number, "merge"))(t)
	p.EnforceAdmins = false
	w.protect(p)
	pr = w.openPull("replicas: 3\n")
	must(w.s.As("carol").Merge("acme/env", pr.Number, "merge"))(t)
}

func TestStaleApprovalsAreDismissedByAnotherDiff(t *testing.T) {
	w := newWorld(t)
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1, DismissStale: true}})
	pr := w.openPull("replicas: 2\n")
	must(w.s.As("bob").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"README.md": "other\n"}}))(t)
	must(w.s.As("alice").UpdateBranch("acme/env", pr.Number))(t)
	require.Equal(t, "clean", w.state(pr.Number), "the base branch merged in is the same diff")
	w.take()
	head := must(w.s.As("alice").PushToPull("acme/env", pr.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 9\n"}}))(t)
	events := w.take()
	require.Equal(t, []string{"push", "pull_request_review.dismissed", "pull_request.synchronize"}, names(events))
	require.Equal(t, "alice", events[1].payload.(*github.PullRequestReviewEvent).GetSender().GetLogin())
	require.Equal(t, "DISMISSED", must(w.s.Reviews("acme/env", pr.Number))(t)[0].State)
	require.Equal(t, "blocked", w.state(pr.Number))
	status, _, body := w.send("GET", "/repos/acme/env/issues/1/timeline", "token "+w.bob.Token, "")
	require.Equal(t, 200, status)
	require.Contains(t, body, `"dismissal_commit_id":"`+head+`"`)
	require.Contains(t, body, `"state":"approved"`)
	must(w.s.As("bob").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}})
	must(w.s.As("alice").PushToPull("acme/env", pr.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 8\n"}}))(t)
	require.Equal(t, "clean", w.state(pr.Number), "without the setting approvals stay")
}

func TestTheLastPusherDoesNotApprove(t *testing.T) {
	w := newWorld(t)
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1, LastPush: true}})
	pr := w.openPull("replicas: 2\n")
	must(w.s.As("bob").PushToPull("acme/env", pr.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 7\n"}}))(t)
	must(w.s.As("bob").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	_, err := w.s.As("bob").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, "New changes require approval from someone other than the last pusher.")
	must(w.s.As("carol").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	must(w.s.As("bob").Merge("acme/env", pr.Number, "merge"))(t)
}

func TestCodeOwnersOfTheBaseApprove(t *testing.T) {
	w := newWorld(t)
	owners := "# who\n* @alice\n/prod/ @acme/sre @carol # both\n*.md\ndocs/**/x @nobody\n"
	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{".github/CODEOWNERS": owners}}))(t)
	must(w.s.CreateUser("dave", "Dave"))(t)
	require.NoError(t, w.s.SetCollaborator("acme/env", "dave", "write"))
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1, CodeOwners: true}})
	// The pull request makes itself its own owner, which does not count: the base decides.
	pr := must(w.s.As("dave").OpenPull("acme/env", standin.PullOptions{Title: "x", Change: standin.Change{
		Files: map[string]string{"prod/values.yaml": "replicas: 2\n", ".github/CODEOWNERS": "* @dave\n", "NOTES.md": "free\n"}}}))(t)
	must(w.s.As("alice").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	_, err := w.s.As("bob").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, "Waiting on code owner review from carol.") // acme/sre may not write, so it owns nothing
	require.NoError(t, w.s.GrantTeam("acme", "sre", "acme/env", "write"))
	_, err = w.s.As("bob").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, "Waiting on code owner review from acme/sre or carol.")
	must(w.s.As("bob").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	must(w.s.As("bob").Merge("acme/env", pr.Number, "merge"))(t)
}

func TestRequiredChecks(t *testing.T) {
	w := newWorld(t)
	other, otherClient := w.more("other", nil)
	client := w.client()
	w.protect(standin.Protection{Checks: &standin.RequiredChecks{Checks: []standin.RequiredCheck{{Context: "gate", AppID: w.app.ID}}}})
	pr := w.openPull("replicas: 2\n")
	merge := func() error { _, err := w.s.As("bob").Merge("acme/env", pr.Number, "merge"); return err }
	report := func(c *github.Client, name, conclusion string) {
		o := github.CreateCheckRunOptions{Name: name, HeadSHA: pr.Head, Status: new("in_progress")}
		if conclusion != "" {
			o.Status, o.Conclusion = new("completed"), &conclusion
		}
		_, _, err := c.Checks.CreateCheckRun(t.Context(), "acme", "env", o)
		require.NoError(t, err)
	}
	refused(t, merge(), 405, `Required status check "gate" is expected.`)
	report(otherClient, "gate", "success")
	refused(t, merge(), 405, `Required status check "gate" is expected.`) // by another App
	report(client, "gate", "")
	refused(t, merge(), 405, `Required status check "gate" is pending.`)
	report(client, "gate", "failure")
	refused(t, merge(), 405, `Required status check "gate" is failing.`)
	report(client, "gate", "neutral")
	require.Equal(t, "clean", w.state(pr.Number))
	report(otherClient, "lint", "failure")
	require.Equal(t, "unstable", w.state(pr.Number), "not required, but red")
	w.protect(standin.Protection{Checks: &standin.RequiredChecks{Strict: true, Checks: []standin.RequiredCheck{{Context: "gate"}, {Context: "ci/old"}}}})
	refused(t, merge(), 405, "1 of 2 required status checks is expected.")
	status, _, _ := w.send("POST", "/repos/acme/env/statuses/"+pr.Head, "token "+w.bob.Token, `{"state":"success","context":"ci/old"}`)
	require.Equal(t, 201, status)
	require.Equal(t, "unstable", w.state(pr.Number))
	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"README.md": "other\n"}}))(t)
	require.Equal(t, "behind", w.state(pr.Number))
	refused(t, merge(), 405, "2 of 2 required status checks are expected.")
	w.protect(standin.Protection{Checks: &standin.RequiredChecks{Checks: []standin.RequiredCheck{{Context: "gate", AppID: other.ID}}}})
	require.NoError(t, merge())
}

func TestLinearHistoryAndSignatures(t *testing.T) {
	w := newWorld(t)
	pr := w.openPull("replicas: 2\n")
	merge := func(method string) error { _, err := w.s.As("bob").Merge("acme/env", pr.Number, method); return err }
	w.protect(standin.Protection{LinearHistory: true})
	refused(t, merge("merge"), 405, "This branch must not contain merge commits.")
	w.protect(standin.Protection{RequireSignatures: true})
	refused(t, merge("merge"), 405, "Commits must have verified signatures.")
	require.Equal(t, "blocked", w.state(pr.Number))
	refused(t, merge("rebase"), 405, "Rebase merges cannot be automatically signed")
	w.s.SetVerification(pr.Head, true, "valid")
	require.Equal(t, "clean", w.state(pr.Number))
	w.protect(standin.Protection{LockBranch: true})
	refused(t, merge("merge"), 405, "locked")
	must(w.s.SetRuleset("acme/env", standin.Ruleset{Name: "ways", Rules: []standin.Rule{
		{Type: "pull_request", Parameters: standin.PullRequestRule{AllowedMergeMethods: []string{"squash"}}}}}))(t)
	require.NoError(t, w.s.RemoveProtection("acme/env", "main"))
	refused(t, merge("merge"), 405, "Merge commits are not allowed")
	require.NoError(t, merge("squash"))
}

func TestProtectionOverTheAPI(t *testing.T) {
	w := newWorld(t)
	_, admin := w.more("admin", map[string]string{"administration": "write"}, "branch_protection_rule")
	repos := admin.Repositories
	_, resp, err := repos.GetBranchProtection(t.Context(), "acme", "env", "main")
	require.ErrorIs(t, err, github.ErrBranchNotProtected)
	require.Equal(t, 404, resp.StatusCode)
	made, _, err := repos.UpdateBranchProtection(t.Context(), "acme", "env", "main", &github.ProtectionRequest{
		RequiredStatusChecks: &github.RequiredStatusChecks{Strict: true, Contexts: &[]string{}, Checks: &[]*github.RequiredStatusCheck{{Context: "gate", AppID: &w.app.ID}}},
		RequiredPullRequestReviews: &github.PullRequestReviewsEnforcementRequest{RequiredApprovingReviewCount: 2, DismissStaleReviews: true,
			RequireLastPushApproval: new(true), DismissalRestrictionsRequest: &github.DismissalRestrictionsRequest{Users: &[]string{"carol"}}},
		EnforceAdmins: true, Restrictions: &github.BranchRestrictionsRequest{Users: []string{"bob"}, Teams: []string{"sre"}, Apps: []string{}},
	})
	require.NoError(t, err)
	require.Equal(t, 2, made.GetRequiredPullRequestReviews().RequiredApprovingReviewCount)
	got, _, err := repos.GetBranchProtection(t.Context(), "acme", "env", "main")
	require.NoError(t, err)
	require.Equal(t, made, got)
	require.Equal(t, w.app.ID, *(*got.GetRequiredStatusChecks().Checks)[0].AppID)
	require.Equal(t, "sre", got.GetRestrictions().Teams[0].GetSlug())
	require.Equal(t, []string{"branch_protection_rule.created"}, names(w.take()))
	branch, _, err := w.client().Repositories.GetBranch(t.Context(), "acme", "env", "main", 1)
	require.NoError(t, err)
	require.True(t, branch.GetProtected())
	_, err = repos.RemoveBranchProtection(t.Context(), "acme", "env", "main")
	require.NoError(t, err)
	require.Equal(t, []string{"branch_protection_rule.deleted"}, names(w.take()))
	branch, _, err = w.client().Repositories.GetBranch(t.Context(), "acme", "env", "main", 1)
	require.NoError(t, err)
	require.False(t, branch.GetProtected())
	for _, body := range []string{`{}`, `{"required_status_checks":null,"enforce_admins":null,"required_pull_request_reviews":null}`,
		`{"required_status_checks":null,"enforce_admins":null,"required_pull_request_reviews":{"required_approving_review_count":7},"restrictions":null}`} {
		carol := must(w.s.CreateUser("owner"+string('a'+rune(len(body)%20)), ""))(t)
		require.NoError(t, w.s.SetCollaborator("acme/env", carol.Login, "admin"))
		status, _, answer := w.send("PUT", "/repos/acme/env/branches/main/protection", "token "+carol.Token, body)
		require.Equal(t, 422, status, answer)
	}
	status, _, _ := w.send("GET", "/repos/acme/env/branches/main/protection", "token "+w.bob.Token, "")
	require.Equal(t, 404, status, "only admins look")
}

func TestRulesets(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("admin", map[string]string{"administration": "read"}, "repository_ruleset")
	org := must(w.s.SetRuleset("acme", standin.Ruleset{Name: "all", Include: []string{"~ALL"}, Rules: []standin.Rule{
		{Type: "deletion"}, {Type: "non_fast_forward"}, {Type: "copilot_code_review", Parameters: map[string]any{"review_on_push": true}}}}))(t)
	own := must(w.s.SetRuleset("acme/env", standin.Ruleset{Name: "main", Bypass: []standin.BypassActor{{ActorID: 5, ActorType: "RepositoryRole", Mode: "pull_request"}},
		Rules: []standin.Rule{
			{Type: "pull_request", Parameters: standin.PullRequestRule{Count: 1}},
			{Type: "required_status_checks", Parameters: standin.StatusChecksRule{Checks: []standin.StatusCheckRule{{Context: "gate", AppID: w.app.ID}}}}}}))(t)
	must(w.s.SetRuleset("acme/env", standin.Ruleset{Name: "trial", Enforcement: "evaluate", Rules: []standin.Rule{{Type: "required_signatures"}}}))(t)
	must(w.s.SetRuleset("acme", standin.Ruleset{Name: "others", Repositories: []string{"other-*"}, Rules: []standin.Rule{{Type: "update"}}}))(t)
	for _, bad := range []standin.Ruleset{{}, {Name: "x", Enforcement: "on"}, {Name: "x", Rules: []standin.Rule{{Type: "pull_request"}}}} {
		_, err := w.s.SetRuleset("acme/env", bad)
		require.Error(t, err)
	}
	var rules []struct {
		Type   string `json:"type"`
		Source string `json:"ruleset_source"`
		Kind   string `json:"ruleset_source_type"`
		ID     int64  `json:"ruleset_id"`
	}
	read := func(path string, into any) {
		req, err := client.NewRequest(http.MethodGet, path, nil)
		require.NoError(t, err)
		_, err = client.Do(t.Context(), req, into)
		require.NoError(t, err)
	}
	read("repos/acme/env/rules/branches/main", &rules)
	types := []string{}
	for _, r := range rules {
		types = append(types, r.Type+" "+r.Kind)
	}
	require.Equal(t, []string{"deletion Organization", "non_fast_forward Organization", "copilot_code_review Organization",
		"pull_request Repository", "required_status_checks Repository"}, types)
	require.Equal(t, []int64{org, own}, []int64{rules[0].ID, rules[3].ID})
	read("repos/acme/env/rules/branches/feature/x", &rules)
	require.Len(t, rules, 3, "the organisation's, on every branch")
	list, _, err := client.Repositories.GetAllRulesets(t.Context(), "acme", "env", true)
	require.NoError(t, err)
	require.Len(t, list, 3)
	list, _, err = client.Repositories.GetAllRulesets(t.Context(), "acme", "env", false)
	require.NoError(t, err)
	require.Len(t, list, 2)
	one, _, err := client.Repositories.GetRuleset(t.Context(), "acme", "env", own, false)
	require.NoError(t, err)
	require.Equal(t, "active", one.Enforcement)
	require.Empty(t, one.BypassActors, "shown to those who may change it")
	status, _, body := w.send("GET", "/repos/acme/env/rulesets/"+strconv.FormatInt(own, 10), "token "+w.bob.Token, "")
	require.Equal(t, 200, status)
	require.NotContains(t, body, "bypass_actors")

	pr := w.openPull("replicas: 2\n")
	_, err = w.s.As("bob").Merge("acme/env", pr.Number, "merge")
	refused(t, err, 405, "Repository rule violations found\n\nRequired status check \"gate\" is expected.\n\n"+needOne)
	_, err = w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"a": "b"}})
	refused(t, err, 422, "Changes must be made through a pull request.")
	must(w.s.As("carol").Merge("acme/env", pr.Number, "merge"))(t) // may bypass for pull requests only
	require.NoError(t, w.s.RemoveRuleset("acme/env", "main"))
	w.take()
	must(w.s.SetRuleset("acme", standin.Ruleset{Name: "all", Enforcement: "disabled"}))(t)
	require.NoError(t, w.s.RemoveRuleset("acme", "all"))
	var actions []string
	for _, e := range w.take() {
		var head struct{ Action string }
		require.NoError(t, json.Unmarshal(e.raw, &head))
		actions = append(actions, e.event+"."+head.Action)
	}
	require.Equal(t, "repository_ruleset.edited repository_ruleset.deleted", strings.Join(actions, " "))
}

func TestDismissalIsForThoseListed(t *testing.T) {
	w := newWorld(t)
	w.protect(standin.Protection{Reviews: &standin.RequiredReviews{Count: 1, Dismissers: &standin.Actors{Users: []string{"bob"}}}})
	pr := w.openPull("replicas: 2\n")
	id := must(w.s.As("carol").Review("acme/env", pr.Number, "APPROVE", ""))(t)
	refused(t, w.s.As("alice").Dismiss("acme/env", pr.Number, id, "no"), 403, "not authorized")
	require.NoError(t, w.s.As("bob").Dismiss("acme/env", pr.Number, id, "no"))
}
