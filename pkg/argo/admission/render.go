package admission

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// ContentAnnotation holds the digest of what an object says, without its metadata: when
// a live object's own digest is another one, somebody changed it.
const ContentAnnotation = "argo-gatekeeper.io/content"

// The labels of every rendered object.
const (
	nameLabel      = "app.kubernetes.io/name"
	managedByLabel = "app.kubernetes.io/managed-by"
)

// Objects are what is installed in the cluster.
type Objects struct {
	Policy  *admissionregistrationv1.ValidatingAdmissionPolicy
	Binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
	Webhook *admissionregistrationv1.ValidatingWebhookConfiguration
}

// Render builds the objects. How the API server reaches the webhook is for the caller to
// say; an https URL or a service is needed, and a caBundle unless a public authority
// signed the certificate.
//
// Every field that the API server would fill in is filled in, so that the objects read
// back are the same.
func Render(settings Settings, client admissionregistrationv1.WebhookClientConfig) (Objects, error) {
	s, err := settings.complete()
	if err != nil {
		return Objects{}, err
	}
	if (client.URL == nil) == (client.Service == nil) {
		return Objects{}, errors.New("render the enforcement: the webhook needs either a URL or a service")
	}
	if client.Service != nil && client.Service.Port == nil {
		service := *client.Service
		service.Port = new(int32(443))
		client.Service = &service
	}
	rules, err := Rules(s)
	if err != nil {
		return Objects{}, err
	}
	objects := Objects{Policy: policy(s, rules), Binding: binding(s), Webhook: webhook(s, client)}
	for object, content := range map[metav1.Object]any{
		objects.Policy: objects.Policy.Spec, objects.Binding: objects.Binding.Spec, objects.Webhook: objects.Webhook.Webhooks,
	} {
		digest, err := contentDigest(content)
		if err != nil {
			return Objects{}, err
		}
		object.SetAnnotations(map[string]string{ContentAnnotation: digest})
	}
	return objects, nil
}

// Digests of what live objects say, for comparison with the ContentAnnotation of
// rendered ones.

// PolicyDigest is the digest of a policy's content.
func PolicyDigest(p *admissionregistrationv1.ValidatingAdmissionPolicy) (string, error) {
	return contentDigest(p.Spec)
}

// BindingDigest is the digest of a binding's content.
func BindingDigest(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) (string, error) {
	return contentDigest(b.Spec)
}

// WebhookDigest is the digest of a webhook configuration's content, caBundle included.
func WebhookDigest(w *admissionregistrationv1.ValidatingWebhookConfiguration) (string, error) {
	return contentDigest(w.Webhooks)
}

func contentDigest(content any) (string, error) {
	encoded, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("digest an object of the enforcement: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// YAML is all objects in the order in which they are to be applied: the policy before
// what binds it.
func (o Objects) YAML() ([]byte, error) {
	return YAML(o.Policy, o.Binding, o.Webhook)
}

// YAML prints objects as documents that can be applied, in their order.
func YAML(objects ...any) ([]byte, error) {
	var out []byte
	for _, object := range objects {
		document, err := cleanYAML(object)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, document...)
	}
	return out, nil
}

// cleanYAML leaves out what only a live object has.
func cleanYAML(object any) ([]byte, error) {
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode the enforcement: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("encode the enforcement: %w", err)
	}
	delete(fields, "status")
	if metadata, ok := fields["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
	}
	document, err := yaml.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode the enforcement: %w", err)
	}
	return document, nil
}

func meta(s Settings) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: s.Name, Labels: map[string]string{nameLabel: "gatekeeper", managedByLabel: "gatekeeper"}}
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind}
}

// failure: a warning must not become an obstacle when something is wrong with it.
func failure(s Settings) *admissionregistrationv1.FailurePolicyType {
	if s.Mode == Warn {
		return new(admissionregistrationv1.Ignore)
	}
	return new(admissionregistrationv1.Fail)
}

// applications are the objects that are looked at. Argo CD has no subresources of
// Applications yet, and what comes through one in future must not be overlooked.
func applications(operations ...admissionregistrationv1.OperationType) admissionregistrationv1.RuleWithOperations {
	return admissionregistrationv1.RuleWithOperations{
		Operations: operations,
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{application.Group}, APIVersions: []string{"*"},
			Resources: []string{application.ApplicationPlural, application.ApplicationPlural + "/*"},
			Scope:     new(admissionregistrationv1.AllScopes),
		},
	}
}

func conditions(all ...Condition) []admissionregistrationv1.MatchCondition {
	rendered := make([]admissionregistrationv1.MatchCondition, len(all))
	for i, condition := range all {
		rendered[i] = admissionregistrationv1.MatchCondition{Name: condition.Name, Expression: condition.Expression}
	}
	return rendered
}

func policy(s Settings, rules []Rule) *admissionregistrationv1.ValidatingAdmissionPolicy {
	p := &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta: typeMeta("ValidatingAdmissionPolicy"), ObjectMeta: meta(s),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: failure(s),
			MatchConstraints: &admissionregistrationv1.MatchResources{
				MatchPolicy:       new(admissionregistrationv1.Equivalent),
				NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					RuleWithOperations: applications(admissionregistrationv1.Create, admissionregistrationv1.Update),
				}},
			},
			MatchConditions: conditions(protects(s)),
		},
	}
	for _, variable := range variables(s) {
		p.Spec.Variables = append(p.Spec.Variables, admissionregistrationv1.Variable{Name: variable.Name, Expression: variable.Expression})
	}
	for _, rule := range rules {
		if rule.Expression == "" {
			continue
		}
		p.Spec.Validations = append(p.Spec.Validations, admissionregistrationv1.Validation{
			Expression: rule.Expression, Message: rule.Message, Reason: new(metav1.StatusReasonForbidden),
		})
	}
	return p
}

func binding(s Settings) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	actions := []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	if s.Mode == Warn {
		actions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn, admissionregistrationv1.Audit}
	}
	return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		TypeMeta: typeMeta("ValidatingAdmissionPolicyBinding"), ObjectMeta: meta(s),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: s.Name, ValidationActions: actions},
	}
}

// webhook has a short name: it stands before every denial.
func webhook(s Settings, client admissionregistrationv1.WebhookClientConfig) *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		TypeMeta: typeMeta("ValidatingWebhookConfiguration"), ObjectMeta: meta(s),
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: s.Name + ".argo-gatekeeper.io", ClientConfig: client,
			Rules: []admissionregistrationv1.RuleWithOperations{
				applications(admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete),
			},
			FailurePolicy: failure(s), MatchPolicy: new(admissionregistrationv1.Equivalent),
			NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
			// What it records is not recorded for a dry run.
			SideEffects:    new(admissionregistrationv1.SideEffectClassNoneOnDryRun),
			TimeoutSeconds: new(s.TimeoutSeconds), AdmissionReviewVersions: []string{"v1"},
			MatchConditions: conditions(protects(s), decides(s)),
		}},
	}
}
