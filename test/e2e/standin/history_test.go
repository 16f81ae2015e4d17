package standin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

type activity struct {
	ID           int64       `json:"id"`
	Before       string      `json:"before"`
	After        string      `json:"after"`
	Ref          string      `json:"ref"`
	Timestamp    time.Time   `json:"timestamp"`
	ActivityType string      `json:"activity_type"`
	Actor        github.User `json:"actor"`
}

// activities reads all pages; go-github v60 does not know the endpoint.
func (w *world) activities(query string, perPage int) (out []activity) {
	w.t.Helper()
	client := w.client()
	next := fmt.Sprintf("repos/acme/env/activity?per_page=%d%s", perPage, query)
	for next != "" {
		req, err := client.NewRequest("GET", next, nil)
		require.NoError(w.t, err)
		var part []activity
		resp, err := client.Do(w.t.Context(), req, &part)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(part), perPage)
		out = append(out, part...)
		next = ""
		for link := range strings.SplitSeq(resp.Header.Get("Link"), ", ") {
			if address, ok := strings.CutSuffix(link, `; rel="next"`); ok {
				next = strings.Trim(address, "<>")
			}
		}
	}
	return out
}

func TestActivityTellsWhoPushedWhat(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	must(w.s.As("bob").PushToPull("acme/env", opened.Number, standin.Change{Files: map[string]string{"a": "b"}}))(t)
	last := must(w.s.As("carol").ForcePushPull("acme/env", opened.Number, standin.Change{Files: map[string]string{"a": "c"}}))(t)
	merged := must(w.s.As("bob").Merge("acme/env", opened.Number, "squash"))(t)
	require.NoError(t, w.s.As("alice").SetBranch("acme/env", opened.Branch, ""))
	summary := func(list []activity) (out []string) {
		for _, a := range list {
			out = append(out, a.Actor.GetLogin()+" "+a.ActivityType)
		}
		return out
	}
	ofBranch := w.activities("&ref="+opened.Branch, 2)
	require.Equal(t, []string{"alice branch_deletion", "carol force_push", "bob push", "alice branch_creation"}, summary(ofBranch))
	require.Equal(t, last, ofBranch[1].After)
	require.Equal(t, ofBranch[2].After, ofBranch[1].Before)
	require.Equal(t, strings.Repeat("0", 40), ofBranch[0].After)
	require.WithinDuration(t, time.Now(), ofBranch[0].Timestamp, time.Minute)
	ofMain := w.activities("&ref=refs/heads/main", 100)
	require.Equal(t, []string{"bob pr_merge", "carol branch_creation"}, summary(ofMain))
	require.Equal(t, merged, ofMain[0].After)
	require.Equal(t, []string{"carol force_push"}, summary(w.activities("&activity_type=force_push", 10)))
	require.Equal(t, []string{"carol branch_creation", "carol force_push"}, summary(w.activities("&actor=carol&direction=asc", 1)))
	page := func(query string) (ids []int64) {
		_, header, body := w.send("GET", "/repos/acme/env/activity?per_page=2&"+query, "token "+w.alice.Token, "")
		var list []activity
		require.NoError(t, json.Unmarshal([]byte(body), &list), body)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		require.NotContains(t, header.Get("Link"), `page=3`, "there are cursors, but no page numbers")
		return ids
	}
	all := w.activities("", 100)
	require.Len(t, all, 6)
	require.Equal(t, []int64{all[2].ID, all[3].ID}, page(fmt.Sprintf("after=%d", all[1].ID)))
	require.Equal(t, []int64{all[1].ID, all[2].ID}, page(fmt.Sprintf("before=%d", all[3].ID)))
	require.Len(t, w.activities("&time_period=day", 100), 6)
	status, _ := w.refused("GET", "activity?after=1", "")
	require.Equal(t, 422, status)
	status, _ = w.refused("GET", "activity?activity_type=rebase", "")
	require.Equal(t, 422, status)
}

func TestCommitsAndCompare(t *testing.T) {
	w := newWorld(t)
	must(w.s.As("bob").PushBranch("acme/env", "long", standin.Change{Files: map[string]string{"n": "0"}, Message: "0"}))(t)
	// 260 more commits in one go, by git itself.
	var stream strings.Builder
	for i := 1; i <= 260; i++ {
		fmt.Fprintf(&stream, "commit refs/heads/long\ncommitter Bob <bob@example.com> %d +0000\ndata 1\nx\n", 1700000000+i)
		if i == 1 {
			stream.WriteString("from refs/heads/long^0\n")
		}
		fmt.Fprintf(&stream, "M 100644 inline f%d\ndata 1\ny\n", i)
	}
	dir := w.clone(w.bob)
	runGit(t, dir, "fetch", "--quiet", "origin", "long:long")
	write(t, dir, "stream", stream.String())
	runGit(t, dir, "-c", "alias.import=!git fast-import --quiet < stream", "import")
	runGit(t, dir, "push", "--quiet", "origin", "long")
	client := w.client()

	whole, _, err := client.Repositories.CompareCommits(t.Context(), "acme", "env", "main", "long", nil)
	require.NoError(t, err)
	require.Equal(t, 261, whole.GetTotalCommits())
	require.Len(t, whole.Commits, 261-11, "250 without paging")
	require.Equal(t, must(w.s.Branch("acme/env", "long"))(t), whole.Commits[249].GetSHA(), "the newest ones")
	require.Len(t, whole.Files, 261)
	require.Equal(t, "ahead", whole.GetStatus())
	second, resp, err := client.Repositories.CompareCommits(t.Context(), "acme", "env", "main", "long", &github.ListOptions{Page: 2, PerPage: 100})
	require.NoError(t, err)
	require.Len(t, second.Commits, 100)
	require.Empty(t, second.Files, "files are on the first page only")
	require.Equal(t, 3, resp.NextPage)
	first, _, err := client.Repositories.CompareCommits(t.Context(), "acme", "env", "main", "long", &github.ListOptions{Page: 1, PerPage: 100})
	require.NoError(t, err)
	require.Len(t, first.Files, 261, "of the whole comparison")
	require.Equal(t, "0", first.Commits[0].GetCommit().GetMessage(), "oldest first")
	forked := must(w.s.As("bob").Fork("acme/env"))(t)
	require.Equal(t, "bob/env", forked.Name)
	for _, head := range []string{"bob:long", "bob:env:long"} {
		fork, _, err := w.as(w.bob).Repositories.CompareCommits(t.Context(), "acme", "env", "acme:main", head, nil)
		require.NoError(t, err, head)
		require.Equal(t, 261, fork.GetAheadBy())
	}
	for _, basehead := range []string{"main..long", "main", "...long", "mallory:main...main", "bob:nothing:main...main"} {
		status, message := w.refused("GET", "compare/"+basehead, "")
		require.Equal(t, "404 Not Found", fmt.Sprint(status, " ", message), basehead)
	}
	same, _, err := client.Repositories.CompareCommits(t.Context(), "acme", "env", "main", "main", nil)
	require.NoError(t, err)
	require.Equal(t, "identical", same.GetStatus())
	_, resp, err = client.Repositories.CompareCommits(t.Context(), "acme", "env", "main", "unknown", nil)
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)
	back, _, err := client.Repositories.CompareCommits(t.Context(), "acme", "env", "long", "main", nil)
	require.NoError(t, err)
	require.Equal(t, "behind 261", fmt.Sprintf("%s %d", back.GetStatus(), back.GetBehindBy()))

	opened := must(w.s.As("bob").OpenPull("acme/env", standin.PullOptions{Branch: "long", Title: "Long"}))(t)
	n := 0
	o := &github.ListOptions{PerPage: 100}
	for {
		part, resp, err := client.PullRequests.ListCommits(t.Context(), "acme", "env", opened.Number, o)
		require.NoError(t, err)
		n += len(part)
		if o.Page = resp.NextPage; o.Page == 0 {
			break
		}
	}
	require.Equal(t, 250, n, "a pull request lists no more than 250 commits")
	log, _, err := client.Repositories.ListCommits(t.Context(), "acme", "env", &github.CommitsListOptions{SHA: "long", Path: "f260"})
	require.NoError(t, err)
	require.Len(t, log, 1)
	one, _, err := client.Repositories.GetCommit(t.Context(), "acme", "env", log[0].GetSHA()[:10], nil)
	require.NoError(t, err)
	require.Equal(t, 1, one.GetStats().GetTotal())
	require.Equal(t, "bob", one.GetCommitter().GetLogin())
	require.Len(t, one.Files, 1)
	for query, want := range map[string]int{"author=bob": 30, "author=BOB@example.com&path=f7": 1, "author=carol": 1, "author=alice": 0, "committer=bob&path=n": 1, "committer=alice": 0,
		"since=2023-11-14T22:17:00Z&until=2023-11-14T22:17:10Z": 11, "until=2023-11-14T22:13:30Z": 10} {
		_, _, body := w.send("GET", "/repos/acme/env/commits?sha=long&"+query, "token "+w.alice.Token, "")
		var list []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(body), &list), body)
		require.Len(t, list, want, query)
	}
	_, resp, err = client.Repositories.GetCommit(t.Context(), "acme", "env", strings.Repeat("1", 40), nil)
	require.Error(t, err)
	require.Equal(t, 422, resp.StatusCode)
	ref, _, err := client.Git.GetRef(t.Context(), "acme", "env", "heads/long")
	require.NoError(t, err)
	require.Equal(t, log[0].GetSHA(), ref.GetObject().GetSHA())
	must(w.s.As("bob").PushBranch("acme/env", "with/slash", standin.Change{Files: map[string]string{"s": "s"}}))(t)
	branch, _, err := client.Repositories.GetBranch(t.Context(), "acme", "env", "with/slash", 0)
	require.NoError(t, err)
	require.Equal(t, "with/slash", branch.GetName())
	_, _, err = client.Repositories.GetCommit(t.Context(), "acme", "env", "with/slash", nil)
	require.NoError(t, err)
}

func TestPullsOfCommit(t *testing.T) {
	clock := atomic.Int64{}
	clock.Store(time.Now().Unix())
	w := newWorld(t, func(o *standin.Options) { o.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	opened := w.openPull("replicas: 2\n")
	client := w.client()
	pulls := func(sha string) (out []int) {
		list, _, err := client.PullRequests.ListPullRequestsWithCommit(t.Context(), "acme", "env", sha, nil)
		require.NoError(t, err)
		for _, p := range list {
			out = append(out, p.GetNumber())
		}
		return out
	}
	require.Equal(t, []int{1}, pulls(opened.Head), "open, not on the default branch")
	w.s.LagCommitIndex(13 * time.Second)
	require.Empty(t, pulls(opened.Head))
	clock.Add(13)
	require.Equal(t, []int{1}, pulls(opened.Head))
	sha := must(w.s.As("bob").Merge("acme/env", opened.Number, "squash"))(t)
	require.Empty(t, pulls(sha))
	clock.Add(13)
	require.Equal(t, []int{1}, pulls(sha))
	w.s.LagCommitIndex(0)

	// Laundering: a commit reviewed nowhere lands on an unguarded branch first.
	must(w.s.As("alice").PushBranch("acme/env", "unguarded", standin.Change{Files: map[string]string{"u": "0"}}))(t)
	bad := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Base: "unguarded", Title: "Launder", Change: standin.Change{Files: map[string]string{"bad": "x"}}}))(t)
	must(w.s.As("alice").Merge("acme/env", bad.Number, "merge"))(t)
	require.NoError(t, w.s.As("alice").SetBranch("acme/env", "main", must(w.s.Branch("acme/env", "unguarded"))(t)))
	require.Equal(t, []int{bad.Number}, pulls(bad.Head), "a pull request into another base is listed")
	direct := must(w.s.As("alice").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"direct": "x"}}))(t)
	require.Empty(t, pulls(direct))
}
