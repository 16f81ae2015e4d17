package closure

import (
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// FuzzClosure: whatever files hold, there is an answer, it has all reads of the spec, its
// paths are clean, and what is unresolved has widened it.
func FuzzClosure(f *testing.F) {
	for _, seed := range []string{
		"resources: [../base, https://example.com/x]", "link ../../x", "link .", "link app", "submodule",
		"dependencies: [{name: x, repository: 'file://../x'}]", "helm: {valueFiles: [$values/x, ../y]}",
		"import '../x'\nimportstr \"y\"", "a: &a [*a]", "patches: [../a, \"x\\n../../y\"]", "kustomize: {components: ['..']}",
		"resources: ['..', '../..', './', '', '../app/../../y']", "plugin: {}",
	} {
		for i := range len(fuzzed) {
			f.Add(uint8(i), seed, seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, first, second string) {
		m := &memory{files: map[approval.RepositoryName]map[string]string{
			deploy: {
				fuzzed[int(which)%len(fuzzed)]: first, fuzzed[(int(which)+1)%len(fuzzed)]: second,
				"base/kustomization.yaml": second, "x/Chart.yaml": first,
			},
			values: {"x": first},
		}}
		a := application(t, "path: app\nhelm: {valueFiles: [v.yaml, $values/x]}\n")
		c, err := New(m).Closure(t.Context(), a, revisions)
		require.NoError(t, err)
		require.Equal(t, revisions, c.Revisions)
		require.Subset(t, c.Reads, a.Sources[0].Reads)
		whole := false
		for _, r := range c.Reads {
			require.Contains(t, []approval.RepositoryName{deploy, values}, r.Repository)
			if r.Path == wholeRepository {
				whole = true
				continue
			}
			clean := strings.TrimSuffix(r.Path, "/")
			require.Equal(t, path.Clean(clean), clean)
			require.NotEqual(t, ".", clean)
			require.False(t, clean == ".." || strings.HasPrefix(clean, "../") || strings.HasPrefix(clean, "/"), clean)
		}
		if len(c.Unresolved) > 0 {
			require.True(t, whole, c.Unresolved)
		}
	})
}

// fuzzed are the files that the fuzzer writes, two neighbours at a time.
var fuzzed = []string{
	"app/kustomization.yaml", "app/Chart.yaml", "app/.argocd-source.yaml", "app/.argocd-source-shop.yaml",
	"app/main.jsonnet", "app/sub/link", "app/requirements.yaml", "app/v.yaml", "app/.helmignore",
}
