package appset_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/appset/setpatch"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// TestController compares with the real controller: for every set of testdata it writes
// Applications with the very digests that are computed from the manifest, and no other;
// for every one that fails there, nothing is computed.
func TestController(t *testing.T) {
	if os.Getenv("GATEKEEPER_E2E") != "1" {
		t.Skip("set GATEKEEPER_E2E=1 to run against a real Argo CD")
	}
	for _, version := range []sandbox.Version{sandbox.V3, sandbox.V2} {
		t.Run("argocd-"+string(version), func(t *testing.T) {
			s, err := sandbox.Start(t.Context(), sandbox.Options{ArgoCD: version, ApplicationSet: true, Progress: t.Output()})
			require.NoError(t, err)
			t.Cleanup(func() {
				if t.Failed() {
					s.DumpLogs(t.Output())
				}
				require.NoError(t, s.Close())
			})
			client, err := s.Client(sandbox.Admin)
			require.NoError(t, err)
			good, bad := specs(t, "sets"), specs(t, "errors")
			for _, set := range slices.Sorted(maps.Keys(good)) {
				apply(t, s, set, good[set])
			}
			for _, set := range slices.Sorted(maps.Keys(bad)) {
				apply(t, s, "bad-"+set, bad[set])
			}
			for set, spec := range good {
				t.Run(set, func(t *testing.T) { compare(t, client, set, spec) })
			}
			for set, spec := range bad {
				t.Run("bad "+set, func(t *testing.T) {
					found, err := argo.RenderedSpecs([]string{manifest(t, "bad-"+set, spec)}, "argocd", setpatch.Apply)
					require.NoError(t, err)
					require.Len(t, found, 1)
					require.NotEmpty(t, found[0].Unfollowed)
					await(t, "the controller to refuse "+set, func() bool { return condition(t, client, "bad-"+set, "ErrorOccurred") })
					require.Empty(t, written(t, client, "bad-"+set))
				})
			}
		})
	}
}

// compare waits until the controller is done with a set.
func compare(t *testing.T, client dynamic.Interface, set string, spec map[string]any) {
	found, err := argo.RenderedSpecs([]string{manifest(t, set, spec)}, "argocd", setpatch.Apply)
	require.NoError(t, err)
	want := map[string]string{}
	for _, f := range found {
		require.Empty(t, f.Unfollowed)
		require.Equal(t, "argocd/"+set, f.Set)
		if f.Application != "" {
			want[f.Application] = f.Digest
		}
	}
	require.NotEmpty(t, want)
	await(t, "the Applications of "+set, func() bool {
		require.False(t, condition(t, client, set, "ErrorOccurred"), set)
		return condition(t, client, set, "ResourcesUpToDate") && len(written(t, client, set)) == len(want)
	})
	parser, err := argo.NewParser([]string{"git.example"})
	require.NoError(t, err)
	got := map[string]string{}
	for _, object := range written(t, client, set) {
		got["argocd/"+object.GetName()] = parser.Application(object.Object).SpecDigest
		if shown, err := json.Marshal(object.Object["spec"]); err == nil {
			t.Logf("%s: %s", object.GetName(), shown)
		}
	}
	require.Equal(t, want, got)
}

func manifest(t *testing.T, name string, spec map[string]any) string {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": map[string]any{"name": name, "namespace": "argocd"}, "spec": spec,
	})
	require.NoError(t, err)
	return string(data)
}

func apply(t *testing.T, s *sandbox.Sandbox, name string, spec map[string]any) {
	t.Helper()
	require.NoError(t, s.Apply(t.Context(), sandbox.Admin, []byte(manifest(t, name, spec))), name)
}

// written are the Applications that a set owns.
func written(t *testing.T, client dynamic.Interface, set string) []unstructured.Unstructured {
	t.Helper()
	all, err := client.Resource(argo.Applications()).Namespace("argocd").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return slices.DeleteFunc(all.Items, func(o unstructured.Unstructured) bool {
		return !slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.Kind == "ApplicationSet" && r.Name == set })
	})
}

func condition(t *testing.T, client dynamic.Interface, set, kind string) bool {
	t.Helper()
	sets := client.Resource(argo.Applications().GroupVersion().WithResource("applicationsets")).Namespace("argocd")
	object, err := sets.Get(t.Context(), set, metav1.GetOptions{})
	require.NoError(t, err)
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	require.NoError(t, err)
	return slices.ContainsFunc(conditions, func(c any) bool {
		fields, _ := c.(map[string]any)
		return fields["type"] == kind && fields["status"] == "True"
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			require.Fail(t, "waited a minute for "+what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
