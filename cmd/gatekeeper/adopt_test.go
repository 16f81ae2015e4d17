package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/internal/console"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history"
	"github.com/argo-gatekeeper/gatekeeper/pkg/history/sqlite"
)

// kubernetesAPI answers reads of Applications, and knows no other request.
type kubernetesAPI struct {
	mu   sync.Mutex
	apps map[string]map[string]any // by name
}

func (k *kubernetesAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	const list, one = "/apis/argoproj.io/v1alpha1/applications", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/"
	answer := any(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": http.StatusNotFound})
	switch name, single := strings.CutPrefix(r.URL.Path, one); {
	case r.Method == http.MethodGet && r.URL.Path == list:
		items := []any{}
		for _, app := range k.apps {
			items = append(items, app)
		}
		answer = map[string]any{"kind": "ApplicationList", "apiVersion": "argoproj.io/v1alpha1", "metadata": map[string]any{}, "items": items}
	case r.Method == http.MethodGet && single && k.apps[name] != nil:
		answer = k.apps[name]
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// set makes or replaces an Application.
func (k *kubernetesAPI) set(name, uid, project, path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.apps[name] = map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": name, "namespace": "argocd", "uid": uid, "resourceVersion": "1"},
		"spec": map[string]any{
			"project": project, "destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": name},
			"source": map[string]any{"repoURL": "https://github.com/acme/env", "path": path, "targetRevision": "main"},
		},
	}
}

// withCluster is a configuration whose cluster has Applications, and a record.
func withCluster(t *testing.T) (file, data string, api *kubernetesAPI) {
	t.Helper()
	file, data = configure(t)
	api = &kubernetesAPI{apps: map[string]map[string]any{}}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	kubeconfig := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: %q}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n", server.URL)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "kubeconfig"), []byte(kubeconfig), 0o600))
	code, _, stderr := call(t, t.Context(), "ledger", "init", "--config", file)
	require.Zero(t, code, stderr)
	return file, data, api
}

func acts(t *testing.T, data string) []history.ActPayload {
	t.Helper()
	r, err := sqlite.Inspect(t.Context(), recordPath(data))
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	entries, err := r.Acts(t.Context())
	require.NoError(t, err)
	var found []history.ActPayload
	for _, e := range entries {
		act, err := history.Decode[history.ActPayload](e)
		require.NoError(t, err)
		found = append(found, act)
	}
	return found
}

func TestAdoptUsage(t *testing.T) {
	file, data, api := withCluster(t)
	api.set("dev", "u-dev", "dev", "charts/dev")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--all"}, exitUsage, "--by is missing"},
		{[]string{"--all", "--by", "ada"}, exitUsage, "--reason is missing"},
		{[]string{"--by", "ada", "--reason", "x"}, exitUsage, "or give --all"},
		{[]string{"--all", "argocd/shop", "--by", "ada", "--reason", "x"}, exitUsage, "not both"},
		{[]string{"argocd/shop", "--changed", "--by", "ada", "--reason", "x"}, exitUsage, "--changed goes with --all"},
		{[]string{"shop", "--by", "ada", "--reason", "x"}, exitUsage, "is not NAMESPACE/NAME"},
		{[]string{"--all", "--by", "ada", "--reason", "two\nlines"}, exitUsage, "not one line"},
		{[]string{"--all", "--by", "ada", "--reason", "x", "-o", "yaml"}, exitUsage, "is not text or json"},
		{[]string{"argocd/none", "--by", "ada", "--reason", "x"}, exitFailed, "there is no Application argocd/none"},
		{[]string{"argocd/dev", "--by", "ada", "--reason", "x"}, exitFailed, "no gate protects argocd/dev"},
	} {
		code, stdout, stderr := call(t, t.Context(), append([]string{"adopt", "--config", file}, tt.args...)...)
		require.Equal(t, tt.code, code, "%v: %s", tt.args, stderr)
		require.Contains(t, stderr, tt.want)
		require.Empty(t, stdout)
	}
	code, _, stderr := call(t, t.Context(), "adopt", "--all", "--by", "ada", "--reason", "x")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--config is missing")
	require.Empty(t, acts(t, data))
}

// TestAdopt plays the whole command twice: with the record to itself, and with a process
// that has it open.
func TestAdopt(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running %t", running), func(t *testing.T) {
			file, data, api := withCluster(t)
			var woken []string
			if running {
				woken = nil
				takeOrders(t, file, func(app string) { woken = append(woken, app) })
			}
			api.set("shop", "u-shop", "prod", "charts/shop")
			api.set("web", "u-web", "prod", "charts/web")
			api.set("dev", "u-dev", "dev", "charts/dev")
			adopt := func(args ...string) string {
				t.Helper()
				code, stdout, stderr := call(t, t.Context(), append([]string{"adopt", "--config", file, "--by", "ada", "--reason", "CHG-7"}, args...)...)
				require.Zero(t, code, stderr)
				return stdout
			}
			out := adopt("--all", "--dry-run")
			require.Contains(t, out, "argocd/shop  (gate prod)\n")
			require.Contains(t, out, "    source.path                  charts/shop\n")
			require.NotContains(t, out, "argocd/dev")
			require.Contains(t, out, "2 would be adopted; nothing was recorded\n")
			require.Empty(t, acts(t, data))
			require.Empty(t, woken)

			require.Contains(t, adopt("--all"), "2 adopted\n")
			require.Len(t, acts(t, data), 2)
			require.Equal(t, "0 adopted, 2 adopted already\n", adopt("--all"))

			api.set("shop", "u-shop", "prod", "charts/evil")
			api.set("web", "u-web-2", "prod", "charts/web")
			out = adopt("--all")
			require.Contains(t, out, "argocd/shop  (left: name it, or give --changed)\n    changed since ada adopted it on ")
			require.Contains(t, out, "      source.path (was charts/shop, is charts/evil)\n")
			require.Contains(t, out, "argocd/web  (left: name it, or give --changed)\n    made again since ada adopted one of that name on ")
			require.Contains(t, out, "0 adopted, 2 left\n")
			require.Len(t, acts(t, data), 2)

			require.Contains(t, adopt("argocd/shop"), "1 adopted\n")
			var result adoption
			require.NoError(t, json.Unmarshal([]byte(adopt("--all", "--changed", "-o", "json")), &result))
			require.Equal(t, []string{"argocd/shop"}, result.Already)
			require.Empty(t, result.Left)
			require.Len(t, result.Adopted, 1)
			all := acts(t, data)
			require.Len(t, all, 4)
			require.Equal(t, result.Adopted[0].ID, all[3].ID)
			require.Equal(t, history.Person{Name: "ada", Via: history.ViaConsole}, all[3].Person)
			require.Equal(t, "CHG-7", all[3].Reason)
			if running {
				slices.Sort(woken)
				require.Equal(t, []string{"argocd/shop", "argocd/shop", "argocd/web", "argocd/web"}, woken)
			}
		})
	}
}

// takeOrders does what serve does about orders.
func takeOrders(t *testing.T, file string, wake func(string)) {
	t.Helper()
	cfg, err := config.Load(file)
	require.NoError(t, err)
	record, err := sqlite.Open(t.Context(), recordPath(cfg.File.DataDirectory))
	require.NoError(t, err)
	listener, err := console.Listen(t.Context(), consolePath(cfg.File.DataDirectory))
	require.NoError(t, err)
	argoCD, err := connectArgoCD(cfg)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	verbs := ordering{policies: newSettings(cfg).policies, reader: argo.NewReader(argoCD.client, argoCD.parser), record: record, wake: func(_ context.Context, app string) { wake(app) }, log: log}.verbs()
	go func() { ended <- console.Serve(ctx, listener, verbs, log) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, record.Close())
	})
}

// TestAdoptMany: thousands are recorded in batches.
func TestAdoptMany(t *testing.T) {
	file, data, api := withCluster(t)
	const many = 250
	for i := range many {
		api.set(fmt.Sprint("app", i), fmt.Sprint("u", i), "prod", "charts/app")
	}
	code, stdout, stderr := call(t, t.Context(), "adopt", "--config", file, "--all", "--by", "ada", "--reason", "all")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "250 adopted\n")
	require.Len(t, acts(t, data), many)
}
