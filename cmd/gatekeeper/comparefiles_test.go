package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/historytest"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// commitFiles writes files to a work tree, commits all of it and returns the commit. An
// empty content removes the file.
func commitFiles(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for path, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if content == "" {
			require.NoError(t, os.Remove(full))
			continue
		}
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o700))
		require.NoError(t, os.WriteFile(full, []byte(content), 0o600))
	}
	var out []byte
	for _, args := range [][]string{{"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "change"}, {"rev-parse", "HEAD"}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		var err error
		out, err = cmd.Output()
		require.NoError(t, err, "%v", args)
	}
	return strings.TrimSpace(string(out))
}

// TestCompareFiles compares what is in Git, of what the Application is rendered from.
func TestCompareFiles(t *testing.T) {
	file, data := configure(t)
	must(t, "ledger", "init", "--config", file)
	dir := t.TempDir()
	require.NoError(t, exec.CommandContext(t.Context(), "git", "init", "-q", dir).Run())
	long := strings.Repeat("line\n", fileLines+50)
	commits := []string{
		commitFiles(t, dir, map[string]string{
			"apps/shop/values.yaml": "name: shop\nreplicas: 2\n", "chart/old.yaml": "gone: true\n", "apps/pay/values.yaml": "name: pay\n", "apps/shop/key.bin": "\x00\x01",
		}),
		commitFiles(t, dir, map[string]string{
			"apps/shop/values.yaml": "name: shop\nreplicas: 3\nnote: \"\x1b[31mred\"\n", "chart/old.yaml": "", "chart/new.yaml": "new: true\n", "apps/pay/values.yaml": "name: paid\n",
			"apps/shop/key.bin": "\x00\x02", "chart/long.yaml": long, "chart/large.yaml": strings.Repeat("x", fileBytes+1),
		}),
	}
	store, err := sqlite.Open(t.Context(), recordPath(data))
	require.NoError(t, err)
	for i, commit := range commits {
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		d, ok := historytest.Decision(t, "uid", "prod", approval.Allowed).Payload.(history.DecisionPayload)
		require.True(t, ok)
		d.Decision.Candidate.Revisions = []approval.Revision{{Repository: "acme/deploy", SHA: approval.SHA(commit)}}
		d.Facts.Closure = &approval.Closure{Revisions: d.Decision.Candidate.Revisions, Reads: []approval.Read{
			{Repository: "acme/deploy", Path: "apps/shop/values.yaml"}, {Repository: "acme/deploy", Path: "apps/shop/key.bin"}, {Repository: "Acme/deploy", Path: "chart/"},
			{Repository: "acme/other", Path: "/"},
		}}
		d, err = history.NewDecision(d.Policy, d.Facts, d.Decision)
		require.NoError(t, err)
		id := fmt.Sprintf("i-%d", i)
		intent, ok := historytest.Intent(t, "uid", "prod", id, head.Sequence+1).Payload.(history.IntentPayload)
		require.True(t, ok)
		intent.Candidate, intent.FactsDigest, intent.PolicyDigest = d.Decision.Candidate, d.FactsDigest, d.PolicyDigest
		outcome, ok := historytest.Outcome("uid", id, history.ResultSucceeded).Payload.(history.OutcomePayload)
		require.True(t, ok)
		outcome.Revisions = []string{commit}
		var drafts []history.Draft
		for _, p := range []history.Payload{d, intent, outcome} {
			drafts = append(drafts, history.Draft{Time: historytest.Start(), Application: "uid", Payload: p})
		}
		_, err = store.Append(t.Context(), head, drafts...)
		require.NoError(t, err)
	}
	require.NoError(t, store.Close())

	args := []string{"compare", "argocd/shop", "1", "2", "--files", "--config", file}
	require.Contains(t, fails(t, exitFailed, args...), "there is no mirror of acme/deploy here")
	mirrored := filepath.Join(mirrorsPath(data), "acme", "deploy.git")
	require.NoError(t, os.MkdirAll(filepath.Dir(mirrored), 0o700))
	require.NoError(t, exec.CommandContext(t.Context(), "git", "clone", "-q", "--bare", dir, mirrored).Run())

	out := must(t, args...)
	t.Log(out)
	require.Contains(t, out, "~ acme/deploy apps/shop/values.yaml\n@@ -1,2 +1,3 @@\n name: shop\n-replicas: 2\n+replicas: 3\n+note: \"\uFFFD[31mred\"\n")
	require.Contains(t, out, "- acme/deploy chart/old.yaml\n@@ -1 +0,0 @@\n-gone: true\n")
	require.Contains(t, out, "+ acme/deploy chart/new.yaml\n")
	require.Contains(t, out, "~ acme/deploy apps/shop/key.bin\nnot text\n")
	require.Contains(t, out, "+ acme/deploy chart/large.yaml\nlarger than 1048576 bytes\n")
	require.Contains(t, out, "… 51 more lines\n")
	require.NotContains(t, out, "paid")
	require.NotContains(t, out, "\x1b")
	require.Contains(t, out, "1 other files of the repositories differ")
	var shown struct{ Files comparedFiles }
	require.NoError(t, json.Unmarshal([]byte(must(t, append(args, "-o", "json")...)), &shown))
	require.Len(t, shown.Files.Files, 6)
	require.Equal(t, "apps/shop/key.bin", shown.Files.Files[0].Path)
	require.Contains(t, shown.Files.Files[1].Lines, "\x1b[31mred", "for programs it is what it is")
	require.Contains(t, comparedFiles{Files: shown.Files.Files[1:2]}.describe(true), green+"+replicas: 3"+plain)
	require.Contains(t, must(t, "compare", "argocd/shop", "1", "1", "--files", "--config", file), "no file that the Application is rendered from differs")
}
