package argo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func fieldPaths(fields []approval.SpecField) (paths []string) {
	for _, f := range fields {
		paths = append(paths, f.Path)
	}
	return paths
}

func TestFields(t *testing.T) {
	t.Parallel()
	fields := Fields(fixture(t, "helm-2.14"))
	paths := fieldPaths(fields)
	require.True(t, slices.IsSorted(paths))
	for _, want := range []string{"project", "destination.namespace", "source.repoURL", "source.path", "source.targetRevision", "source.helm.parameters[replicas]"} {
		require.Contains(t, paths, want)
	}
	for _, f := range fields {
		require.Len(t, f.Digest, 32, f.Path)
		if strings.Contains(f.Path, "helm") {
			require.Empty(t, f.Value, "%s may hold a secret", f.Path)
		}
	}
	require.Contains(t, fieldPaths(Fields(fixture(t, "multi-3.2"))), "sources[0].repoURL")
}

// TestFieldsHoldNoSecrets: neither a parameter nor what is in a URL is kept.
func TestFieldsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	object := fixture(t, "helm-2.14", `{"spec": {"source": {"repoURL": "https://bot:s3cret@github.com/acme/deploy?token=s3cret",
		"helm": {"values": "password: s3cret", "valuesObject": {"password": "s3cret"}, "parameters": [{"name": "password", "value": "s3cret"}]}}}}`)
	require.NotContains(t, fmt.Sprintf("%+v", Fields(object)), "s3cret")
}

// TestFieldsCoverTheDigest changes every single value in the spec of every fixture: the
// fields change exactly when the digest does, and the change is named.
func TestFieldsCoverTheDigest(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"helm-2.14", "multi-3.2", "kustomize-failed-3.2", "hydrator-3.2", "chart-2.14"} {
		object := fixture(t, name)
		before, digestBefore := Fields(object), newTestParser(t).Application(object).SpecDigest
		everyLeaf(object["spec"], "", func(path string, set func(any), value any) {
			set("changed by the test")
			after, digestAfter := Fields(object), newTestParser(t).Application(object).SpecDigest
			require.Equal(t, digestBefore == digestAfter, slices.Equal(before, after), "%s: spec%s", name, path)
			if digestBefore != digestAfter {
				require.NotEqual(t, []string{approval.SpecUnnamed}, approval.ChangedFields(before, after), "%s: spec%s", name, path)
			}
			set(value)
		})
	}
}

// TestFieldsAreBounded: a spec with thousands of values is taken apart less deeply, and
// still every change is seen.
func TestFieldsAreBounded(t *testing.T) {
	t.Parallel()
	object := fixture(t, "helm-2.14")
	spec, _ := object["spec"].(map[string]any)
	source, _ := spec["source"].(map[string]any)
	values := map[string]any{}
	for i := range 5000 {
		values[fmt.Sprint("key", i)] = map[string]any{"a": int64(i), "b": strings.Repeat("x", 300)}
	}
	source["helm"] = map[string]any{"valuesObject": values}
	before := Fields(object)
	require.LessOrEqual(t, len(before), maxFields)
	values["key77"] = int64(1)
	changed := approval.ChangedFields(before, Fields(object))
	require.Len(t, changed, 1)
	require.True(t, strings.HasPrefix(changed[0], "source"), changed)

	long := fixture(t, "helm-2.14", `{"spec": {"source": {"path": "`+strings.Repeat("p", 10_000)+`", "helm": {"parameters": [{"name": "`+strings.Repeat("n", 10_000)+`"}]}}}}`)
	for _, f := range Fields(long) {
		require.Less(t, len(f.Path)+len(f.Value), 600)
	}
	for i := range 1000 {
		spec[fmt.Sprint("unknown", i)] = "x"
	}
	require.Len(t, Fields(object), 1)
}

// TestFieldNamesAreTheirOwn: two different fields never have one name.
func TestFieldNamesAreTheirOwn(t *testing.T) {
	t.Parallel()
	object := fixture(t, "helm-2.14", `{"spec": {"source": {"helm": {"valuesObject": {"a.b": 1, "a": {"b": 2, "": 3, "\"": 4}, "": {"b": 5}, "c": [1, {"name": "0"}]}}}}}`)
	paths := fieldPaths(Fields(object))
	slices.Sort(paths)
	require.Len(t, slices.Compact(slices.Clone(paths)), len(paths), paths)
}

// TestChangesAreNamed applies edits as people make them.
func TestChangesAreNamed(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string]string{
		`{"spec": {"source": {"helm": {"parameters": [{"name": "replicas", "value": "4"}]}}}}`: "source.helm.parameters[replicas]",
		`{"spec": {"source": {"targetRevision": "hotfix"}}}`:                                   "source.targetRevision (was main, is hotfix)",
		`{"spec": {"destination": {"namespace": "other"}}}`:                                    "destination.namespace (was shop, is other)",
		`{"spec": {"source": {"helm": {"values": "a: b"}}}}`:                                   "source.helm.values (is new)",
		`{"spec": {"syncPolicy": {"automated": {"prune": true}}}}`:                             "syncPolicy.automated.prune (is new)",
		`{"spec": {"sourceHydrator": {"syncSource": {}}}}`:                                     "sourceHydrator.syncSource (is new)",
	} {
		before := fixture(t, "helm-2.14")
		changed := approval.ChangedFields(Fields(before), Fields(fixture(t, "helm-2.14", patch)))
		require.Contains(t, changed, want, patch)
	}
	require.Equal(t, []string{approval.SpecUnnamed}, approval.ChangedFields(nil, Fields(fixture(t, "helm-2.14"))))
}

// TestFieldsIgnoreKeyOrder: what is random in a map does not show.
func TestFieldsIgnoreKeyOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"helm-2.14", "multi-3.2"} {
		want := Fields(fixture(t, name))
		for range 20 {
			require.Equal(t, want, Fields(decode(t, shuffled(t, fixture(t, name), random))))
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"spec": {"source": {"repoURL": "https://x/y", "helm": {"parameters": [{"name": "a"}]}}}}`)
	f.Add(`{"spec": {"sources": [[], {}, 1], "syncPolicy": [], "x": {"": [{}]}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		object := map[string]any{}
		if len(text) > 1<<14 {
			return
		}
		if decodeAny(text, &object) != nil {
			return
		}
		fields := Fields(object)
		require.LessOrEqual(t, len(fields), maxFields)
		require.Equal(t, fields, Fields(object))
		require.True(t, slices.IsSorted(fieldPaths(fields)))
	})
}
