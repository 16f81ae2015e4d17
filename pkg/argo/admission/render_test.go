package admission_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

func service() admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{
		Service:  &admissionregistrationv1.ServiceReference{Namespace: "gatekeeper", Name: "gatekeeper", Path: new("/admission")},
		CABundle: []byte("bundle"),
	}
}

func TestRender(t *testing.T) {
	objects, err := admission.Render(prodSettings, service())
	require.NoError(t, err)
	rules, err := admission.Rules(prodSettings)
	require.NoError(t, err)

	p := objects.Policy.Spec
	require.Equal(t, admissionregistrationv1.Fail, *p.FailurePolicy)
	require.Len(t, p.Validations, len(rules)-1, "one rule is the webhook's alone")
	for _, validation := range p.Validations {
		require.Equal(t, metav1.StatusReasonForbidden, *validation.Reason, "Argo CD shows anything else as an internal error")
		require.LessOrEqual(t, len(validation.Message), 120, "it has to fit a toast")
	}
	require.Equal(t, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}, objects.Binding.Spec.ValidationActions)
	require.Equal(t, objects.Policy.Name, objects.Binding.Spec.PolicyName)

	w := objects.Webhook.Webhooks[0]
	require.Equal(t, admissionregistrationv1.Fail, *w.FailurePolicy)
	require.EqualValues(t, 3, *w.TimeoutSeconds)
	require.EqualValues(t, 443, *w.ClientConfig.Service.Port)
	require.Equal(t, admissionregistrationv1.SideEffectClassNoneOnDryRun, *w.SideEffects)
	require.Contains(t, w.Rules[0].Operations, admissionregistrationv1.Delete)
	require.Equal(t, []string{"applications", "applications/*"}, w.Rules[0].Resources)
	require.Equal(t, p.MatchConditions[0], w.MatchConditions[0], "both protect the same")
	require.Empty(t, w.ObjectSelector.MatchLabels, "an owner of an Application can edit its labels")
}

func TestRenderWarn(t *testing.T) {
	settings := prodSettings
	settings.Mode = admission.Warn
	objects, err := admission.Render(settings, service())
	require.NoError(t, err)
	require.NotContains(t, objects.Binding.Spec.ValidationActions, admissionregistrationv1.Deny)
	require.Equal(t, admissionregistrationv1.Ignore, *objects.Policy.Spec.FailurePolicy)
	require.Equal(t, admissionregistrationv1.Ignore, *objects.Webhook.Webhooks[0].FailurePolicy)
}

func TestRenderRefuses(t *testing.T) {
	for name, client := range map[string]admissionregistrationv1.WebhookClientConfig{
		"nowhere": {},
		"both":    {URL: new("https://127.0.0.1"), Service: service().Service},
	} {
		_, err := admission.Render(prodSettings, client)
		require.Error(t, err, name)
	}
	_, err := admission.Render(admission.Settings{}, service())
	require.Error(t, err)
}

// TestContent: the annotation tells any change of what an object says, and nothing else.
func TestContent(t *testing.T) {
	objects, err := admission.Render(prodSettings, service())
	require.NoError(t, err)
	digest, err := admission.PolicyDigest(objects.Policy)
	require.NoError(t, err)
	require.Equal(t, digest, objects.Policy.Annotations[admission.ContentAnnotation])
	objects.Policy.Labels["somebody"] = "else"
	same, err := admission.PolicyDigest(objects.Policy)
	require.NoError(t, err)
	require.Equal(t, digest, same)
	objects.Policy.Spec.Validations = objects.Policy.Spec.Validations[1:]
	other, err := admission.PolicyDigest(objects.Policy)
	require.NoError(t, err)
	require.NotEqual(t, digest, other)

	before, err := admission.WebhookDigest(objects.Webhook)
	require.NoError(t, err)
	objects.Webhook.Webhooks[0].ClientConfig.CABundle = []byte("another")
	after, err := admission.WebhookDigest(objects.Webhook)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	bound, err := admission.BindingDigest(objects.Binding)
	require.NoError(t, err)
	require.Equal(t, bound, objects.Binding.Annotations[admission.ContentAnnotation])
}

func TestYAML(t *testing.T) {
	objects, err := admission.Render(prodSettings, service())
	require.NoError(t, err)
	manifests, err := objects.YAML()
	require.NoError(t, err)
	again, err := admission.Render(prodSettings, service())
	require.NoError(t, err)
	second, err := again.YAML()
	require.NoError(t, err)
	require.Equal(t, string(manifests), string(second))
	require.NotContains(t, string(manifests), "creationTimestamp")
	require.NotContains(t, string(manifests), "\nstatus:")
	documents := strings.Split(string(manifests), "---\n")
	require.Len(t, documents, 3)
	var policy admissionregistrationv1.ValidatingAdmissionPolicy
	require.NoError(t, yaml.UnmarshalStrict([]byte(documents[0]), &policy))
	require.Equal(t, objects.Policy.Spec, policy.Spec)
	require.Equal(t, "ValidatingAdmissionPolicy", policy.Kind)
}

// TestServerOfTheSettings: who is trusted is configuration.
func TestServerOfTheSettings(t *testing.T) {
	settings := admission.Settings{Protected: []approval.Selector{{Project: "prod"}}, Controllers: []string{"controller-b"}, Servers: []string{"server-b"}}
	e := evaluator(t, settings)
	busy := merged(t, example(t, "helm-2.14"), running)
	ended, terminated := merged(t, busy, `{"operation": null}`), merged(t, busy, `{"status": {"operationState": {"phase": "Terminating"}}}`)
	require.Empty(t, broken(t, e, write(t, "controller-b", busy, ended)))
	require.Empty(t, broken(t, e, write(t, "server-b", busy, terminated)))
	require.NotEmpty(t, broken(t, e, write(t, controller, busy, ended)))
	require.NotEmpty(t, broken(t, e, write(t, server, busy, terminated)))
	require.NotEmpty(t, broken(t, e, write(t, "server-b", busy, ended)))
}
