package standin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestMergeMethodsOfTheRepository(t *testing.T) {
	w := newWorld(t)
	require.Error(t, w.s.SetMergeSettings("acme/env", standin.MergeSettings{Methods: []string{"octopus"}}))
	require.Error(t, w.s.SetMergeSettings("acme/env", standin.MergeSettings{SquashTitle: "X"}))
	opened := w.openPull("replicas: 2\n")
	for method, want := range map[string]string{"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"} {
		others := []string{"merge", "squash", "rebase"}
		for i, m := range others {
			if m == method {
				others = append(others[:i], others[i+1:]...)
				break
			}
		}
		require.NoError(t, w.s.SetMergeSettings("acme/env", standin.MergeSettings{Methods: others}))
		status, message := w.refused("PUT", "pulls/1/merge", `{"merge_method":"`+method+`"}`)
		require.Equal(t, "405 "+want+" are not allowed on this repository.", fmt.Sprint(status, " ", message))
	}
	require.NoError(t, w.s.SetMergeSettings("acme/env", standin.MergeSettings{Methods: []string{"squash"}, DeleteBranch: true}))
	repo, _, err := w.as(w.alice).Repositories.Get(t.Context(), "acme", "env")
	require.NoError(t, err)
	require.Equal(t, "false true false true", fmt.Sprint(repo.GetAllowMergeCommit(), repo.GetAllowSquashMerge(), repo.GetAllowRebaseMerge(), repo.GetDeleteBranchOnMerge()))
	require.Equal(t, "COMMIT_OR_PR_TITLE COMMIT_MESSAGES MERGE_MESSAGE PR_TITLE", strings.Join([]string{repo.GetSquashMergeCommitTitle(), repo.GetSquashMergeCommitMessage(), repo.GetMergeCommitTitle(), repo.GetMergeCommitMessage()}, " "))
	status, message := w.refused("PUT", "pulls/1/merge", `{"merge_method":"merge"}`)
	require.Equal(t, 405, status, message)

	stacked := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Base: opened.Branch, Title: "On top", Change: standin.Change{Files: map[string]string{"top": "x"}}}))(t)
	w.take()
	must(w.s.As("bob").Merge("acme/env", opened.Number, "squash"))(t)
	require.Equal(t, []string{"push", "pull_request.closed", "push", "pull_request.edited"}, names(w.take()), "merged, its branch deleted, the other one retargeted")
	require.Empty(t, must(w.s.Branch("acme/env", opened.Branch))(t))
	top := must(w.s.Pull("acme/env", stacked.Number))(t)
	require.Equal(t, "open main", top.State+" "+top.Base)
	require.Equal(t, "bob branch_deletion", func() string {
		a := w.activities("&ref="+opened.Branch, 1)[0]
		return a.Actor.GetLogin() + " " + a.ActivityType
	}())
	// A branch that was never merged takes the pull requests into it along.
	lost := must(w.s.As("alice").OpenPull("acme/env", standin.PullOptions{Base: stacked.Branch, Title: "Lost", Change: standin.Change{Files: map[string]string{"lost": "x"}}}))(t)
	require.NoError(t, w.s.As("alice").SetBranch("acme/env", stacked.Branch, ""))
	require.Equal(t, "closed", must(w.s.Pull("acme/env", lost.Number))(t).State)
}

func TestMessagesOfMerges(t *testing.T) {
	for _, c := range []struct {
		name, method string
		settings     standin.MergeSettings
		body         string
		want         string
	}{
		{"merge", "merge", standin.MergeSettings{}, `{}`, "Merge pull request #1 from acme/change-1\n\nScale up"},
		{"merge, title and body", "merge", standin.MergeSettings{MergeTitle: "PR_TITLE", MergeMessage: "PR_BODY"}, `{}`, "Scale up (#1)\n\nplease"},
		{"merge, blank", "merge", standin.MergeSettings{MergeTitle: "PR_TITLE", MergeMessage: "BLANK"}, `{}`, "Scale up (#1)"},
		{"merge, own text", "merge", standin.MergeSettings{}, `{"commit_title":"T","commit_message":"M"}`, "T\n\nM"},
		{"merge, no text", "merge", standin.MergeSettings{}, `{"commit_message":""}`, "Merge pull request #1 from acme/change-1"},
		{"squash, title", "squash", standin.MergeSettings{SquashTitle: "PR_TITLE", SquashMessage: "PR_BODY"}, `{}`, "Scale up (#1)\n\nplease\n\n---------\n\nCo-authored-by: Carol <carol@example.com>"},
		{"squash, blank", "squash", standin.MergeSettings{SquashMessage: "BLANK"}, `{}`, "Scale up (#1)\n\nCo-authored-by: Carol <carol@example.com>"},
		{"squash, own text", "squash", standin.MergeSettings{}, `{"commit_message":"Mine"}`, "Scale up (#1)\n\nMine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			opened, _ := w.diverge()
			require.NoError(t, w.s.SetMergeSettings("acme/env", c.settings))
			body := strings.Replace(c.body, "{", `{"merge_method":"`+c.method+`"`+map[bool]string{false: ","}[c.body == "{}"], 1)
			status, _, answer := w.send("PUT", fmt.Sprintf("/repos/acme/env/pulls/%d/merge", opened.Number), "token "+w.bob.Token, body)
			require.Equal(t, 200, status, answer)
			require.Equal(t, c.want, w.field("main", "%B"))
		})
	}
}

func TestMediaTypes(t *testing.T) {
	w := newWorld(t)
	opened := w.openPull("replicas: 2\n")
	ctx, client := t.Context(), w.as(w.alice)
	raw, _, err := client.Repositories.GetCommitRaw(ctx, "acme", "env", opened.Head, github.RawOptions{Type: github.Diff})
	require.NoError(t, err)
	require.Equal(t, w.git("diff", "main", opened.Head), strings.TrimSpace(raw))
	raw, _, err = client.Repositories.GetCommitRaw(ctx, "acme", "env", w.repo.Head, github.RawOptions{Type: github.Patch})
	require.NoError(t, err)
	require.Contains(t, raw, "Subject: [PATCH] Initial commit")
	raw, _, err = client.Repositories.CompareCommitsRaw(ctx, "acme", "env", "main", opened.Branch, github.RawOptions{Type: github.Patch})
	require.NoError(t, err)
	require.Contains(t, raw, "From "+opened.Head)
	require.NotContains(t, raw, "Initial commit")
	sha, resp, err := client.Repositories.GetCommitSHA1(ctx, "acme", "env", opened.Branch, "")
	require.NoError(t, err)
	require.Equal(t, opened.Head, sha)
	require.Equal(t, "application/vnd.github.sha; charset=utf-8", resp.Header.Get("Content-Type"))
}
