package admission

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	rules "github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/again"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// attack is a merge patch that has to be refused.
type attack struct {
	name  string
	patch string
	says  string
}

func (r *rig) attacks() []attack {
	forged := `{"phase": "Running", "startedAt": "2026-11-21T10:00:00Z", "operation": {"sync": {"revision": "` + strings.Repeat("3", 40) + `"}}}`
	return []attack{
		{"forged state", `{"status": {"operationState": ` + forged + `}}`, "controller writes status.operationState"},
		{"forged state with an operation", `{"operation": {"sync": {"revision": "` + r.head + `"}}, "status": {"operationState": ` + forged + `}}`, "in one write"},
		{"forged history", `{"status": {"history": [{"id": 0, "deployedAt": "2026-11-21T10:00:00Z", "revision": "` + strings.Repeat("3", 40) + `"}]}}`, "status.history"},
		{"forged comparison", `{"status": {"sync": {"status": "Synced", "revision": "` + strings.Repeat("3", 40) + `"}}}`, "status.sync"},
		{"a branch", r.operation(`"revision": "main"`), "exact revision"},
		{"no revision", r.operation(`"prune": true`), "exact revision"},
		{"local manifests", r.operation(`"revision": "` + r.head + `", "manifests": ["{}"]`), "local folder"},
		{"replace", r.operation(`"revision": "` + r.head + `", "syncStrategy": {"hook": {"force": true}}`), "Force and Replace"},
		{"auto-sync", `{"spec": {"syncPolicy": {"automated": {}}}}`, "Auto-sync is off"},
	}
}

func testAttacks(t *testing.T, r *rig) {
	r.mustCreate(t, "victim", "prod", "plain")
	for _, a := range r.attacks() {
		for _, id := range []sandbox.Identity{sandbox.Developer, sandbox.Admin, sandbox.ArgoServer} {
			err := r.patch(t, id, "victim", a.patch)
			require.True(t, apierrors.IsForbidden(err), "%s as %s: %v", a.name, id, err)
			require.ErrorContains(t, err, "ValidatingAdmissionPolicy 'gatekeeper'")
			require.ErrorContains(t, err, a.says)
		}
	}
	// The controller's account is trusted with the status, not with operations.
	require.ErrorContains(t, r.patch(t, sandbox.ArgoController, "victim", r.operation(`"revision": "main"`)), "exact revision")
	withOperation := r.application("born", "prod", "plain")
	withOperation["operation"] = map[string]any{"sync": map[string]any{"revision": r.head}}
	_, err := r.create(t, sandbox.ArgoController, withOperation)
	require.ErrorContains(t, err, "without an operation")
	withState := r.application("born", "prod", "plain")
	withState["status"] = map[string]any{"history": []any{map[string]any{"id": int64(0), "deployedAt": "2026-11-21T10:00:00Z", "revision": r.head}}}
	_, err = r.create(t, sandbox.Developer, withState)
	require.ErrorContains(t, err, "without status")
	require.Empty(t, r.phase(t, "victim"), again.Breach+"nothing was deployed")

	// Neither does it help to leave protection in the same write.
	err = r.patch(t, sandbox.Developer, "victim", `{"spec": {"project": "default"}, "operation": {"sync": {"revision": "main"}}, "status": {"operationState": null}}`)
	require.ErrorContains(t, err, "exact revision")
	// An Application that is not protected is nobody's business.
	require.NoError(t, r.patch(t, sandbox.Developer, r.anything(t), `{"spec": {"syncPolicy": {"automated": {}}}}`))
}

// testWebhookAlone: when somebody removes the policy, the webhook refuses the same.
func testWebhookAlone(t *testing.T, r *rig) {
	r.delete(t, "validatingadmissionpolicybindings")
	r.delete(t, "validatingadmissionpolicies")
	for _, a := range r.attacks() {
		eventually(t, "the webhook to refuse "+a.name, func() bool {
			err := r.patch(t, sandbox.Developer, "victim", a.patch)
			require.Error(t, err, a.name)
			require.ErrorContains(t, err, a.says)
			return strings.Contains(err.Error(), `admission webhook "gatekeeper.argo-gatekeeper.io" denied the request: `)
		})
	}
}

// testLarge: the rules stay within the budget of the API server on an Application as
// large as etcd takes, whatever part of it is large.
func testLarge(t *testing.T, r *rig) {
	r.mustCreate(t, "large", "prod", "plain")
	var resources []string
	for i := range 5500 {
		resources = append(resources, fmt.Sprintf(`{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "large", "name": "resource-%05d", "status": "Synced", "message": "deployment.apps/resource-%05d configured"}`, i, i))
	}
	all := strings.Join(resources, ", ")
	state := `"phase": "Succeeded", "startedAt": "2026-11-21T10:00:00Z", "finishedAt": "2026-11-21T10:00:00Z", "operation": {"sync": {"revision": "` + r.head + `"}}, "syncResult": {"revision": "` + r.head + `", "resources": [` + all + `]}`
	eventually(t, "a large state", func() bool {
		return r.patch(t, sandbox.ArgoController, "large", `{"status": {"operationState": {`+state+`}}}`) == nil
	})
	require.Greater(t, len(fmt.Sprint(r.get(t, "large").Object)), 600_000)
	for what, err := range map[string]error{
		"a label":  r.patient(t, sandbox.Developer, "large", `{"metadata": {"labels": {"a": "b"}}}`),
		"the spec": r.patient(t, sandbox.Developer, "large", `{"spec": {"info": [{"name": "a", "value": "b"}]}}`),
		"a state":  r.patient(t, sandbox.ArgoController, "large", `{"status": {"operationState": {"message": "x"}}}`),
	} {
		require.NoError(t, err, what)
	}
	// One entry of thousands is forged.
	err := r.patient(t, sandbox.Developer, "large", `{"status": {"operationState": {"syncResult": {"resources": [`+strings.Replace(all, "resource-05499", "resource-xxxxx", 1)+`]}}}}`)
	require.ErrorContains(t, err, "controller writes status.operationState")
	started := time.Now()
	err = r.patient(t, sandbox.Developer, "large", r.operation(`"revision": "`+r.head+`", "manifests": ["`+strings.Repeat("x", 300_000)+`", "`+strings.Repeat("y", 300_000)+`"]`))
	require.ErrorContains(t, err, "local folder")
	t.Logf("refusing large manifests took %s", time.Since(started))
	require.NoError(t, r.patient(t, sandbox.Developer, "large", r.operation(`"revision": "`+r.head+`"`)))
	r.ended(t, "large", "Succeeded")
}

// patient patches again when the API server ran out of time, which is no verdict: a write
// of a megabyte is much work for a busy machine.
func (r *rig) patient(t *testing.T, id sandbox.Identity, name, patch string) error {
	t.Helper()
	var err error
	eventually(t, "an answer in time", func() bool {
		err = r.patch(t, id, name, patch)
		return !apierrors.IsTimeout(err) && (err == nil || !strings.Contains(err.Error(), "context deadline exceeded"))
	})
	return err
}

// controllerTime is how long the real controller is watched: GATEKEEPER_CONTROLLER_TIME,
// or 15 seconds, which is a dozen syncs.
func controllerTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("GATEKEEPER_CONTROLLER_TIME")
	if text == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// testController: 1,000 status patches, and a while of what the real controller does,
// ask the webhook nothing, while a developer's forgery is refused.
func testController(t *testing.T, r *rig) {
	r.mustCreate(t, "busy", "prod", "plain")
	before := r.webhook.asked()
	started := time.Now()
	for i := range 1000 {
		require.NoError(t, r.patch(t, sandbox.ArgoController, "busy", fmt.Sprintf(
			`{"status": {"reconciledAt": "2026-11-21T10:%02d:%02dZ", "health": {"message": "%d"}, "operationState": {"phase": "Failed", "message": "%d", "startedAt": "2026-11-21T10:00:00Z", "operation": {"sync": {}}}}}`, i/60%60, i%60, i, i)))
	}
	t.Logf("1000 status patches took %s", time.Since(started))
	require.Empty(t, r.webhook.judged(before))
	require.Error(t, r.patch(t, sandbox.Developer, "busy", r.attacks()[0].patch))
	require.Empty(t, r.webhook.judged(before), "the policy refuses it before the webhook is asked")

	observed := len(r.webhook.observed())
	syncs := 0
	for end := time.Now().Add(controllerTime(t)); time.Now().Before(end); syncs++ {
		require.NoError(t, r.cli(t, "app", "get", "busy", "--hard-refresh"))
		require.NoError(t, r.cli(t, "app", "sync", "busy"))
	}
	r.ended(t, "busy", "Succeeded")
	writes := 0
	for _, c := range r.webhook.observed()[observed:] {
		if c.user == rules.DefaultController {
			writes++
		}
	}
	for _, c := range r.webhook.judged(before) {
		require.NotEqual(t, rules.DefaultController, c.user)
		require.NotNil(t, c.change.Started, "only who starts something is asked about")
	}
	// A write that loses a race is asked about, and then made anew.
	require.GreaterOrEqual(t, len(r.webhook.judged(before)), syncs, "asked for each sync that somebody asked for")
	require.Less(t, len(r.webhook.judged(before)), 2*syncs)
	require.Greater(t, writes, syncs)
	t.Logf("%d writes of the controller for %d syncs, none of which asked the webhook", writes, syncs)
}

func (r *rig) delete(t *testing.T, resource string) {
	t.Helper()
	object := r.live(t, resource, &unstructured.Unstructured{})
	client, err := r.sandbox.Client(sandbox.Admin)
	require.NoError(t, err)
	require.NoError(t, client.Resource(registration(resource)).Delete(t.Context(), object.GetName(), metav1.DeleteOptions{}))
}
