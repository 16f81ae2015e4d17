package argo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDigestChangesWithContent: each change gives a digest that no other has.
func TestDigestChangesWithContent(t *testing.T) {
	tests := []struct{ base, patch string }{
		{"helm-2.14", `{}`},
		{"helm-2.14", `{"spec": {"project": "other"}}`},
		{"helm-2.14", `{"spec": {"project": null}}`},
		{"helm-2.14", `{"spec": {"destination": {"namespace": "other"}}}`},
		{"helm-2.14", `{"spec": {"destination": {"namespace": null}}}`},
		{"helm-2.14", `{"spec": {"destination": {"server": "https://other"}}}`},
		{"helm-2.14", `{"spec": {"destination": {"server": null, "name": "other"}}}`},
		{"helm-2.14", `{"spec": {"destination": {"name": "in-cluster"}}}`},
		{"helm-2.14", `{"spec": {"source": {"repoURL": "https://github.com/acme/deploy"}}}`},
		{"helm-2.14", `{"spec": {"source": {"path": "charts/other"}}}`},
		{"helm-2.14", `{"spec": {"source": {"targetRevision": "release"}}}`},
		{"helm-2.14", `{"spec": {"source": {"targetRevision": null}}}`},
		{"helm-2.14", `{"spec": {"source": {"chart": "x"}}}`},
		{"helm-2.14", `{"spec": {"source": {"ref": "x"}}}`},
		{"helm-2.14", `{"spec": {"source": {"name": "x"}}}`},
		{"helm-2.14", `{"spec": {"source": {"tagPrefix": "x"}}}`},
		{"helm-2.14", `{"spec": {"source": {"someday": {}}}}`},
		{"helm-2.14", `{"spec": {"source": {"plugin": {}}}}`},
		{"helm-2.14", `{"spec": {"source": {"plugin": {"env": [{"name": "A", "value": "b"}]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"directory": {"recurse": true}}}}`},
		{"helm-2.14", `{"spec": {"source": {"directory": {"jsonnet": {"libs": ["x"]}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"kustomize": {"images": ["a:1"]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"kustomize": {"images": ["a:2"]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": null}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["values.yaml"]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valueFiles": ["/global/values.yaml", "../../env/prod/shop.yaml", "values.yaml"]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"parameters": [{"name": "replicas", "value": "4"}]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"parameters": [{"name": "replicas", "value": "3", "forceString": true}]}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"values": "a: b"}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": null}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"ingress": {"enabled": false}}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"limits": ""}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"limits": [null]}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"n": 9007199254740993}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"n": 9007199254740992}}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"skipCrds": true}}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"someday": 1}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"syncOptions": null}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"syncOptions": ["CreateNamespace=true", "Replace=true"]}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"managedNamespaceMetadata": {}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"a": "b"}}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"automated": {"prune": true}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"someday": false}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": 1}}`},
		{"helm-2.14", `{"spec": {"ignoreDifferences": [{"kind": "Deployment"}]}}`},
		{"helm-2.14", `{"spec": {"sourceHydrator": {}}}`},
		{"helm-2.14", `{"spec": {"someday": 0}}`},
		{"helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": null}}}`},
		{"helm-2.14", `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`},
		{"helm-2.14", `{"spec": {"source": null}}`},
		{"helm-2.14", `{"spec": null}`},
		{"multi-3.2", `{}`},
		{"multi-3.2", `{"spec": {"syncPolicy": null}}`},
		{"multi-3.2", `{"spec": {"ignoreDifferences": null}}`},
		{"multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x"}]}}`},
		{"multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "helm": {}}]}}`},
		{"multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "helm": {"values": "a: b"}}]}}`},
		{"multi-3.2", `{"spec": {"sources": [{"repoURL": "https://github.com/a/b", "path": "x", "helm": {"values": "a: b", "valuesObject": {}}}]}}`},
		{"multi-3.2", `{"spec": {"sources": null, "source": {"repoURL": "https://github.com/a/b", "path": "x"}}}`},
		{"multi-3.2", `{"spec": {"sources": "x"}}`},
	}
	seen := map[string]string{}
	for _, test := range tests {
		got := newTestParser(t).Application(fixture(t, test.base, test.patch)).SpecDigest
		require.Regexp(t, `^sha256:[0-9a-f]{64}$`, got)
		require.Empty(t, seen[got], "%s %s has the digest of", test.base, test.patch)
		seen[got] = test.base + " " + test.patch
	}
}

// TestDigestIgnores what does not change what is deployed, and what Argo CD's
// controller rewrites by itself.
func TestDigestIgnores(t *testing.T) {
	tests := []struct{ base, patch string }{
		{"helm-2.14", `{"metadata": {"resourceVersion": "9", "generation": 9, "labels": {"a": "b"}, "annotations": {"argocd.argoproj.io/refresh": "hard"}}}`},
		{"helm-2.14", `{"metadata": {"name": "other", "managedFields": null, "finalizers": ["x"]}}`},
		{"helm-2.14", `{"status": null}`},
		{"helm-2.14", `{"status": {"reconciledAt": "2026-11-21T08:00:00Z", "sync": {"status": "OutOfSync"}, "resources": []}}`},
		{"helm-2.14", `{"operation": {"sync": {"revision": "main"}}}`},
		{"helm-2.14", `{"spec": {"info": [{"name": "url", "value": "x"}], "revisionHistoryLimit": 3}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"retry": null}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"retry": {"limit": 1}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"automated": {}}}}`},
		{"helm-2.14", `{"spec": {"syncPolicy": {"automated": {"enabled": false, "selfHeal": true, "allowEmpty": true, "prune": false}}}}`},
		{"helm-2.14", `{"spec": {"source": {"kustomize": {}, "directory": {"recurse": false, "jsonnet": {}}, "chart": ""}}}`},
		{"helm-2.14", `{"spec": {"source": {"helm": {"values": "", "skipCrds": false, "apiVersions": []}}}}`},
		{"helm-2.14", `{"spec": {"destination": {"server": null, "name": "in-cluster"}}}`},
		{"helm-2.14", `{"spec": {"destination": {"name": ""}}}`},
		{"helm-2.14", `{"spec": {"sources": []}}`},
		{"helm-2.14", `{"spec": {"ignoreDifferences": []}}`},
		{"kustomize-failed-3.2", `{"spec": {"project": "default"}}`},
		{"kustomize-failed-3.2", `{"spec": {"syncPolicy": null}}`},
		{"kustomize-failed-3.2", `{"spec": {"syncPolicy": {"automated": null, "syncOptions": []}}}`},
		{"multi-3.2", `{"spec": {"source": {"repoURL": "ignored"}}}`},
	}
	for _, test := range tests {
		t.Run(test.patch, func(t *testing.T) {
			want := newTestParser(t).Application(fixture(t, test.base)).SpecDigest
			require.Equal(t, want, newTestParser(t).Application(fixture(t, test.base, test.patch)).SpecDigest)
		})
	}
}

// TestDigestOfEveryLeaf changes, one after the other, every single value in the spec of
// every fixture, and expects another digest unless the field is one of those that the
// digest leaves out.
func TestDigestOfEveryLeaf(t *testing.T) {
	leftOut := []string{".info", ".revisionHistoryLimit", ".syncPolicy.retry", ".syncPolicy.automated.enabled", ".syncPolicy.automated.selfHeal", ".syncPolicy.automated.allowEmpty"}
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "hydrator-3.2", "chart-2.14"} {
		object := fixture(t, name)
		before := newTestParser(t).Application(object).SpecDigest
		leaves := 0
		everyLeaf(object["spec"], "", func(path string, set func(any), value any) {
			leaves++
			set("changed by the test")
			after := newTestParser(t).Application(object).SpecDigest
			excluded := slices.ContainsFunc(leftOut, func(prefix string) bool {
				return len(path) >= len(prefix) && path[:len(prefix)] == prefix
			})
			require.Equal(t, excluded, before == after, "%s: spec%s", name, path)
			set(value)
		})
		require.Greater(t, leaves, 5)
		require.Equal(t, before, newTestParser(t).Application(object).SpecDigest)
	}
}

// everyLeaf visits the scalars of a JSON value with a function that replaces them.
func everyLeaf(value any, path string, visit func(path string, set func(any), value any)) {
	each := func(child any, path string, set func(any)) {
		switch child.(type) {
		case map[string]any, []any:
			everyLeaf(child, path, visit)
		default:
			visit(path, set, child)
		}
	}
	switch container := value.(type) {
	case map[string]any:
		keys := make([]string, 0, len(container))
		for key := range container {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			each(container[key], path+"."+key, func(v any) { container[key] = v })
		}
	case []any:
		for i := range container {
			each(container[i], fmt.Sprintf("%s[%d]", path, i), func(v any) { container[i] = v })
		}
	}
}

// TestDigestIgnoresKeyOrder decodes the same Application with its keys in other orders.
func TestDigestIgnoresKeyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"helm-2.14", "multi-3.2"} {
		want := newTestParser(t).Application(fixture(t, name))
		for range 20 {
			text := shuffled(t, fixture(t, name), random)
			got, err := newTestParser(t).Decode([]byte(text))
			require.NoError(t, err)
			require.Equal(t, want, got, text)
		}
	}
}

// shuffled encodes a value with the keys of its objects in random order.
func shuffled(t *testing.T, value any, random *rand.Rand) string {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		var parts []string
		for key, child := range v {
			parts = append(parts, fmt.Sprintf("%q: %s", key, shuffled(t, child, random)))
		}
		slices.Sort(parts)
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		return "{" + join(parts) + "}"
	case []any:
		var parts []string
		for _, child := range v {
			parts = append(parts, shuffled(t, child, random))
		}
		return "[" + join(parts) + "]"
	default:
		encoded, err := json.Marshal(v)
		require.NoError(t, err)
		return string(encoded)
	}
}

func join(parts []string) string {
	text := ""
	for i, part := range parts {
		if i > 0 {
			text += ",\n "
		}
		text += part
	}
	return text
}
