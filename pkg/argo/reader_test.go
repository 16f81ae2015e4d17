package argo

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// newFakeClient holds Applications like an API server would, as far as reads go.
func newFakeClient(objects ...map[string]any) *fake.FakeDynamicClient {
	var list []runtime.Object
	for _, object := range objects {
		list = append(list, &unstructured.Unstructured{Object: object})
	}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{Applications(): "ApplicationList"}, list...)
}

func TestReaderGet(t *testing.T) {
	client := newFakeClient(fixture(t, "helm-2.14"), fixture(t, "multi-3.2"))
	parser := newTestParser(t)
	reader := NewReader(client, parser)

	got, err := reader.Get(t.Context(), "team-pay", "pay-prod")
	require.NoError(t, err)
	require.Equal(t, parser.Application(fixture(t, "multi-3.2")), got)

	_, err = reader.Get(t.Context(), "argocd", "pay-prod")
	require.ErrorIs(t, err, approval.ErrNotFound)
	require.ErrorContains(t, err, "argocd/pay-prod")

	broken := errors.New("connection refused")
	client.PrependReactor("get", "applications", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, broken })
	_, err = reader.Get(t.Context(), "team-pay", "pay-prod")
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, approval.ErrNotFound)
}
