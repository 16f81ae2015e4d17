package standin_test

import (
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (w *world) review(u standin.User, number int, event, body, commit string) (*github.PullRequestReview, error) {
	w.t.Helper()
	in := &github.PullRequestReviewRequest{Event: &event, Body: &body}
	if event == "" {
		in.Event = nil
	}
	if commit != "" {
		in.CommitID = &commit
	}
	v, _, err := w.as(u).PullRequests.CreateReview(w.t.Context(), "acme", "env", number, in)
	return v, err
}

func (w *world) states(number int) (out []string) {
	w.t.Helper()
	list, _, err := w.client().PullRequests.ListReviews(w.t.Context(), "acme", "env", number, nil)
	require.NoError(w.t, err)
	for _, v := range list {
		out = append(out, v.GetUser().GetLogin()+" "+v.GetState())
	}
	return out
}

func TestReviewRules(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	first := must(w.s.Pull("acme/env", n))(t).Head
	second := must(w.s.As("alice").PushToPull("acme/env", n, standin.Change{Files: map[string]string{"x": "y"}}))(t)
	for _, c := range []struct {
		name        string
		user        standin.User
		event, body string
		commit      string
		want        string
	}{
		{"own pull request", w.alice, "APPROVE", "", "", "Can not approve your own pull request"},
		{"own veto", w.alice, "REQUEST_CHANGES", "no", "", "your own pull request"},
		{"no text", w.bob, "REQUEST_CHANGES", "", "", "body can't be blank"},
		{"unknown event", w.bob, "APPROVED", "", "", "invalid"},
		{"commit of elsewhere", w.bob, "APPROVE", "", w.repo.Head, "not part of the pull request"},
	} {
		_, err := w.review(c.user, n, c.event, c.body, c.commit)
		require.ErrorContains(t, err, "422", c.name)
		require.ErrorContains(t, err, c.want, c.name)
	}
	_, err := w.review(must(w.s.CreateUser("stranger", ""))(t), n, "APPROVE", "", "")
	require.ErrorContains(t, err, "404")
	old, err := w.review(w.bob, n, "APPROVE", "", first)
	require.NoError(t, err)
	require.Equal(t, first, old.GetCommitID(), "a reviewer may name an older commit")
	now, err := w.review(w.bob, n, "COMMENT", "fine", "")
	require.NoError(t, err)
	require.Equal(t, second, now.GetCommitID())
	own, err := w.review(w.alice, n, "COMMENT", "thanks", "")
	require.NoError(t, err)
	require.Equal(t, "COMMENTED", own.GetState())
	require.Equal(t, []string{"bob APPROVED", "bob COMMENTED", "alice COMMENTED"}, w.states(n))
}

func TestDismissalOverwritesInPlace(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	v, err := w.review(w.bob, n, "REQUEST_CHANGES", "too many", "")
	require.NoError(t, err)
	w.take()
	dismiss := func(u standin.User, id int64, text string) (*github.PullRequestReview, error) {
		out, _, err := w.as(u).PullRequests.DismissReview(t.Context(), "acme", "env", n, id, &github.PullRequestReviewDismissalRequest{Message: &text})
		return out, err
	}
	_, err = dismiss(w.alice, v.GetID(), "")
	require.ErrorContains(t, err, "422")
	require.NoError(t, w.s.SetCollaborator("acme/env", "mallory", "read"))
	require.ErrorContains(t, w.s.As("mallory").Dismiss("acme/env", n, v.GetID(), "no"), "403")
	out, err := dismiss(w.alice, v.GetID(), "talked about it")
	require.NoError(t, err)
	require.Equal(t, "DISMISSED", out.GetState())
	require.Equal(t, "too many", out.GetBody())
	require.Equal(t, v.GetSubmittedAt(), out.GetSubmittedAt())
	events := w.take()
	require.Equal(t, []string{"pull_request_review.dismissed"}, names(events))
	e := events[0].payload.(*github.PullRequestReviewEvent)
	require.Equal(t, "dismissed alice bob", e.GetReview().GetState()+" "+e.GetSender().GetLogin()+" "+e.GetReview().GetUser().GetLogin())
	_, err = dismiss(w.alice, v.GetID(), "again")
	require.ErrorContains(t, err, "Can not dismiss")
}

func TestPendingReviewsAreTheirAuthorsOwn(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	w.take()
	v, err := w.review(w.bob, n, "", "draft", "")
	require.NoError(t, err)
	require.Equal(t, "PENDING", v.GetState())
	require.Nil(t, v.SubmittedAt)
	require.Empty(t, w.states(n))
	require.Empty(t, w.take())
	v, _, err = w.as(w.bob).PullRequests.SubmitReview(t.Context(), "acme", "env", n, v.GetID(), &github.PullRequestReviewRequest{Event: new("APPROVE")})
	require.NoError(t, err)
	require.NotNil(t, v.SubmittedAt)
	require.Equal(t, []string{"bob APPROVED"}, w.states(n))
	_, _, err = w.as(w.bob).PullRequests.UpdateReview(t.Context(), "acme", "env", n, v.GetID(), "edited")
	require.NoError(t, err)
	events := w.take()
	require.Equal(t, []string{"pull_request_review.submitted", "pull_request_review.edited"}, names(events))
	got, _, err := w.client().PullRequests.GetReview(t.Context(), "acme", "env", n, v.GetID())
	require.NoError(t, err)
	require.Equal(t, "edited", got.GetBody())
}

func TestReviewsAfterTheMerge(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	must(w.s.As("alice").Merge("acme/env", n, "squash"))(t)
	v, err := w.review(w.bob, n, "APPROVE", "", "")
	require.NoError(t, err)
	require.NoError(t, w.s.As("bob").Dismiss("acme/env", n, v.GetID(), "after all not"))
	require.Equal(t, []string{"bob DISMISSED"}, w.states(n))
}

func TestWhatGitHubMayDoToReviews(t *testing.T) {
	w := newWorld(t)
	n := w.openPull("replicas: 2\n").Number
	must(w.s.ForceReview("acme/env", n, "alice", "APPROVED", "", ""))(t)
	must(w.s.ForceReview("acme/env", n, "mallory", "APPROVED", "", ""))(t)
	must(w.s.ForceReview("acme/env", n, "", "APPROVED", "", ""))(t)
	id := must(w.s.As("bob").Review("acme/env", n, "APPROVE", "ok"))(t)
	require.Equal(t, []string{"alice APPROVED", "mallory APPROVED", " APPROVED", "bob APPROVED"}, w.states(n))
	w.take()
	head := must(w.s.As("alice").ForcePushPull("acme/env", n, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}, Message: "Same patch"}))(t)
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(w.take()))
	commit := func() *string {
		v, _, err := w.client().PullRequests.GetReview(t.Context(), "acme", "env", n, id)
		require.NoError(t, err)
		return v.CommitID
	}
	require.NotEqual(t, head, *commit())
	require.NoError(t, w.s.ReanchorReview(id, head))
	require.Equal(t, head, *commit())
	require.NoError(t, w.s.ReanchorReview(id, ""))
	require.Nil(t, commit())
	require.Empty(t, w.take(), "without an event")
}
