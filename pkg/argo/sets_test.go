package argo

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset/setpatch"
)

// deployer is an Application with resources in its status.
func deployer(t *testing.T, name, resources string) map[string]any {
	t.Helper()
	return fixture(t, "helm-2.14", fmt.Sprintf(`{"metadata": {"namespace": "argocd", "name": %q}, "status": {"resources": %s}}`, name, resources))
}

const (
	deploysShops = `[{"group": "argoproj.io", "kind": "Application", "namespace": "argocd", "name": "shops"},
		{"group": "example.com", "kind": "ApplicationSet", "namespace": "argocd", "name": "shops"}, null, 1,
		{"group": "argoproj.io", "version": "v1alpha1", "kind": "ApplicationSet", "namespace": "argocd", "name": "shops"},
		{"group": "argoproj.io", "version": "v1alpha1", "kind": "ApplicationSet", "namespace": "argocd", "name": "banks"}]`
	deploysOther = `[{"group": "argoproj.io", "kind": "Application", "namespace": "argocd", "name": "shops"}, {"group": "example.com", "kind": "ApplicationSet", "namespace": "argocd", "name": "shops"}]`
)

func TestSets(t *testing.T) {
	t.Parallel()
	var sets Sets
	changed := func(object map[string]any, want bool) {
		app, changed := sets.Object(object)
		require.Equal(t, "argocd/"+annotated(object), app)
		require.Equal(t, want, changed)
	}
	require.Empty(t, sets.Deployers("argocd/shops"))
	changed(deployer(t, "other", deploysOther), false)
	changed(deployer(t, "none", "null"), false)
	changed(deployer(t, "wrong", `"shops"`), false)
	require.Empty(t, sets.Deployers("argocd/shops"))
	changed(deployer(t, "b", deploysShops), true)
	changed(deployer(t, "b", deploysShops), false)
	changed(deployer(t, "a", deploysShops), true)
	require.Equal(t, []string{"argocd/a", "argocd/b"}, sets.Deployers("argocd/shops"))
	require.Equal(t, []string{"argocd/a", "argocd/b"}, sets.Deployers("argocd/banks"))
	require.Empty(t, sets.Deployers("other/shops"))
	changed(deployer(t, "a", deploysOther), true)
	require.Equal(t, []string{"argocd/b"}, sets.Deployers("argocd/shops"))
	sets.Forget("argocd/b")
	require.Empty(t, sets.Deployers("argocd/shops"))
	require.Empty(t, sets.byApplication)

	changed(deployer(t, "a", deploysShops), true)
	going := deployer(t, "a", deploysShops)
	merge(going, decode(t, `{"metadata": {"deletionTimestamp": "2026-11-21T08:00:00Z"}}`))
	changed(going, true)
	require.Empty(t, sets.Deployers("argocd/shops"))

	var many []string
	for i := range 2 * maxSets {
		many = append(many, fmt.Sprintf(`{"group": "argoproj.io", "kind": "ApplicationSet", "namespace": "argocd", "name": "set-%d"}`, i))
	}
	changed(deployer(t, "many", "["+strings.Join(many, ",")+"]"), true)
	require.Len(t, sets.byApplication["argocd/many"], maxSets)
}

func annotated(object map[string]any) string {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	return name
}

// TestReaderSets: a command finds the same without having watched.
func TestReaderSets(t *testing.T) {
	t.Parallel()
	reader := NewReader(newFakeClient(deployer(t, "a", deploysShops), deployer(t, "b", deploysOther)), newTestParser(t))
	sets, err := reader.Sets(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"argocd/a"}, sets.Deployers("argocd/shops"))
}

const shopSet = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "shops"%s}, "spec": {"generators": [%s], "template": {
	"metadata": {"name": "{{name}}", "namespace": "elsewhere", "annotations": {"argocd.argoproj.io/manifest-generate-paths": "/"}},
	"spec": {"project": "default", "source": {"repoURL": "https://git.example/shop.git", "path": "{{name}}"}, "destination": {"name": "in-cluster"}}}}}`

func TestRenderedSets(t *testing.T) {
	t.Parallel()
	two := `{"list": {"elements": [{"name": "cart"}, {"name": "till"}]}}`
	found, err := RenderedSpecs([]string{
		fmt.Sprintf(shopSet, `, "namespace": "teams"`, two), fmt.Sprintf(shopSet, "", `{"git": {}}`),
		`{"apiVersion": "other.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "x"}}`,
	}, "argocd", setpatch.Apply)
	require.NoError(t, err)
	require.Len(t, found, 4)
	require.Equal(t, approval.RenderedSpec{Set: "teams/shops"}, found[0])
	for i, name := range []string{"cart", "till"} {
		live := newTestParser(t).Application(decode(t, `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "/"}}, "spec": {"project": "default",
			"source": {"repoURL": "https://git.example/shop.git", "path": "`+name+`"}, "destination": {"server": "https://kubernetes.default.svc"}}}`))
		require.Equal(t, approval.RenderedSpec{Application: "teams/" + name, Digest: live.SpecDigest, Set: "teams/shops"}, found[1+i])
	}
	require.Equal(t, approval.RenderedSpec{Set: "argocd/shops", Unfollowed: "spec.generators[0].git asks a repository, at a revision that nothing pins"}, found[3])
}

// TestReasonsAreText: what somebody chose is in them, and they are recorded.
func TestReasonsAreText(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{strings.Repeat("ä", 200), "a\xffb", strings.Repeat("x", 5000)} {
		found := generatedSpecs(map[string]any{"spec": map[string]any{odd: "x"}}, "argocd", "argocd/shops", nil)
		require.Len(t, found, 1)
		require.True(t, utf8.ValidString(found[0].Unfollowed))
		require.Less(t, len(found[0].Unfollowed), 310)
		require.Contains(t, found[0].Unfollowed, "is not a field that Gatekeeper knows")
	}
}

// TestRenderedSetsAreBounded: many sets with many elements are not followed to the end.
func TestRenderedSetsAreBounded(t *testing.T) {
	t.Parallel()
	full := `{"list": {"elements": [` + strings.TrimSuffix(strings.Repeat(`{"name": "x"},`, 1000), ",") + `]}}`
	var manifests []string
	for range 7 {
		manifests = append(manifests, fmt.Sprintf(shopSet, "", full))
	}
	found, err := RenderedSpecs(manifests, "argocd", nil)
	require.NoError(t, err)
	require.Len(t, found, 4*1001+3)
	require.Contains(t, found[len(found)-1].Unfollowed, "more than 5000 Applications")
}
