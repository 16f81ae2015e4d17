package admission_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// TestProtectedAgrees: what the expression takes for protected is what a gate does, for
// random selectors and Applications made of the same pieces.
func TestProtectedAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"", "", "*", "**", "prod", "pro", "d", "/", "//", "https://", "kubernetes", ".default", ".svc", "https://kubernetes.default.svc", "in-cluster", "default", "-", "\n", "ü", "(", "+", "\\", `"`, "'"}
	word := func() string {
		text := ""
		for range random.IntN(4) {
			text += pieces[random.IntN(len(pieces))]
		}
		return text
	}
	selector := func() approval.Selector {
		return approval.Selector{Project: word(), Server: word(), Namespace: word()}
	}
	application := func() map[string]any {
		destination := map[string]any{}
		for _, key := range []string{"server", "name", "namespace"} {
			if random.IntN(3) > 0 {
				destination[key] = word()
			}
		}
		if random.IntN(3) == 0 {
			destination["name"] = "in-cluster"
		}
		spec := map[string]any{}
		if random.IntN(4) > 0 {
			spec["destination"] = destination
		}
		if random.IntN(4) > 0 {
			spec["project"] = word()
		}
		return map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "a", "namespace": "argocd", "uid": "1"}, "spec": spec}
	}
	p := parser(t)
	seen := map[bool]int{}
	for range 60 {
		policy := approval.Policy{}
		for range 1 + random.IntN(3) {
			policy.Applications = append(policy.Applications, selector())
		}
		e := evaluator(t, admission.Settings{Protected: policy.Applications})
		for range 100 {
			old, new := application(), application()
			for _, request := range []struct{ old, new map[string]any }{{nil, new}, {old, nil}, {old, new}} {
				want := (request.old != nil && policy.Protects(p.Application(request.old))) || (request.new != nil && policy.Protects(p.Application(request.new)))
				if request.old != nil && request.new != nil {
					// So that only protection decides.
					request.new = merged(t, request.new, `{"operation": {"sync": {}}}`)
				}
				got, err := e.Relevant(t.Context(), write(t, developer, request.old, request.new))
				require.NoError(t, err)
				require.Equal(t, want, got, "%+q for %v, %v", policy.Applications, request.old, request.new)
				seen[want]++
			}
		}
	}
	require.Greater(t, seen[true], 1000)
	require.Greater(t, seen[false], 1000)
}

// TestServerPatterns: the same for the servers that differ in slashes and aliases.
func TestServerPatterns(t *testing.T) {
	servers := []string{"", "/", "https:", "https:/", "https://", "https:///", "https://a", "https://a/", "https://a//", "https://a/b", "https://a/b/", "https://kubernetes.default.svc", "https://kubernetes.default.svc/"}
	p := parser(t)
	for _, pattern := range []string{"https://*", "https:/*", "https:*", "https://a", "https://a/", "https://a*", "https://a/*", "https://*/b", "https://*/", "*/", "*", "/*", "https://kubernetes*", "https://kubernetes.default.svc"} {
		policy := approval.Policy{Applications: []approval.Selector{{Server: pattern}}}
		e := evaluator(t, admission.Settings{Protected: policy.Applications})
		for _, server := range servers {
			for _, name := range []string{"", "in-cluster", "other"} {
				app := object(t, newApplication)
				app["spec"] = map[string]any{"project": "prod", "destination": map[string]any{"server": server, "name": name}}
				relevant, err := e.Relevant(t.Context(), write(t, developer, nil, app))
				require.NoError(t, err)
				require.Equal(t, policy.Protects(p.Application(app)), relevant, "%q for server %q, name %q", pattern, server, name)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	everything := []approval.Selector{{}}
	for name, settings := range map[string]admission.Settings{
		"nothing protected":       {},
		"only gated auto-sync":    {GatedAutoSync: everything},
		"an unknown mode":         {Protected: everything, Mode: "audit"},
		"an empty user":           {Protected: everything, Controllers: []string{""}},
		"a name with a dot":       {Protected: everything, Name: "a.b"},
		"a timeout that is long":  {Protected: everything, TimeoutSeconds: 31},
		"a timeout below nothing": {Protected: everything, TimeoutSeconds: -1},
		"no text":                 {Protected: []approval.Selector{{Project: "\xff"}}},
	} {
		_, err := admission.NewEvaluator(settings)
		require.Error(t, err, name)
		_, err = admission.Rules(settings)
		require.Error(t, err, name)
	}
	_, err := admission.NewEvaluator(admission.Settings{Protected: everything})
	require.NoError(t, err)
}
