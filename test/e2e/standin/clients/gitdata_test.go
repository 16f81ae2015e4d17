package clients

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func (w *world) gitdata(scenario string, more map[string]any) *node {
	w.t.Helper()
	input := map[string]any{"scenario": scenario, "baseUrl": strings.TrimSuffix(w.s.APIURL(), "/"), "appId": w.app.ID,
		"privateKey": string(w.app.PrivateKeyPEM), "installation": w.installation, "owner": "acme", "repo": "env",
		"tokens": map[string]string{"alice": w.alice.Token}}
	maps.Copy(input, more)
	return startNode(w.t, "gitdata.mjs", input)
}

func TestOctokitMakesABranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var got struct {
		Ref, Commit           string
		Again, Sideways, Gone refusal
		Pull                  int
		Files, Matching       []string
	}
	w.gitdata("branch", nil).result(&got)
	require.Equal(t, "refs/heads/bump", got.Ref)
	got.Again.is(t, 422, "Reference already exists")
	got.Sideways.is(t, 422, "Update is not a fast forward")
	got.Gone.is(t, 404, "Branch not found")
	require.ElementsMatch(t, []string{"modified prod/values.yaml", "added prod/new.yaml", "removed README.md"}, got.Files)
	require.Equal(t, []string{"refs/heads/bump", "refs/heads/gone", "refs/heads/main"}, got.Matching)
	pull := must(w.s.Pull("acme/env", got.Pull))(t)
	require.Equal(t, got.Commit, pull.Head)
	require.Equal(t, "gatekeeper[bot]", pull.Author)
	require.Equal(t, got.Commit, must(w.s.Branch("acme/env", "bump"))(t))
	c := w.clone(w.alice.Token)
	require.Equal(t, "replicas: 2", c.git("show", "origin/bump:prod/values.yaml"))
}

func TestOctokitWritesContents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.clone(w.alice.Token)
	var got struct {
		Text, Raw, Written, Removed string
		Folder                      []string
		Stale, Absent               refusal
	}
	w.gitdata("contents", map[string]any{"readme": c.git("rev-parse", "HEAD:README.md")}).result(&got)
	require.Equal(t, "replicas: 1\n", got.Text)
	require.Equal(t, "replicas: 1\n", got.Raw)
	require.Equal(t, []string{"prod/values.yaml"}, got.Folder)
	got.Stale.is(t, 409, "does not match")
	got.Absent.is(t, 404, "Not Found")
	require.Equal(t, got.Removed, must(w.s.Branch("acme/env", "main"))(t))
	c.git("pull", "--quiet")
	require.Equal(t, got.Removed+" "+got.Written, c.git("log", "-1", "--format=%H %P"))
	require.Equal(t, "replicas: 5 # größer", c.git("show", "HEAD:prod/values.yaml"))
	require.Equal(t, "prod/values.yaml", c.git("ls-files"))
}

func TestProbotReadsItsConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.s.CreateRepository("acme", ".github", standin.RepositoryOptions{Files: map[string]string{".github/base.yml": "teams: [sre]\nquorum: 3\n"},
		Collaborators: map[string]string{"alice": "read"}}))(t)
	must(w.s.As("alice").PushBranch("acme/env", "main", standin.Change{Files: map[string]string{".github/gate.yml": "_extends: .github:.github/base.yml\nquorum: 2\n"}}))(t)
	var got struct {
		Found, None map[string]any
		Files       []string
	}
	w.gitdata("config", nil).result(&got)
	require.Equal(t, map[string]any{"quorum": 2.0, "teams": []any{"sre"}}, got.Found)
	require.Len(t, got.Files, 2)
	require.Equal(t, map[string]any{"quorum": 1.0}, got.None)
}
