package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestOctokitPaginates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	var comments, reviews []string
	for i := range 230 {
		comments = append(comments, fmt.Sprintf("comment %d", i))
		must(w.s.As("bob").Comment("acme/env", opened.Number, comments[i]))(t)
	}
	for i := range 120 {
		reviews = append(reviews, fmt.Sprintf("review %d", i))
		must(w.s.As("bob").Review("acme/env", opened.Number, "COMMENT", reviews[i]))(t)
	}
	for i := range 8 {
		w.openPull(fmt.Sprintf("replicas: %d\n", 3+i))
	}
	n := w.octokit("paginate", map[string]any{"number": opened.Number, "head": opened.Head})
	var got struct {
		Comments, Reviews []string
		Pulls             []int
		Runs              []string
		Pages             []struct {
			URL, Link string
			Count     int
		}
		Early  int
		Beyond struct {
			Count int
			Link  string
		}
	}
	n.result(&got)
	require.Equal(t, comments, got.Comments)
	require.Equal(t, reviews, got.Reviews)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, got.Pulls)
	require.Empty(t, got.Runs)
	require.Equal(t, 10, got.Early)
	require.Len(t, got.Pages, 6)
	byID := fmt.Sprintf("%srepositories/%d/issues/1/comments?", w.s.APIURL(), w.repo.ID)
	for i, p := range got.Pages {
		require.Equal(t, min(40, 230-40*i), p.Count)
		if i > 0 {
			require.True(t, strings.HasPrefix(p.URL, byID), "links name the repository by its ID: %s", p.URL)
		}
		require.Equal(t, i < 5, strings.Contains(p.Link, `rel="next"`))
		require.Equal(t, i < 5, strings.Contains(p.Link, `rel="last"`))
		require.Equal(t, i > 0, strings.Contains(p.Link, `rel="prev"`))
		require.Equal(t, i > 0, strings.Contains(p.Link, `rel="first"`))
	}
	require.Zero(t, got.Beyond.Count)
	require.NotContains(t, got.Beyond.Link, `rel="next"`)
}

func TestOctokitReviewsAndMerges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.s.As("alice").PushBranch("acme/env", "scale", standin.Change{Message: "Scale up", Files: map[string]string{"prod/values.yaml": "replicas: 2\n"}}))(t)
	var got struct {
		Me   string
		Pull struct {
			Number, Reviewers int
			State, Head, User string
		}
		Again, Own, Denied, Moved, Twice refusal
		Files                            [][5]any
		Commits                          []string
		Asked                            struct{ Users []struct{ Login string } }
		Approval                         string
		Reviews                          [][2]string
		Merged                           struct {
			Merged       bool
			SHA, Message string
		}
		After struct {
			State, By, SHA string
			Merged         bool
		}
		Compared struct {
			Status string
			Ahead  int
			Files  []string
		}
		Landed []int
	}
	w.octokit("review", map[string]any{"branch": "scale"}).result(&got)
	require.Equal(t, "alice", got.Me)
	require.Equal(t, "open acme:scale alice", got.Pull.State+" "+got.Pull.Head+" "+got.Pull.User)
	got.Again.is(t, 422, "A pull request already exists for acme:scale")
	require.Equal(t, [][5]any{{"prod/values.yaml", "modified", 1.0, 1.0, "@@ -1 +1 @@\n-replicas: 1\n+replicas: 2"}}, got.Files)
	require.Equal(t, []string{"Scale up"}, got.Commits)
	require.Len(t, got.Asked.Users, 1)
	require.Equal(t, "bob", got.Asked.Users[0].Login)
	got.Own.is(t, 422, "Can not approve your own pull request")
	require.Equal(t, "APPROVED", got.Approval)
	require.Equal(t, [][2]string{{"bob", "DISMISSED"}, {"bob", "APPROVED"}}, got.Reviews)
	got.Denied.is(t, 403, "Must have write access")
	got.Moved.is(t, 409, "Head branch was modified")
	require.True(t, got.Merged.Merged)
	require.Equal(t, "Pull Request successfully merged", got.Merged.Message)
	got.Twice.is(t, 405, "")
	require.Equal(t, "ahead", got.Compared.Status)
	require.Equal(t, []string{"prod/values.yaml"}, got.Compared.Files)
	require.Equal(t, []int{got.Pull.Number}, got.Landed)

	pull := must(w.s.Pull("acme/env", got.Pull.Number))(t)
	require.Equal(t, "closed bob", pull.State+" "+pull.MergedBy)
	require.Equal(t, []string{got.Merged.SHA, got.Merged.SHA}, []string{pull.MergeCommitSHA, got.After.SHA})
	require.Equal(t, got.Merged.SHA, must(w.s.Branch("acme/env", "main"))(t))
	var states []string
	for _, r := range must(w.s.Reviews("acme/env", got.Pull.Number))(t) {
		states = append(states, r.Author+" "+r.State)
	}
	require.Equal(t, []string{"bob DISMISSED", "bob APPROVED"}, states)
}

func TestOctokitRunsACheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	type run struct {
		Status, Conclusion, App string
		Count                   int
		Pulls                   []int
	}
	var got struct {
		ID                  int64
		Queued, Done        run
		Annotations         [3]any
		Listed              [2]int64
		Person, Long, Level refusal
	}
	w.octokit("check", map[string]any{"head": opened.Head}).result(&got)
	require.Equal(t, run{Status: "queued"}, got.Queued)
	require.Equal(t, run{Status: "completed", Conclusion: "action_required", App: "gatekeeper", Count: 100, Pulls: []int{opened.Number}}, got.Done)
	require.Equal(t, [2]int64{1, got.ID}, got.Listed)
	require.InDelta(t, 100, got.Annotations[0], 0)
	require.InDelta(t, 100, got.Annotations[2], 0)
	require.Equal(t, map[string]any{"path": "prod/values.yaml", "start_line": 1.0, "end_line": 1.0, "start_column": nil, "end_column": nil,
		"annotation_level": "warning", "message": "line 1", "title": "Gate", "raw_details": nil,
		"blob_href": w.s.URL() + "/acme/env/blob/" + opened.Head + "/prod/values.yaml"}, got.Annotations[1])
	got.Person.is(t, 403, "You must authenticate via a GitHub App.")
	got.Long.is(t, 422, "Invalid request.")
	got.Level.is(t, 422, "Invalid request.")

	runs := must(w.s.CheckRuns("acme/env", opened.Head))(t)
	require.Len(t, runs, 1)
	require.Equal(t, "gate completed action_required 42 https://gate.example/1",
		strings.Join([]string{runs[0].Name, runs[0].Status, runs[0].Conclusion, runs[0].ExternalID, runs[0].DetailsURL}, " "))
	require.True(t, slices.Equal([]string{"hold"}, runs[0].Actions))
}
