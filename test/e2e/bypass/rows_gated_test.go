package bypass

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/again"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// enforcementName is that of the three objects.
const enforcementName = "gatekeeper"

func admissionObjects() map[string]schema.GroupVersionResource {
	out := map[string]schema.GroupVersionResource{}
	for kind, resource := range map[string]string{
		"policy": "validatingadmissionpolicies", "binding": "validatingadmissionpolicybindings", "webhook": "validatingwebhookconfigurations",
	} {
		out[kind] = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
	}
	return out
}

func clusterRoles() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
}

// who refuses, as the API server says it.
const (
	thePolicy   = "ValidatingAdmissionPolicy"
	theWebhook  = "admission webhook"
	unreachable = "failed calling webhook"
)

// playGated plays what needs a gate that is there, one after the other, at a victim of
// its own: taking parts of it away.
func playGated(t *testing.T, w *World) {
	t.Run("nothing arrived later", func(t *testing.T) { nothingArrived(t, w) })
	t.Run("30 an administrator deletes the policy, its binding and the webhook", func(t *testing.T) { deletedAndRepaired(t, w) })
	t.Run("30 the webhook alone refuses", func(t *testing.T) { webhookAlone(t, w.spare) })
	t.Run("B1 the policy alone refuses, and syncs wait for the webhook", func(t *testing.T) { policyAlone(t, w.spare) })
}

// nothingArrived looks once more at everything that was refused, now that Argo CD has
// had the time of all other attacks.
func nothingArrived(t *testing.T, w *World) {
	for _, v := range w.victims {
		if v.attack.Closed != byAdmission {
			continue
		}
		landed, saw, err := v.landed(t.Context())
		require.NoError(t, err)
		require.False(t, landed, again.Breach+"%s %s: %s", v.attack.Row, v.attack.Name, saw)
	}
}

// refusals are writes that the rules refuse, with what they say.
func (v *victim) refusals() map[string]string {
	return map[string]string{
		`{"status": {"operationState": {"phase": "Running", "startedAt": "` + now() + `", "operation": {"sync": {"revision": "` + v.Pushed + `"}}}}}`: "writes status.operationState",
		`{"status": {"history": []}}`:                               "writes status.history",
		`{"status": {"sync": {"revision": "` + v.Branch + `"}}}`:    "writes status.sync",
		`{"spec": {"syncPolicy": {"automated": {}}}}`:               "Auto-sync is off",
		`{"operation": {"sync": {"revision": "` + v.Pushed + `"}}}`: "remove status.operationState",
		operation(`"revision": "main"`):                             "Name the exact revision",
		operation(v.pinned(v.Enrolled, `"manifests": ["{}"]`)):      "Manifests from a local folder",
	}
}

// refuses holds all of them to be refused by one of the two.
func (v *victim) refuses(t *testing.T, by string) {
	t.Helper()
	for body, says := range v.refusals() {
		err := v.ask(t.Context(), sandbox.Developer, body)
		require.ErrorContains(t, err, by, body)
		require.ErrorContains(t, err, says, body)
	}
}

// deletedAndRepaired deletes each of the three objects. Kubernetes asks nobody about
// that; gatekeeper puts them back.
func deletedAndRepaired(t *testing.T, w *World) {
	for kind, resource := range admissionObjects() {
		client := w.admin.Resource(resource)
		before, err := client.Get(t.Context(), enforcementName, metav1.GetOptions{})
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, client.Delete(t.Context(), enforcementName, metav1.DeleteOptions{}))
		require.NoError(t, await(t.Context(), "the "+kind+" to be back", func(ctx context.Context) (bool, string, error) {
			after, err := client.Get(ctx, enforcementName, metav1.GetOptions{})
			if gone(err) {
				return false, "gone", nil
			}
			return err == nil && after.GetUID() != before.GetUID(), "there", err
		}))
		t.Logf("the %s was back after %s", kind, time.Since(begin).Round(time.Millisecond))
	}
	require.NoError(t, w.spare.inForce(t.Context()))
}

// webhookAlone takes gatekeeper's right to repair away, and then the policy: the
// webhook has the same rules.
func webhookAlone(t *testing.T, v *victim) {
	roles := v.admin.Resource(clusterRoles())
	role, err := roles.Get(t.Context(), "gatekeeper", metav1.GetOptions{})
	require.NoError(t, err)
	rules, _, err := unstructured.NestedSlice(role.Object, "rules")
	require.NoError(t, err)
	whole := slices.Clone(rules)
	readOnly := slices.Clone(rules)
	for i, item := range readOnly {
		rule, isMap := item.(map[string]any)
		require.True(t, isMap)
		if fmt.Sprint(rule["apiGroups"]) == "[admissionregistration.k8s.io]" {
			readOnly[i] = map[string]any{
				"apiGroups": rule["apiGroups"], "resources": rule["resources"], "resourceNames": rule["resourceNames"], "verbs": []any{"get", "list", "watch"},
			}
		}
	}
	set := func(rules []any) {
		role, err := roles.Get(t.Context(), "gatekeeper", metav1.GetOptions{})
		require.NoError(t, err)
		require.NoError(t, unstructured.SetNestedSlice(role.Object, rules, "rules"))
		_, err = roles.Update(t.Context(), role, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	set(readOnly)
	steady := 0
	require.NoError(t, await(t.Context(), "the policy to stay deleted", func(ctx context.Context) (bool, string, error) {
		steady++
		for _, kind := range []string{"binding", "policy"} {
			err := v.admin.Resource(admissionObjects()[kind]).Delete(ctx, enforcementName, metav1.DeleteOptions{})
			if err == nil {
				steady = 0 // it was there, or came back
			} else if !gone(err) {
				return false, "", err //nolint:wrapcheck // await says what failed
			}
		}
		err := v.ask(ctx, sandbox.Developer, operation(`"revision": "main"`))
		return steady > steadyPolls && refusedBy(err, theWebhook, ""), fmt.Sprint(err), nil
	}))
	v.refuses(t, theWebhook)
	require.ErrorContains(t, v.ask(t.Context(), sandbox.Developer, operation(v.pinned(v.Pushed, ""))), "is not approved")
	set(whole)
	require.NoError(t, await(t.Context(), "the policy to be back", func(ctx context.Context) (bool, string, error) {
		err := v.ask(ctx, sandbox.Developer, operation(`"revision": "main"`))
		return refusedBy(err, thePolicy, ""), fmt.Sprint(err), nil
	}))
}

// policyAlone kills gatekeeper while an operation is under way: that goes on and ends,
// what the policy knows is refused, and what it does not know waits.
func policyAlone(t *testing.T, v *victim) {
	require.NoError(t, v.operate(t.Context(), sandbox.Developer, v.pinned(v.Enrolled, "")))
	require.NoError(t, v.held(t.Context()))
	v.gatekeeper.Kill()
	<-v.gatekeeper.Done()
	require.NoError(t, v.finishHook(t.Context(), v.namespace), "an operation under way goes on and ends")

	v.refuses(t, thePolicy)
	for what, body := range map[string]string{
		"a sync of what nobody approved": operation(v.pinned(v.Pushed, "")),
		"a sync of what is approved":     operation(v.pinned(v.Enrolled, "")),
		"an edit":                        `{"spec": {"source": {"path": "envs/stage/plain"}}}`,
	} {
		require.ErrorContains(t, v.ask(t.Context(), sandbox.Developer, body), unreachable, what)
	}
	client, err := v.Sandbox.Client(sandbox.Developer)
	require.NoError(t, err)
	err = client.Resource(applications()).Namespace(argoNamespace).Delete(t.Context(), v.name, metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
	require.ErrorContains(t, err, unreachable, "a deletion")
	require.NoError(t, v.compared(t.Context()), "a refresh goes on")
	require.NoError(t, v.cli(t.Context(), "app", "get", v.name, "--hard-refresh"))

	v.gatekeeper, err = v.StartGatekeeper(t.Context())
	require.NoError(t, err)
	require.NoError(t, v.syncApproved(t.Context()), "syncs go on when it is back")
	limit, err := v.limit(t.Context())
	require.NoError(t, err)
	require.Equal(t, approvedLimit, limit)
}
