package standin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// timeline reads the names of a pull request's events, and the events.
func (w *world) timeline(number int) (kinds []string, events []map[string]any) {
	w.t.Helper()
	status, _, body := w.send("GET", fmt.Sprintf("/repos/acme/env/issues/%d/timeline?per_page=100", number), "token "+w.bob.Token, "")
	require.Equal(w.t, 200, status, body)
	require.NoError(w.t, json.Unmarshal([]byte(body), &events))
	for _, e := range events {
		kinds = append(kinds, e["event"].(string))
	}
	return kinds, events
}

func TestTimeline(t *testing.T) {
	w := newWorld(t)
	pr := w.openPull("replicas: 2\n")
	alice, bob := w.s.As("alice"), w.s.As("bob")
	gone := must(bob.Comment("acme/env", pr.Number, "gone"))(t)
	must(bob.Comment("acme/env", pr.Number, "hello"))(t)
	require.NoError(t, bob.EditComment("acme/env", gone, ""))
	require.NoError(t, alice.RequestReview("acme/env", pr.Number, "bob", "acme/sre"))
	review := must(bob.Review("acme/env", pr.Number, "REQUEST_CHANGES", "please"))(t)
	require.NoError(t, bob.Dismiss("acme/env", pr.Number, review, "never mind"))
	require.NoError(t, bob.Label("acme/env", pr.Number, "urgent"))
	require.NoError(t, bob.Unlabel("acme/env", pr.Number, "urgent"))
	require.Error(t, bob.Unlabel("acme/env", pr.Number, "urgent"))
	forced := must(alice.ForcePushPull("acme/env", pr.Number, standin.Change{Files: map[string]string{"prod/values.yaml": "replicas: 3\n"}}))(t)
	must(w.s.As("carol").PushBranch("acme/env", "other", standin.Change{Files: map[string]string{"b": "c"}}))(t)
	require.NoError(t, alice.EditPull("acme/env", pr.Number, "New title", "", "other", ""))
	require.NoError(t, alice.EditPull("acme/env", pr.Number, "", "", "main", "closed"))
	require.NoError(t, alice.EditPull("acme/env", pr.Number, "", "", "", "open"))
	landed := must(bob.Merge("acme/env", pr.Number, "squash"))(t)
	kinds, events := w.timeline(pr.Number)
	require.Equal(t, []string{"commented", "review_requested", "review_requested", "reviewed", "review_dismissed", "labeled", "unlabeled",
		"committed", "head_ref_force_pushed", "renamed", "base_ref_changed", "base_ref_changed", "closed", "reopened", "merged", "closed"}, kinds)
	require.Equal(t, "hello", events[0]["body"])
	require.Equal(t, "bob", events[1]["requested_reviewer"].(map[string]any)["login"])
	require.Equal(t, "sre", events[2]["requested_team"].(map[string]any)["slug"])
	require.Equal(t, "dismissed", events[3]["state"], "the row as it is")
	require.Equal(t, "changes_requested", events[4]["dismissed_review"].(map[string]any)["state"], "as it was")
	require.Equal(t, "never mind", events[4]["dismissed_review"].(map[string]any)["dismissal_message"])
	require.NotContains(t, events[4]["dismissed_review"], "dismissal_commit_id")
	require.Equal(t, forced, events[7]["sha"], "the commit that was replaced is gone")
	require.Equal(t, forced, events[8]["commit_id"])
	require.Equal(t, map[string]any{"from": "Scale up", "to": "New title"}, events[9]["rename"])
	require.Equal(t, landed, events[14]["commit_id"])
	require.Nil(t, events[15]["commit_id"])
	list, _, err := w.client().Issues.ListIssueTimeline(t.Context(), "acme", "env", pr.Number, &github.ListOptions{PerPage: 5})
	require.NoError(t, err)
	require.Len(t, list, 5)
	issue, _, err := w.client().Issues.Get(t.Context(), "acme", "env", pr.Number)
	require.NoError(t, err)
	require.Equal(t, "bob", issue.GetClosedBy().GetLogin())
}

func TestPendingReviewsAreNotInOtherTimelines(t *testing.T) {
	w := newWorld(t)
	pr := w.openPull("replicas: 2\n")
	_, _, err := w.as(w.bob).PullRequests.CreateReview(t.Context(), "acme", "env", pr.Number, &github.PullRequestReviewRequest{Body: new("draft")})
	require.NoError(t, err)
	kinds, _ := w.timeline(pr.Number)
	require.Equal(t, []string{"committed"}, kinds)
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	pr := w.openPull("replicas: 2\n")
	w.take()
	issues := w.as(w.bob).Issues
	_, _, err := issues.CreateLabel(t.Context(), "acme", "env", &github.Label{Name: new("urgent"), Color: new("ff0000"), Description: new("now")})
	require.NoError(t, err)
	_, resp, err := issues.CreateLabel(t.Context(), "acme", "env", &github.Label{Name: new("Urgent")})
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	names2 := func(list []*github.Label, err error) (out []string) {
		require.NoError(t, err)
		for _, l := range list {
			out = append(out, l.GetName()+" "+l.GetColor())
		}
		return out
	}
	list, _, err := issues.AddLabelsToIssue(t.Context(), "acme", "env", pr.Number, []string{"urgent", "new"})
	require.Equal(t, []string{"urgent ff0000", "new ededed"}, names2(list, err))
	list, _, err = issues.ReplaceLabelsForIssue(t.Context(), "acme", "env", pr.Number, []string{"new", "other"})
	require.Equal(t, []string{"new ededed", "other ededed"}, names2(list, err))
	require.Equal(t, []string{"pull_request.labeled", "pull_request.labeled", "pull_request.unlabeled", "pull_request.labeled"}, names(w.take()))
	_, err = issues.RemoveLabelForIssue(t.Context(), "acme", "env", pr.Number, "new")
	require.NoError(t, err)
	resp, err = issues.RemoveLabelForIssue(t.Context(), "acme", "env", pr.Number, "new")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	got, _, err := w.client().PullRequests.Get(t.Context(), "acme", "env", pr.Number)
	require.NoError(t, err)
	require.Equal(t, "other", got.Labels[0].GetName())
	status, _, body := w.send("PUT", "/repos/acme/env/issues/1/labels", "token "+w.bob.Token, `{"labels":[{"name":"new"}]}`)
	require.Equal(t, 200, status, body)
	_, err = issues.RemoveLabelsForIssue(t.Context(), "acme", "env", pr.Number)
	require.NoError(t, err)
	list, _, err = issues.ListLabelsByIssue(t.Context(), "acme", "env", pr.Number, nil)
	require.Empty(t, names2(list, err))
	list, _, err = issues.ListLabels(t.Context(), "acme", "env", nil)
	require.Len(t, names2(list, err), 3)
}

func TestReactions(t *testing.T) {
	w := newWorld(t)
	pr := w.openPull("replicas: 2\n")
	comment := must(w.s.As("bob").Comment("acme/env", pr.Number, "hello"))(t)
	reactions, mallory := w.as(w.bob).Reactions, w.as(must(w.s.CreateUser("reader", ""))(t)).Reactions
	require.NoError(t, w.s.SetCollaborator("acme/env", "reader", "read"))
	for _, content := range []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"} {
		_, resp, err := reactions.CreateIssueCommentReaction(t.Context(), "acme", "env", comment, content)
		require.NoError(t, err)
		require.Equal(t, 201, resp.StatusCode)
		_, resp, err = reactions.CreateIssueReaction(t.Context(), "acme", "env", pr.Number, content)
		require.NoError(t, err)
		require.Equal(t, 201, resp.StatusCode)
	}
	again, resp, err := reactions.CreateIssueCommentReaction(t.Context(), "acme", "env", comment, "+1")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "it is there")
	_, resp, err = mallory.CreateIssueCommentReaction(t.Context(), "acme", "env", comment, "+1")
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode, "somebody else's")
	_, resp, err = reactions.CreateIssueReaction(t.Context(), "acme", "env", pr.Number, "shrug")
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	resp, err = mallory.DeleteIssueCommentReaction(t.Context(), "acme", "env", comment, again.GetID())
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode)
	_, err = reactions.DeleteIssueCommentReaction(t.Context(), "acme", "env", comment, again.GetID())
	require.NoError(t, err)
	list, _, err := reactions.ListIssueCommentReactions(t.Context(), "acme", "env", comment, nil)
	require.NoError(t, err)
	require.Len(t, list, 8)
	list, _, err = reactions.ListIssueReactions(t.Context(), "acme", "env", pr.Number, nil)
	require.NoError(t, err)
	require.Len(t, list, 8)
	status, _, body := w.send("GET", "/repos/acme/env/issues/1/reactions?content=heart", "token "+w.bob.Token, "")
	require.Equal(t, 200, status)
	require.Contains(t, body, `"content":"heart"`)
	got, _, err := w.client().Issues.GetComment(t.Context(), "acme", "env", comment)
	require.NoError(t, err)
	require.Equal(t, 8, got.GetReactions().GetTotalCount())
	require.Equal(t, 1, got.GetReactions().GetPlusOne())
}

func TestCommentsOnLines(t *testing.T) {
	w := newWorld(t)
	_, client := w.more("liner", nil, "pull_request_review_comment")
	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"f": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"}}))(t)
	pr := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "x",
		Change: standin.Change{Files: map[string]string{"f": "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"}}}))(t)
	w.take()
	pulls := w.as(w.bob).PullRequests
	review, _, err := pulls.CreateReview(t.Context(), "acme", "env", pr.Number, &github.PullRequestReviewRequest{Event: new("COMMENT"),
		Comments: []*github.DraftReviewComment{{Path: new("f"), Line: new(5), Body: new("why?")},
			{Path: new("f"), StartLine: new(3), Line: new(6), Side: new("RIGHT"), StartSide: new("RIGHT"), Body: new("all")}}})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"pull_request_review.submitted", "pull_request_review_comment.created", "pull_request_review_comment.created"}, names(w.take()))
	_, _, err = pulls.CreateReview(t.Context(), "acme", "env", pr.Number, &github.PullRequestReviewRequest{Event: new("COMMENT"),
		Comments: []*github.DraftReviewComment{{Path: new("f"), Position: new(4), Body: new("the old one")}}})
	require.NoError(t, err)
	list, _, err := client.PullRequests.ListComments(t.Context(), "acme", "env", pr.Number, nil)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, []int{5, 6, 5}, []int{list[0].GetLine(), list[1].GetLine(), list[2].GetLine()})
	require.Equal(t, []string{"RIGHT", "RIGHT", "LEFT"}, []string{list[0].GetSide(), list[1].GetSide(), list[2].GetSide()})
	require.Equal(t, "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five", list[0].GetDiffHunk())
	require.Equal(t, 3, list[1].GetStartLine())
	own, _, err := client.PullRequests.ListReviewComments(t.Context(), "acme", "env", pr.Number, review.GetID(), nil)
	require.NoError(t, err)
	require.Len(t, own, 2)
	for _, bad := range []*github.DraftReviewComment{{Path: new("g"), Line: new(5), Body: new("x")}, {Path: new("f"), Line: new(99), Body: new("x")},
		{Path: new("f"), Line: new(5)}, {Path: new("f"), Body: new("x")}, {Path: new("f"), Line: new(5), Side: new("UP"), Body: new("x")},
		{Path: new("f"), Line: new(5), StartLine: new(6), Body: new("x")}} {
		_, resp, err := pulls.CreateReview(t.Context(), "acme", "env", pr.Number, &github.PullRequestReviewRequest{Event: new("COMMENT"),
			Comments: []*github.DraftReviewComment{bad}})
		require.Error(t, err)
		require.Equal(t, 422, resp.StatusCode)
	}
	_, _, err = pulls.CreateReview(t.Context(), "acme", "env", pr.Number, &github.PullRequestReviewRequest{
		Comments: []*github.DraftReviewComment{{Path: new("f"), Line: new(5), Body: new("draft")}}})
	require.NoError(t, err)
	list, _, err = pulls.ListComments(t.Context(), "acme", "env", pr.Number, nil)
	require.NoError(t, err)
	require.Len(t, list, 3, "pending ones are not listed")
	must(w.s.As("carol").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"g": strings.Repeat("x\n", 40)}}))(t)
	two := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Title: "x",
		Change: standin.Change{Files: map[string]string{"g": "a\n" + strings.Repeat("x\n", 38) + "b\n"}}}))(t)
	for start, want := range map[int]int{1: 422, 38: 200} {
		_, resp, _ := pulls.CreateReview(t.Context(), "acme", "env", two.Number, &github.PullRequestReviewRequest{Event: new("COMMENT"),
			Comments: []*github.DraftReviewComment{{Path: new("g"), StartLine: &start, Line: new(40), Side: new("RIGHT"), Body: new("x")}}})
		require.Equal(t, want, resp.StatusCode, "a comment stays within one hunk")
	}
}
