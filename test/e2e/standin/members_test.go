package standin_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// actions are the events with the actions in their payloads.
func actions(t *testing.T, events []received) []string {
	t.Helper()
	out := []string{}
	for _, e := range events {
		var head struct{ Action string }
		require.NoError(t, json.Unmarshal(e.raw, &head))
		out = append(out, e.event+"."+head.Action)
	}
	return out
}

func TestMembership(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("people", nil, "organization", "membership", "team", "member")
	require.NoError(t, w.s.SetWebhook(w.app.ID, "", ""))
	orgs := client.Organizations
	require.NoError(t, w.s.AddMember("acme", "mallory"))
	require.Error(t, w.s.AddMember("acme", "mallory"))
	require.NoError(t, w.s.AddTeamMember("acme", "sre", "mallory"))
	require.NoError(t, w.s.AddTeamMember("acme", "sre", "alice"))
	require.Equal(t, []string{"organization.member_added", "membership.added", "organization.member_added", "membership.added"}, actions(t, w.take()))
	m, _, err := orgs.GetOrgMembership(t.Context(), "mallory", "acme")
	require.NoError(t, err)
	require.Equal(t, "active member", m.GetState()+" "+m.GetRole())
	m, _, err = orgs.GetOrgMembership(t.Context(), "carol", "acme")
	require.NoError(t, err)
	require.Equal(t, "admin", m.GetRole())
	must(w.s.CreateUser("guest", ""))(t)
	_, resp, err := orgs.GetOrgMembership(t.Context(), "guest", "acme")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	require.NoError(t, w.s.InviteMember("acme", "guest"))
	m, _, err = orgs.GetOrgMembership(t.Context(), "guest", "acme")
	require.NoError(t, err)
	require.Equal(t, "pending", m.GetState())
	list, _, err := orgs.ListMembers(t.Context(), "acme", nil)
	require.NoError(t, err)
	require.Len(t, list, 4, "pending ones are none")
	is, _, err := orgs.IsMember(t.Context(), "acme", "guest")
	require.NoError(t, err)
	require.False(t, is)
	is, _, err = orgs.IsMember(t.Context(), "acme", "mallory")
	require.NoError(t, err)
	require.True(t, is)
	outsider := must(w.s.CreateUser("outsider", ""))(t)
	status, header, _ := w.send("GET", "/orgs/acme/members/mallory", "token "+outsider.Token, "")
	require.Equal(t, 302, status)
	require.Equal(t, w.s.APIURL()+"orgs/acme/public_members/mallory", header.Get("Location"))
	require.NoError(t, w.s.RemoveMember("acme", "mallory"))
	require.Equal(t, []string{"membership.removed", "organization.member_removed"}, actions(t, w.take()))
	is, _, err = orgs.IsMember(t.Context(), "acme", "mallory")
	require.NoError(t, err)
	require.False(t, is)
}

func TestBasePermission(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.s.AddMember("acme", "mallory"))
	level := func() string {
		p, _, err := w.client().Repositories.GetPermissionLevel(t.Context(), "acme", "env", "mallory")
		require.NoError(t, err)
		return p.GetPermission()
	}
	require.Equal(t, "read", level())
	for _, base := range []string{"write", "admin", "none"} {
		require.NoError(t, w.s.SetBasePermission("acme", base))
		require.Equal(t, base, level())
	}
	require.Error(t, w.s.SetBasePermission("acme", "owner"))
}

func TestTeamsAndCollaboratorsOfARepository(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("people", map[string]string{"administration": "read"}, "team", "member")
	require.NoError(t, w.s.SetWebhook(w.app.ID, "", ""))
	must(w.s.CreateTeam("acme", "sre/night", "mallory"))(t)
	w.take()
	require.NoError(t, w.s.GrantTeam("acme", "sre", "acme/env", "maintain"))
	require.NoError(t, w.s.GrantTeam("acme", "sre", "acme/env", "write"))
	teams, _, err := client.Repositories.ListTeams(t.Context(), "acme", "env", nil)
	require.NoError(t, err)
	require.Len(t, teams, 2, "with the team below it")
	require.Equal(t, "push", teams[1].GetPermission())
	repo, _, err := client.Teams.IsTeamRepoBySlug(t.Context(), "acme", "night", "acme", "env")
	require.NoError(t, err)
	require.Equal(t, "write", repo.GetRoleName())
	_, resp, err := client.Teams.IsTeamRepoBySlug(t.Context(), "acme", "unknown", "acme", "env")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	children, _, err := client.Teams.ListChildTeamsByParentSlug(t.Context(), "acme", "sre", nil)
	require.NoError(t, err)
	require.Equal(t, "night", children[0].GetSlug())
	repos, _, err := client.Teams.ListTeamReposBySlug(t.Context(), "acme", "sre", nil)
	require.NoError(t, err)
	require.Len(t, repos, 1)
	require.NoError(t, w.s.GrantTeam("acme", "sre", "acme/env", "none"))
	require.NoError(t, w.s.RenameTeam("acme", "night", "late"))
	require.NoError(t, w.s.DeleteTeam("acme", "sre"))
	require.Equal(t, []string{"team.added_to_repository", "team.edited", "team.removed_from_repository", "team.edited", "team.deleted", "team.deleted"}, actions(t, w.take()))
	_, resp, err = client.Teams.GetTeamBySlug(t.Context(), "acme", "late")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "it went with its parent")

	must(w.s.CreateUser("guest", ""))(t)
	for _, role := range []string{"read", "read", "write", "none"} {
		require.NoError(t, w.s.SetCollaborator("acme/env", "guest", role))
	}
	require.Equal(t, []string{"member.added", "member.edited", "member.removed"}, actions(t, w.take()))
	logins := func(affiliation, permission string) (out []string) {
		list, _, err := client.Repositories.ListCollaborators(t.Context(), "acme", "env", &github.ListCollaboratorsOptions{Affiliation: affiliation, Permission: permission})
		require.NoError(t, err)
		for _, u := range list {
			out = append(out, u.GetLogin()+" "+u.GetRoleName())
		}
		return out
	}
	require.Equal(t, []string{"alice write", "bob write", "carol admin", "mallory read"}, logins("all", ""))
	require.Equal(t, []string{"alice write", "bob write"}, logins("direct", ""))
	require.Equal(t, []string{"alice write"}, logins("outside", ""), "bob is a member")
	require.Equal(t, []string{"carol admin"}, logins("all", "admin"))
	is, _, err := client.Repositories.IsCollaborator(t.Context(), "acme", "env", "alice")
	require.NoError(t, err)
	require.True(t, is)
	is, _, err = client.Repositories.IsCollaborator(t.Context(), "acme", "env", "guest")
	require.NoError(t, err)
	require.False(t, is)
}

func TestWhatHappensToRepositories(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("watcher", nil, "repository")
	require.NoError(t, w.s.SetWebhook(w.app.ID, "", ""))
	pr := w.openPull("replicas: 2\n")
	dir := w.clone(w.bob)
	commitFile(t, dir, "a", "1\n")
	require.NoError(t, w.s.ArchiveRepository("acme/env", true))
	require.Error(t, w.s.ArchiveRepository("acme/env", true))
	got, _, err := client.Repositories.Get(t.Context(), "acme", "env")
	require.NoError(t, err)
	require.True(t, got.GetArchived())
	_, resp, err := w.as(w.bob).PullRequests.Merge(t.Context(), "acme", "env", pr.Number, "", nil)
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode)
	_, err = tryGit(t, dir, "push", "origin", "HEAD:free")
	require.Error(t, err)
	require.NoError(t, w.s.ArchiveRepository("acme/env", false))
	runGit(t, dir, "push", "--quiet", "origin", "HEAD:free")
	require.NoError(t, w.s.SetDefaultBranch("acme/env", "free"))
	require.Error(t, w.s.SetDefaultBranch("acme/env", "nowhere"))
	require.NoError(t, w.s.SetVisibility("acme/env", true))
	status, _, _ := w.send("GET", "/repos/acme/env", "", "")
	require.Equal(t, 200, status)
	require.NoError(t, w.s.SetVisibility("acme/env", false))
	require.NoError(t, w.s.RenameRepository("acme/env", "environment"))
	require.Equal(t, []string{"repository.archived", "repository.unarchived", "repository.edited", "repository.publicized", "repository.privatized", "repository.renamed"},
		actions(t, w.take()))
	must(w.s.CreateOrganization("other", "carol"))(t)
	all := must(w.s.CreateApp(standin.AppOptions{Slug: "all", Owner: "other", PrivateKeyPEM: key(t), Events: []string{"repository"},
		WebhookURL: w.hooks.url, WebhookSecret: secret}))(t)
	must(w.s.Install(all.ID, "other"))(t)
	w.take()
	require.Error(t, w.s.TransferRepository("acme/environment", "acme"))
	require.NoError(t, w.s.TransferRepository("acme/environment", "other"))
	require.ElementsMatch(t, []string{"installation_repositories.removed", "repository.transferred"}, actions(t, w.take()))
	_, resp, err = client.Repositories.Get(t.Context(), "acme", "environment")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "the installation lost it")
	status, _, _ = w.send("GET", "/repos/acme/environment", "token "+w.bob.Token, "")
	require.Equal(t, 301, status)
	require.NoError(t, w.s.TransferRepository("other/environment", "acme"))
	_, resp, err = client.Repositories.Get(t.Context(), "acme", "environment")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "it has to be selected again")
}
