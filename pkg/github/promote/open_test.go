package promote_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/promote"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestPromote(t *testing.T) {
	w := newWorld(t)
	pull := w.open(w.request())
	require.True(t, pull.Created)
	require.False(t, pull.Updated)
	got, err := w.gh.Pull(repoName, pull.Number)
	require.NoError(t, err)
	require.Equal(t, "gatekeeper[bot]", got.Author)
	require.Equal(t, "Promote shop 1.4.3 to argocd/shop-prod", got.Title)
	require.Equal(t, "main", got.Base)
	require.Contains(t, got.Body, "[The commits between 1111111 and 2222222](https://github.com/acme/shop/compare/"+oldSHA+"..."+newSHA+")")

	commits, err := w.gh.PullCommits(repoName, pull.Number)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(strings.TrimSpace(commits[0].Message), "Co-authored-by: alice <"+noReply(w.users["alice"])+">"), commits[0].Message)
	require.Equal(t, []string{
		"GET /branches/{branch...}", "GET /git/trees/{sha...}", "GET /git/trees/{sha...}", "GET /git/trees/{sha...}", "GET /git/blobs/{sha}",
		"GET /git/trees/{sha...}", "GET /git/trees/{sha...}",
		"GET /git/matching-refs/{ref...}", "GET /pulls", "POST /git/trees", "POST /git/commits", "POST /git/refs", "POST /pulls",
	}, w.calls())

	again := w.open(w.request())
	require.Equal(t, promote.Pull{Number: pull.Number, URL: pull.URL, Head: pull.Head}, again)
	require.Equal(t, []string{"GET /git/matching-refs/{ref...}", "GET /pulls", "GET /git/commits/{sha}"}, w.calls()[7:], "nothing is written")

	next := w.open(w.to("1.5.0"))
	require.Equal(t, pull.Number, next.Number)
	require.True(t, next.Updated)
	require.NotEqual(t, pull.Head, next.Head)
	require.Equal(t, []string{
		"GET /git/matching-refs/{ref...}", "GET /pulls", "GET /git/commits/{sha}", "POST /git/trees", "POST /git/commits",
		"GET /git/matching-refs/{ref...}", "PATCH /git/refs/{ref...}", "GET /activity", "PATCH /pulls/{number}",
	}, w.calls()[7:])
	got, err = w.gh.Pull(repoName, pull.Number)
	require.NoError(t, err)
	require.Equal(t, "Promote shop 1.5.0 to argocd/shop-prod", got.Title)

	_, err = w.try(w.to("1.4.2"))
	require.ErrorIs(t, err, promote.ErrNothing)
}

func noReply(u approval.User) string {
	return strings.Join([]string{itoa(u.ID), "+", u.Login, "@users.noreply.github.com"}, "")
}

// The protected branch goes on while the pull request waits: approvals are of its head,
// so that stays as long as the edit is the same.
func TestProtectedBranchMoves(t *testing.T) {
	w := newWorld(t)
	pull := w.open(w.request())
	w.push("bob", "envs/other/values.yaml", "replicas: 1\n")
	again := w.open(w.request())
	require.Equal(t, pull.Head, again.Head)
	require.False(t, again.Updated)

	base := w.push("bob", prodFile, strings.Replace(prodValues, "replicas: 4", "replicas: 5", 1))
	again = w.open(w.request())
	require.Equal(t, pull.Number, again.Number)
	require.NotEqual(t, pull.Head, again.Head, "it is made anew, of the file as it is now")
	commits, err := w.gh.Commits(repoName, string(again.Head), 2)
	require.NoError(t, err)
	require.Equal(t, base, commits[1].SHA)
	content, _, err := w.gh.File(repoName, string(again.Head), prodFile)
	require.NoError(t, err)
	require.Equal(t, strings.NewReplacer("replicas: 4", "replicas: 5", "1.4.2", "1.4.3").Replace(prodValues), string(content))
}

// Whatever fails after it was done, doing it again ends in one branch with one pull
// request.
func TestLostAnswers(t *testing.T) {
	for _, match := range []string{"^POST .*/git/trees$", "^POST .*/git/commits$", "^POST .*/git/refs$", "^POST .*/pulls$", "^PATCH .*/git/refs/", "^PATCH .*/pulls/"} {
		for name, fault := range map[string]standin.Fault{"reset": {Reset: true}, "502": standin.Unavailable("", http.StatusBadGateway, 0)} {
			t.Run(match+" "+name, func(t *testing.T) {
				w := newWorld(t)
				request := w.request()
				if strings.HasPrefix(match, "^PATCH") {
					w.open(request)
					request = w.to("1.5.0")
				}
				fault.Match, fault.AfterEffect, fault.Times = match, true, 1
				_, err := w.gh.Fail(fault)
				require.NoError(t, err)
				_, err = w.try(request)
				require.Error(t, err)
				w.open(request)
				head, err := w.gh.Branch(repoName, branch)
				require.NoError(t, err)
				again := w.open(request)
				require.Equal(t, approval.SHA(head), again.Head)
				require.False(t, again.Created || again.Updated)
			})
		}
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	remove, err := w.gh.Fail(standin.SecondaryLimit("^POST .*/pulls$", http.StatusForbidden, time.Second))
	require.NoError(t, err)
	_, err = w.try(w.request())
	var limited *github.Error
	require.ErrorAs(t, err, &limited)
	require.True(t, limited.Limited)
	require.Equal(t, time.Second, limited.RetryAfter())
	require.Empty(t, w.pulls())
	remove()
	require.Eventually(t, func() bool {
		_, err := w.try(w.request())
		return err == nil
	}, time.Minute, 100*time.Millisecond, "GitHub's wait is over")
	require.Len(t, w.pulls(), 1)
}

// A branch that has anybody else's commits stays as it is.
func TestForeignBranch(t *testing.T) {
	foreign := func(t *testing.T, w *world, text string, requests ...promote.Request) {
		t.Helper()
		head, err := w.gh.Branch(repoName, branch)
		require.NoError(t, err)
		if requests == nil {
			requests = []promote.Request{w.request(), w.to("1.5.0")}
		}
		for _, r := range requests {
			_, err = w.try(r)
			require.ErrorIs(t, err, promote.ErrForeign)
			require.ErrorContains(t, err, text)
		}
		now, err := w.gh.Branch(repoName, branch)
		require.NoError(t, err)
		require.Equal(t, head, now)
	}
	t.Run("somebody made it", func(t *testing.T) {
		w := newWorld(t)
		require.NoError(t, w.gh.As("bob").SetBranch(repoName, branch, w.repo.Head))
		foreign(t, w, "is by Carol")
		require.Empty(t, w.pulls())
	})
	t.Run("somebody pushed on top", func(t *testing.T) {
		w := newWorld(t)
		pull := w.open(w.request())
		_, err := w.gh.As("bob").PushToPull(repoName, pull.Number, standin.Change{Files: map[string]string{prodFile: "evil: true\n"}})
		require.NoError(t, err)
		foreign(t, w, "is by Bob")
	})
	t.Run("somebody replaced it, with our message", func(t *testing.T) {
		w := newWorld(t)
		pull := w.open(w.request())
		commits, err := w.gh.PullCommits(repoName, pull.Number)
		require.NoError(t, err)
		// Authors can be forged; GitHub's signature cannot.
		_, err = w.gh.As("bob").ForcePushPull(repoName, pull.Number, standin.Change{
			Files: map[string]string{prodFile: "evil: true\n"}, Message: commits[0].Message,
			Author:    &standin.Identity{Name: commits[0].Author.Name, Email: commits[0].Author.Email},
			Committer: &standin.Identity{Name: "GitHub", Email: "noreply@github.com"},
		})
		require.NoError(t, err)
		foreign(t, w, "signature")
	})
	t.Run("a signer signed it", func(t *testing.T) {
		w := newWorld(t)
		r := w.request()
		r.Signed = true
		pull := w.open(r)
		got, err := w.gh.Pull(repoName, pull.Number)
		require.NoError(t, err)
		require.Contains(t, got.Body, "git push --force origin HEAD:refs/heads/"+branch+"\n```")
		commits, err := w.gh.PullCommits(repoName, pull.Number)
		require.NoError(t, err)
		signed, err := w.gh.As("bob").ForcePushPull(repoName, pull.Number, standin.Change{
			Files: map[string]string{prodFile: strings.Replace(prodValues, "1.4.2", "1.4.3", 1)}, Message: strings.TrimSpace(commits[0].Message),
			Author: &standin.Identity{Name: commits[0].Author.Name, Email: commits[0].Author.Email},
		})
		require.NoError(t, err)
		again := w.open(r)
		require.Equal(t, approval.SHA(signed), again.Head)
		require.False(t, again.Created || again.Updated)
		foreign(t, w, "was committed by Bob", w.to("1.5.0"))
	})
	t.Run("a promotion to another target", func(t *testing.T) {
		w := newWorld(t)
		pull := w.open(w.request())
		other := strings.Replace(branch, "shop-prod", "shop-other", 1)
		require.NoError(t, w.gh.As("bob").SetBranch(repoName, other, string(pull.Head)))
		r := w.to("1.5.0")
		r.To = "argocd/shop-other"
		_, err := w.try(r)
		require.ErrorIs(t, err, promote.ErrForeign)
		require.ErrorContains(t, err, "not a promotion to argocd/shop-other")
	})
}

// A push that comes in between reading the branch and moving it is put back.
func TestPushAtTheSameTime(t *testing.T) {
	for name, when := range map[string]string{"before the last look": "POST /git/commits", "after it": "PATCH /git/refs"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			pull := w.open(w.request())
			plan := w.plan(w.to("1.5.0"))
			var theirs string
			method, path, _ := strings.Cut(when, " ")
			w.before = func(r *http.Request) {
				if theirs == "" && r.Method == method && strings.Contains(r.URL.Path, path) {
					var err error
					theirs, err = w.gh.As("bob").PushToPull(repoName, pull.Number, standin.Change{Files: map[string]string{"x": "y\n"}})
					require.NoError(t, err)
				}
			}
			_, err := w.promoter.Open(t.Context(), plan)
			if name == "after it" {
				require.ErrorIs(t, err, promote.ErrForeign)
				require.ErrorContains(t, err, "is there again")
			} else {
				require.ErrorIs(t, err, promote.ErrMoved)
			}
			head, err := w.gh.Branch(repoName, branch)
			require.NoError(t, err)
			require.Equal(t, theirs, head)
		})
	}
}

// Two processes begin at the same time: one wins, and the other one finds its work.
func TestBranchAppearsMeanwhile(t *testing.T) {
	w := newWorld(t)
	plan := w.plan(w.request())
	done := false
	w.before = func(r *http.Request) {
		if !done && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/git/refs") {
			done = true
			require.NoError(t, w.gh.As("bob").SetBranch(repoName, branch, w.repo.Head))
		}
	}
	_, err := w.promoter.Open(t.Context(), plan)
	require.ErrorIs(t, err, promote.ErrMoved)
}

// What was closed is not opened again: the branch begins anew from the protected one.
func TestClosedPull(t *testing.T) {
	w := newWorld(t)
	first := w.open(w.request())
	require.NoError(t, w.gh.As("bob").EditPull(repoName, first.Number, "", "", "", "closed"))
	base := w.push("bob", "envs/other/values.yaml", "replicas: 1\n")
	r := w.request()
	r.Asker = w.users["bob"]
	second := w.open(r)
	require.True(t, second.Created)
	require.NotEqual(t, first.Number, second.Number)
	commits, err := w.gh.Commits(repoName, string(second.Head), 2)
	require.NoError(t, err)
	require.Equal(t, base, commits[1].SHA)
	require.NotContains(t, commits[0].Message, "alice", "she asked for the other one")

	_, err = w.gh.As("carol").Merge(repoName, second.Number, "squash")
	require.NoError(t, err)
	_, err = w.try(w.request())
	require.ErrorIs(t, err, promote.ErrNothing)
	third := w.open(w.to("1.5.0"))
	require.True(t, third.Created)
}

// Somebody's branch has a name below which git can have no other.
func TestBranchCannotBeMade(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.gh.As("bob").SetBranch(repoName, "gatekeeper/promote/argocd", w.repo.Head))
	_, err := w.try(w.request())
	var refused *github.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusUnprocessableEntity, refused.Status)
	require.Empty(t, w.pulls())
}

// Who asked is not counted as an approver, whoever edits the text of the pull request;
// neither is anybody else who asked for it.
func TestWhoAsksCannotApprove(t *testing.T) {
	w := newWorld(t)
	c := w.collector()
	r := w.request()
	r.Asker = w.users["bob"]
	w.open(r)
	pull := w.open(w.request())
	require.True(t, pull.Updated, "alice asked as well")
	commits, err := w.gh.PullCommits(repoName, pull.Number)
	require.NoError(t, err)
	require.Contains(t, commits[0].Message, noReply(w.users["bob"]))
	require.Contains(t, commits[0].Message, noReply(w.users["alice"]))
	require.NoError(t, w.gh.As("bob").EditPull(repoName, pull.Number, "", "nobody asked for this", "", ""))

	decide := func() (approval.Decision, string) {
		a, err := c.Collect(t.Context(), approval.Query{
			Ranges: []approval.Range{{Repository: repoName, Branch: "main", Baseline: approval.SHA(w.repo.Head)}}, Teams: []approval.TeamName{"acme/sre"},
		})
		require.NoError(t, err)
		reads := []approval.Read{{Repository: repoName, Path: "envs/prod/"}}
		policy := approval.Policy{
			Gate: "prod", Applications: []approval.Selector{{Project: "prod"}},
			Repositories: []approval.ProtectedRepository{{Name: repoName, Branch: "main", EnrolledAt: approval.SHA(w.repo.Head)}},
			Config:       approval.Quorum{Requirements: []approval.Requirement{{Name: "sre", Approvals: 1, Teams: []approval.TeamName{"acme/sre"}}}},
		}
		facts := approval.Facts{
			Application: approval.Application{
				UID: "1", Namespace: "argocd", Name: "shop-prod", Project: "prod", ResourceVersion: "1", SpecDigest: "d",
				Server: "https://kubernetes.default.svc", DestinationNamespace: "shop",
				Sources: []approval.Source{{Kind: approval.SourceGit, RepoURL: w.repo.CloneURL, Repository: repoName, TargetRevision: "main", Reads: reads}},
			},
			Lines: a.Lines, Directory: a.Directory,
		}
		if p, ok := approval.Prospect(policy, facts); ok {
			facts.Closure = &approval.Closure{Revisions: p.Revisions, Reads: reads}
		}
		d := approval.Explain(policy, facts)
		return d, texts(d.Findings)
	}
	w.ahead.Add(int64(2 * time.Second)) // a review in the second of the push does not count
	for _, who := range []string{"alice", "bob"} {
		_, err = w.gh.As(who).Review(repoName, pull.Number, "APPROVE", "")
		require.NoError(t, err)
	}
	_, err = w.gh.As("carol").Merge(repoName, pull.Number, "squash")
	require.NoError(t, err)
	d, text := decide()
	require.Equal(t, approval.Blocked, d.Verdict, text)
	require.Contains(t, text, "not counted: alice had a part in its commits")
	require.Contains(t, text, "not counted: bob had a part in its commits")

	_, err = w.gh.As("carol").Review(repoName, pull.Number, "APPROVE", "")
	require.NoError(t, err)
	d, text = decide()
	require.Equal(t, approval.Allowed, d.Verdict, text)
}

// What a gate can go by that takes GitHub's word for signatures.
func TestWhatGitHubSaysOfTheCommit(t *testing.T) {
	w := newWorld(t)
	pull := w.open(w.request())
	said, err := w.collector().Verifications(t.Context(), repoName, pull.Number)
	require.NoError(t, err)
	require.Len(t, said, 1)
	require.True(t, said[0].Verified, said[0].Reason)
	require.Equal(t, "web-flow", said[0].Committer.Login, "not the bot, which is the author")
	commits, err := w.gh.PullCommits(repoName, pull.Number)
	require.NoError(t, err)
	require.Contains(t, commits[0].Author.Email, "+gatekeeper[bot]@users.noreply.github.com")
}

func texts(findings []approval.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.Text + "\n" + texts(f.Children))
	}
	return b.String()
}
