package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/inbox"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestDiffUsage(t *testing.T) {
	file, _, api := withCluster(t)
	api.set("shop", "u-shop", "prod", "charts/shop")
	for says, args := range map[string][]string{
		"name one Application as NAMESPACE/NAME": {"diff", "shop", "--config", file},
		"--config is missing":                    {"diff", "argocd/shop"},
		"--pr -1 is not":                         {"diff", "argocd/shop", "--config", file, "--pr", "-1"},
		"leave --from and --to out":              {"diff", "argocd/shop", "--config", file, "--pr", "1", "--from", "x"},
		"give --pr as well":                      {"diff", "argocd/shop", "--config", file, "--repo", "acme/env"},
		"is not text or json":                    {"diff", "argocd/shop", "--config", file, "-o", "yaml"},
		"--to: ":                                 {"diff", "argocd/shop", "--config", file, "--from", strings.Repeat("a", 40), "--to", "main"},
		"has 2 SHAs, and argocd/shop has 1 sources": {"diff", "argocd/shop", "--config", file, "--to", "x",
			"--from", strings.Repeat("a", 40) + "," + strings.Repeat("b", 40)},
		"is not OWNER/NAME": {"diff", "argocd/shop", "--config", file, "--pr", "1", "--repo", "env"},
	} {
		code, stdout, stderr := call(t, t.Context(), args...)
		require.Equal(t, exitUsage, code, "%v: %s%s", args, stdout, stderr)
		require.Contains(t, stderr, says)
	}
	for says, args := range map[string][]string{
		"there is no Application argocd/none":       {"diff", "argocd/none", "--config", file},
		"the record has no decision on argocd/shop": {"diff", "argocd/shop", "--config", file},
	} {
		code, stdout, stderr := call(t, t.Context(), args...)
		require.Equal(t, exitFailed, code, stdout+stderr)
		require.Contains(t, stderr, says)
	}
}

func TestVector(t *testing.T) {
	one, two := strings.Repeat("a", 40), strings.Repeat("b", 40)
	app := approval.Application{Namespace: "argocd", Name: "a", Sources: []approval.Source{{Repository: "acme/env"}, {Repository: "acme/env"}}}
	got, err := vector(app, "--from", one)
	require.NoError(t, err)
	require.Equal(t, []approval.SHA{approval.SHA(one), approval.SHA(one)}, []approval.SHA{got[0].SHA, got[1].SHA})
	app.Sources[1].Repository = "acme/charts"
	_, err = vector(app, "--from", one)
	require.ErrorContains(t, err, "2 SHAs by comma")
	got, err = vector(app, "--from", one+", "+two)
	require.NoError(t, err)
	require.Equal(t, []approval.Revision{{Repository: "acme/env", SHA: approval.SHA(one)}, {Repository: "acme/charts", SHA: approval.SHA(two)}}, got)
}

func TestPrintPreview(t *testing.T) {
	revisions := func(c string) []approval.Revision {
		r := approval.Revision{Repository: "acme/env", SHA: approval.SHA(strings.Repeat(c, 40))}
		return []approval.Revision{r, r}
	}
	p := approval.Preview{
		Application: "argocd/shop", Kind: approval.PreviewSync, Comparison: approval.Comparison{From: revisions("1"), To: revisions("2")},
		Shipped: []approval.Shipped{
			{LandingDecision: approval.LandingDecision{Commit: revisions("3")[0].SHA, Pull: 7, Verdict: approval.Blocked}},
			{LandingDecision: approval.LandingDecision{Commit: revisions("2")[0].SHA, Verdict: approval.Allowed, Class: approval.ClassNone}},
		},
		Diff: approval.RenderedDiff{Changed: 1, Added: 1, LeftOut: 3, Unseen: 2, Resources: []approval.ResourceDiff{
			{Kind: "ConfigMap", Namespace: "shop", Name: "limits\u202e", Change: approval.ResourceChanged, Lines: "@@ -1 +1 @@\n-a: 1\n+a: 2\n", LinesLeftOut: 4},
			{Group: "batch", Kind: "Job", Name: "migrate", Ordinal: 1, Hook: "PreSync", Change: approval.ResourceAdded, Lines: "@@ -0,0 +1 @@\n+x\n"},
		}},
	}
	var b bytes.Buffer
	require.NoError(t, printPreview(&b, p, false))
	require.Equal(t, `argocd/shop: what a sync of everything that has landed would ship, which the gate does not allow yet
  from 1111111 to 2222222 of acme/env
  ✗ #7 (3333333)
  ✓ a direct push (2222222), which changes nothing that the gate covers
  1 resource changed, 1 added

~ ConfigMap shop/limits`+"\ufffd"+`
@@ -1 +1 @@
-a: 1
+a: 2
… 4 more lines

+ Job.batch migrate (number 2 of that name) (hook: PreSync)
@@ -0,0 +1 @@
+x

3 more resources differ.

Argo CD masks the values of 2 of the Secrets itself, so a change of one does not show.
`, b.String())
	b.Reset()
	require.NoError(t, printPreview(&b, p, true))
	require.Contains(t, b.String(), red+"-a: 1"+plain+"\n"+green+"+a: 2"+plain+"\n")
	require.Contains(t, b.String(), cyan+"@@ -1 +1 @@"+plain)
	b.Reset()
	require.NoError(t, printPreview(&b, approval.Preview{Application: "argocd/shop", Kind: approval.PreviewSync}, false))
	require.Equal(t, "argocd/shop: nothing to sync, what is live is the newest\n  nothing is rendered differently\n", b.String())
}

func TestColourful(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	nothing := func(string) string { return "" }
	require.False(t, colourful(file, nothing), "a file is no terminal")
	require.False(t, colourful(&bytes.Buffer{}, nothing))
	if terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		t.Cleanup(func() { require.NoError(t, terminal.Close()) })
		require.True(t, colourful(terminal, nothing))
		require.False(t, colourful(terminal, func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }))
		require.False(t, colourful(terminal, func(name string) string { return map[string]string{"TERM": "dumb"}[name] }))
	}
}

// TestDiffUnknownPull: whoever mistypes the number of a pull request reads one line, which
// says what to do.
func TestDiffUnknownPull(t *testing.T) {
	t.Parallel()
	file, data, api := withCluster(t)
	github, err := standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, github.Close()) })
	_, err = github.CreateUser("alice", "Alice", "alice@example.com")
	require.NoError(t, err)
	_, err = github.CreateOrganization("acme", "alice")
	require.NoError(t, err)
	_, err = github.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "alice"})
	require.NoError(t, err)
	app, err := github.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: townKey(),
		Permissions: map[string]string{"pull_requests": "write", "contents": "read", "members": "read"},
	})
	require.NoError(t, err)
	_, err = github.Install(app.ID, "acme", "env")
	require.NoError(t, err)

	content, err := os.ReadFile(file)
	require.NoError(t, err)
	content = bytes.Replace(content, []byte("  appID: 1\n"), fmt.Appendf(nil, "  appID: %d\n  url: %s\n  apiURL: %s\n", app.ID, github.URL(), github.APIURL()), 1)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "key.pem"), townKey(), 0o600))
	box, err := inbox.Open(t.Context(), inboxPath(data))
	require.NoError(t, err)
	require.NoError(t, box.Close())
	api.set("shop", "u-shop", "prod", "charts/shop")
	api.apps["shop"]["spec"].(map[string]any)["source"].(map[string]any)["repoURL"] = github.URL() + "/acme/env"

	code, stdout, stderr := call(t, t.Context(), "diff", "argocd/shop", "--config", file, "--pr", "4711")
	require.Equal(t, exitFailed, code, stdout+stderr)
	require.Empty(t, stdout)
	require.Equal(t, "gatekeeper: acme/env has no pull request #4711; check the number, or name another repository with --repo\n", stderr)
}
