package argo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// TestReads lists, for a source of acme/deploy, what it is rendered from. Reads of
// another repository are written with its name.
func TestReads(t *testing.T) {
	tests := []struct {
		name, source string
		want         []string
	}{
		{"folder", `{"path": "apps/shop"}`, []string{"apps/shop/"}},
		{"folder with a slash", `{"path": "apps/shop/"}`, []string{"apps/shop/"}},
		{"folder that is not clean", `{"path": "./apps//x/../shop/."}`, []string{"apps/shop/"}},
		{"root", `{"path": "."}`, []string{"/"}},
		{"root by detour", `{"path": "apps/.."}`, []string{"/"}},
		{"no path", `{}`, []string{"/"}},
		{"ref alone", `{"ref": "x"}`, nil},
		{"ref and path", `{"ref": "x", "path": "apps"}`, []string{"apps/"}},
		{"value files", `{"path": "a/b", "helm": {"valueFiles": ["v.yaml", "./v.yaml", "../c/v.yaml", "/d/v.yaml", "//e.yaml"]}}`,
			[]string{"a/b/", "a/b/v.yaml", "a/c/v.yaml", "d/v.yaml", "e.yaml"}},
		{"value file of another source", `{"path": "a", "helm": {"valueFiles": ["$values/env/p.yaml", "$values/../p.yaml"]}}`,
			[]string{"a/", "acme/values:env/p.yaml"}},
		{"value files by pattern", `{"path": "a/b", "helm": {"valueFiles": ["env/*.yaml", "*.yaml", "../c?/x.yaml", "/d/e[12]/x.yaml", "$values/{a,b}.yaml", "/f*"]}}`,
			[]string{"a/b/", "a/b/env/", "a/", "d/", "acme/values:/", "/"}},
		{"value file with the name of the Application", `{"path": "a", "helm": {"valueFiles": ["env/$ARGOCD_APP_NAME.yaml"]}}`, []string{"a/", "/"}},
		{"value file of another source with a variable", `{"path": "a", "helm": {"valueFiles": ["$values/${ARGOCD_APP_NAMESPACE}/x.yaml"]}}`, []string{"a/", "acme/values:/"}},
		{"escaped dollar", `{"path": "a", "helm": {"valueFiles": ["x$$y.yaml"]}}`, []string{"a/", "/"}},
		{"file parameters", `{"path": "a", "helm": {"fileParameters": [{"name": "x", "path": "f.json"}, {"name": "y", "path": "$values/g.json"}]}}`,
			[]string{"a/", "a/f.json", "acme/values:g.json"}},
		{"chart", `{"repoURL": "https://charts.example.com", "chart": "c", "helm": {"valueFiles": ["small.yaml", "$values/x.yaml"]}}`, []string{"acme/values:x.yaml"}},
		{"chart with a variable", `{"repoURL": "https://charts.example.com", "chart": "c", "helm": {"valueFiles": ["$values/$ARGOCD_APP_NAME", "v$ARGOCD_APP_REVISION.yaml"]}}`, []string{"acme/values:/"}},
		{"OCI artifact", `{"repoURL": "oci://ghcr.io/acme/app", "path": "."}`, nil},
		{"kustomize", `{"path": "overlays/prod", "kustomize": {"components": ["../../components/a", "./b"], "patches": [{"path": "../p.yaml"}, {"path": "deployment.patch.yaml"}, {"patch": "x"}]}}`,
			[]string{"overlays/prod/", "components/a/", "overlays/prod/b/", "overlays/p.yaml", "overlays/prod/deployment.patch.yaml"}},
		{"jsonnet", `{"path": "a", "directory": {"jsonnet": {"libs": ["vendor", "/lib", "."]}}}`, []string{"a/", "vendor/", "lib/", "/"}},
		{"plugin", `{"path": "a", "plugin": {}}`, []string{"a/", "/"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			source := decode(t, `{"repoURL": "https://github.com/acme/deploy"}`)
			merge(source, decode(t, test.source))
			object := fixture(t, "multi-3.2")
			spec, ok := object["spec"].(map[string]any)
			require.True(t, ok)
			spec["sources"] = []any{source, decode(t, `{"repoURL": "https://github.com/acme/values", "ref": "values"}`)}
			facts := newTestParser(t).Application(object)
			var got []string
			for _, read := range facts.Sources[0].Reads {
				path := read.Path
				if read.Repository != "acme/deploy" {
					path = string(read.Repository) + ":" + path
				}
				got = append(got, path)
			}
			require.Equal(t, test.want, got, facts.Unsupported)
			require.Empty(t, facts.Sources[1].Reads, "a ref alone renders nothing")
		})
	}
}

// TestReadsStayInside: whatever a path looks like, its read is normalised.
func FuzzWithin(f *testing.F) {
	for _, seed := range [][2]string{{"a/b", "../c"}, {"", "/x"}, {"a", "../../x"}, {"a", "."}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, base, p string) {
		n := node{path: "x", problems: &problems{}}
		cleanBase, ok := within(n, "base", "", base)
		if !ok {
			return
		}
		got, ok := within(n, "path", cleanBase, p)
		require.Equal(t, !ok, len(n.problems.lines) > 0)
		if !ok {
			return
		}
		require.False(t, strings.HasPrefix(got, "/") || strings.HasSuffix(got, "/") || strings.Contains(got, "//"), got)
		for segment := range strings.SplitSeq(got, "/") {
			require.NotContains(t, []string{".", ".."}, segment)
		}
	})
}

// TestSourceOfAnotherHost keeps its reads, without a repository.
func TestSourceOfAnotherHost(t *testing.T) {
	facts := newTestParser(t).Application(fixture(t, "helm-2.14", `{"spec": {"source": {"repoURL": "https://gitlab.com/acme/deploy"}}}`))
	require.Empty(t, facts.Unsupported)
	require.Equal(t, approval.SourceGit, facts.Sources[0].Kind)
	require.Empty(t, facts.Sources[0].Repository)
	require.Equal(t, approval.Read{Path: "charts/shop/"}, facts.Sources[0].Reads[0])
}
