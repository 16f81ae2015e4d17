package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval/imagediff"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// stage is an Application of the promotion's tests, as the API server has it.
type stage struct {
	project, sync, health, values string
	images                        []string
}

// promotionWorld is a GitHub with an env-overrides repository, an API server with two
// Applications, and a configuration that names both.
type promotionWorld struct {
	*standin.Server
	t    *testing.T
	file string
	apps map[string]stage
	// change is made to every Application that is read; nil for none.
	change func(name string, object map[string]any)
}

func newPromotionWorld(t *testing.T) *promotionWorld {
	t.Helper()
	w := &promotionWorld{t: t, apps: map[string]stage{
		"shop-staging": {"staging", "Synced", "Healthy", "staging", []string{"docker.io/envoyproxy/envoy:v1.30", "ghcr.io/acme/shop:1.4.3"}},
		"shop-prod":    {"prod", "Synced", "Healthy", "prod", []string{"ghcr.io/acme/shop:1.4.2"}},
		"open":         {"dev", "Synced", "Healthy", "dev", nil},
	}}
	var err error
	w.Server, err = standin.Start(context.WithoutCancel(t.Context()), standin.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		require.Empty(t, w.ClientViolations(), "requests that GitHub's description does not have")
	})
	for _, login := range []string{"alice", "carol", "web-flow"} {
		_, err := w.CreateUser(login, login, login+"@example.com")
		require.NoError(t, err)
	}
	_, err = w.CreateOrganization("acme", "carol")
	require.NoError(t, err)
	values := "replicas: 1\nimage:\n  repository: ghcr.io/acme/shop\n  tag: 1.4.%d # moved by promotions\n"
	repo, err := w.CreateRepository("acme", "env", standin.RepositoryOptions{Author: "carol", Files: map[string]string{
		"prod/values.yaml": fmt.Sprintf(values, 2), "staging/values.yaml": fmt.Sprintf(values, 3),
	}})
	require.NoError(t, err)
	app, err := w.CreateApp(standin.AppOptions{
		Slug: "gatekeeper", Owner: "acme", PrivateKeyPEM: townKey(),
		Permissions: map[string]string{"pull_requests": "write", "contents": "write"},
	})
	require.NoError(t, err)
	_, err = w.Install(app.ID, "acme", "env")
	require.NoError(t, err)

	kube := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/")
		s, found := w.apps[name]
		rw.Header().Set("Content-Type", "application/json")
		if !ok || !found {
			rw.WriteHeader(http.StatusNotFound)
			_, _ = rw.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
			return
		}
		object := s.object(name, repo.CloneURL)
		if w.change != nil {
			w.change(name, object)
		}
		_ = json.NewEncoder(rw).Encode(object)
	}))
	t.Cleanup(kube.Close)

	dir := t.TempDir()
	w.file = filepath.Join(dir, "gatekeeper.yaml")
	for name, content := range map[string]string{
		"key.pem": string(app.PrivateKeyPEM), "secret": "s3cret", "token": "t0ken",
		"kubeconfig": "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"" + kube.URL + "\"}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n",
		"gatekeeper.yaml": fmt.Sprintf(`github:
  url: %s
  appID: %d
  privateKeyFile: key.pem
  webhookSecretFiles: [secret]
argocd: {server: "127.0.0.1:1", tokenFile: token, plaintext: true}
kubernetes: {kubeconfig: %q}
dataDirectory: %s
gates:
  - name: production
    applications: [{project: prod}]
    repositories:
      - {repository: acme/env, branch: main, enrolledAt: %s, paths: ["prod/**"]}
    config:
      requirements: [{approvals: 1, users: [carol]}]
`, w.URL(), app.ID, filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "data"), repo.Head),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return w
}

func (s stage) object(name, repoURL string) map[string]any {
	return map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"namespace": "argocd", "name": name, "uid": name, "resourceVersion": "1"},
		"spec": map[string]any{
			"project":     s.project,
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": name},
			"source":      map[string]any{"repoURL": repoURL, "path": s.values, "targetRevision": "main"},
		},
		"status": map[string]any{
			"sync": map[string]any{"status": s.sync}, "health": map[string]any{"status": s.health},
			"summary": map[string]any{"images": s.images}, "reconciledAt": "2026-11-21T10:00:00Z",
			"history": []any{map[string]any{"id": 3, "revision": strings.Repeat("ab", 20), "deployedAt": "2026-11-20T21:30:00Z"}},
		},
	}
}

// promote runs the command from staging to production, as alice.
func (w *promotionWorld) promote(args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	all := []string{"promote", "--config", w.file, "--from", "argocd/shop-staging", "--to", "argocd/shop-prod", "--as", "alice"}
	return call(w.t, w.t.Context(), append(all, args...)...)
}

func TestPromote(t *testing.T) {
	t.Parallel()
	w := newPromotionWorld(t)
	code, stdout, stderr := w.promote("--dry-run")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.True(t, strings.HasPrefix(stdout, `--- a/prod/values.yaml
+++ b/prod/values.yaml
@@ -1,4 +1,4 @@
 replicas: 1
 image:
   repository: ghcr.io/acme/shop
-  tag: 1.4.2 # moved by promotions
+  tag: 1.4.3 # moved by promotions

Promote shop 1.4.3 to argocd/shop-prod
======================================

This brings what `+"`argocd/shop-staging` runs to `argocd/shop-prod`. Asked for by `alice`"), stdout)
	require.Contains(t, stdout, "- It runs what was deployed on 2026-11-20T21:30:00Z, 12h30m before that, at abababababab")
	require.Contains(t, stdout, "This would go to branch gatekeeper/promote/argocd/shop-prod of acme/env. Nothing was written.\n")
	require.Contains(t, stdout, "Left alone, since no file names it: docker.io/envoyproxy/envoy v1.30\n")
	pulls, err := w.Pulls("acme/env")
	require.NoError(t, err)
	require.Empty(t, pulls)
	head, err := w.Branch("acme/env", "gatekeeper/promote/argocd/shop-prod")
	require.NoError(t, err)
	require.Empty(t, head)

	code, stdout, stderr = w.promote()
	require.Zero(t, code, stderr)
	require.Equal(t, fmt.Sprintf(`#1 of acme/env was opened: Promote shop 1.4.3 to argocd/shop-prod
  %s/acme/env/pull/1
  prod/values.yaml:4 image.tag: 1.4.2 → 1.4.3
Gate production says who has to approve it; alice asked for it and cannot.
Left alone, since no file names it: docker.io/envoyproxy/envoy v1.30
`, w.URL()), stdout)
	commits, err := w.PullCommits("acme/env", 1)
	require.NoError(t, err)
	require.Len(t, commits, 1)
	require.Contains(t, commits[0].Message, "@users.noreply.127.0.0.1>", "of the host that collecting knows")

	code, stdout, stderr = w.promote("-o", "json", "--image", "ghcr.io/acme/shop")
	require.Zero(t, code, stderr)
	var out promotionJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &out))
	require.Equal(t, &promotedPull{Number: 1, URL: w.URL() + "/acme/env/pull/1", Head: out.Pull.Head}, out.Pull, "nothing new")
	require.Equal(t, "production", out.Gate)
	require.Equal(t, []promotedMove{{"prod/values.yaml", 4, "image.tag", "ghcr.io/acme/shop", "1.4.2", "1.4.3", []imagediff.Flag{}}}, out.Moves)
	require.True(t, out.Changed)
	require.Empty(t, out.Missing)

	_, err = w.As("carol").Merge("acme/env", 1, "squash")
	require.NoError(t, err)
	code, stdout, stderr = w.promote()
	require.Zero(t, code, stderr)
	require.True(t, strings.HasPrefix(stdout, "argocd/shop-prod has the versions of argocd/shop-staging already; there is nothing to do\n  prod/values.yaml:4 image.tag is 1.4.3\n"), stdout)
	code, stdout, stderr = w.promote("-o", "json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"changed": false`)
	require.NotContains(t, stdout, `"pull"`)
}

func TestPromoteRefuses(t *testing.T) {
	t.Parallel()
	w := newPromotionWorld(t)
	maps.Copy(w.apps, map[string]stage{
		"broken":  {"staging", "Synced", "Degraded", "staging", []string{"ghcr.io/acme/shop:1.4.3"}},
		"drifted": {"staging", "OutOfSync", "Healthy", "staging", []string{"ghcr.io/acme/shop:1.4.3"}},
		"empty":   {"staging", "Synced", "Healthy", "staging", nil},
		"rolling": {"staging", "Synced", "Healthy", "staging", []string{"ghcr.io/acme/shop:1.4.3", "ghcr.io/acme/shop:1.4.4"}},
	})
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no config":           {[]string{"--config", ""}, exitUsage, "--config is missing"},
		"no from":             {[]string{"--from", ""}, exitUsage, "--from is missing"},
		"no to":               {[]string{"--to", ""}, exitUsage, "--to is missing"},
		"nobody":              {[]string{"--as", ""}, exitUsage, "--as is missing"},
		"no namespace":        {[]string{"--to", "shop-prod"}, exitUsage, `--to "shop-prod" is not NAMESPACE/NAME`},
		"output":              {[]string{"-o", "yaml"}, exitUsage, "is not text or json"},
		"image with a tag":    {[]string{"--image", "ghcr.io/acme/shop:1"}, exitUsage, "is no repository of images"},
		"bad repository":      {[]string{"--repository", "env"}, exitUsage, "owner/name"},
		"other repository":    {[]string{"--repository", "acme/other"}, exitFailed, "is not rendered from acme/other that gate production protects"},
		"unknown login":       {[]string{"--as", "nobody-here"}, exitFailed, `GitHub has no account "nobody-here"`},
		"an organization":     {[]string{"--as", "acme"}, exitFailed, "not a person's account"},
		"unknown source":      {[]string{"--from", "argocd/none"}, exitFailed, "read Application argocd/none"},
		"unknown target":      {[]string{"--to", "argocd/none"}, exitFailed, "read Application argocd/none"},
		"not protected":       {[]string{"--to", "argocd/open"}, exitFailed, "no gate protects argocd/open"},
		"not healthy":         {[]string{"--from", "argocd/broken"}, exitFailed, "argocd/broken is not Healthy, it is Degraded; wait until it is Synced and Healthy, or promote it all the same with --allow-unhealthy"},
		"not synced":          {[]string{"--from", "argocd/drifted"}, exitFailed, "argocd/drifted is not Synced, it is OutOfSync; wait until it is Synced and Healthy, or promote it all the same with --allow-unhealthy"},
		"no images":           {[]string{"--from", "argocd/empty"}, exitFailed, "names no image"},
		"two versions":        {[]string{"--from", "argocd/rolling"}, exitFailed, "in two versions, 1.4.3 and 1.4.4"},
		"an image elsewhere":  {[]string{"--image", "redis"}, exitFailed, "does not run redis"},
		"an image in no file": {[]string{"--image", "envoyproxy/envoy"}, exitFailed, "nothing names docker.io/envoyproxy/envoy"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := w.promote(tt.args...)
			require.Equal(t, tt.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)
			require.NotContains(t, stderr, "PRIVATE KEY")
		})
	}
	pulls, err := w.Pulls("acme/env")
	require.NoError(t, err)
	require.Empty(t, pulls)

	code, stdout, stderr := w.promote("--from", "argocd/broken", "--allow-unhealthy", "--dry-run")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Degraded", "reviewers are told")
}

// Without the permission to write, the App's owner is told what to do.
func TestPromoteWithoutPermission(t *testing.T) {
	t.Parallel()
	w := newPromotionWorld(t)
	require.NoError(t, w.SetPermissions(w.Apps()[0].ID, map[string]string{"pull_requests": "write", "contents": "read"}))
	code, _, stderr := w.promote()
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "give the GitHub App the permission contents: write")
}

func TestUnified(t *testing.T) {
	t.Parallel()
	text := func(changed ...int) string {
		var b strings.Builder
		for i := range 20 {
			fmt.Fprintf(&b, "%d", i+1)
			for _, c := range changed {
				if c == i+1 {
					b.WriteString("!")
				}
			}
			b.WriteString("\n")
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	for name, tt := range map[string]struct {
		changed []int
		hunks   []string
	}{
		"first":      {[]int{1}, []string{"@@ -1,4 +1,4 @@"}},
		"last":       {[]int{20}, []string{"@@ -17,4 +17,4 @@"}},
		"near":       {[]int{5, 10}, []string{"@@ -2,12 +2,12 @@"}},
		"far":        {[]int{3, 15}, []string{"@@ -1,6 +1,6 @@", "@@ -12,7 +12,7 @@"}},
		"neighbours": {[]int{5, 6}, []string{"@@ -2,8 +2,8 @@"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			diff := unified(imagediff.File{Path: "a", Before: []byte(text()), After: []byte(text(tt.changed...))})
			var hunks []string
			for line := range strings.Lines(diff) {
				if strings.HasPrefix(line, "@@") {
					hunks = append(hunks, strings.TrimSpace(line))
				}
			}
			require.Equal(t, tt.hunks, hunks, diff)
			require.Equal(t, len(tt.changed), strings.Count(diff, "!"))
		})
	}
	require.Contains(t, unified(imagediff.File{Path: "a", Before: []byte("a\x1b[31m"), After: []byte("b\x1b[31m")}), "+b\uFFFD[31m\n\\ No newline")
}
