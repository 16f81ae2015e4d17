package collect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"
	"golang.org/x/sync/errgroup"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
)

// maxMembers bounds a team.
const maxMembers = 5000

// account is what a login names; without an ID when there is no such account.
type account struct{ user approval.User }

type roleKey struct {
	repository int64
	user       approval.UserID
}

// vote is a reviewer whose role in the repository may matter.
type vote struct {
	repo *repo
	user approval.User
	// always: the role matters even of somebody whom nothing names.
	always bool
}

// votesOf lists the people who gave an opinion on a pull request, or took one
// away.
func votesOf(r *repo, pr approval.PullRequest) []vote {
	var out []vote
	add := func(u *approval.User, always bool) {
		if u != nil && u.Type == approval.UserTypePerson {
			out = append(out, vote{r, *u, always})
		}
	}
	for _, review := range pr.Reviews {
		if isOpinion(review.State) {
			add(review.User, false)
		}
		if review.Dismissed != nil && review.Dismissed.Was == approval.ReviewChangesRequested {
			add(review.Dismissed.By, true)
		}
	}
	return out
}

// peopleOf reads the teams and users that the query names, without roles.
func (c *Collector) peopleOf(ctx context.Context, q approval.Query, repos []*repo) (approval.Directory, error) {
	d := approval.Directory{Teams: make([]approval.Team, len(q.Teams))}
	accounts := make([]account, len(q.Users))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, name := range q.Teams {
		g.Go(func() error {
			team, err := c.team(ctx, name, repos)
			d.Teams[i] = team
			return err
		})
	}
	for i, login := range q.Users {
		g.Go(func() error {
			found, err := c.user(ctx, login, repos)
			accounts[i] = found
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return approval.Directory{}, err
	}
	for i, a := range accounts {
		if a.user.ID > 0 {
			d.Users = append(d.Users, a.user)
		} else {
			d.NoSuchUsers = append(d.NoSuchUsers, q.Users[i])
		}
	}
	return d, nil
}

// team reads the active members of a team, those of its child teams included.
func (c *Collector) team(ctx context.Context, name approval.TeamName, repos []*repo) (approval.Team, error) {
	name, err := approval.ParseTeamName(string(name))
	if err != nil {
		return approval.Team{}, err
	}
	team, err := c.teams.get(ctx, strings.ToLower(string(name)), func(ctx context.Context) (approval.Team, time.Duration, error) {
		client, err := c.organizationClient(ctx, name.Organization(), repos)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			// The App is not installed there, so it may not see the team.
			return approval.Team{Name: name, Gone: true}, c.people, nil
		case err != nil:
			return approval.Team{}, 0, err
		}
		members, err := github.All(maxMembers, func(o gh.ListOptions) ([]*gh.User, *gh.Response, error) {
			return client.API().Teams.ListTeamMembersBySlug(ctx, name.Organization(), name.Slug(), &gh.TeamListTeamMembersOptions{ListOptions: o})
		})
		switch err = github.Wrap("list the members of team "+string(name), "", err); {
		case errors.Is(err, approval.ErrNotFound):
			// It was deleted or renamed, or the App may not see it. Nobody can approve
			// for it either way, and the decision says so by its name.
			return approval.Team{Name: name, Gone: true}, c.people, nil
		case err != nil:
			return approval.Team{}, 0, err
		}
		t := approval.Team{Name: name, Members: make([]approval.User, 0, len(members))}
		for _, m := range members {
			if u := person(m); u != nil {
				t.Members = append(t.Members, *u)
			}
		}
		return t, c.people, nil
	})
	team.Members = slices.Clone(team.Members) // the kept slice is shared
	return team, err
}

// organizationClient prefers a client that is there already.
func (c *Collector) organizationClient(ctx context.Context, organization string, repos []*repo) (*github.Client, error) {
	for _, r := range repos {
		if strings.EqualFold(r.name.Owner(), organization) {
			return r.client, nil
		}
	}
	return c.github.Organization(ctx, organization)
}

// user reads the account that a login names now.
func (c *Collector) user(ctx context.Context, login string, repos []*repo) (account, error) {
	if len(repos) == 0 {
		return account{}, fmt.Errorf("user %q cannot be looked up without a repository", login)
	}
	client := repos[0].client
	return c.users.get(ctx, strings.ToLower(login), func(ctx context.Context) (account, time.Duration, error) {
		if login == "" || login == "." || login == ".." || strings.ContainsAny(login, "/?#%") {
			return account{}, 0, fmt.Errorf("%q is not a login", login)
		}
		if strings.Contains(login, "@") {
			// An e-mail address, from CODEOWNERS: no login has this character.
			return account{}, c.people, nil
		}
		var found gh.User
		_, err := client.Get(ctx, "read user "+login, "users/"+url.PathEscape(login), &found)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			return account{}, c.people, nil
		case err != nil:
			return account{}, 0, err
		case !strings.EqualFold(found.GetLogin(), login) || found.GetID() <= 0:
			return account{}, 0, fmt.Errorf("GitHub was asked for user %q and answered with %q", login, found.GetLogin())
		}
		return account{*person(&found)}, c.people, nil
	})
}

// rolesOf reads the roles of those among the voters whom the directory names.
// Others cannot count whatever their role, and reading theirs would let anybody
// spend our requests; so theirs are read only if the policy asks for everybody's.
func (c *Collector) rolesOf(ctx context.Context, d approval.Directory, votes []vote, everybody bool) ([]approval.RepositoryRole, error) {
	named := map[approval.UserID]bool{}
	for _, t := range d.Teams {
		for _, u := range t.Members {
			named[u.ID] = true
		}
	}
	for _, u := range d.Users {
		named[u.ID] = true
	}
	seen := map[roleKey]bool{}
	wanted := slices.DeleteFunc(votes, func(v vote) bool {
		key := roleKey{v.repo.id, v.user.ID}
		if (!named[v.user.ID] && !v.always && !everybody) || seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
	out := make([]approval.RepositoryRole, len(wanted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, v := range wanted {
		g.Go(func() error {
			role, err := c.role(ctx, v)
			out[i] = approval.RepositoryRole{RepositoryID: v.repo.id, User: v.user.ID, Role: role}
			return err
		})
	}
	return out, g.Wait()
}

// role reads what a person may do in a repository.
func (c *Collector) role(ctx context.Context, v vote) (string, error) {
	return c.roles.get(ctx, roleKey{v.repo.id, v.user.ID}, func(ctx context.Context) (string, time.Duration, error) {
		// go-github v60 does not know role_name.
		var answer struct {
			Permission string   `json:"permission"`
			RoleName   string   `json:"role_name"`
			User       *gh.User `json:"user"`
		}
		path := fmt.Sprintf("repos/%s/%s/collaborators/%s/permission", v.repo.name.Owner(), v.repo.name.Name(), url.PathEscape(v.user.Login))
		_, err := v.repo.client.Get(ctx, "read the role of "+v.user.Login, path, &answer)
		switch {
		case errors.Is(err, approval.ErrNotFound):
			return "none", c.people, nil
		case err != nil:
			return "", 0, err
		case answer.User.GetID() != int64(v.user.ID):
			// The login was renamed, and may be somebody else's by now.
			return "none", -1, nil
		}
		return roleName(answer.Permission, answer.RoleName), c.people, nil
	})
}

// roleName prefers the exact role. "permission" folds maintain into write and
// triage into read; for a role that the organization made up it is what tells
// how much that role may do.
func roleName(permission, role string) string {
	switch role {
	case "read", "triage", "write", "maintain", "admin":
		return role
	default:
		return permission
	}
}
