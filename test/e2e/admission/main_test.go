// Package admission tests the rules for writes of Applications where they are to hold:
// in a real API server, with what the real Argo CD writes all day.
package admission

import (
	"context"
	"encoding/json"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	rules "github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// TestAdmission installs the rules beside each version of Argo CD.
func TestAdmission(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	for _, version := range []sandbox.Version{sandbox.V3, sandbox.V2} {
		t.Run("argocd-"+string(version), func(t *testing.T) {
			r := newRig(t, version)
			t.Run("what argo cd writes", func(t *testing.T) { testFieldManagers(t, r) })
			r.enforce(t)
			t.Run("the objects are stored as rendered", func(t *testing.T) { testStored(t, r) })
			t.Run("usual work goes on", func(t *testing.T) { testUsualWork(t, r) })
			t.Run("attacks are refused", func(t *testing.T) { testAttacks(t, r) })
			t.Run("terminate", func(t *testing.T) { testTerminate(t, r) })
			t.Run("large Applications", func(t *testing.T) { testLarge(t, r) })
			t.Run("the controller is never held up", func(t *testing.T) { testController(t, r) })
			t.Run("without the policy", func(t *testing.T) { testWebhookAlone(t, r) })
		})
	}
}

// settings have the longest timeout: a busy machine must not look like a refusal.
var settings = rules.Settings{Protected: []approval.Selector{{Project: "prod"}}, TimeoutSeconds: 30}

// rig is a cluster with a repository and a webhook that counts.
type rig struct {
	sandbox *sandbox.Sandbox
	webhook *webhook
	repoURL string
	head    string
	clients map[sandbox.Identity]dynamic.NamespaceableResourceInterface
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\ndata: {a: b}\n"

// files are what the Applications deploy: something that is there at once, something
// that waits for ever, and another Application.
func files() map[string]string {
	return map[string]string{
		"plain/map.yaml": configMap,
		"wait/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:broken"}]}
`,
		"wait/late.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, annotations: {argocd.argoproj.io/sync-wave: \"1\"}}\n",
		"parent/child.yaml": `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: child, namespace: argocd}
spec:
  project: default
  destination: {server: "https://kubernetes.default.svc", namespace: child}
  source: {repoURL: "https://git.invalid/none", path: x}
`,
	}
}

func newRig(t *testing.T, version sandbox.Version) *rig {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Options{ArgoCD: version, AppResync: 5 * time.Second, Progress: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.DumpLogs(t.Output())
		}
		require.NoError(t, s.Close())
	})
	r := &rig{sandbox: s, webhook: newWebhook(t), clients: map[sandbox.Identity]dynamic.NamespaceableResourceInterface{}}
	r.repoURL, r.head = serveGit(t, files())
	for _, id := range []sandbox.Identity{sandbox.Admin, sandbox.Developer, sandbox.Gatekeeper, sandbox.ArgoController, sandbox.ArgoServer} {
		client, err := s.Client(id)
		require.NoError(t, err)
		r.clients[id] = client.Resource(argo.Applications())
	}
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, []byte(`{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "prod"},
		"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]}}`)))
	return r
}

// serveGit serves one repository with one commit over HTTP.
func serveGit(t *testing.T, files map[string]string) (url, head string) {
	t.Helper()
	root := t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=Dev", "GIT_AUTHOR_EMAIL=dev@example.com", "GIT_COMMITTER_NAME=Dev", "GIT_COMMITTER_EMAIL=dev@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %s: %s", strings.Join(args, " "), out)
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main", "acme/deploy")
	for name, content := range files {
		path := filepath.Join(root, "acme", "deploy", filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	git("-C", "acme/deploy", "add", "--all")
	git("-C", "acme/deploy", "commit", "--quiet", "--message", "all")
	backend := &cgi.Handler{
		Path: filepath.Join(git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + root},
	}
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	return server.URL + "/acme/deploy", git("-C", "acme/deploy", "rev-parse", "HEAD")
}

// application is the manifest of one that deploys a folder on manual sync.
func (r *rig) application(name, project, path string) map[string]any {
	return map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name, "namespace": "argocd"},
		"spec": map[string]any{
			"project":     project,
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": name},
			"source":      map[string]any{"repoURL": r.repoURL, "path": path, "targetRevision": "main", "directory": map[string]any{"recurse": true}},
			"syncPolicy":  map[string]any{"syncOptions": []any{"CreateNamespace=true"}},
		},
	}
}

func (r *rig) create(t *testing.T, id sandbox.Identity, object map[string]any) (*unstructured.Unstructured, error) {
	t.Helper()
	return r.clients[id].Namespace("argocd").Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
}

func (r *rig) mustCreate(t *testing.T, name, project, path string) {
	t.Helper()
	_, err := r.create(t, sandbox.Developer, r.application(name, project, path))
	require.NoError(t, err)
	eventually(t, "the first comparison of "+name, func() bool {
		status, _, err := unstructured.NestedString(r.get(t, name).Object, "status", "sync", "revision")
		return err == nil && status == r.head
	})
}

func (r *rig) get(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	object, err := r.clients[sandbox.Admin].Namespace("argocd").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return object
}

func (r *rig) patch(t *testing.T, id sandbox.Identity, name, patch string) error {
	t.Helper()
	_, err := r.clients[id].Namespace("argocd").Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// phase is that of the operation; empty when there is none.
func (r *rig) phase(t *testing.T, name string) string {
	t.Helper()
	phase, _, err := unstructured.NestedString(r.get(t, name).Object, "status", "operationState", "phase")
	require.NoError(t, err)
	return phase
}

// ended waits for an operation to end.
func (r *rig) ended(t *testing.T, name, phase string) {
	t.Helper()
	eventually(t, name+" to be "+phase, func() bool {
		object := r.get(t, name)
		if _, requested := object.Object["operation"]; requested {
			return false
		}
		state, _, err := unstructured.NestedMap(object.Object, "status", "operationState")
		require.NoError(t, err)
		require.Equal(t, phase, state["phase"], "%s: %v", name, state["message"])
		return true
	})
}

// enforce installs the rendered objects, and waits until the API server has them.
func (r *rig) enforce(t *testing.T) {
	t.Helper()
	objects, err := rules.Render(settings, r.webhook.client())
	require.NoError(t, err)
	manifests, err := objects.YAML()
	require.NoError(t, err)
	require.NoError(t, r.sandbox.Apply(t.Context(), sandbox.Admin, manifests))
	probe := r.application("probe", "prod", "plain")
	probe["operation"] = map[string]any{"sync": map[string]any{}}
	eventually(t, "the policy to be in force", func() bool {
		_, err := r.clients[sandbox.Developer].Namespace("argocd").Create(t.Context(), &unstructured.Unstructured{Object: probe}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'gatekeeper'")
	})
	harmless := &unstructured.Unstructured{Object: r.application("probe", "prod", "plain")}
	eventually(t, "the webhook to be in force", func() bool {
		_, err := r.clients[sandbox.Developer].Namespace("argocd").Create(t.Context(), harmless, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		require.NoError(t, err)
		return r.webhook.asked() > 0
	})
}

func registration(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
}

// live reads a cluster-wide object into a typed one.
func (r *rig) live(t *testing.T, resource string, into any) *unstructured.Unstructured {
	t.Helper()
	client, err := r.sandbox.Client(sandbox.Admin)
	require.NoError(t, err)
	object, err := client.Resource(registration(resource)).
		Get(t.Context(), rules.DefaultName, metav1.GetOptions{})
	require.NoError(t, err)
	encoded, err := json.Marshal(object)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, into))
	return object
}

// eventually waits for something that several processes have a part in.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "waited in vain for "+what)
		case <-tick.C:
		}
	}
}
