package standin_test

import (
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestPermissionsFoldAsOnGitHub(t *testing.T) {
	w := newWorld(t)
	must(w.s.CreateTeam("acme", "platform", "carol"))(t)
	must(w.s.CreateTeam("acme", "platform/oncall", "mallory"))(t)
	client := w.client()
	level := func(login string) string {
		p, _, err := client.Repositories.GetPermissionLevel(t.Context(), "acme", "env", login)
		require.NoError(t, err)
		return p.GetPermission() + " " + p.GetUser().GetRoleName()
	}
	require.Equal(t, "write write", level("alice"))
	require.Equal(t, "admin admin", level("carol"), "an owner of the organisation")
	require.Equal(t, "read read", level("mallory"), "a member of the organisation")
	must(w.s.CreateUser("stranger", ""))(t)
	require.Equal(t, "none none", level("stranger"))
	for _, c := range [][2]string{{"maintain", "write maintain"}, {"triage", "read triage"}, {"admin", "admin admin"}, {"none", "none none"}} {
		require.NoError(t, w.s.SetCollaborator("acme/env", "stranger", c[0]))
		require.Equal(t, c[1], level("stranger"))
	}
	require.NoError(t, w.s.GrantTeam("acme", "platform", "acme/env", "maintain"))
	require.Equal(t, "write maintain", level("mallory"), "through the parent team")
	_, resp, err := client.Repositories.GetPermissionLevel(t.Context(), "acme", "env", "nobody")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
}

func TestTeams(t *testing.T) {
	w := newWorld(t)
	must(w.s.CreateTeam("acme", "sre/night", "carol"))(t)
	require.NoError(t, w.s.InviteTeamMember("acme", "sre", "alice"))
	client := w.client()
	members := func() (out []string) {
		list, _, err := client.Teams.ListTeamMembersBySlug(t.Context(), "acme", "sre", nil)
		require.NoError(t, err)
		for _, m := range list {
			out = append(out, m.GetLogin())
		}
		return out
	}
	require.Equal(t, []string{"bob", "carol"}, members(), "members of child teams count, pending ones do not")
	state := func(login string) string {
		m, resp, err := client.Teams.GetTeamMembershipBySlug(t.Context(), "acme", "sre", login)
		if resp != nil && resp.StatusCode == 404 {
			return "404"
		}
		require.NoError(t, err)
		return m.GetState()
	}
	require.Equal(t, "active pending active 404", state("bob")+" "+state("alice")+" "+state("carol")+" "+state("mallory"))
	w.take()
	require.NoError(t, w.s.AddTeamMember("acme", "sre", "alice"))
	require.NoError(t, w.s.RemoveTeamMember("acme", "sre", "bob"))
	events := w.take()
	require.Equal(t, []string{"membership.added", "membership.removed"}, names(events))
	require.Equal(t, "bob sre", events[1].payload.(*github.MembershipEvent).GetMember().GetLogin()+" "+events[1].payload.(*github.MembershipEvent).GetTeam().GetSlug())
	require.Equal(t, []string{"alice", "carol"}, members())
	teams, _, err := client.Teams.ListTeams(t.Context(), "acme", nil)
	require.NoError(t, err)
	require.Len(t, teams, 2)
	team, _, err := client.Teams.GetTeamBySlug(t.Context(), "acme", "sre")
	require.NoError(t, err)
	require.Equal(t, 2, team.GetMembersCount())

	must(w.s.CreateOrganization("other"))(t)
	must(w.s.CreateTeam("other", "secret"))(t)
	_, resp, err := client.Teams.GetTeamBySlug(t.Context(), "other", "secret")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode, "an organisation without the App")
}

func TestSeveralWorldsInOneServer(t *testing.T) {
	w := newWorld(t)
	must(w.s.CreateOrganization("globex"))(t)
	must(w.s.CreateRepository("globex", "env", standin.RepositoryOptions{Collaborators: map[string]string{"alice": "write"}}))(t)
	app := must(w.s.CreateApp(standin.AppOptions{Slug: "second", Owner: "globex", PrivateKeyPEM: key(t), Permissions: gatekeeperPermissions}))(t)
	other := *w
	other.app, other.installation = app, must(w.s.Install(app.ID, "globex"))(t)
	_, resp, err := other.client().PullRequests.List(t.Context(), "acme", "env", nil)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	prs, _, err := other.client().PullRequests.List(t.Context(), "globex", "env", nil)
	require.NoError(t, err)
	require.Empty(t, prs)
	u, _, err := other.client().Users.GetByID(t.Context(), w.alice.ID)
	require.NoError(t, err)
	require.Equal(t, "alice", u.GetLogin())
}
