package admission

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	rules "github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

func (r *rig) cli(t *testing.T, args ...string) error {
	t.Helper()
	_, err := r.sandbox.ArgoCD().CLI(t.Context(), args...)
	return err
}

// testFieldManagers records who writes what before anything is enforced, and leaves the
// observer in place. What an application-controller applies as a child Application has a
// field manager of its own; what it writes into the status has none.
func testFieldManagers(t *testing.T, r *rig) {
	client := r.webhook.client()
	client.URL = new(strings.Replace(*client.URL, "/judge", "/observe", 1))
	objects, err := rules.Render(rules.Settings{Protected: settings.Protected, Name: "observer", TimeoutSeconds: 30}, client)
	require.NoError(t, err)
	observer := objects.Webhook
	observer.Webhooks[0].MatchConditions = nil
	observer.Webhooks[0].FailurePolicy = new(admissionregistrationv1.Ignore)
	manifest, err := json.Marshal(observer)
	require.NoError(t, err)
	require.NoError(t, r.sandbox.Apply(t.Context(), sandbox.Admin, manifest))
	eventually(t, "the observer", func() bool {
		require.NoError(t, r.patch(t, sandbox.Admin, r.anything(t), fmt.Sprintf(`{"metadata": {"labels": {"now": "%d"}}}`, time.Now().UnixNano())))
		return len(r.webhook.observed()) > 0
	})

	r.mustCreate(t, "parent", "default", "parent")
	require.NoError(t, r.cli(t, "app", "sync", "parent"))
	require.NoError(t, r.patch(t, sandbox.Admin, "child", `{"spec": {"source": {"path": "y"}}}`))
	require.NoError(t, r.cli(t, "app", "sync", "parent"))
	require.NoError(t, r.patch(t, sandbox.Admin, "child", `{"spec": {"source": {"path": "z"}}}`))
	require.NoError(t, r.cli(t, "app", "sync", "parent", "--server-side"))
	applied, reported := map[string]int{}, map[string]int{}
	for _, c := range r.webhook.observed() {
		switch {
		case c.user != rules.DefaultController:
		case c.name == "child" && !c.status:
			applied[c.operation+" "+c.fieldManager]++
		case c.status:
			reported[c.fieldManager]++
		}
	}
	t.Logf("field managers of applied children: %v; of status patches: %v", applied, reported)
	require.Len(t, reported, 1)
	require.NotEmpty(t, applied)
}

// anything is the name of an Application that is not protected.
func (r *rig) anything(t *testing.T) string {
	t.Helper()
	_, err := r.clients[sandbox.Admin].Namespace("argocd").Get(t.Context(), "anything", metav1.GetOptions{})
	if err != nil {
		_, err = r.create(t, sandbox.Admin, r.application("anything", "default", "plain"))
	}
	require.NoError(t, err)
	return "anything"
}

// testStored: the API server fills in nothing, and finds no type error.
func testStored(t *testing.T, r *rig) {
	var policy admissionregistrationv1.ValidatingAdmissionPolicy
	var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
	var hook admissionregistrationv1.ValidatingWebhookConfiguration
	eventually(t, "the type check", func() bool {
		policy = admissionregistrationv1.ValidatingAdmissionPolicy{}
		r.live(t, "validatingadmissionpolicies", &policy)
		return policy.Status.TypeChecking != nil && policy.Status.ObservedGeneration == policy.Generation
	})
	require.Empty(t, policy.Status.TypeChecking.ExpressionWarnings)
	r.live(t, "validatingadmissionpolicybindings", &binding)
	r.live(t, "validatingwebhookconfigurations", &hook)
	for object, digest := range map[metav1.Object]func() (string, error){
		&policy:  func() (string, error) { return rules.PolicyDigest(&policy) },
		&binding: func() (string, error) { return rules.BindingDigest(&binding) },
		&hook:    func() (string, error) { return rules.WebhookDigest(&hook) },
	} {
		got, err := digest()
		require.NoError(t, err)
		require.Equal(t, object.GetAnnotations()[rules.ContentAnnotation], got)
	}
}

// testUsualWork: what people do with the command line of Argo CD works as before.
func testUsualWork(t *testing.T, r *rig) {
	created := r.webhook.asked()
	require.NoError(t, r.cli(t, "app", "create", "usual", "--project", "prod", "--repo", r.repoURL, "--path", "plain",
		"--dest-server", "https://kubernetes.default.svc", "--dest-namespace", "usual", "--sync-option", "CreateNamespace=true", "--revision", "main"))
	require.Len(t, r.webhook.judged(created), 1)
	require.NoError(t, r.cli(t, "app", "sync", "usual"))
	calls := r.webhook.judged(created)
	started := calls[len(calls)-1].change.Started
	require.NotNil(t, started)
	require.Equal(t, []string{r.head}, started.Revisions)
	require.Equal(t, "admin", started.InitiatedBy)
	require.Equal(t, rules.DefaultServer, calls[len(calls)-1].change.User)
	require.Equal(t, started.Candidate.SpecDigest, calls[len(calls)-1].change.After.SpecDigest, "Argo CD asks for what the spec says")

	require.NoError(t, r.cli(t, "app", "set", "usual", "--sync-retry-limit", "3"))
	require.NoError(t, r.cli(t, "app", "sync", "usual", "--prune", "--dry-run"))
	require.NoError(t, r.cli(t, "app", "sync", "usual", "--resource", ":ConfigMap:plain"))
	require.NoError(t, r.cli(t, "app", "get", "usual", "--refresh"))
	require.NoError(t, r.cli(t, "app", "get", "usual", "--hard-refresh"))
	require.NoError(t, r.cli(t, "app", "sync", "usual"))
	require.NoError(t, r.cli(t, "app", "rollback", "usual", "0"))
	r.ended(t, "usual", "Succeeded")
	calls = r.webhook.judged(created)
	require.Equal(t, "apply", calls[len(calls)-1].change.Started.Strategy)

	// One merge patch, as Gatekeeper sends it.
	require.NoError(t, r.patch(t, sandbox.Gatekeeper, "usual", r.operation(`"revision": "`+r.head+`"`)))
	r.ended(t, "usual", "Succeeded")

	for _, refused := range [][]string{
		{"app", "set", "usual", "--sync-policy", "automated"},
		{"app", "sync", "usual", "--force"},
	} {
		err := r.cli(t, refused...)
		require.ErrorContains(t, err, "PermissionDenied")
		require.ErrorContains(t, err, "ValidatingAdmissionPolicy 'gatekeeper'")
	}
	require.NoError(t, r.cli(t, "app", "delete", "usual", "--yes"))
	calls = r.webhook.judged(created)
	require.Equal(t, "DELETE", calls[len(calls)-1].operation)
}

// operation is a merge patch that starts one.
func (r *rig) operation(sync string) string {
	return `{"operation": {"sync": {"syncOptions": ["CreateNamespace=true"], ` + sync + `}}, "status": {"operationState": null}}`
}

// testTerminate: an operation that somebody asked for by a merge patch, on a spec that
// argocd-server writes back with other empty fields, can be terminated.
func testTerminate(t *testing.T, r *rig) {
	r.mustCreate(t, "waits", "prod", "wait")
	require.NoError(t, r.patch(t, sandbox.Gatekeeper, "waits", r.operation(`"revision": "`+r.head+`", "source": {"repoURL": "`+r.repoURL+`", "path": "wait", "targetRevision": "main", "directory": {"recurse": true}}`)))
	eventually(t, "the operation to run", func() bool { return r.phase(t, "waits") == "Running" })
	for id, patch := range map[sandbox.Identity]string{
		sandbox.Developer:      `{"status": {"operationState": {"phase": "Terminating"}}}`,
		sandbox.ArgoServer:     `{"status": {"operationState": {"phase": "Terminating"}}, "spec": {"source": {"path": "plain"}}}`,
		sandbox.ArgoController: `{"spec": {"source": {"path": "plain"}}}`,
		sandbox.Admin:          `{"operation": {"sync": {"prune": true}}}`,
	} {
		require.Error(t, r.patch(t, id, "waits", patch), id)
	}
	require.ErrorContains(t, r.patch(t, sandbox.Developer, "waits", `{"operation": null}`), "terminate it instead")
	before := r.webhook.asked()
	// The controller, in the midst of its work, may write "Running" over it. Argo CD gives
	// up after ten conflicts with it, up to 2.14 after the first, since what it reads again
	// is not what it writes (server/application/application.go, TerminateOperation).
	eventually(t, "the operation to be terminated", func() bool {
		if _, requested := r.get(t, "waits").Object["operation"]; !requested {
			return true
		}
		if r.phase(t, "waits") == "Running" {
			if err := r.cli(t, "app", "terminate-op", "waits"); err != nil {
				require.Regexp(t, "Too many conflicts|No operation is in progress", err.Error())
			}
		}
		return false
	})
	r.ended(t, "waits", "Failed")
	t.Logf("a terminate of argocd-server asked the webhook %d times", r.webhook.asked()-before)
	require.NoError(t, r.patch(t, sandbox.Developer, "waits", `{"spec": {"source": {"path": "plain"}}}`))
}
