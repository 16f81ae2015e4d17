package admission_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	kubernetes "k8s.io/apiserver/pkg/admission"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// apiServer evaluates rendered objects as the API server does, with its own library.
type apiServer struct {
	policy      *admissionregistrationv1.ValidatingAdmissionPolicy
	validations plugin.Filter
	matching    plugin.Filter // the policy's
	asking      plugin.Filter // the webhook's
}

type expression string

func (e expression) GetExpression() string      { return string(e) }
func (e expression) ReturnTypes() []*celgo.Type { return []*celgo.Type{celgo.BoolType} }

type namedExpression struct{ name, text string }

func (e namedExpression) GetName() string       { return e.name }
func (e namedExpression) GetExpression() string { return e.text }
func (e namedExpression) ReturnTypes() []*celgo.Type {
	return []*celgo.Type{celgo.AnyType, celgo.DynType}
}

func newAPIServer(t testing.TB, settings admission.Settings) *apiServer {
	t.Helper()
	objects, err := admission.Render(settings, admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1/")})
	require.NoError(t, err)
	env := environment.MustBaseEnvSet(version.MajorMinor(1, 30), true)
	compiler, err := plugin.NewCompositedCompiler(env)
	require.NoError(t, err)
	options := plugin.OptionalVariableDeclarations{StrictCost: true}
	for _, variable := range objects.Policy.Spec.Variables {
		result := compiler.CompileAndStoreVariable(namedExpression{variable.Name, variable.Expression}, options, environment.NewExpressions)
		require.Nil(t, result.Error, variable.Name)
	}
	var validations []plugin.ExpressionAccessor
	for _, validation := range objects.Policy.Spec.Validations {
		validations = append(validations, expression(validation.Expression))
	}
	conditions := func(all []admissionregistrationv1.MatchCondition) plugin.Filter {
		var found []plugin.ExpressionAccessor
		for _, condition := range all {
			found = append(found, expression(condition.Expression))
		}
		return plugin.NewFilterCompiler(env).Compile(found, options, environment.NewExpressions)
	}
	s := &apiServer{
		policy: objects.Policy, validations: compiler.Compile(validations, options, environment.NewExpressions),
		matching: conditions(objects.Policy.Spec.MatchConditions), asking: conditions(objects.Webhook.Webhooks[0].MatchConditions),
	}
	for _, filter := range []plugin.Filter{s.validations, s.matching, s.asking} {
		require.Empty(t, filter.CompilationErrors())
	}
	return s
}

// run evaluates all expressions, and returns which are false and what they cost.
func run(t testing.TB, filter plugin.Filter, request *admissionv1.AdmissionRequest, budget int64) (wrong []int, cost int64) {
	t.Helper()
	whole := func(raw runtime.RawExtension) runtime.Object {
		if raw.Raw == nil {
			return nil
		}
		var fields map[string]any
		require.NoError(t, json.Unmarshal(raw.Raw, &fields))
		return &unstructured.Unstructured{Object: fields}
	}
	attributes := &kubernetes.VersionedAttributes{VersionedObject: whole(request.Object), VersionedOldObject: whole(request.OldObject)}
	bare := *request
	bare.Object, bare.OldObject = runtime.RawExtension{}, runtime.RawExtension{}
	results, left, err := filter.ForInput(t.Context(), attributes, &bare, plugin.OptionalVariableBindings{}, nil, budget)
	require.NoError(t, err)
	for i, result := range results {
		require.NoError(t, result.Error)
		if result.EvalResult != types.True {
			wrong = append(wrong, i)
		}
	}
	return wrong, budget - left
}

// TestSameAsTheAPIServer: the evaluator says what the rendered objects say in an API
// server, on whole objects, for every attack.
func TestSameAsTheAPIServer(t *testing.T) {
	s := newAPIServer(t, prodSettings)
	e := evaluator(t, prodSettings)
	for _, a := range attacks() {
		if a.settings != nil {
			continue
		}
		request := a.request(t)
		wrong, _ := run(t, s.validations, request, celconfig.RuntimeCELCostBudget)
		denials, err := e.Check(t.Context(), request)
		require.NoError(t, err)
		var messages, expected []string
		for _, i := range wrong {
			messages = append(messages, s.policy.Spec.Validations[i].Message)
		}
		for _, denial := range denials {
			if denial.Rule != "deployment-frozen" {
				expected = append(expected, denial.Message)
			}
		}
		require.Equal(t, expected, messages, a.name)
		wrong, _ = run(t, s.asking, request, celconfig.RuntimeCELCostBudgetMatchConditions)
		relevant, err := e.Relevant(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, relevant, len(wrong) == 0, a.name)
	}
}

// TestCost: the costs of the largest Application that etcd takes are far below what the
// API server allows, with its strictest accounting and many gates.
func TestCost(t *testing.T) {
	settings := admission.Settings{}
	for i := range 40 {
		settings.Protected = append(settings.Protected, approval.Selector{Project: fmt.Sprintf("prod-%d-*", i), Server: fmt.Sprintf("https://*.%d.example.com", i), Namespace: "team-*"})
	}
	settings.Protected = append(settings.Protected, approval.Selector{Project: "prod"})
	settings.GatedAutoSync = settings.Protected
	s := newAPIServer(t, settings)
	var resources, history []any
	for i := range 5000 {
		resources = append(resources, map[string]any{"kind": "Deployment", "name": fmt.Sprintf("deployment-number-%d", i), "message": strings.Repeat("configured ", 10)})
	}
	for i := range 500 {
		history = append(history, map[string]any{"id": int64(i), "revision": commit, "deployedAt": "2026-11-21T10:00:00Z", "source": map[string]any{"repoURL": "https://github.com/acme/deploy.git"}})
	}
	old := example(t, "helm-2.14")
	status := merged(t, old, "")["status"].(map[string]any)
	status["resources"], status["history"] = resources, history
	status["operationState"].(map[string]any)["syncResult"].(map[string]any)["resources"] = resources
	large := strings.Repeat("x", 500_000)
	for name, patch := range map[string]string{
		"a label":         `{"metadata": {"labels": {"a": "b"}}}`,
		"a sync":          sync32,
		"large manifests": op(`{"revision": "` + commit + `", "manifests": ["` + large + `"]}`),
		"large values":    `{"spec": {"source": {"helm": {"values": "` + large + `"}}}}`,
		"large revision":  op(`{"revision": "` + large + `"}`),
		"many sources":    op(`{"revisions": [` + strings.Repeat(`"`+commit+`", `, 31) + `"` + commit + `"], "sources": [` + strings.Repeat(`{"repoURL": "https://github.com/a/b", "path": "p"}, `, 31) + `{"repoURL": "https://github.com/a/b", "path": "p"}]}`),
	} {
		request := write(t, developer, old, merged(t, old, patch))
		_, validations := run(t, s.validations, request, celconfig.RuntimeCELCostBudget)
		_, matching := run(t, s.matching, request, celconfig.RuntimeCELCostBudgetMatchConditions)
		_, asking := run(t, s.asking, request, celconfig.RuntimeCELCostBudgetMatchConditions)
		t.Logf("%s (%d bytes): validations cost %d of %d, the policy's conditions %d, the webhook's %d of %d", name, len(request.Object.Raw),
			validations, celconfig.RuntimeCELCostBudget, matching, asking, celconfig.RuntimeCELCostBudgetMatchConditions)
		require.Less(t, validations, int64(celconfig.RuntimeCELCostBudget/4), name)
		require.Less(t, asking, int64(celconfig.RuntimeCELCostBudgetMatchConditions/4), name)
		require.Less(t, matching, int64(celconfig.RuntimeCELCostBudgetMatchConditions/4), name)
	}
}
