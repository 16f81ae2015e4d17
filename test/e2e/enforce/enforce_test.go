// Package enforce tests enforcement where it is to hold: a real API server calls our
// TLS listener, with the rights that Gatekeeper has in production and no more.
package enforce

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	core "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/argo-gatekeeper/gatekeeper/internal/certs"
	"github.com/argo-gatekeeper/gatekeeper/internal/enforce"
	"github.com/argo-gatekeeper/gatekeeper/internal/events"
	"github.com/argo-gatekeeper/gatekeeper/internal/httpapi"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// denialText is what the webhook says to everything.
const denialText = "#42 waits for bob"

// lifetime of a certificate, of which a third is left when the next one is staged.
const lifetime = 30 * time.Second

func TestEnforcement(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("needs a whole cluster: set GATEKEEPER_E2E=1 or run make e2e")
	}
	s, err := sandbox.Start(t.Context(), sandbox.Options{Progress: t.Output()})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			s.DumpLogs(t.Output())
		}
		require.NoError(t, s.Close())
	})
	c := newCluster(t, s)
	t.Run("not ready without rights", func(t *testing.T) { testWithoutRights(t, c) })
	c.start(t)
	t.Run("the API server asks", func(t *testing.T) { testAsked(t, c) })
	t.Run("status", func(t *testing.T) { testStatus(t, c) })
	t.Run("drift is repaired", func(t *testing.T) { testDrift(t, c) })
	t.Run("a rotation loses no request", func(t *testing.T) { testRotation(t, c) })
	t.Run("argo cd shows the event", func(t *testing.T) { testEvents(t, c) })
}

// cluster is a sandbox with what the product runs beside it.
type cluster struct {
	sandbox *sandbox.Sandbox
	keeper  core.CoreV1Interface
	client  dynamic.Interface // with Gatekeeper's rights
	admin   dynamic.Interface
	people  dynamic.Interface
	log     *record

	certificates *certs.Store
	enforcer     *enforce.Enforcer
	url          string
	asked        atomic.Int64
	served       sync.Map // serial numbers of certificates that were shown
	handshakes   atomic.Int64
}

func newCluster(t *testing.T, s *sandbox.Sandbox) *cluster {
	t.Helper()
	c := &cluster{sandbox: s, log: &record{}}
	var err error
	c.keeper, err = core.NewForConfig(s.RESTConfig(sandbox.Gatekeeper))
	require.NoError(t, err)
	for id, client := range map[sandbox.Identity]*dynamic.Interface{sandbox.Gatekeeper: &c.client, sandbox.Admin: &c.admin, sandbox.Developer: &c.people} {
		*client, err = s.Client(id)
		require.NoError(t, err)
	}
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, []byte(`{"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "prod"},
		"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}}`)))
	return c
}

// render is what the product renders.
func (c *cluster) render(bundle []byte) ([]*unstructured.Unstructured, error) {
	objects, err := admission.Render(
		// A machine that is busy with other things is not what is tested.
		admission.Settings{Protected: []approval.Selector{{Project: "prod"}}, TimeoutSeconds: 30},
		admissionregistrationv1.WebhookClientConfig{URL: new(c.url + "/admission"), CABundle: bundle})
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for _, o := range []any{objects.Policy, objects.Binding, objects.Webhook} {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil, err
		}
		delete(fields, "status")
		unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
		out = append(out, &unstructured.Unstructured{Object: fields})
	}
	return out, nil
}

// start runs certificates, enforcer and listener, as the product does.
func (c *cluster) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.url = "https://" + listener.Addr().String()
	log := slog.New(slog.NewTextHandler(c.log, nil))
	c.certificates = certs.NewStore(certs.Options{
		Secrets: c.keeper.Secrets("gatekeeper"), Namespace: "gatekeeper", Name: "gatekeeper-admission", Hosts: []string{"127.0.0.1"},
		Lifetime: lifetime, Settle: 2 * time.Second, Poll: 500 * time.Millisecond, Logger: log,
	})
	c.enforcer = enforce.New(enforce.Options{
		Objects: enforce.NewCluster(c.client), Render: c.render, Certificates: c.certificates, Manage: true,
		Metrics: enforce.NewMetrics(), Logger: log,
	})
	evaluator, err := admission.NewEvaluator(admission.Settings{Protected: []approval.Selector{{Project: "prod"}}})
	require.NoError(t, err)
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	responder := admission.Responder{Evaluator: evaluator, Parser: parser, Judge: func(context.Context, admission.Examination) admission.Judgement {
		c.asked.Add(1)
		return admission.Judgement{Text: denialText}
	}}
	server := httpapi.NewAdmissionServer(httpapi.NewAdmission(httpapi.AdmissionOptions{
		Admit: responder.Answer, Metrics: httpapi.NewAdmissionMetrics(), Logger: log,
	}), func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.handshakes.Add(1)
		certificate, err := c.certificates.GetCertificate(hello)
		if err == nil {
			c.served.Store(certificate.Leaf.SerialNumber.String(), true)
		}
		return certificate, err
	}, log)
	// Each request has a handshake of its own, or a rotation would touch few. API
	// servers call services with HTTP/1.1, loopback addresses with HTTP/2.
	server.SetKeepAlivesEnabled(false)
	server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	var all sync.WaitGroup
	all.Go(func() { c.certificates.Run(ctx) })
	all.Go(func() {
		if err := c.enforcer.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() { _ = server.ServeTLS(listener, "", "") })
	t.Cleanup(func() {
		cancel()
		_ = server.Close()
		all.Wait()
		if t.Failed() {
			t.Log(c.log.String())
		}
		require.NotContains(t, c.log.String(), "PRIVATE KEY")
	})
	eventually(t, "enforcement to be in place", func() bool { return c.enforcer.Ready() == nil })
	require.NoError(t, c.certificates.Ready())
}

// ask makes a write that is judged and not stored, and returns the refusal.
func (c *cluster) ask(ctx context.Context, name string) error {
	_, err := c.people.Resource(argo.Applications()).Namespace("argocd").Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name, "namespace": "argocd"},
		"spec": map[string]any{
			"project":     "prod",
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": "x"},
			"source":      map[string]any{"repoURL": "https://github.com/acme/env", "path": "x", "targetRevision": "main"},
		},
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

func (c *cluster) denied(ctx context.Context, name string) bool {
	err := c.ask(ctx, name)
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), denialText)
}

func testAsked(t *testing.T, c *cluster) {
	eventually(t, "the webhook to be in force", func() bool { return c.denied(t.Context(), "probe") })
	err := c.ask(t.Context(), "probe")
	require.EqualError(t, err, `admission webhook "gatekeeper.argo-gatekeeper.io" denied the request: `+denialText)
	require.Equal(t, metav1.StatusReasonForbidden, apierrors.ReasonForError(err))

	// What is live is exactly what was rendered.
	objects, err := c.render(c.certificates.Bundle())
	require.NoError(t, err)
	reports, err := enforce.NewCluster(c.client).Check(t.Context(), objects)
	require.NoError(t, err)
	for _, r := range reports {
		require.True(t, r.InPlace, r)
	}

	// Another replica finds the same certificate.
	other := certs.NewStore(certs.Options{
		Secrets: c.keeper.Secrets("gatekeeper"), Namespace: "gatekeeper", Name: "gatekeeper-admission", Hosts: []string{"127.0.0.1"},
		Lifetime: lifetime, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		other.Run(ctx)
		close(done)
	}()
	eventually(t, "the second replica", func() bool { return other.Ready() == nil })
	cancel()
	<-done
	require.Contains(t, string(other.Bundle())+string(c.certificates.Bundle()), string(other.Bundle()))
}

// testStatus runs the real binary. It waits shorter for the webhook than this test, so
// that is the one thing that differs.
func testStatus(t *testing.T, c *cluster) {
	dir := t.TempDir()
	file := filepath.Join(dir, "gatekeeper.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`github: {appID: 1, privateKeyFile: key, webhookSecretFiles: [secret]}
argocd: {server: "127.0.0.1:1", tokenFile: token}
kubernetes: {kubeconfig: `+c.sandbox.Kubeconfig(sandbox.Gatekeeper)+`}
dataDirectory: `+dir+`
enforcement: {url: "`+c.url+`", certificate: {secret: gatekeeper/gatekeeper-admission}}
gates:
  - name: prod
    applications: [{project: prod}]
    repositories: [{repository: acme/env, branch: main, enrolledAt: "8f14e45fceea167a5a36dedd4bea2543b1b2c3d4"}]
    config: {requirements: [{approvals: 2, teams: [acme/sre]}]}
`), 0o600))
	run := func(name string, args ...string) (string, error) {
		p, err := c.sandbox.StartGatekeeper(t.Context(), name, append(args, "--config", file)...)
		require.NoError(t, err)
		<-p.Done()
		return p.Logs(), p.Err()
	}
	var paths []string
	eventually(t, "a look between two renewals of the certificate", func() bool {
		out, err := run("status", "enforcement", "status", "-o", "json")
		require.Error(t, err)
		var report struct {
			InPlace bool
			Objects []enforce.Report
		}
		require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&report), out)
		require.False(t, report.InPlace)
		paths = nil
		for _, o := range report.Objects {
			for _, d := range o.Differences {
				paths = append(paths, o.Kind+" "+d.Path)
			}
		}
		return !slices.ContainsFunc(paths, func(p string) bool { return strings.HasSuffix(p, "clientConfig.caBundle") })
	})
	require.Equal(t, []string{
		"ValidatingWebhookConfiguration webhooks[0].timeoutSeconds",
		"ValidatingWebhookConfiguration metadata.annotations[argo-gatekeeper.io/content]",
	}, paths)

	out, err := run("render", "enforcement", "render")
	require.NoError(t, err, out)
	require.Equal(t, 3, strings.Count(out, "apiVersion: admissionregistration.k8s.io/v1\n"), out)
	require.Contains(t, out, "caBundle: LS0t")
	require.NotContains(t, out, "creationTimestamp")
}

// testWithoutRights: whoever may not write says which right is missing.
func testWithoutRights(t *testing.T, c *cluster) {
	c.url = "https://127.0.0.1:1"
	e := enforce.New(enforce.Options{
		Objects: enforce.NewCluster(c.people), Render: c.render, Certificates: fixed("x"), Manage: true,
		Metrics: enforce.NewMetrics(), Logger: slog.New(slog.NewTextHandler(c.log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	eventually(t, "the reason", func() bool {
		err := e.Ready()
		return err != nil && strings.Contains(err.Error(), "allow get on validatingadmissionpolicies.admissionregistration.k8s.io gatekeeper")
	})
	require.ErrorIs(t, e.Ready(), enforce.ErrForbidden)
	eventually(t, "the watch to be told", func() bool { return strings.Contains(c.log.String(), "allow list and watch on") })
	cancel()
	require.NoError(t, <-done)
}

type fixed string

func (f fixed) Bundle() []byte          { return []byte(f) }
func (fixed) Changed() <-chan struct{}  { return nil }
func (fixed) Installed(caBundle []byte) {}

func registration(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
}

// told is how often it was logged that something differed; when the bundle changes
// at the same moment, it is not called drift.
func (c *cluster) told() int {
	text := c.log.String()
	return strings.Count(text, "msg=enforcement_drift") + strings.Count(text, "msg=enforcement_applied")
}

func testDrift(t *testing.T, c *cluster) {
	const policies, bindings, webhooks = "validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations"
	inPlace := func() bool {
		objects, err := c.render(c.certificates.Bundle())
		require.NoError(t, err)
		reports, err := enforce.NewCluster(c.client).Check(t.Context(), objects)
		require.NoError(t, err)
		for _, r := range reports {
			if !r.InPlace {
				return false
			}
		}
		return true
	}
	for _, d := range []struct{ name, resource, patch string }{
		{"the webhook fails open", webhooks, `[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]`},
		{"the webhook is narrowed", webhooks, `[{"op": "add", "path": "/webhooks/0/matchConditions/0", "value": {"name": "never", "expression": "false"}}]`},
		{"namespaces are left out", webhooks, `[{"op": "add", "path": "/webhooks/0/namespaceSelector/matchLabels", "value": {"a": "b"}}]`},
		{"a name is excluded from the policy", policies, `[{"op": "add", "path": "/spec/matchConstraints/excludeResourceRules", "value": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}]`},
		{"a rule is gone", policies, `[{"op": "remove", "path": "/spec/validations/0"}]`},
		{"the binding warns only", bindings, `[{"op": "replace", "path": "/spec/validationActions", "value": ["Warn"]}]`},
		{"the binding selects", bindings, `[{"op": "add", "path": "/spec/matchResources", "value": {"objectSelector": {"matchLabels": {"a": "b"}}}}]`},
		{"the policy is deleted", policies, ""},
		{"the binding is deleted", bindings, ""},
		{"the webhook is deleted", webhooks, ""},
	} {
		t.Run(d.name, func(t *testing.T) {
			eventually(t, "everything to be in place", inPlace)
			told := c.told()
			var err error
			client := c.admin.Resource(registration(d.resource))
			if d.patch == "" {
				err = client.Delete(t.Context(), "gatekeeper", metav1.DeleteOptions{})
			} else {
				_, err = client.Patch(t.Context(), "gatekeeper", types.JSONPatchType, []byte(d.patch), metav1.PatchOptions{FieldManager: "kubectl-edit"})
			}
			require.NoError(t, err)
			began := time.Now()
			eventually(t, "the repair", inPlace)
			t.Logf("repaired after %s", time.Since(began).Round(time.Millisecond))
			eventually(t, "somebody to hear of it", func() bool { return c.told() > told })
			eventually(t, "the webhook to be in force again", func() bool { return c.denied(t.Context(), "probe") })
		})
	}
}

// testRotation asks all the time while the certificate is renewed three times: each
// time it is our answer that comes back.
func testRotation(t *testing.T, c *cluster) {
	count := func() (n int) {
		c.served.Range(func(any, any) bool { n++; return true })
		return n
	}
	first, handshakes := count(), c.handshakes.Load()
	ctx, cancel := context.WithTimeout(t.Context(), 4*lifetime)
	defer cancel()
	var all sync.WaitGroup
	var requests atomic.Int64
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil && count() < first+3 {
				requests.Add(1)
				if err := c.ask(t.Context(), "probe"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), denialText) {
					t.Errorf("request %d: %v", requests.Load(), err)
					return
				}
			}
		})
	}
	all.Wait()
	require.GreaterOrEqual(t, count(), first+3, "three renewals")
	t.Logf("%d requests, %d handshakes, %d certificates", requests.Load(), c.handshakes.Load()-handshakes, count()-first+1)
	require.GreaterOrEqual(t, c.handshakes.Load()-handshakes, requests.Load(), "every request had its own")
	require.NotContains(t, c.log.String(), "msg=admission_connection")
}

// testEvents: what is told of an Application is what Argo CD's Events tab shows.
func testEvents(t *testing.T, c *cluster) {
	free := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "told", "namespace": "argocd"},
		"spec": map[string]any{
			"project":     "default",
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": "x"},
			"source":      map[string]any{"repoURL": "https://git.invalid/none", "path": "x", "targetRevision": "main"},
		},
	}}
	app, err := c.people.Resource(argo.Applications()).Namespace("argocd").Create(t.Context(), free, metav1.CreateOptions{})
	require.NoError(t, err)
	emitter := events.New(func(ctx context.Context, e *corev1.Event) error {
		_, err := c.keeper.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
		return err
	}, slog.New(slog.NewTextHandler(c.log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		emitter.Run(ctx)
		close(done)
	}()
	for range 5 {
		emitter.Emit(events.Application{Namespace: "argocd", Name: "told", UID: string(app.GetUID())}, events.Warning, "GatekeeperDenied", denialText)
	}
	token, err := c.sandbox.ArgoCD().AccountToken(t.Context(), "gatekeeper")
	require.NoError(t, err)
	// Argo CD may have events of its own there.
	ours := func() (texts []string) {
		var shown struct{ Items []corev1.Event }
		require.NoError(t, json.Unmarshal(c.get(t, "/api/v1/applications/told/events", token), &shown))
		for _, e := range shown.Items {
			if e.Reason == "GatekeeperDenied" {
				texts = append(texts, e.Message)
				require.Equal(t, "Warning", e.Type)
			}
		}
		return texts
	}
	eventually(t, "the event in Argo CD", func() bool { return len(ours()) > 0 })
	cancel()
	<-done
	require.Equal(t, []string{denialText}, ours())
}

func (c *cluster) get(t *testing.T, path, token string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.sandbox.ArgoCD().URL()+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return body
}

// record keeps what was logged.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// eventually waits for something that several processes have a part in.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			require.FailNow(t, "waited in vain for "+what)
		case <-tick.C:
		}
	}
}
