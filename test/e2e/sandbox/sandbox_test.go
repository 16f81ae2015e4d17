package sandbox_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

func applications() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
}

func deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

func deployment(image string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: %q}]
`, image)
}

func application(name, repoURL, path string) []byte {
	return fmt.Appendf(nil, `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: %[1]s, namespace: argocd}
spec:
  project: default
  source: {repoURL: %[2]q, path: %[3]s, targetRevision: main}
  destination: {server: 'https://kubernetes.default.svc', namespace: %[1]s}
  syncPolicy: {syncOptions: [CreateNamespace=true]}
`, name, repoURL, path)
}

// TestArgoCD deploys with both versions, in one sandbox each, because starting one
// is the expensive part.
func TestArgoCD(t *testing.T) {
	for _, version := range []sandbox.Version{sandbox.V3, sandbox.V2} {
		t.Run(string(version), func(t *testing.T) {
			s := start(t, sandbox.Options{ArgoCD: version, ApplicationSet: true})
			repo := newRepository(t)
			require.NoError(t, s.ArgoCD().AddRepository(t.Context(), repo.url, repoUser, repoPassword))

			t.Run("reports its version", func(t *testing.T) {
				out, err := s.ArgoCD().CLI(t.Context(), "version", "--output", "json")
				require.NoError(t, err)
				var versions struct {
					Server struct{ Version, HelmVersion, KustomizeVersion string }
				}
				require.NoError(t, json.Unmarshal(out, &versions))
				require.Contains(t, versions.Server.Version, string(version))
				require.Contains(t, versions.Server.HelmVersion, "v3.")
				require.Contains(t, versions.Server.KustomizeVersion, "v5.")
			})
			t.Run("deploys a pinned commit", func(t *testing.T) { testPinnedSync(t, s, repo) })
			t.Run("renders helm and kustomize", func(t *testing.T) { testRendering(t, s, repo) })
			t.Run("sees a broken image", func(t *testing.T) { testBrokenImage(t, s, repo) })
			t.Run("runs hooks", func(t *testing.T) { testHooks(t, s, repo) })
			t.Run("shows the text of a denial", func(t *testing.T) { testDenial(t, s, repo) })
			t.Run("limits accounts and identities", func(t *testing.T) { testRights(t, s) })
			t.Run("generates Applications", func(t *testing.T) { testApplicationSet(t, s, repo) })
			t.Run("intercepts the API", func(t *testing.T) { testInterceptor(t, s) })
			t.Run("everything still runs", func(t *testing.T) {
				for _, process := range s.Processes() {
					require.NoError(t, process.Err(), process.Name())
				}
			})
		})
	}
}

func testPinnedSync(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	first := repo.commit("first", map[string]string{"plain/web.yaml": deployment("registry.example/web:1.0")})
	repo.commit("second", map[string]string{"plain/web.yaml": deployment("registry.example/web:2.0")})
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, application("plain", repo.url, "plain")))

	out, err := s.ArgoCD().CLI(t.Context(), "app", "sync", "plain", "--revision", first)
	require.NoError(t, err)
	require.Contains(t, string(out), "Succeeded")
	_, err = s.ArgoCD().CLI(t.Context(), "app", "wait", "plain", "--health", "--timeout", "60")
	require.NoError(t, err)

	web := get(t, s, deployments(), "plain", "web")
	require.Equal(t, int64(2), number(t, web, "status", "readyReplicas"))
	require.Contains(t, fmt.Sprint(web.Object["spec"]), "registry.example/web:1.0")
	app := get(t, s, applications(), "argocd", "plain")
	require.Equal(t, "Healthy", text(t, app, "status", "health", "status"))
	require.Equal(t, first, text(t, app, "status", "operationState", "syncResult", "revision"))
	require.Equal(t, "OutOfSync", text(t, app, "status", "sync", "status"), "main has moved on")
}

func testRendering(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	head := repo.commit("helm and kustomize", map[string]string{
		"chart/Chart.yaml":             "apiVersion: v2\nname: web\nversion: 0.1.0\nkubeVersion: '>=1.30.0-0'\n",
		"chart/values.yaml":            "greeting: hello\n",
		"chart/templates/config.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chart}\ndata: {greeting: {{ .Values.greeting | quote }}}\n",
		"overlay/kustomization.yaml":   "resources: [config.yaml]\nnamePrefix: over-\n",
		"overlay/config.yaml":          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: laid}\n",
		"unrelated/kustomization.yaml": "resources: []\n",
	})
	for path, object := range map[string]string{"chart": "chart", "overlay": "over-laid"} {
		require.NoError(t, s.Apply(t.Context(), sandbox.Admin, application(path, repo.url, path)))
		_, err := s.ArgoCD().CLI(t.Context(), "app", "sync", path, "--revision", head)
		require.NoError(t, err)
		get(t, s, schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, path, object)
	}
}

func testBrokenImage(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	head := repo.commit("broken", map[string]string{"sick/web.yaml": deployment("registry.example/web:3.0-broken")})
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, application("sick", repo.url, "sick")))
	_, err := s.ArgoCD().CLI(t.Context(), "app", "sync", "sick", "--revision", head)
	require.NoError(t, err)
	eventually(t, "the Application to be Degraded", func() (bool, error) {
		return text(t, get(t, s, applications(), "argocd", "sick"), "status", "health", "status") == "Degraded", nil
	})
}

func testHooks(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	head := repo.commit("hooks", map[string]string{"hooked/job.yaml": `
apiVersion: batch/v1
kind: Job
metadata: {generateName: migrate-, annotations: {argocd.argoproj.io/hook: PreSync}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: 'registry.example/migrate:1.0'}]}}}
`, "hooked/web.yaml": deployment("registry.example/web:1.0")})
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, application("hooked", repo.url, "hooked")))
	_, err := s.ArgoCD().CLI(t.Context(), "app", "sync", "hooked", "--revision", head, "--timeout", "60")
	require.NoError(t, err)
	resources, _, err := unstructured.NestedSlice(get(t, s, applications(), "argocd", "hooked").Object,
		"status", "operationState", "syncResult", "resources")
	require.NoError(t, err)
	phases := map[any]any{}
	for _, item := range resources {
		resource, ok := item.(map[string]any)
		require.True(t, ok)
		phases[resource["kind"]] = resource["hookPhase"]
	}
	require.Equal(t, "Succeeded", phases["Job"], "%v", resources)
}

func testDenial(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	head := repo.commit("guarded", map[string]string{"guarded/web.yaml": deployment("registry.example/web:1.0")})
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, application("guarded", repo.url, "guarded")))
	webhook, users := webhookManifest(t, s)
	for _, kind := range []struct{ name, manifest, configuration, text string }{
		{"policy", policyManifest, "validatingadmissionpolicybindings", "denied request: waiting for 1 more of acme/sre"},
		{"webhook", webhook, "validatingwebhookconfigurations", `admission webhook "gk.example.com" denied the request: waiting for acme/dba`},
	} {
		t.Run(kind.name, func(t *testing.T) {
			require.NoError(t, s.Apply(t.Context(), sandbox.Admin, []byte(kind.manifest)))
			t.Cleanup(func() {
				client, err := s.Client(sandbox.Admin)
				require.NoError(t, err)
				resource := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: kind.configuration}
				require.NoError(t, client.Resource(resource).Delete(context.WithoutCancel(t.Context()), "no-sync", metav1.DeleteOptions{}))
			})
			// A dry run through the API server tells when it is in force.
			client, err := s.Client(sandbox.Developer)
			require.NoError(t, err)
			patch := fmt.Appendf(nil, `{"operation":{"sync":{"revision":%q}}}`, head)
			eventually(t, "the denial to be in force", func() (bool, error) {
				_, err := client.Resource(applications()).Namespace("argocd").Patch(t.Context(), "guarded", types.MergePatchType, patch,
					metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
				return apierrors.IsForbidden(err) && strings.Contains(err.Error(), kind.text), nil
			})

			_, err = s.ArgoCD().CLIAs(t.Context(), "developer", "app", "sync", "guarded", "--revision", head)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 20, exit.ExitCode())
			require.ErrorContains(t, err, "PermissionDenied")
			require.ErrorContains(t, err, strings.ReplaceAll(kind.text, `"`, `\"`))
			t.Log(err)
		})
	}
	require.Contains(t, *users.Load(), "system:serviceaccount:argocd:argocd-server", "the sync comes from Argo CD's service account")
	require.Contains(t, *users.Load(), "developer@sandbox")
}

// policyManifest denies every operation on the Application guarded.
const policyManifest = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-sync}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [argoproj.io], apiVersions: ['*'], operations: [UPDATE], resources: [applications]}]
  matchConditions:
  - {name: guarded, expression: "object.metadata.name == 'guarded'"}
  validations:
  - expression: "!has(object.operation)"
    reason: Forbidden
    message: waiting for 1 more of acme/sre
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-sync}
spec: {policyName: no-sync, validationActions: [Deny]}
`

// webhookManifest starts an admission webhook on loopback that denies every write
// of the Application guarded, and returns its configuration and the users it saw.
func webhookManifest(t *testing.T, s *sandbox.Sandbox) (string, *atomic.Pointer[[]string]) {
	t.Helper()
	var users atomic.Pointer[[]string]
	users.Store(&[]string{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID      string
				UserInfo struct{ Username string }
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&review)
		seen := append(slices.Clone(*users.Load()), review.Request.UserInfo.Username)
		users.Store(&seen)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%q,"allowed":false,
			"status":{"code":403,"reason":"Forbidden","message":"waiting for acme/dba"}}}`, review.Request.UID)
	}))
	certFile, keyFile, err := s.ServingCert("webhook")
	require.NoError(t, err)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: no-sync}
webhooks:
- name: gk.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 3
  clientConfig: {url: %q, caBundle: %s}
  rules: [{apiGroups: [argoproj.io], apiVersions: ['*'], operations: [UPDATE], resources: [applications]}]
  matchConditions:
  - {name: guarded, expression: "object.metadata.name == 'guarded' && has(object.operation)"}
`, server.URL, base64.StdEncoding.EncodeToString(s.CA())), &users
}

func testRights(t *testing.T, s *sandbox.Sandbox) {
	token, err := s.ArgoCD().AccountToken(t.Context(), "gatekeeper")
	require.NoError(t, err)
	require.NotEmpty(t, token)
	out, err := s.ArgoCD().CLIAs(t.Context(), "gatekeeper", "app", "list", "--output", "name")
	require.NoError(t, err)
	require.Contains(t, string(out), "argocd/plain")
	_, err = s.ArgoCD().CLIAs(t.Context(), "gatekeeper", "app", "sync", "plain")
	require.ErrorContains(t, err, "permission denied")

	gatekeeper, err := s.Client(sandbox.Gatekeeper)
	require.NoError(t, err)
	apps := gatekeeper.Resource(applications()).Namespace("argocd")
	_, err = apps.Patch(t.Context(), "plain", types.MergePatchType, []byte(`{"metadata":{"annotations":{"seen":"yes"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.True(t, apierrors.IsForbidden(apps.Delete(t.Context(), "plain", metav1.DeleteOptions{})))
	_, err = gatekeeper.Resource(deployments()).List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err))

	nobody, err := s.Client(sandbox.Anonymous)
	require.NoError(t, err)
	_, err = nobody.Resource(applications()).List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), "%v", err)
}

func testApplicationSet(t *testing.T, s *sandbox.Sandbox, repo *repository) {
	require.NoError(t, s.Apply(t.Context(), sandbox.Developer, fmt.Appendf(nil, `
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: fleet}
spec:
  generators: [{list: {elements: [{env: one}]}}]
  template:
    metadata: {name: 'fleet-{{env}}'}
    spec:
      project: default
      source: {repoURL: %q, path: plain, targetRevision: main}
      destination: {server: 'https://kubernetes.default.svc', namespace: fleet}
`, repo.url)))
	client, err := s.Client(sandbox.Developer)
	require.NoError(t, err)
	eventually(t, "the Application of the set", func() (bool, error) {
		_, err := client.Resource(applications()).Namespace("argocd").Get(t.Context(), "fleet-one", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func get(t *testing.T, s *sandbox.Sandbox, resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	client, err := s.Client(sandbox.Admin)
	require.NoError(t, err)
	object, err := client.Resource(resource).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return object
}

func text(t *testing.T, object *unstructured.Unstructured, fields ...string) string {
	t.Helper()
	value, _, err := unstructured.NestedString(object.Object, fields...)
	require.NoError(t, err)
	return value
}

func number(t *testing.T, object *unstructured.Unstructured, fields ...string) int64 {
	t.Helper()
	value, _, err := unstructured.NestedInt64(object.Object, fields...)
	require.NoError(t, err)
	return value
}

func TestStartRefusesUnknownVersion(t *testing.T) {
	_, err := sandbox.Start(t.Context(), sandbox.Options{ArgoCD: "1.0.0"})
	require.ErrorContains(t, err, `no Argo CD "1.0.0"`)
	require.NotContains(t, err.Error(), "\n")
}
