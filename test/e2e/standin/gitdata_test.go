package standin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// writer is an installation of an App that may write contents, and its client.
func (w *world) writer() *github.Client {
	w.t.Helper()
	app := must(w.s.CreateApp(standin.AppOptions{Slug: "promoter", Owner: "acme", PrivateKeyPEM: key(w.t),
		Permissions: map[string]string{"contents": "write", "pull_requests": "write"}}))(w.t)
	id := must(w.s.Install(app.ID, "acme", "env"))(w.t)
	own, ownID := w.app, w.installation
	defer func() { w.app, w.installation = own, ownID }()
	w.app, w.installation = app, id
	return w.client()
}

// refused sends a request as alice and returns status and message.
func (w *world) refused(method, path, body string) (int, string) {
	w.t.Helper()
	status, _, answer := w.send(method, "/repos/acme/env/"+path, "token "+w.alice.Token, body)
	var e struct {
		Message string `json:"message"`
	}
	require.NoError(w.t, json.Unmarshal([]byte(answer), &e), answer)
	return status, e.Message
}

func TestReferences(t *testing.T) {
	w := newWorld(t)
	ctx, client := t.Context(), w.as(w.alice)
	first := w.repo.Head
	second := must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{"a": "b"}}))(t)
	w.take()
	ref, resp, err := client.Git.CreateRef(ctx, "acme", "env", &github.Reference{Ref: new("refs/heads/release/1"), Object: &github.GitObject{SHA: &first}})
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	require.Equal(t, "refs/heads/release/1 commit "+first, ref.GetRef()+" "+ref.Object.GetType()+" "+ref.Object.GetSHA())
	ref, _, err = client.Git.UpdateRef(ctx, "acme", "env", &github.Reference{Ref: new("heads/release/1"), Object: &github.GitObject{SHA: &second}}, false)
	require.NoError(t, err)
	require.Equal(t, second, ref.Object.GetSHA())
	_, resp, err = client.Git.UpdateRef(ctx, "acme", "env", &github.Reference{Ref: new("heads/release/1"), Object: &github.GitObject{SHA: &first}}, false)
	require.ErrorContains(t, err, "Update is not a fast forward")
	require.Equal(t, 422, resp.StatusCode)
	_, _, err = client.Git.UpdateRef(ctx, "acme", "env", &github.Reference{Ref: new("heads/release/1"), Object: &github.GitObject{SHA: &first}}, true)
	require.NoError(t, err)
	require.Equal(t, first, w.git("rev-parse", "release/1"))
	_, _, err = client.Git.CreateRef(ctx, "acme", "env", &github.Reference{Ref: new("refs/tags/v1"), Object: &github.GitObject{SHA: &first}})
	require.NoError(t, err)
	list, _, err := client.Git.ListMatchingRefs(ctx, "acme", "env", &github.ReferenceListOptions{Ref: "heads/rel"})
	require.NoError(t, err)
	require.Len(t, list, 1)
	list, _, err = client.Git.ListMatchingRefs(ctx, "acme", "env", nil)
	require.NoError(t, err)
	require.Len(t, list, 3)
	_, err = client.Git.DeleteRef(ctx, "acme", "env", "heads/release/1")
	require.NoError(t, err)
	_, resp, err = client.Git.GetRef(ctx, "acme", "env", "heads/release/1")
	require.Error(t, err)
	require.Equal(t, 404, resp.StatusCode)

	require.Equal(t, []string{"push", "push", "push", "push", "push"}, names(w.take()), "created, moved, forced, the tag, deleted")
	summary := ""
	for _, a := range w.activities("&ref=release/1", 10) {
		summary += a.ActivityType + " "
	}
	require.Equal(t, "branch_deletion force_push push branch_creation ", summary)

	opened := w.openPull("replicas: 2\n")
	nothing := strings.Repeat("1", 40)
	tree := w.git("rev-parse", "main^{tree}")
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "git/refs", `{"ref":"refs/heads/main","sha":"` + first + `"}`, "422 Reference already exists"},
		{"POST", "git/refs", `{"ref":"refs/heads/x","sha":"` + nothing + `"}`, "422 Object does not exist"},
		{"POST", "git/refs", `{"ref":"refs/heads/x","sha":"main"}`, "422 The sha parameter must be exactly 40 characters and contain only [0-9a-f]."},
		{"POST", "git/refs", `{"ref":"refs/heads/x","sha":"` + tree + `"}`, "422 Reference update failed"},
		{"POST", "git/refs", `{"ref":"refs/heads/main/x","sha":"` + first + `"}`, "422 Reference update failed"},
		{"POST", "git/refs", `{"ref":"refs/pull/9/head","sha":"` + first + `"}`, "422 Reference update failed"},
		{"POST", "git/refs", `{"ref":"heads/x","sha":"` + first + `"}`, "422 Reference name must be fully qualified and well formed"},
		{"POST", "git/refs", `{"ref":"refs/heads/x..y","sha":"` + first + `"}`, "422 Reference name must be fully qualified and well formed"},
		{"POST", "git/refs", `{"sha":"` + first + `"}`, "422 Invalid request.\n\n\"ref\" wasn't supplied."},
		{"PATCH", "git/refs/heads/x", `{"sha":"` + first + `"}`, "422 Reference does not exist"},
		{"PATCH", "git/refs/heads/main", `{"sha":"` + nothing + `"}`, "422 Object does not exist"},
		{"PATCH", "git/refs/pull/1/head", `{"sha":"` + first + `","force":true}`, "422 Reference update failed"},
		{"DELETE", "git/refs/pull/1/head", ``, "422 Reference update failed"},
		{"DELETE", "git/refs/heads/x", ``, "422 Reference does not exist"},
		{"DELETE", "git/refs/heads/main", ``, "422 Cannot delete the default branch"},
	} {
		status, message := w.refused(c.method, c.path, c.body)
		require.Equal(t, c.want, fmt.Sprint(status, " ", message), "%s %s %s", c.method, c.path, c.body)
	}
	require.Equal(t, opened.Head, w.git("rev-parse", "refs/pull/1/head"))
}

func TestReferencesFollowPullRequests(t *testing.T) {
	w := newWorld(t)
	ctx, client := t.Context(), w.as(w.alice)
	opened := w.openPull("replicas: 2\n")
	c, _, err := client.Git.GetCommit(ctx, "acme", "env", opened.Head)
	require.NoError(t, err)
	next, _, err := client.Git.CreateCommit(ctx, "acme", "env", &github.Commit{Message: new("Next"), Tree: c.Tree, Parents: []*github.Commit{{SHA: &opened.Head}}}, nil)
	require.NoError(t, err)
	w.take()
	_, _, err = client.Git.UpdateRef(ctx, "acme", "env", &github.Reference{Ref: new("heads/" + opened.Branch), Object: &github.GitObject{SHA: next.SHA}}, false)
	require.NoError(t, err)
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(w.take()))
	_, _, err = client.Git.UpdateRef(ctx, "acme", "env", &github.Reference{Ref: new("heads/main"), Object: &github.GitObject{SHA: next.SHA}}, false)
	require.NoError(t, err)
	require.Equal(t, []string{"push", "pull_request.closed"}, names(w.take()))
	require.True(t, must(w.s.Pull("acme/env", opened.Number))(t).Merged)

	_, resp, err := w.client().Git.CreateRef(ctx, "acme", "env", &github.Reference{Ref: new("refs/heads/x"), Object: &github.GitObject{SHA: next.SHA}})
	require.Error(t, err, "contents:read does not write")
	require.Equal(t, 403, resp.StatusCode)
	require.Equal(t, "contents=write", resp.Header.Get("X-Accepted-Github-Permissions"))
}

func TestBlobsAndTrees(t *testing.T) {
	w := newWorld(t)
	ctx, client := t.Context(), w.as(w.alice)
	blob, resp, err := client.Git.CreateBlob(ctx, "acme", "env", &github.Blob{Content: new("AAH/"), Encoding: new("base64")})
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	raw, _, err := client.Git.GetBlobRaw(ctx, "acme", "env", blob.GetSHA())
	require.NoError(t, err)
	require.Equal(t, "\x00\x01\xff", string(raw))
	read, _, err := client.Git.GetBlob(ctx, "acme", "env", blob.GetSHA())
	require.NoError(t, err)
	require.Equal(t, "AAH/\n base64 3", fmt.Sprintf("%s %s %d", read.GetContent(), read.GetEncoding(), read.GetSize()))
	require.Equal(t, blob.GetSHA(), w.git("rev-parse", blob.GetSHA()+"^{blob}"))

	base, _, err := client.Git.GetTree(ctx, "acme", "env", "main", false)
	require.NoError(t, err)
	require.Len(t, base.Entries, 2)
	sub := w.git("rev-parse", "main:prod")
	str := github.String
	tree, _, err := client.Git.CreateTree(ctx, "acme", "env", base.GetSHA(), []*github.TreeEntry{
		{Path: str("bin/run"), Mode: str("100755"), Type: str("blob"), Content: str("#!/bin/sh\n")},
		{Path: str("data"), Mode: str("100644"), Type: str("blob"), SHA: blob.SHA},
		{Path: str("copy"), Mode: str("040000"), Type: str("tree"), SHA: &sub},
		{Path: str("link"), Mode: str("120000"), Type: str("blob"), Content: str("data")},
		{Path: str("module"), Mode: str("160000"), Type: str("commit"), SHA: str(strings.Repeat("2", 40))},
		{Path: str("README.md"), Mode: str("100644"), Type: str("blob")}, // go-github sends sha null
	})
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{"040000 tree bin", "100755 blob bin/run", "040000 tree copy", "100644 blob copy/values.yaml",
		"100644 blob data", "120000 blob link", "160000 commit module", "040000 tree prod", "100644 blob prod/values.yaml"}, "\n"),
		w.git("ls-tree", "-r", "-t", "--format=%(objectmode) %(objecttype) %(path)", tree.GetSHA()))
	all, _, err := client.Git.GetTree(ctx, "acme", "env", tree.GetSHA(), true)
	require.NoError(t, err)
	require.Len(t, all.Entries, 9)
	require.False(t, all.GetTruncated())
	require.Equal(t, 10, all.Entries[1].GetSize())
	alone, _, err := client.Git.CreateTree(ctx, "acme", "env", "", []*github.TreeEntry{{Path: str("x"), Mode: str("100644"), Content: str("y")}})
	require.NoError(t, err)
	require.Len(t, alone.Entries, 1, "without base_tree nothing else is there")

	for body, want := range map[string]string{
		`{"tree":[]}`: "Invalid tree info",
		`{"base_tree":"` + strings.Repeat("1", 40) + `","tree":[{"path":"x","mode":"100644","content":"y"}]}`:        "base_tree is not a valid tree oid",
		`{"tree":[{"path":"x","mode":"100644"}]}`:                                                                    "Must supply either tree.sha or tree.content",
		`{"tree":[{"path":"x","mode":"100644","content":"y","sha":"` + sub + `"}]}`:                                  "Must supply either tree.sha or tree.content",
		`{"tree":[{"path":"x","mode":"100644","sha":"` + sub + `"}]}`:                                                "tree.sha " + sub + " is not a valid blob",
		`{"tree":[{"path":"x","mode":"040000","type":"blob","sha":"` + sub + `"}]}`:                                  "tree.type blob does not fit tree.mode 040000",
		`{"tree":[{"path":"x","mode":"100600","content":"y"}]}`:                                                      "tree.mode must be one of",
		`{"tree":[{"path":"a/../b","mode":"100644","content":"y"}]}`:                                                 "malformed path component",
		`{"tree":[{"path":".GIT/config","mode":"100644","content":"y"}]}`:                                            "malformed path component",
		`{"base_tree":"` + base.GetSHA() + `","tree":[{"path":"nowhere","mode":"100644","type":"blob","sha":null}]}`: "BadObjectState",
		`{"tree":[{"path":"x","mode":"100644","sha":"main"}]}`:                                                       "not a valid object name",
	} {
		status, message := w.refused("POST", "git/trees", body)
		require.Equal(t, 422, status, body)
		require.Contains(t, message, want, body)
	}
	for _, path := range []string{"git/blobs/" + sub, "git/trees/nowhere", "git/commits/" + sub, "git/tags/" + w.repo.Head} {
		status, _ := w.refused("GET", path, "")
		require.Equal(t, 404, status, path)
	}
	status, _ := w.refused("POST", "git/blobs", `{"content":"?","encoding":"base64"}`)
	require.Equal(t, 422, status)
	status, _, _ = w.send("POST", "/repos/acme/env/git/blobs", "token "+w.alice.Token, `{"content":"`+strings.Repeat("x", 2<<20)+`"}`)
	require.Equal(t, 201, status, "files may be larger than other bodies")
}

func TestLargeTreesAreCut(t *testing.T) {
	w := newWorld(t)
	var stream strings.Builder
	stream.WriteString("commit refs/heads/huge\ncommitter Bob <bob@example.com> 1700000000 +0000\ndata 0\n")
	for i := range 100_001 {
		fmt.Fprintf(&stream, "M 160000 %s d%d/m%d\n", strings.Repeat("3", 40), i/250, i)
	}
	dir := w.clone(w.bob)
	write(t, dir, "stream", stream.String())
	runGit(t, dir, "-c", "alias.import=!git fast-import --quiet < stream", "import")
	runGit(t, dir, "push", "--quiet", "origin", "huge")
	tree, _, err := w.client().Git.GetTree(t.Context(), "acme", "env", "huge", true)
	require.NoError(t, err)
	require.True(t, tree.GetTruncated())
	require.LessOrEqual(t, len(tree.Entries), 100_000)
	require.Greater(t, len(tree.Entries), 50_000)
}

func TestCommitsAndTags(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tree := w.git("rev-parse", "main^{tree}")
	client := w.as(w.alice)
	c, _, err := client.Git.CreateCommit(ctx, "acme", "env", &github.Commit{Message: new("By hand\n\nText"), Tree: &github.Tree{SHA: &tree},
		Parents: []*github.Commit{{SHA: &w.repo.Head}}, Author: &github.CommitAuthor{Name: new("Carol <x>"), Email: new("carol@example.com"), Date: &github.Timestamp{Time: at}}}, nil)
	require.NoError(t, err)
	require.Equal(t, "Carol x|carol@example.com|Carol x|1772366400", w.field(c.GetSHA(), "%an|%ae|%cn|%ct"), "the committer is the author unless told otherwise")
	require.Equal(t, "By hand\n\nText", c.GetMessage())
	require.Equal(t, "unsigned", c.GetVerification().GetReason())
	mine, _, err := client.Git.CreateCommit(ctx, "acme", "env", &github.Commit{Message: new("Root"), Tree: &github.Tree{SHA: &tree}}, nil)
	require.NoError(t, err)
	require.Equal(t, "Alice|Alice|", w.field(mine.GetSHA(), "%an|%cn|%P"))
	require.False(t, mine.GetVerification().GetVerified(), "GitHub signs for Apps, not for people")
	for body, want := range map[string]string{
		`{"tree":"` + tree + `"}`:                                                "\"message\" wasn't supplied",
		`{"message":"x"}`:                                                        "\"tree\" wasn't supplied",
		`{"message":"x","tree":"` + w.repo.Head + `"}`:                           "Tree SHA does not exist",
		`{"message":"x","tree":"` + tree + `","parents":["` + tree + `"]}`:       "Parent SHA does not exist",
		`{"message":"x","tree":"` + tree + `","author":{"name":"x"}}`:            "author.email",
		`{"message":"x\u0000","tree":"` + tree + `"}`:                            "control characters",
		`{"message":"x","tree":"` + tree + `","committer":{"date":"yesterday"}}`: "is not a time",
	} {
		status, message := w.refused("POST", "git/commits", body)
		require.Equal(t, 422, status, body)
		require.Contains(t, message, want, body)
	}

	tag, resp, err := client.Git.CreateTag(ctx, "acme", "env", &github.Tag{Tag: new("v1"), Message: new("First\n"),
		Object: &github.GitObject{SHA: c.SHA, Type: new("commit")}})
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	_, _, err = client.Git.CreateRef(ctx, "acme", "env", &github.Reference{Ref: new("refs/tags/v1"), Object: &github.GitObject{SHA: tag.SHA}})
	require.NoError(t, err)
	ref, _, err := client.Git.GetRef(ctx, "acme", "env", "tags/v1")
	require.NoError(t, err)
	require.Equal(t, "tag", ref.Object.GetType())
	read, _, err := client.Git.GetTag(ctx, "acme", "env", ref.Object.GetSHA())
	require.NoError(t, err)
	require.Equal(t, "v1 First Alice "+c.GetSHA(), strings.Join([]string{read.GetTag(), read.GetMessage(), read.Tagger.GetName(), read.Object.GetSHA()}, " "))
	require.Equal(t, "unsigned", read.GetVerification().GetReason())
	require.Equal(t, c.GetSHA(), w.git("rev-parse", "v1^{commit}"))
	status, _ := w.refused("POST", "git/tags", `{"tag":"v2","message":"","object":"`+tree+`","type":"commit"}`)
	require.Equal(t, 422, status)
}

func TestContents(t *testing.T) {
	w := newWorld(t)
	ctx, client := t.Context(), w.as(w.alice)
	tip := must(w.s.As("bob").PushBranch("acme/env", "main", standin.Change{
		Files: map[string]string{"prod/link": "values.yaml", "prod/away": "/etc/passwd", "mod": strings.Repeat("4", 40), "big": strings.Repeat("x", 1<<20+1),
			".gitmodules": "[submodule \"m\"]\n\tpath = mod\n\turl = https://example.com/m.git\n", "a b#c": "odd"},
		Modes: map[string]string{"prod/link": "120000", "prod/away": "120000", "mod": "160000"}}))(t)
	file, _, _, err := client.Repositories.GetContents(ctx, "acme", "env", "prod/values.yaml", nil)
	require.NoError(t, err)
	require.Equal(t, "replicas: 1\n", must(file.GetContent())(t))
	require.Equal(t, w.git("rev-parse", "main:prod/values.yaml"), file.GetSHA())
	require.Equal(t, "file values.yaml prod/values.yaml 12", fmt.Sprintf("%s %s %s %d", file.GetType(), file.GetName(), file.GetPath(), file.GetSize()))
	_, dir, _, err := client.Repositories.GetContents(ctx, "acme", "env", "", &github.RepositoryContentGetOptions{Ref: tip})
	require.NoError(t, err)
	kinds := ""
	for _, e := range dir {
		kinds += e.GetName() + ":" + e.GetType() + " "
	}
	require.Equal(t, ".gitmodules:file README.md:file a b#c:file big:file mod:file prod:dir ", kinds, "submodules are listed as files")
	for path, want := range map[string]string{"prod/link": "file values.yaml", "prod/away": "symlink away", "mod": "submodule mod", "big": "file big", "a b#c": "file a b#c"} {
		e, _, _, err := client.Repositories.GetContents(ctx, "acme", "env", path, nil)
		require.NoError(t, err, path)
		require.Equal(t, want, e.GetType()+" "+e.GetName())
	}
	_, _, body := w.send("GET", "/repos/acme/env/contents/mod", "token "+w.alice.Token, "")
	require.Contains(t, body, `"submodule_git_url":"https://example.com/m.git"`)
	_, _, body = w.send("GET", "/repos/acme/env/contents/big", "token "+w.alice.Token, "")
	require.Contains(t, body, `"content":"","encoding":"none"`)
	for path, want := range map[string]int{"contents/nowhere": 404, "contents/prod/values.yaml/x": 404, "contents/prod?ref=nowhere": 404} {
		status, _ := w.refused("GET", path, "")
		require.Equal(t, want, status, path)
	}
	req, err := client.NewRequest("GET", "repos/acme/env/contents/big", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "application/vnd.github.raw+json")
	var raw strings.Builder
	resp, err := client.Do(ctx, req, &raw)
	require.NoError(t, err)
	require.Equal(t, 1<<20+1, raw.Len())
	require.Equal(t, "application/vnd.github.raw; charset=utf-8", resp.Header.Get("Content-Type"))
	req.Header.Set("Accept", "application/vnd.github.object")
	req.URL.Path = strings.TrimSuffix(req.URL.Path, "big") + "prod"
	var folder struct {
		Type    string                      `json:"type"`
		Entries []*github.RepositoryContent `json:"entries"`
	}
	_, err = client.Do(ctx, req, &folder)
	require.NoError(t, err)
	require.Equal(t, "dir", folder.Type)
	require.Len(t, folder.Entries, 3)
}

func TestContentsAreWritten(t *testing.T) {
	w := newWorld(t)
	ctx, client, str := t.Context(), w.as(w.alice), github.String
	opened := w.openPull("replicas: 2\n")
	w.take()
	made, resp, err := client.Repositories.CreateFile(ctx, "acme", "env", "new/file", &github.RepositoryContentFileOptions{Message: str("Add"), Content: []byte("one\n"), Branch: &opened.Branch})
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	require.Equal(t, []string{"push", "pull_request.synchronize"}, names(w.take()))
	require.Equal(t, opened.Head, w.field(opened.Branch, "%P"))
	require.Equal(t, made.GetSHA(), w.git("rev-parse", opened.Branch))
	require.Equal(t, "Alice <alice@example.com>|GitHub <noreply@github.com>|Add", w.field(made.GetSHA(), "%an <%ae>|%cn <%ce>|%B"))
	require.Equal(t, "new/file", w.git("diff", "--name-only", made.GetSHA()+"^", made.GetSHA()))
	require.True(t, made.GetVerification().GetVerified())
	old := made.Content.GetSHA()
	changed, resp, err := client.Repositories.UpdateFile(ctx, "acme", "env", "new/file", &github.RepositoryContentFileOptions{Message: str("Change"), Content: []byte("two\n"), SHA: &old,
		Branch: &opened.Branch, Author: &github.CommitAuthor{Name: str("Carol"), Email: str("carol@example.com")}})
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "Carol|Alice", w.field(changed.GetSHA(), "%an|%cn"))
	require.False(t, changed.GetVerification().GetVerified(), "with an author of one's own GitHub does not sign")
	encode := base64.StdEncoding.EncodeToString
	for _, c := range []struct{ method, path, body, want string }{
		{"PUT", "contents/new/file", `{"message":"x","content":"` + encode([]byte("x")) + `","branch":"` + opened.Branch + `"}`, "422 Invalid request.\n\n\"sha\" wasn't supplied."},
		{"PUT", "contents/new/file", `{"message":"x","content":"eA==","sha":"` + old + `","branch":"` + opened.Branch + `"}`, "409 new/file does not match " + old},
		{"PUT", "contents/new/file", `{"message":"x","content":"eA==","sha":"x","branch":"nowhere"}`, "404 Branch nowhere not found"},
		{"PUT", "contents/new", `{"message":"x","content":"eA==","branch":"` + opened.Branch + `"}`, "422 new is not a file"},
		{"PUT", "contents/x", `{"message":"x","content":"?"}`, "422 content is not valid Base64"},
		{"PUT", "contents/x", `{"content":"eA=="}`, "422 Invalid request.\n\n\"message\" wasn't supplied."},
		{"PUT", "contents/a/.git/x", `{"message":"x","content":"eA=="}`, "422 path contains a malformed path component"},
		{"DELETE", "contents/README.md", `{"message":"x"}`, "422 Invalid request.\n\n\"sha\" wasn't supplied."},
		{"DELETE", "contents/README.md", `{"message":"x","sha":"` + old + `"}`, "409 README.md does not match " + old},
		{"DELETE", "contents/nowhere", `{"message":"x","sha":"` + old + `"}`, "404 Not Found"},
	} {
		status, message := w.refused(c.method, c.path, c.body)
		require.Equal(t, c.want, fmt.Sprint(status, " ", message), "%s %s", c.method, c.path)
	}
	ignored, _, err := client.Repositories.CreateFile(ctx, "acme", "env", "other", &github.RepositoryContentFileOptions{Message: str("Sha of nothing"), Content: []byte("x"), SHA: &old})
	require.NoError(t, err, "a sha for a path that does not exist is ignored")
	require.Equal(t, ignored.GetSHA(), w.git("rev-parse", "main"))
	gone, _, err := client.Repositories.DeleteFile(ctx, "acme", "env", "prod/values.yaml", &github.RepositoryContentFileOptions{Message: str("Remove"), SHA: str(w.git("rev-parse", "main:prod/values.yaml"))})
	require.NoError(t, err)
	require.Nil(t, gone.Content)
	require.Equal(t, "README.md\nother", w.git("ls-tree", "-r", "--name-only", "main"))
	_, resp, err = w.client().Repositories.CreateFile(ctx, "acme", "env", "x", &github.RepositoryContentFileOptions{Message: str("x"), Content: []byte("x")})
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode)
}
