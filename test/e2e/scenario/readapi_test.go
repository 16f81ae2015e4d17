package scenario

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
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// readers are two service accounts, of which one may read, and Gatekeeper's right to ask
// about them.
const readers = `apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: gatekeeper}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: stranger, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gatekeeper-reader}
rules:
- {nonResourceURLs: ["/gatekeeper/api/v1/applications*", "/gatekeeper/api/v1/record*"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gatekeeper-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatekeeper-reader}
subjects:
- {kind: ServiceAccount, name: reader, namespace: gatekeeper}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gatekeeper-auth-delegator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}
subjects:
- {kind: ServiceAccount, name: gatekeeper, namespace: gatekeeper}
`

// readByPrograms: a program with a token of the configuration, and one with a token of
// the cluster, read over TLS what gatekeeper has decided and recorded. Others read
// nothing.
func readByPrograms(t *testing.T, s *story) {
	require.NoError(t, s.Sandbox.Apply(s.ctx, sandbox.Admin, []byte(readers)))
	port, err := s.Sandbox.FreePort(s.ctx)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cert, key, err := s.Sandbox.ServingCert("read-api-" + s.Name)
	require.NoError(t, err)
	const token = "0123456789abcdef0123456789abcdef"
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(s.Config), "api-token"), []byte(token+"\n"), 0o600))
	require.NoError(t, s.WriteConfig(s.Sandbox.Kubeconfig(sandbox.Gatekeeper)))
	config, err := os.ReadFile(s.Config)
	require.NoError(t, err)
	config = fmt.Appendf(config, "api:\n  listen: %q\n  certFile: %s\n  keyFile: %s\n  kubernetes: true\n  tokens: [{name: dashboard, file: api-token}]\n", address, cert, key)
	require.NoError(t, os.WriteFile(s.Config, config, 0o600))
	gatekeeper := s.run()

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(s.Sandbox.CA()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(client.CloseIdleConnections)
	read := func(token, path string) (int, string) {
		request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, "https://"+address+"/api/v1"+path, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		require.NoError(t, err)
		defer func() { require.NoError(t, response.Body.Close()) }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}

	pull := s.propose(payments.Alice, payments.Ledger, "5000")
	s.approve(payments.Bob, pull.Number)
	sha := s.merge(pull.Number, "squash")
	s.verdict(payments.Ledger, "blocked", "quorum.missing")
	application := "argocd/" + s.Application("prod", payments.Ledger)
	require.NoError(t, payments.Await(s.ctx, "the API to show that it waits", func(context.Context) (bool, string, error) {
		status, body := read(token, "/applications/"+application)
		return status == http.StatusOK && strings.Contains(body, `"verdict":"blocked"`) && strings.Contains(body, "1 more of acme/sre"), body, nil
	}))
	status, body := read(token, "/applications?verdict=blocked&gate=prod")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"name":"`+application+`"`)
	require.Contains(t, body, `"waiting":1`)

	status, body = read(token, "/pending?for=carol")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"requirement":"sre"`)
	require.Contains(t, body, fmt.Sprintf(`"number":%d`, pull.Number))

	s.approve(payments.Carol, pull.Number)
	s.runs(payments.Ledger, sha, "5000", 2)
	reader, stranger := s.serviceAccountToken("reader"), s.serviceAccountToken("stranger")
	require.NoError(t, payments.Await(s.ctx, "the record to have the outcome", func(context.Context) (bool, string, error) {
		status, body := read(reader, "/record/entries?kind=outcome")
		return status == http.StatusOK && strings.Contains(body, `"result":"succeeded"`), body, nil
	}))
	status, body = read(reader, "/record/entries?kind=intent")
	require.Equal(t, http.StatusOK, status)
	var page struct {
		Items []struct {
			Application string
			Payload     struct {
				Candidate struct{ Revisions []struct{ SHA string } }
				Approvers []struct{ Login string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &page))
	require.Len(t, page.Items, 1)
	require.Equal(t, sha, page.Items[0].Payload.Candidate.Revisions[0].SHA)
	require.Len(t, page.Items[0].Payload.Approvers, 2)

	status, body = read(reader, "/applications/"+application+"/deployments")
	require.Equal(t, http.StatusOK, status, body)
	var deployed struct {
		Items []struct {
			Result          string
			SyncedBy        struct{ Kind string }
			ConfigApprovers []string
			Revisions       []struct{ Revision string }
			Pulls           []struct{ Number int }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &deployed))
	newest := deployed.Items[0]
	require.Equal(t, []string{"succeeded", "gatekeeper", sha}, []string{newest.Result, newest.SyncedBy.Kind, newest.Revisions[0].Revision})
	require.ElementsMatch(t, []string{"bob", "carol"}, newest.ConfigApprovers)
	require.Equal(t, pull.Number, newest.Pulls[0].Number)
	status, body = read(token, "/metrics?gate=prod&last=7d")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"reports":[{`)
	status, body = read(token, "/record/entries/1/proof")
	require.Equal(t, http.StatusNotFound, status, body)
	require.Contains(t, body, "checkpoints.keyFile")

	for _, refused := range []struct {
		token, path string
		status      int
	}{
		{reader, "/gates", http.StatusForbidden}, // the role has not named it
		{stranger, "/record", http.StatusForbidden},
		{"0123456789abcdef0123456789abcdeF", "/record", http.StatusUnauthorized},
		{reader[:len(reader)-2], "/record", http.StatusUnauthorized},
	} {
		status, body := read(refused.token, refused.path)
		require.Equal(t, refused.status, status, body)
		require.NotContains(t, body, "acme")
	}
	for _, secret := range []string{token, reader, stranger} {
		require.NotContains(t, string(gatekeeper.Logs()), secret)
	}
}

// serviceAccountToken asks the API server for a token of a service account.
func (s *story) serviceAccountToken(name string) string {
	s.t.Helper()
	client, err := s.Sandbox.Client(sandbox.Admin)
	require.NoError(s.t, err)
	asked := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": name},
		"spec": map[string]any{},
	}}
	answer, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace("gatekeeper").
		Create(s.ctx, asked, metav1.CreateOptions{}, "token")
	require.NoError(s.t, err)
	token, found, err := unstructured.NestedString(answer.Object, "status", "token")
	require.NoError(s.t, err)
	require.True(s.t, found)
	return token
}
