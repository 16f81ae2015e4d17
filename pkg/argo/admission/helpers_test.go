package admission_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// Who writes.
const (
	developer     = "dave@example.com"
	controller    = admission.DefaultController
	server        = admission.DefaultServer
	applicationer = "system:serviceaccount:argocd:argocd-applicationset-controller"
	gatekeeper    = "system:serviceaccount:gatekeeper:gatekeeper"
)

var prodSettings = admission.Settings{Protected: []approval.Selector{{Project: "prod"}}}

func parser(t testing.TB) *argo.Parser {
	t.Helper()
	p, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	return p
}

func evaluator(t testing.TB, settings admission.Settings) *admission.Evaluator {
	t.Helper()
	e, err := admission.NewEvaluator(settings)
	require.NoError(t, err)
	return e
}

// example is an Application as an API server stores it.
func example(t testing.TB, name string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "testdata", "applications", name+".json"))
	require.NoError(t, err)
	return object(t, string(content))
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &fields), text)
	return fields
}

// merged is an object after a merge patch (RFC 7396), which is how most writers write.
func merged(t testing.TB, base map[string]any, patch string) map[string]any {
	t.Helper()
	if patch == "" {
		return base
	}
	result, _ := merge(base, object(t, patch)).(map[string]any)
	return result
}

func merge(base, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result := map[string]any{}
	if fields, ok := base.(map[string]any); ok {
		result = maps.Clone(fields)
	}
	for key, value := range changes {
		if value == nil {
			delete(result, key)
		} else {
			result[key] = merge(result[key], value)
		}
	}
	return result
}

// write is an admission request; nil objects are absent.
func write(t testing.TB, user string, old, new map[string]any) *admissionv1.AdmissionRequest {
	t.Helper()
	request := &admissionv1.AdmissionRequest{UserInfo: authenticationv1.UserInfo{Username: user, Groups: []string{"system:authenticated"}}, Name: "shop-prod", Namespace: "argocd"}
	request.Resource.Group, request.Resource.Version, request.Resource.Resource = "argoproj.io", "v1alpha1", "applications"
	request.Kind.Group, request.Kind.Version, request.Kind.Kind = "argoproj.io", "v1alpha1", "Application"
	switch {
	case old == nil:
		request.Operation = admissionv1.Create
	case new == nil:
		request.Operation = admissionv1.Delete
	default:
		request.Operation = admissionv1.Update
	}
	request.Object, request.OldObject = raw(t, new), raw(t, old)
	return request
}

func raw(t testing.TB, fields map[string]any) runtime.RawExtension {
	t.Helper()
	if fields == nil {
		return runtime.RawExtension{}
	}
	encoded, err := json.Marshal(fields)
	require.NoError(t, err)
	return runtime.RawExtension{Raw: encoded}
}

// broken are the names of the rules that a request breaks.
func broken(t testing.TB, e *admission.Evaluator, request *admissionv1.AdmissionRequest) []string {
	t.Helper()
	denials, err := e.Check(t.Context(), request)
	require.NoError(t, err)
	var names []string
	for _, denial := range denials {
		require.NotEmpty(t, denial.Message)
		require.False(t, strings.ContainsAny(denial.Message, "\n\r"))
		names = append(names, denial.Rule)
	}
	return names
}
