package argosync_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/tools/cache"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argoapi"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

func testWindows(t *testing.T, r *rig) {
	ctx := t.Context()
	project := func(name, windows string) {
		require.NoError(t, r.sandbox.Apply(ctx, sandbox.Admin, fmt.Appendf(nil, `{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
			"metadata": {"name": %q, "namespace": "argocd"}, "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
			"clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "syncWindows": %s}}`, name, windows)))
	}
	project("frozen", `[{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"]}]`)
	project("closed", `[{"kind": "allow", "schedule": "0 0 1 1 *", "duration": "1m", "applications": ["frozen-other"]}, {"kind": "allow", "schedule": "0 0 29 2 *", "duration": "1m", "applications": ["*"]}]`)
	project("manual", `[{"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"], "manualSync": true}]`)
	api := r.api(t, r.token(t))
	sha := r.git.commit("acme/windows", chart("older"))
	for name, want := range map[string]string{
		"frozen": `blocked by the project's sync windows: deny "* * * * *" for 24h`,
		"closed": "no sync window that allows it is open",
		"manual": "", "default": "",
	} {
		app := r.create(t, "window-"+name, fmt.Sprintf(`{"project": %q, "source": {"repoURL": "%s/acme/windows", "path": "charts/shop", "targetRevision": "main"}}`, name, r.git.url))
		var allowed bool
		var reason string
		eventually(t, "the project "+name, func() (ok bool) {
			var err error
			allowed, reason, err = api.SyncAllowed(ctx, app)
			return err == nil
		})
		require.Equal(t, want == "", allowed, name)
		require.Equal(t, want, reason, name)
	}
	// A window that lets manual syncs through lets ours through: it is not automated.
	done := r.sync(t, r.syncer, "window-manual", "int-window", sha)
	require.Equal(t, "Succeeded", done.Operation.Phase)

	_, _, err := api.SyncAllowed(ctx, approval.Application{Namespace: "argocd", Name: "nobody", Project: "default"})
	require.Error(t, err)
	t.Logf("an Application that is not there: %v", err)
}

func (r *rig) token(t *testing.T) string {
	t.Helper()
	token, err := r.sandbox.ArgoCD().AccountToken(t.Context(), "gatekeeper")
	require.NoError(t, err)
	return token
}

func (r *rig) api(t *testing.T, token string) *argoapi.API {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	return r.apiWithFile(t, file)
}

func (r *rig) apiWithFile(t *testing.T, file string) *argoapi.API {
	t.Helper()
	api, err := argoapi.New(argoapi.Options{Server: r.sandbox.ArgoCD().Addr(), TokenFile: file, PlainText: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	return api
}

// testToken: a token that the server refuses is read again.
func testToken(t *testing.T, r *rig) {
	app := r.get(t, "helm")
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("not-a-token"), 0o600))
	api := r.apiWithFile(t, file)
	_, _, err := api.SyncAllowed(t.Context(), app)
	require.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
	require.NoError(t, os.WriteFile(file, []byte(r.token(t)), 0o600))
	allowed, _, err := api.SyncAllowed(t.Context(), app)
	require.NoError(t, err)
	require.True(t, allowed)
}

// testWatch: a watcher sees a sync from its request to its end, and is not woken by
// refreshes.
func testWatch(t *testing.T, r *rig) {
	sha := r.git.commit("acme/watch", chart("older"))
	r.create(t, "watch", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/watch", "path": "charts/shop", "targetRevision": "main"}}`, r.git.url))
	changes := make(chan approval.Application, 1000)
	watcher := argo.NewWatcher(r.client, r.parser, argo.WatcherOptions{
		Namespaces: []string{"argocd"},
		OnChange: func(_, after approval.Application) {
			if after.Name == "watch" {
				changes <- after
			}
		},
		Logger: testLogger(t),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- watcher.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	require.True(t, cache.WaitForCacheSync(ctx.Done(), watcher.HasSynced))

	r.sync(t, r.syncer, "watch", "int-watch", sha)
	// Argo CD writes the end of the operation, its history and the health one after the
	// other, the health sometimes first: nothing more comes only after all three.
	var settled approval.Application
	eventually(t, "the end", func() bool {
		settled = r.get(t, "watch")
		return settled.Health == "Healthy" && len(settled.Deployed) == 1 && settled.Operation != nil && settled.Operation.Phase == "Succeeded"
	})
	var phases []string
	for seen := range changes {
		if seen.Operation != nil {
			require.Equal(t, "int-watch", seen.Operation.Intent)
			phases = append(phases, seen.Operation.Phase)
		}
		if !argo.Differ(seen, settled) {
			break
		}
	}
	require.Contains(t, phases, "", "requested")
	require.Contains(t, phases, "Running")
	require.Contains(t, phases, "Succeeded")
	t.Logf("phases: %q", phases)

	before := text(t, r.raw(t, "watch"), "status", "reconciledAt")
	for range 2 {
		r.patch(t, "watch", `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}`)
		eventually(t, "a refresh", func() bool {
			object := r.raw(t, "watch")
			now := text(t, object, "status", "reconciledAt")
			if object.GetAnnotations()["argocd.argoproj.io/refresh"] != "" || now == before {
				return false
			}
			before = now
			return true
		})
	}
	// If a refresh had been reported, it would come before this.
	r.patch(t, "watch", `{"spec": {"source": {"path": "elsewhere"}}}`)
	require.NotEqual(t, settled.SpecDigest, (<-changes).SpecDigest)
}
