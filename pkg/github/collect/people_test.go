package collect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// landed collects the only landing's pull request.
func (w *world) landed() approval.PullRequest {
	w.t.Helper()
	l := w.collect(w.repo.Head).Lines[0].Landings
	require.Len(w.t, l, 1)
	require.Empty(w.t, l[0].Unsettled)
	return *l[0].Pull
}

func (w *world) userID(login string) approval.UserID {
	w.t.Helper()
	c, err := w.client.Client(w.t.Context(), repoName)
	require.NoError(w.t, err)
	u, _, err := c.API().Users.Get(w.t.Context(), login)
	require.NoError(w.t, err)
	return approval.UserID(u.GetID())
}

func TestWhoPushedTheHead(t *testing.T) {
	t.Parallel()
	// Mallory pushes a branch, alice opens the pull request for it. Opening does
	// not make her the pusher, with and without webhooks.
	for _, webhooks := range []bool{false, true} {
		t.Run(fmt.Sprintf("opened by another, webhooks %v", webhooks), func(t *testing.T) {
			w := newWorld(t)
			if webhooks {
				w.listen()
			}
			head, err := w.gh.As("mallory").PushBranch(repoName, "topic", change("prod/a.yaml", "a: 1\n"))
			require.NoError(t, err)
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{Branch: "topic", Title: "Mine"})
			require.NoError(t, err)
			w.merge(p.Number, "merge")
			if webhooks {
				w.delivered()
			}
			pr := w.landed()
			require.Equal(t, approval.SHA(head), pr.Head)
			require.Equal(t, "alice", pr.Author.Login)
			require.Equal(t, "mallory", pr.Pusher.Login)
			require.Equal(t, w.userID("mallory"), pr.Pusher.ID)
			require.False(t, pr.HeadPushedAt.IsZero())
		})
	}

	t.Run("pushed to later", func(t *testing.T) {
		w := newWorld(t)
		w.listen()
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.push("mallory", p.Number, "prod/a.yaml", "a: 2\n")
		w.merge(p.Number, "merge")
		w.delivered()
		w.resetCalls()
		require.Equal(t, "mallory", w.landed().Pusher.Login)
		require.Contains(t, w.apiCalls(), "GET /repos/acme/env/activity?ref", "it was witnessed, and may have come back unheard")
	})

	t.Run("a head that comes back", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		first, err := w.collector.CollectPull(t.Context(), repoName, p.Number, w.query(w.repo.Head))
		require.NoError(t, err)
		require.Equal(t, "alice", first.Pull.Pusher.Login)
		w.push("alice", p.Number, "prod/a.yaml", "a: 2\n")
		require.NoError(t, w.gh.As("mallory").SetBranch(repoName, p.Branch, p.Head))
		w.merge(p.Number, "merge")
		pr := w.landed()
		require.Equal(t, approval.SHA(p.Head), pr.Head)
		require.Equal(t, "mallory", pr.Pusher.Login, "the newest arrival counts")
	})

	t.Run("a branch that lives on", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.merge(p.Number, "merge")
		_, err := w.gh.As("mallory").PushBranch(repoName, p.Branch, change("prod/a.yaml", "a: 2\n"))
		require.NoError(t, err)
		pr := w.landed()
		require.Equal(t, approval.SHA(p.Head), pr.Head)
		require.Equal(t, "alice", pr.Pusher.Login)
	})

	t.Run("from one's own fork", func(t *testing.T) {
		for _, webhooks := range []bool{false, true} {
			w := newWorld(t)
			if webhooks {
				w.listen()
			}
			fork, err := w.gh.As("alice").Fork(repoName)
			require.NoError(t, err)
			p, err := w.gh.As("alice").OpenPull(repoName, standin.PullOptions{HeadRepo: fork.Name, Branch: "topic", Change: change("prod/a.yaml", "a: 1\n")})
			require.NoError(t, err)
			w.merge(p.Number, "merge")
			w.delivered()
			pr := w.landed()
			if !webhooks {
				require.Nil(t, pr.Pusher, "there is no log of a fork that we may read")
				require.Zero(t, pr.HeadPushedAt)
				continue
			}
			require.Equal(t, "alice", pr.Pusher.Login)
			require.False(t, pr.HeadPushedAt.IsZero())
		}
	})
}

func TestContributors(t *testing.T) {
	t.Parallel()
	const unknown = "nobody@example.com"
	co := func(lines ...string) string {
		return "Work together\n\n" + strings.Join(lines, "\n") + "\n"
	}
	tests := map[string]struct {
		change func(w *world) standin.Change
		want   []string
	}{
		"author and committer": {func(*world) standin.Change {
			return standin.Change{Message: "x", Author: &standin.Identity{Name: "C", Email: "CAROL@example.com"}, Committer: &standin.Identity{Name: "M", Email: "mallory@example.com"}}
		}, []string{"alice", "carol", "mallory"}},
		"GitHub commits, a person writes": {func(*world) standin.Change {
			return standin.Change{Message: "x", Author: &standin.Identity{Name: "C", Email: "carol@example.com"}, Committer: &standin.Identity{Name: "GitHub", Email: "noreply@github.com"}}
		}, []string{"alice", "carol"}},
		"GitHub as the author hides somebody": {func(*world) standin.Change {
			return standin.Change{Message: "x", Author: &standin.Identity{Name: "GitHub", Email: "noreply@github.com"}, Committer: &standin.Identity{Name: "GitHub", Email: "noreply@github.com"}}
		}, []string{"?noreply@github.com", "alice"}},
		"unknown address": {func(*world) standin.Change {
			return standin.Change{Message: "x", Author: &standin.Identity{Name: "N", Email: unknown}}
		}, []string{"?" + unknown, "alice"}},
		"co-author with GitHub's address": {func(w *world) standin.Change {
			return standin.Change{Message: co(fmt.Sprintf("Co-authored-by: C <%d+old-name@users.noreply.github.com>", w.userID("carol")))}
		}, []string{"alice", "carol"}},
		"co-author with a made-up number": {func(*world) standin.Change {
			return standin.Change{Message: co("Co-authored-by: C <424242+carol@users.noreply.github.com>")}
		}, []string{"?424242+carol@users.noreply.github.com", "alice"}},
		"co-author who wrote a commit before": {func(*world) standin.Change {
			return standin.Change{Message: co("Co-authored-by: Carol <carol@example.com>")}
		}, []string{"alice", "carol"}},
		"co-author whom GitHub has never seen": {func(*world) standin.Change {
			return standin.Change{Message: co("Co-authored-by: N <" + unknown + ">")}
		}, []string{"?" + unknown, "alice"}},
		"co-author without an address": {func(*world) standin.Change {
			return standin.Change{Message: co("Co-authored-by: carol")}
		}, []string{"?carol", "alice"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withTransport(byAuthor{http.DefaultTransport}))
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			c := tt.change(w)
			c.Files = map[string]string{"prod/a.yaml": "a: 2\n"}
			_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
			require.NoError(t, err)
			w.merge(p.Number, "merge")
			require.Equal(t, tt.want, logins(w.landed().Contributors))

			w.resetCalls()
			require.Equal(t, tt.want, logins(w.landed().Contributors))
			require.Equal(t, []string{"GET /repos/acme/env/pulls/1/reviews"}, w.apiCalls(), "asked once")
		})
	}
}

// byAuthor adds what the stand-in does not have: GET commits with an author,
// which GitHub answers with the commits of that login or address alone.
type byAuthor struct{ http.RoundTripper }

func (b byAuthor) RoundTrip(r *http.Request) (*http.Response, error) {
	author := r.URL.Query().Get("author")
	if !strings.HasSuffix(r.URL.Path, "/commits") || author == "" {
		return b.RoundTripper.RoundTrip(r)
	}
	all := r.Clone(r.Context())
	query := r.URL.Query()
	query.Set("per_page", "100")
	all.URL.RawQuery = query.Encode()
	resp, err := b.RoundTripper.RoundTrip(all)
	if err != nil {
		return nil, err
	}
	var commits, found []map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&commits); err != nil {
		return nil, err
	}
	for _, c := range commits {
		email := c["commit"].(map[string]any)["author"].(map[string]any)["email"].(string)
		if strings.EqualFold(email, author) {
			found = append(found, c)
		}
	}
	body, err := json.Marshal(append([]map[string]any{}, found[:min(len(found), 1)]...))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, err
}

// A merge brings in commits behind its second parent. Those of the base branch
// are not the pull request's, those of another branch are.
func TestContributorsBehindMerges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	_, err := w.gh.As("carol").PushBranch(repoName, "main", change("prod/other.yaml", "x: 1\n"))
	require.NoError(t, err)
	_, err = w.gh.As("bob").UpdateBranch(repoName, p.Number)
	require.NoError(t, err)

	side := w.pull("mallory", "prod/side.yaml", "s: 1\n")
	require.NoError(t, w.gh.As("mallory").EditPull(repoName, side.Number, "", "", p.Branch, ""))
	_, err = w.gh.As("alice").Merge(repoName, side.Number, "merge")
	require.NoError(t, err)
	w.merge(p.Number, "merge")

	landings := w.collect(w.repo.Head).Lines[0].Landings
	require.Len(t, landings, 2)
	pr := landings[1].Pull
	require.Equal(t, []string{"alice", "bob", "mallory"}, logins(pr.Contributors))
	require.Equal(t, "alice", pr.Pusher.Login, "who merges into the head branch, pushes")
}

// The answer must be about the address that was asked about.
func TestCommitsByAnotherAuthor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTransport(anyAuthor{http.DefaultTransport}))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	c := change("prod/a.yaml", "a: 2\n")
	c.Message += "\n\nCo-authored-by: N <nobody@example.com>"
	_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
	require.NoError(t, err)
	w.merge(p.Number, "merge")
	require.Equal(t, []string{"?nobody@example.com", "alice"}, logins(w.landed().Contributors))
}

// anyAuthor takes the author out of requests for commits.
type anyAuthor struct{ http.RoundTripper }

func (a anyAuthor) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); query.Has("author") {
		query.Del("author")
		r = r.Clone(r.Context())
		r.URL.RawQuery = query.Encode()
	}
	return a.RoundTripper.RoundTrip(r)
}

// An address gets an account: it is found after a while, not never.
func TestUnknownAddressIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	c := change("prod/a.yaml", "a: 2\n")
	c.Author = &standin.Identity{Name: "Erin", Email: "erin@example.com"}
	_, err := w.gh.As("alice").PushToPull(repoName, p.Number, c)
	require.NoError(t, err)
	w.merge(p.Number, "merge")
	require.Contains(t, logins(w.landed().Contributors), "?erin@example.com")
	_, err = w.gh.CreateUser("erin", "Erin", "erin@example.com")
	require.NoError(t, err)
	w.collector.Forget()
	require.Contains(t, logins(w.landed().Contributors), "erin")
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.gh.CreateTeam("acme", "oncall", "mallory")
	require.NoError(t, err)
	require.NoError(t, w.gh.InviteTeamMember("acme", "sre", "alice"))
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.review("carol", p.Number, "COMMENT")
	w.review("mallory", p.Number, "APPROVE")
	w.merge(p.Number, "merge")
	d := w.collect(w.repo.Head).Directory
	require.Len(t, d.Teams, 1)
	require.Equal(t, approval.TeamName("acme/sre"), d.Teams[0].Name)
	var members []string
	for _, m := range d.Teams[0].Members {
		require.Equal(t, approval.UserTypePerson, m.Type)
		members = append(members, m.Login)
	}
	require.ElementsMatch(t, []string{"bob", "carol"}, members, "alice was only invited")
	require.Equal(t, []approval.User{{ID: w.userID("carol"), Login: "carol", Type: "User"}}, d.Users)
	require.Equal(t, []approval.RepositoryRole{{RepositoryID: w.repo.ID, User: w.userID("bob"), Role: "maintain"}}, d.Roles,
		"carol only commented, and whatever mallory may do, nobody asked for her")

	require.NoError(t, w.gh.RemoveTeamMember("acme", "sre", "bob"))
	require.NoError(t, w.gh.SetCollaborator(repoName, "bob", "read"))
	require.Equal(t, d, w.collect(w.repo.Head).Directory, "kept for a while")
	w.collector.Forget()
	d = w.collect(w.repo.Head).Directory
	require.Len(t, d.Teams[0].Members, 1)
	require.Empty(t, d.Roles)
}

func TestPeopleGrowOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.restart(withPeople(time.Nanosecond))
	w.collect(w.repo.Head)
	require.NoError(t, w.gh.AddTeamMember("acme", "sre", "mallory"))
	require.Len(t, w.collect(w.repo.Head).Directory.Teams[0].Members, 3)
}

func TestPeopleWhoAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.query(w.repo.Head)
	q.Users = []string{"nobody", "carol"}
	a, err := w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, a.Directory.Users, 1, "who does not exist cannot approve")
	require.Equal(t, []string{"nobody"}, a.Directory.NoSuchUsers)

	q.Teams = []approval.TeamName{"acme/gone"}
	a, err = w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, []approval.Team{{Name: "acme/gone", Gone: true}}, a.Directory.Teams, "there is none, or the App may not see it")

	_, err = w.collector.CollectPull(t.Context(), repoName, 99, w.query(w.repo.Head))
	require.ErrorIs(t, err, approval.ErrNotFound)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	report, err := w.collector.CollectPull(t.Context(), repoName, p.Number, q)
	require.NoError(t, err)
	require.Equal(t, []approval.Team{{Name: "acme/gone", Gone: true}}, report.Directory.Teams)
	for _, login := range []string{"", "..", "a/b", "a?b"} {
		q.Teams, q.Users = nil, []string{login}
		_, err = w.collector.Collect(t.Context(), q)
		require.ErrorContains(t, err, "is not a login")
	}
}

func TestReviewerWhoLostAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	w.merge(p.Number, "merge")
	require.NoError(t, w.gh.SetCollaborator(repoName, "bob", "triage"))
	roles := w.collect(w.repo.Head).Directory.Roles
	require.Len(t, roles, 1)
	require.Equal(t, "triage", roles[0].Role, "not \"read\", which is its old name")
}
