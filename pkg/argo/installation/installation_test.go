package installation_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/installation"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &out))
	return out
}

func reader(t *testing.T, texts ...string) (*installation.Reader, *fake.FakeDynamicClient) {
	t.Helper()
	objects := make([]runtime.Object, len(texts))
	for i, text := range texts {
		objects[i] = &unstructured.Unstructured{Object: object(t, text)}
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		argo.Applications():                     "ApplicationList",
		{Version: "v1", Resource: "configmaps"}: "ConfigMapList",
	}, objects...)
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	return installation.New(client, parser), client
}

func TestRead(t *testing.T) {
	t.Parallel()
	r, client := reader(t,
		`{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: b, namespace: argocd, uid: u}, spec: {project: prod}}`,
		`{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a, namespace: argocd, uid: v}, spec: {}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm, namespace: argocd}, data: {a: b}}`,
		`{apiVersion: v1, kind: ConfigMap, metadata: {name: empty, namespace: argocd}}`)
	apps, err := r.Applications(t.Context())
	require.NoError(t, err)
	require.Len(t, apps, 2)
	require.Equal(t, "argocd/a", apps[0].Facts.Key())
	require.Equal(t, "prod", apps[1].Facts.Project)
	data, err := r.Data(t.Context(), "argocd", "argocd-cm")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "b"}, data)
	data, err = r.Data(t.Context(), "argocd", "empty")
	require.NoError(t, err)
	require.Equal(t, map[string]string{}, data)
	data, err = r.Data(t.Context(), "argocd", "gone")
	require.NoError(t, err)
	require.Nil(t, data)

	refuse := func(verb, resource string, err error) {
		client.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, err })
	}
	refuse("list", "applications", apierrors.NewForbidden(schema.GroupResource{Resource: "applications"}, "", errors.New("no")))
	_, err = r.Applications(t.Context())
	missing, ok := errors.AsType[*installation.Forbidden](err)
	require.True(t, ok)
	require.Equal(t, `- {apiGroups: ["argoproj.io"], resources: [applications], verbs: [list]}`, missing.Rule())
	refuse("get", "configmaps", apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "argocd-cm", errors.New("no")))
	_, err = r.Data(t.Context(), "argocd", "argocd-cm")
	require.EqualError(t, err, "you may not get configmaps in namespace argocd")
	refuse("list", "applications", apierrors.NewNotFound(schema.GroupResource{Resource: "applications"}, ""))
	apps, err = r.Applications(t.Context())
	require.NoError(t, err, "a kind that the cluster does not know")
	require.Empty(t, apps)
	broken := errors.New("connection refused")
	refuse("list", "applications", broken)
	_, err = r.Applications(t.Context())
	require.ErrorIs(t, err, broken)
}

// Pages are read to the end.
func TestPages(t *testing.T) {
	t.Parallel()
	r, client := reader(t)
	var asked []string
	client.PrependReactor("list", "applications", func(action clienttesting.Action) (bool, runtime.Object, error) {
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationList"}}
		name, next := "a", "more"
		if len(asked) > 0 {
			name, next = "b", ""
		}
		asked = append(asked, name)
		list.SetContinue(next)
		list.Items = []unstructured.Unstructured{{Object: object(t, `{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: `+name+`, namespace: argocd, uid: u}}`)}}
		return true, list, nil
	})
	apps, err := r.Applications(t.Context())
	require.NoError(t, err)
	require.Len(t, apps, 2)
	require.Equal(t, []string{"a", "b"}, asked)
}

func TestPermits(t *testing.T) {
	t.Parallel()
	const local = installation.InClusterServer
	webhook := installation.Target{Server: local, Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}
	settings := installation.Target{Server: local, Namespace: "argocd", Kind: "ConfigMap"}
	payments := installation.Target{Server: local, Namespace: "payments"}
	remote := installation.Target{Server: "https://prod.example.com", Namespace: "payments"}
	for _, test := range []struct {
		name, spec string
		target     installation.Target
		want       bool
	}{
		{"nothing", `{}`, payments, false},
		{"everything", `{destinations: [{server: "*", namespace: "*"}]}`, payments, true},
		{"by name", `{destinations: [{name: in-cluster, namespace: "*"}]}`, payments, true},
		{"another cluster", `{destinations: [{server: "https://other.example.com", namespace: "*"}]}`, payments, false},
		{"another namespace", `{destinations: [{server: "*", namespace: stage}]}`, payments, false},
		{"not there", `{destinations: [{server: "*", namespace: "*"}, {server: "*", namespace: "!payments"}]}`, payments, false},
		{"remote", `{destinations: [{server: "https://*.example.com", namespace: pay*}]}`, remote, true},
		{"of its own clusters", `{destinations: [{server: "*", namespace: "*"}], permitOnlyProjectScopedClusters: true}`, payments, true},
		{"no kinds without a namespace", `{destinations: [{server: "*", namespace: "*"}]}`, webhook, false},
		{"all kinds without a namespace", `{destinations: [{server: "*", namespace: stage}], clusterResourceWhitelist: [{group: "*", kind: "*"}]}`, webhook, true},
		{"those kinds elsewhere", `{destinations: [{server: "https://other.example.com", namespace: "*"}], clusterResourceWhitelist: [{group: "*", kind: "*"}]}`, webhook, false},
		{"not that kind", `{destinations: [{server: "*", namespace: "*"}], clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: admissionregistration.k8s.io, kind: "*"}]}`, webhook, false},
		{"settings", `{destinations: [{server: "*", namespace: "*"}]}`, settings, true},
		{"no settings", `{destinations: [{server: "*", namespace: "*"}], namespaceResourceBlacklist: [{group: "", kind: ConfigMap}]}`, settings, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := installation.ParseProject(object(t, `{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: p}, spec: `+test.spec+`}`))
			require.NoError(t, err)
			got, err := p.Permits(test.target)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := installation.ParseProject(map[string]any{"spec": "none"})
	require.Error(t, err)
}
