package chart

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/chart"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// seen are the requests that gatekeeper made.
type seen struct {
	mu        sync.Mutex
	used      map[right]bool
	forbidden []string
}

// after notes which right a request needed. An apply that creates needs two.
func (s *seen) after(request *http.Request, response *http.Response) error {
	r := rightOf(request)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case response.StatusCode == http.StatusForbidden:
		s.forbidden = append(s.forbidden, r.String())
	case response.StatusCode < http.StatusBadRequest, response.StatusCode == http.StatusNotFound:
		s.uses(r)
		if r.Verb == "patch" && response.StatusCode == http.StatusCreated {
			r.Verb = "create"
			s.uses(r)
		}
	}
	return nil
}

// uses notes a right, which may have been given for the namespace or for all.
func (s *seen) uses(r right) {
	s.used[r] = true
	r.Namespace = ""
	s.used[r] = true
}

// rightOf is what RBAC is asked for a request.
func rightOf(r *http.Request) right {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	if parts[0] == "apis" {
		group, parts = parts[1], parts[1:]
	}
	parts = parts[2:] // api or the group, and the version
	namespace := ""
	if len(parts) > 2 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	if len(parts) == 0 {
		return right{namespace, group, "", strings.ToLower(r.Method)}
	}
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	if r.Method == http.MethodGet {
		switch {
		case r.URL.Query().Get("watch") != "":
			verb = "watch"
		case len(parts) > 1:
			verb = "get"
		default:
			verb = "list"
		}
	}
	return right{namespace, group, parts[0], verb}
}

// rights: with nothing but the chart's roles, a change that lacks an approval is refused
// and told, one that is approved is synced, the certificate is made and filled again, and a
// token of the cluster reads. Nothing is forbidden to gatekeeper meanwhile, and each right
// is one that it used and has from one rule alone: taking it away forbids what it did.
func rights(ctx context.Context, t *testing.T, sb *sandbox.Sandbox) {
	rendered, err := chart.Render(chart.Options{Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"), Values: values()})
	require.NoError(t, err)
	withdraw(ctx, t, sb, "gatekeeper")
	install(ctx, t, sb, rendered)
	require.NoError(t, sb.Apply(ctx, sandbox.Admin, []byte(reader)))

	w, err := payments.Open(ctx, sb, payments.Options{Name: worldName, Services: []string{payments.Ledger}, Enforce: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	withdraw(ctx, t, sb, "gk-"+worldName)

	s := &seen{used: map[right]bool{}}
	proxy, err := sb.Intercept(ctx, sandbox.Gatekeeper, sandbox.Hook{After: s.after})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	address := configure(ctx, t, w, proxy)
	p := &play{t: t, ctx: ctx, World: w}
	first := p.start()

	pull, err := w.Propose(payments.Alice, payments.Ledger, "5000")
	require.NoError(t, err)
	_, err = w.Approve(payments.Bob, pull.Number)
	require.NoError(t, err)
	sha, err := w.Merge(payments.Alice, pull.Number, "squash")
	require.NoError(t, err)
	p.refused(sha)
	_, err = w.Approve(payments.Carol, pull.Number)
	require.NoError(t, err)
	_, err = w.AwaitLive(ctx, "prod", payments.Ledger, sha, "5000")
	require.NoError(t, err)
	p.reads(address)

	// A Secret that is there and empty is filled.
	first.Kill()
	<-first.Done()
	p.empty()
	second := p.start()
	p.reads(address)
	second.Kill()
	<-second.Done()

	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.forbidden)
	all, unused := granted(t, rendered), map[right]bool{}
	for r := range all {
		if !s.used[r] {
			unused[r] = true
		}
	}
	// An Event about a configuration that was refused is about the Service, which this one has not: the API server
	// reaches it by an address. Package events and the story of the configuration show that it is written.
	delete(unused, right{"gatekeeper", "", "events", "create"})
	require.Empty(t, sorted(unused), "these are granted and nothing uses them")
	for r, at := range all {
		p.apply(at.without(r))
		p.may(r, at, false)
		p.apply(at.role)
		p.may(r, at, true)
	}
}

// reader is a service account that may read the API.
const reader = `apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gatekeeper-reader}
rules:
- {nonResourceURLs: ["/gatekeeper/api/v1/*"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gatekeeper-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatekeeper-reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: gatekeeper}
`

// configure writes the configuration with the chart's names, and with the read API. It
// returns the address of that.
func configure(ctx context.Context, t *testing.T, w *payments.World, proxy *sandbox.Interceptor) string {
	t.Helper()
	port, err := w.Sandbox.FreePort(ctx)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cert, key, err := w.Sandbox.ServingCert("chart-api")
	require.NoError(t, err)
	require.NoError(t, w.WriteConfig(proxy.Kubeconfig()))
	config, err := os.ReadFile(w.Config)
	require.NoError(t, err)
	text := strings.Replace(string(config), "secret: gatekeeper/gk-"+worldName, "secret: gatekeeper/gatekeeper-admission", 1)
	require.NotEqual(t, string(config), text)
	text += fmt.Sprintf("api:\n  listen: %q\n  certFile: %s\n  keyFile: %s\n  kubernetes: true\n", address, cert, key)
	require.NoError(t, os.WriteFile(w.Config, []byte(text), 0o600))
	return address
}

// play is the story with a test around it.
type play struct {
	*payments.World
	t   *testing.T
	ctx context.Context //nolint:containedctx // the test's own
}

func (p *play) start() *sandbox.Process {
	p.t.Helper()
	process, err := p.StartGatekeeper(p.ctx)
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("log of gatekeeper:\n%s", process.Logs())
		}
		process.Kill()
	})
	require.NoError(p.t, err)
	return process
}

// refused: the API server refuses a person what lacks an approval, and an Event tells it.
func (p *play) refused(sha string) {
	p.t.Helper()
	client, err := p.Sandbox.Client(sandbox.Developer)
	require.NoError(p.t, err)
	applications := schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	patch := []byte(`{"operation":{"sync":{"revision":"` + sha + `"}},"status":{"operationState":null}}`)
	require.NoError(p.t, payments.Await(p.ctx, "the refusal to say who is missing", func(ctx context.Context) (bool, string, error) {
		_, err := client.Resource(applications).Namespace(p.ApplicationNamespace()).Patch(ctx, p.Application("prod", payments.Ledger),
			types.MergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsForbidden(err) {
			return false, "", fmt.Errorf("it was not refused: %w", err)
		}
		return strings.Contains(err.Error(), "1 more of acme/sre"), err.Error(), nil
	}))
	require.NoError(p.t, payments.Await(p.ctx, "the event", func(ctx context.Context) (bool, string, error) {
		texts, err := p.Events(ctx, payments.Ledger, "GatekeeperDenied")
		return len(texts) > 0, strings.Join(texts, "; "), err
	}))
}

// reads: a token of the cluster reads what was deployed.
func (p *play) reads(address string) {
	p.t.Helper()
	roots := x509.NewCertPool()
	require.True(p.t, roots.AppendCertsFromPEM(p.Sandbox.CA()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	p.t.Cleanup(client.CloseIdleConnections)
	token := p.token()
	require.NoError(p.t, payments.Await(p.ctx, "the API to show the outcome", func(ctx context.Context) (bool, string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/api/v1/record/entries?kind=outcome", nil)
		if err != nil {
			return false, "", fmt.Errorf("make the request: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			return false, err.Error(), nil
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode == http.StatusOK && strings.Contains(string(body), `"result":"succeeded"`), string(body), err
	}))
}

// token is one of the reader.
func (p *play) token() string {
	p.t.Helper()
	client, err := p.Sandbox.Client(sandbox.Admin)
	require.NoError(p.t, err)
	asked := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": "reader"}, "spec": map[string]any{},
	}}
	answer, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace("gatekeeper").
		Create(p.ctx, asked, metav1.CreateOptions{}, "token")
	require.NoError(p.t, err)
	token, found, err := unstructured.NestedString(answer.Object, "status", "token")
	require.NoError(p.t, err)
	require.True(p.t, found)
	return token
}

// empty takes the certificate out of the Secret that gatekeeper made.
func (p *play) empty() {
	p.t.Helper()
	client, err := p.Sandbox.Client(sandbox.Admin)
	require.NoError(p.t, err)
	secrets := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}).Namespace("gatekeeper")
	secret, err := secrets.Get(p.ctx, "gatekeeper-admission", metav1.GetOptions{})
	require.NoError(p.t, err)
	require.NotEmpty(p.t, secret.Object["data"])
	delete(secret.Object, "data")
	_, err = secrets.Update(p.ctx, secret, metav1.UpdateOptions{})
	require.NoError(p.t, err)
}

func (p *play) apply(r role) {
	p.t.Helper()
	document, err := json.Marshal(r)
	require.NoError(p.t, err)
	require.NoError(p.t, p.Sandbox.Apply(p.ctx, sandbox.Admin, document))
}

// may waits until the API server says whether gatekeeper has a right.
func (p *play) may(r right, at place, want bool) {
	p.t.Helper()
	client, err := p.Sandbox.Client(sandbox.Gatekeeper)
	require.NoError(p.t, err)
	reviews := client.Resource(schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"})
	question := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"verb": r.Verb, "group": r.Group, "resource": r.Resource, "name": at.name, "namespace": at.role.Metadata.Namespace,
		}},
	}}
	require.NoError(p.t, payments.Await(p.ctx, fmt.Sprintf("%s to be %t", r, want), func(ctx context.Context) (bool, string, error) {
		answer, err := reviews.Create(ctx, question, metav1.CreateOptions{})
		if err != nil {
			return false, "", fmt.Errorf("ask: %w", err)
		}
		allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
		return allowed == want, fmt.Sprint(allowed), err
	}))
}
