package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/argo-gatekeeper/gatekeeper/internal/config"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
)

// TestForbiddenLinks: what to do is said once, for each namespace, and a link that may not be
// written is not tried every few minutes.
func TestForbiddenLinks(t *testing.T) {
	t.Parallel()
	var objects []runtime.Object
	apps := []approval.Application{{Namespace: "argocd", Name: "a", UID: "1"}, {Namespace: "argocd", Name: "b", UID: "2"}, {Namespace: "team", Name: "c", UID: "3"}}
	for _, a := range apps {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
			"metadata": map[string]any{"namespace": a.Namespace, "name": a.Name, "uid": a.UID, "resourceVersion": "1"},
		}})
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{argo.Applications(): "ApplicationList"}, objects...)
	patches, why := 0, map[string]string{
		"argocd": `User "system:serviceaccount:gatekeeper:gatekeeper" cannot patch resource "applications" in API group "argoproj.io" in the namespace "argocd"`,
		"team":   "denied by policy no-annotations",
	}
	client.PrependReactor("patch", "applications", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patches++
		return true, nil, apierrors.NewForbidden(argo.Applications().GroupResource(), action.(clienttesting.PatchAction).GetName(), errorText(why[action.GetNamespace()]))
	})
	var out bytes.Buffer
	l := newLinks(newSettings(config.Config{File: config.File{GitHub: config.GitHub{URL: "https://github.com"}, Gates: []config.Gate{{Name: "prod", ApplicationLinks: true}}}}),
		argoCD{client: client}, slog.New(slog.NewJSONHandler(&out, nil)))
	decide := func() {
		for _, a := range apps {
			l.Decided(t.Context(), a, approval.Decision{Gate: "prod", Lines: []approval.LineDecision{{Repository: "acme/env", Landings: []approval.LandingDecision{{
				Pull: 7, Class: approval.ClassConfig, Verdict: approval.Blocked,
			}}}}}, false)
		}
	}
	work := func(now time.Time) {
		for range 20 {
			if l.queue.Step(context.WithoutCancel(t.Context()), now) > 0 {
				return
			}
		}
		require.Fail(t, "it does not come to rest")
	}
	now := time.Now()
	decide()
	work(now)
	require.Equal(t, 2, patches, "one in each namespace")
	decide()
	work(now.Add(50 * time.Minute))
	require.Equal(t, 2, patches)
	work(now.Add(61 * time.Minute))
	require.Equal(t, 4, patches)

	remedies := map[string]string{}
	for line := range bytes.Lines(out.Bytes()) {
		var said struct{ Msg, Remedy, Application string }
		require.NoError(t, json.Unmarshal(line, &said))
		require.Equal(t, "errand_not_permitted", said.Msg)
		namespace, _, _ := strings.Cut(said.Application, "/")
		require.Empty(t, remedies[namespace], "once")
		remedies[namespace] = said.Remedy
	}
	require.Len(t, remedies, 2)
	require.Contains(t, remedies["argocd"], `namespace argocd: {apiGroups: ["argoproj.io"], resources: ["applications"], verbs: ["get", "patch"]}`)
	require.Contains(t, remedies["argocd"], "switch applicationLinks and applicationNotices off")
	require.Contains(t, remedies["argocd"], "gatekeeper doctor")
	require.Contains(t, remedies["team"], "admission policy")
	require.NotContains(t, remedies["team"], "verbs")
}

type errorText string

func (e errorText) Error() string { return string(e) }

// TestNotices: a gate with notices puts what it waits for on its Applications, and a gate
// without them puts nothing. A word on the notice alone takes no place of one on the link. Whether an ApplicationSet
// preserves them is asked for, and that it may not be read is said once for each namespace
// and keeps others from nothing.
func TestNotices(t *testing.T) {
	t.Parallel()
	app := func(name string, owners ...any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
			"metadata": map[string]any{"namespace": "argocd", "name": name, "uid": name, "resourceVersion": "1", "ownerReferences": owners},
		}}
	}
	set := map[string]any{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "all", "uid": "s"}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{argo.Applications(): "ApplicationList"},
		app("a"), app("b"), app("c", set), app("d", set))
	client.PrependReactor("get", "applicationsets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "argoproj.io", Resource: "applicationsets"}, "all", errorText("no"))
	})
	var out bytes.Buffer
	l := newLinks(newSettings(config.Config{File: config.File{GitHub: config.GitHub{URL: "https://github.com"}, Gates: []config.Gate{{Name: "prod", ApplicationNotices: true, ApplicationLinks: true}, {Name: "dev"}}}}),
		argoCD{client: client}, slog.New(slog.NewJSONHandler(&out, nil)))
	decide := func(name string, d approval.Decision) {
		l.Decided(t.Context(), approval.Application{Namespace: "argocd", Name: name, UID: name}, d, false)
	}
	waits := approval.Decision{Gate: "prod", Verdict: approval.Blocked, Findings: []approval.Finding{{Code: approval.CodeQuorumMissing, Verdict: approval.Blocked, Text: "waiting for 1 more"}}}
	work := func() {
		for range 20 {
			if l.queue.Step(context.WithoutCancel(t.Context()), time.Now()) > 0 {
				return
			}
		}
		require.Fail(t, "it does not come to rest")
	}
	have := func(name string) string {
		object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		return object.GetAnnotations()["notice.argocd.argoproj.io/content"]
	}
	elsewhere := waits
	elsewhere.Gate = "dev"
	decide("b", elsewhere)
	require.Zero(t, l.queue.Len())
	for _, name := range []string{"c", "d", "a"} {
		decide(name, waits)
	}
	work()
	require.Equal(t, "Gatekeeper, gate prod: waiting for 1 more", have("a"))
	require.Empty(t, have("c")+have("d"))
	require.Zero(t, l.queue.Len())
	require.Equal(t, 1, strings.Count(out.String(), "applicationset_unread"))
	require.Contains(t, out.String(), `in namespace argocd: {apiGroups: [\"argoproj.io\"], resources: [\"applicationsets\"], verbs: [\"get\"]}`)

	allowed := approval.Decision{Gate: "prod", Verdict: approval.Allowed, Lines: []approval.LineDecision{{Repository: "acme/env", Landings: []approval.LandingDecision{{
		Pull: 7, Class: approval.ClassConfig, Verdict: approval.Allowed,
	}}}}}
	decide("a", allowed)
	decide("a", approval.Decision{Gate: "prod", Verdict: approval.Allowed}) // with a new baseline
	work()
	require.Empty(t, have("a"))
	object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"link.argocd.argoproj.io/gatekeeper": "Gatekeeper: #7|https://github.com/acme/env/pull/7"}, object.GetAnnotations())
}
