package collect_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/mirror"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// judged is the decision about the only landing.
func (w *world) judged() approval.Decision {
	w.t.Helper()
	w.delivered()
	return w.decide(w.collect(w.repo.Head))
}

func (w *world) blocked(codes ...approval.Code) approval.Decision {
	w.t.Helper()
	d := w.judged()
	require.False(w.t, d.Allowed() && d.Advances, "%+v", d.Findings)
	require.NotEmpty(w.t, d.Lines)
	require.Equal(w.t, approval.SHA(w.repo.Head), d.Lines[0].Target)
	require.Subset(w.t, codesOf(d.Findings), codes)
	return d
}

// codesOf are the codes of a tree of findings.
func codesOf(findings []approval.Finding) (out []approval.Code) {
	for _, f := range findings {
		out = append(append(out, f.Code), codesOf(f.Children)...)
	}
	return out
}

func (w *world) allowed(sha string) {
	w.t.Helper()
	d := w.judged()
	require.True(w.t, d.Allowed(), "%+v", d)
	require.Equal(w.t, approval.SHA(sha), d.Lines[0].Target, "%+v", d)
}

// GitHub moves an approval along to a head that changes the same. It counts for
// the head that it was given on, by the webhook's word, and without that word
// only if it was given after the head was pushed.
func TestReanchoredApproval(t *testing.T) {
	t.Parallel()
	for _, heard := range []bool{true, false} {
		name := "the webhook came"
		if !heard {
			name = "the webhook was lost"
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.listen()
			w.gh.ReanchorReviews(true)
			p := w.pull("alice", "prod/a.yaml", "a: 1\n")
			if !heard {
				w.gh.HoldDeliveries("pull_request_review")
			}
			w.review("bob", p.Number, "APPROVE")
			w.delivered()
			w.gh.LoseDeliveries()
			w.gh.HoldDeliveries()
			head, err := w.gh.As("mallory").ForcePushPull(repoName, p.Number, standin.Change{Files: map[string]string{"prod/a.yaml": "a: 1\n"}, Message: "Reworded"})
			require.NoError(t, err)
			moved, err := w.gh.Reviews(repoName, p.Number)
			require.NoError(t, err)
			require.Equal(t, head, moved[0].Commit, "GitHub says that bob approved what mallory pushed")

			// Merging the base moves it once more.
			_, err = w.gh.As("carol").PushBranch(repoName, "main", change("docs/a.md", "a\n"))
			require.NoError(t, err)
			base, err := w.gh.Branch(repoName, "main")
			require.NoError(t, err)
			head, err = w.gh.As("mallory").UpdateBranch(repoName, p.Number)
			require.NoError(t, err)
			moved, err = w.gh.Reviews(repoName, p.Number)
			require.NoError(t, err)
			require.Equal(t, head, moved[0].Commit)

			sha := w.merge(p.Number, "merge")
			w.delivered()
			d := w.decide(w.collect(w.repo.Head))
			require.Equal(t, approval.SHA(base), d.Lines[0].Target, "%+v", d)
			require.Equal(t, approval.Blocked, d.Lines[0].Landings[1].Verdict)
			want := approval.CodeApprovalBeforePush
			if heard {
				want = approval.CodeApprovalStale
			}
			require.Contains(t, codesOf(d.Findings), want)

			w.review("bob", p.Number, "APPROVE")
			w.allowed(sha)
		})
	}
}

// While the index does not know the commit, it is neither a direct push nor the
// landing of a pull request, and nothing is decided about it.
func TestLaggingIndexIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withGrace(time.Hour), withTransport(empty{"pulls"}))
	w.listen()
	w.gh.HoldDeliveries("pull_request.closed") // it would tell
	w.gh.LagCommitIndex(time.Hour)
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "rebase") // its subject names no number
	d := w.blocked(approval.CodeLandingUnsettled)
	for _, landing := range d.Lines[0].Landings {
		require.Equal(t, approval.Unknown, landing.Verdict)
	}
	w.gh.LagCommitIndex(0)
	w.allowed(sha)
}

// Both forms of tokens work for the API and for git.
func TestBothFormsOfTokens(t *testing.T) {
	t.Parallel()
	for _, long := range []bool{false, true} {
		w := newWorld(t)
		w.listen()
		require.NoError(t, w.gh.SetLongTokens(w.app.ID, long))
		c, err := w.client.Client(t.Context(), repoName)
		require.NoError(t, err)
		token, err := c.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, long, len(token) > 400)
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.review("bob", p.Number, "APPROVE")
		w.allowed(w.merge(p.Number, "squash"))
		require.Positive(t, w.gh.CountCalls("git", "POST"))
	}
}

// A token that GitHub's git servers do not know yet: an error, not a repository
// or a branch that is gone.
func TestFreshTokenForGit(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound} {
		w := newWorld(t)
		require.NoError(t, w.gh.LagTokens(time.Hour, status))
		err := w.mirror.Fetch(t.Context(), "main")
		require.Error(t, err)
		require.ErrorIs(t, err, mirror.ErrDenied)
		require.NotErrorIs(t, err, approval.ErrNotFound)
		require.NoError(t, w.gh.LagTokens(0, status))
		require.NoError(t, w.mirror.Fetch(t.Context(), "main"))
	}
}

// git is refused without a reason, so the reason is asked for.
func TestDeniedFetchIsExplained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.collect(w.repo.Head)
	require.NoError(t, w.gh.SetPermissions(w.app.ID, map[string]string{"pull_requests": "write", "members": "read"}))
	_, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.ErrorContains(t, err, "give the GitHub App the permission contents: read")
	require.ErrorIs(t, err, mirror.ErrDenied)
}

// People are their numbers. Who is renamed stays author, approver and member,
// and whoever takes a former login gets nothing with it.
func TestRenamedLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	require.NoError(t, w.gh.AddTeamMember("acme", "sre", "alice"))
	sha := w.merge(p.Number, "squash")
	require.NoError(t, w.gh.RenameUser("alice", "alicia"))
	_, err := w.gh.ForceReview(repoName, p.Number, "alicia", "APPROVED", "", "")
	require.NoError(t, err)
	w.blocked(approval.CodeApprovalAuthor)

	// Bob is renamed after his approval; somebody new is called bob then.
	w.review("bob", p.Number, "APPROVE")
	w.allowed(sha)
	require.NoError(t, w.gh.RenameUser("bob", "robert"))
	_, err = w.gh.CreateUser("bob", "Another")
	require.NoError(t, err)
	w.restart()
	w.allowed(sha)

	q := w.query(w.repo.Head)
	q.Teams, q.Users = nil, []string{"bob"}
	answer, err := w.collector.Collect(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, answer.Directory.Users, 1)
	require.NotEqual(t, answer.Lines[0].Landings[0].Pull.Reviews[1].User.ID, answer.Directory.Users[0].ID)

	require.NoError(t, w.gh.RemoveTeamMember("acme", "sre", "robert"))
	require.NoError(t, w.gh.AddTeamMember("acme", "sre", "bob"))
	w.restart()
	w.blocked(approval.CodeApprovalOutsider)
}

// The rename happens between two reads: the role that is read then is somebody
// else's.
func TestLoginThatIsTakenOverMeanwhile(t *testing.T) {
	t.Parallel()
	hook := &before{RoundTripper: http.DefaultTransport, suffix: "/collaborators/bob/permission"}
	w := newWorld(t, withTransport(hook))
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	sha := w.merge(p.Number, "squash")
	hook.do = func() {
		require.NoError(t, w.gh.RenameUser("bob", "robert"))
		_, err := w.gh.CreateUser("bob", "Another")
		require.NoError(t, err)
		require.NoError(t, w.gh.SetCollaborator(repoName, "bob", "write"))
		require.NoError(t, w.gh.SetCollaborator(repoName, "robert", "read"))
	}
	w.blocked(approval.CodeApprovalRole)
	require.NoError(t, w.gh.SetCollaborator(repoName, "robert", "write"))
	w.allowed(sha)
}

// before does something once before a request is sent.
type before struct {
	http.RoundTripper
	suffix string
	do     func()
}

func (b *before) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.do != nil && strings.HasSuffix(r.URL.Path, b.suffix) {
		b.do()
		b.do = nil
	}
	return b.RoundTripper.RoundTrip(r)
}

// What deleted people said and did stays in the facts, and counts for nothing.
func TestNullUsers(t *testing.T) {
	t.Parallel()
	t.Run("reviewer", func(t *testing.T) {
		w := newWorld(t)
		w.listen()
		p := w.pull("alice", "prod/a.yaml", "a: 1\n")
		w.review("bob", p.Number, "APPROVE")
		sha := w.merge(p.Number, "squash")
		w.allowed(sha)
		require.NoError(t, w.gh.DeleteUser("bob"))
		w.collector.Forget()
		w.blocked(approval.CodeQuorumMissing)
		w.review("carol", p.Number, "APPROVE")
		w.allowed(sha)
	})
	t.Run("author and pusher", func(t *testing.T) {
		w := newWorld(t)
		p := w.pull("mallory", "prod/a.yaml", "a: 1\n")
		w.review("bob", p.Number, "APPROVE")
		w.merge(p.Number, "squash")
		require.NoError(t, w.gh.DeleteUser("mallory"))
		pr := *w.collect(w.repo.Head).Lines[0].Landings[0].Pull
		require.Nil(t, pr.Pusher)
		require.Equal(t, []string{"?mallory@example.com"}, logins(pr.Contributors))
		w.blocked(approval.CodePusherUnknown)
	})
}

func TestRenamedRepositoryIsFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.listen()
	p := w.pull("alice", "prod/a.yaml", "a: 1\n")
	w.review("bob", p.Number, "APPROVE")
	first := w.merge(p.Number, "rebase")
	w.allowed(first)
	require.NoError(t, w.gh.RenameRepository(repoName, "renamed"))
	for _, how := range []string{"warm", "cold"} {
		next, err := w.gh.As("alice").OpenPull("acme/renamed", standin.PullOptions{Change: change("prod/"+how+".yaml", "b: 1\n")})
		require.NoError(t, err)
		_, err = w.gh.As("bob").Review("acme/renamed", next.Number, "APPROVE", "")
		require.NoError(t, err)
		sha, err := w.gh.As("bob").Merge("acme/renamed", next.Number, "rebase")
		require.NoError(t, err)
		w.allowed(sha)
		w.restart()
	}
	require.NoError(t, w.gh.TransferRepository("acme/renamed", "carol"))
	_, err := w.collector.Collect(t.Context(), w.query(w.repo.Head))
	require.Error(t, err, "the App is not installed there")
}
