package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// testInterceptor holds a PATCH of gatekeeper before the API server sees it, and
// loses the answer of another, while a watch goes on.
func testInterceptor(t *testing.T, s *sandbox.Sandbox) {
	held, release := make(chan struct{}), make(chan struct{})
	patches := func(r *http.Request, annotation string) bool {
		return r.Method == http.MethodPatch && strings.Contains(r.URL.RawQuery, "fieldManager="+annotation)
	}
	i, err := s.Intercept(t.Context(), sandbox.Gatekeeper, sandbox.Hook{
		Before: func(r *http.Request) error {
			if patches(r, "held") {
				close(held)
				<-release
			}
			return nil
		},
		After: func(r *http.Request, _ *http.Response) error {
			if patches(r, "lost") {
				return http.ErrAbortHandler
			}
			return nil
		},
	})
	require.NoError(t, err)
	client, err := dynamic.NewForConfig(i.RESTConfig())
	require.NoError(t, err)
	apps := client.Resource(applications()).Namespace("argocd")
	list, err := apps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	watch, err := apps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	require.NoError(t, err)
	defer watch.Stop()
	patch := func(name string) error {
		_, err := apps.Patch(t.Context(), "guarded", types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"`+name+`":"yes"}}}`), metav1.PatchOptions{FieldManager: name})
		return err
	}
	annotated := func(name string) bool {
		return get(t, s, applications(), "argocd", "guarded").GetAnnotations()[name] == "yes"
	}
	awaitEvent := func(name string) {
		t.Helper()
		for event := range watch.ResultChan() {
			if object, ok := event.Object.(*unstructured.Unstructured); ok && object.GetAnnotations()[name] == "yes" {
				return
			}
		}
		require.FailNow(t, "the watch ended")
	}

	done := make(chan error, 1)
	go func() { done <- patch("held") }()
	<-held
	require.False(t, annotated("held"))
	require.NoError(t, patch("passing"), "other requests pass meanwhile")
	awaitEvent("passing")
	require.False(t, annotated("held"))
	close(release)
	require.NoError(t, <-done)
	awaitEvent("held")

	require.Error(t, patch("lost"))
	require.True(t, annotated("lost"), "the API server did what the client does not know of")
}
