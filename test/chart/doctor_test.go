package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// TestDoctorRights: with rbac.doctor the pod has what docs/doctor.md says that the doctor
// needs, and nothing else besides its own rights. Without it has none of that.
func TestDoctorRights(t *testing.T) {
	rights := func(doctor, enforced bool) map[string]bool {
		rendered, err := Render(Options{Dir: root, ValuesFile: filepath.Join(root, "ci", "default-values.yaml"), Values: map[string]any{
			"rbac": map[string]any{"doctor": doctor}, "enforcement": map[string]any{"enabled": enforced},
		}})
		require.NoError(t, err)
		objects, err := rendered.Objects()
		require.NoError(t, err)
		out := map[string]bool{}
		for _, o := range objects {
			if o.GetKind() != "ClusterRole" && o.GetKind() != "Role" {
				continue
			}
			var role rbacv1.Role
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role))
			for _, rule := range role.Rules {
				spell(rule, out)
			}
		}
		return out
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "doctor.md"))
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "<!-- begin rights -->\n```yaml\n")
	require.True(t, found)
	text, _, found = strings.Cut(text, "```\n")
	require.True(t, found)
	var documented rbacv1.ClusterRole
	require.NoError(t, yaml.Unmarshal([]byte(text), &documented))
	needs := map[string]bool{}
	for _, rule := range documented.Rules {
		spell(rule, needs)
	}
	require.Greater(t, len(needs), 8)

	with, without := rights(true, true), rights(false, true)
	for n := range needs {
		// The admission objects it has by their name already.
		if kind, ok := strings.CutPrefix(n, "get admissionregistration.k8s.io/"); ok {
			require.True(t, without["get admissionregistration.k8s.io/"+kind+" gatekeeper"], n)
			continue
		}
		require.True(t, with[n], n)
	}
	for w := range with {
		require.True(t, without[w] || needs[w], "nobody says what for: %s", w)
	}
	require.False(t, without["list rbac.authorization.k8s.io/roles"])
	require.False(t, without["get /configmaps argocd-cm"])
	unenforced := rights(true, false)
	require.True(t, unenforced["get /configmaps argocd-cm"], "there is something to look at without enforcement")
}

// spell adds what a rule allows, one thing at a time.
func spell(rule rbacv1.PolicyRule, to map[string]bool) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					to[strings.TrimSpace(verb+" "+group+"/"+resource+" "+name)] = true
				}
			}
		}
	}
}
