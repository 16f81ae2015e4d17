package argo

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func decodeAny(text string, into *map[string]any) error { return json.Unmarshal([]byte(text), into) }

func TestLiveSpec(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		patch string
		want  approval.LiveSpec
	}{
		"nothing": {`{"metadata": {"managedFields": null, "labels": null, "annotations": null, "ownerReferences": null}}`, approval.LiveSpec{}},
		"writers": {`{"metadata": {"managedFields": [
			{"manager": "argocd-server", "time": "2026-11-21T08:00:00Z", "fieldsV1": {"f:spec": {"f:source": {}}}},
			{"manager": "kubectl-edit", "time": "2026-11-21T09:00:00Z", "fieldsV1": {"f:metadata": {}, "f:spec": {}}},
			{"manager": "argocd-application-controller", "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:status": {}}}]}}`,
			approval.LiveSpec{Writer: "kubectl-edit", WrittenAt: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}},
		"annotation": {`{"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "apps:argoproj.io/Application:argocd/shop"}}}`, approval.LiveSpec{Parent: "argocd/apps"}},
		"label":      {`{"metadata": {"labels": {"app.kubernetes.io/instance": "apps"}}}`, approval.LiveSpec{Parent: "argocd/apps"}},
		"elsewhere":  {`{"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "platform_apps:argoproj.io/Application:argocd/shop"}}}`, approval.LiveSpec{Parent: "platform/apps"}},
		"odd":        {`{"metadata": {"labels": {"app.kubernetes.io/instance": "a/b"}}}`, approval.LiveSpec{}},
		"set": {`{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ApplicationSet", "name": "fake"},
			{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "shops"}]}}`, approval.LiveSpec{Set: "argocd/shops"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := fixture(t, "helm-2.14", `{"metadata": {"managedFields": null, "labels": null, "annotations": null, "ownerReferences": null}}`, test.patch)
			got := liveSpec(object)
			require.Equal(t, Fields(object), got.Fields)
			got.Fields = nil
			require.Equal(t, test.want, got)
		})
	}
}

// TestLiveSpecIsOfNow: what has changed since it was judged is not described.
func TestLiveSpecIsOfNow(t *testing.T) {
	t.Parallel()
	object := fixture(t, "helm-2.14")
	client := newFakeClient(object)
	reader := NewReader(client, newTestParser(t))
	app := newTestParser(t).Application(object)
	_, err := reader.LiveSpec(t.Context(), app)
	require.NoError(t, err)
	for _, change := range []func(*approval.Application){
		func(a *approval.Application) { a.UID = "other" }, func(a *approval.Application) { a.SpecDigest = "other" },
	} {
		other := app
		change(&other)
		_, err = reader.LiveSpec(t.Context(), other)
		require.ErrorIs(t, err, approval.ErrStale)
	}
	require.NoError(t, client.Resource(Applications()).Namespace(app.Namespace).Delete(t.Context(), app.Name, metav1.DeleteOptions{}))
	_, err = reader.LiveSpec(t.Context(), app)
	require.ErrorIs(t, err, approval.ErrNotFound)
}

func TestRenderedSpecs(t *testing.T) {
	t.Parallel()
	object := fixture(t, "helm-2.14")
	manifest, err := json.Marshal(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": object["spec"],
		"metadata": map[string]any{"name": "shop", "annotations": map[string]any{
			generatePathsAnnotation: annotationOf(object, generatePathsAnnotation), trackingAnnotation: "apps:argoproj.io/Application:argocd/shop",
		}},
	})
	require.NoError(t, err)
	found, err := RenderedSpecs([]string{
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}`, string(manifest),
		`{"apiVersion": "other.io/v1alpha1", "kind": "Application", "metadata": {"name": "x"}}`,
		`{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web", "namespace": "teams"}, "spec": {}}`,
	}, "argocd", nil)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, approval.RenderedSpec{Application: "argocd/shop", Digest: newTestParser(t).Application(object).SpecDigest}, found[0])
	require.Equal(t, "teams/web", found[1].Application)
	for _, bad := range []string{"", "null", "[]", "{"} {
		_, err := RenderedSpecs([]string{bad}, "argocd", nil)
		require.Error(t, err, bad)
	}
}

func annotationOf(object map[string]any, key string) any {
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return annotations[key]
}

func TestSpecs(t *testing.T) {
	t.Parallel()
	reader := NewReader(newFakeClient(fixture(t, "helm-2.14"), fixture(t, "multi-3.2")), newTestParser(t))
	found := map[string]int{}
	require.NoError(t, reader.Specs(t.Context(), func(a approval.Application, fields []approval.SpecField) error {
		found[a.Key()] = len(fields)
		return nil
	}))
	require.Len(t, found, 2)
	app, fields, err := reader.Spec(t.Context(), "team-pay", "pay-prod")
	require.NoError(t, err)
	require.Len(t, fields, found[app.Key()])
	require.NotEmpty(t, fields)
	enough := errors.New("enough")
	require.ErrorIs(t, reader.Specs(t.Context(), func(approval.Application, []approval.SpecField) error { return enough }), enough)
}
