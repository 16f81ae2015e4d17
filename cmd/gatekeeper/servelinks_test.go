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
	require.Contains(t, remedies["argocd"], "applicationLinks")
	require.Contains(t, remedies["argocd"], "gatekeeper doctor")
	require.Contains(t, remedies["team"], "admission policy")
	require.NotContains(t, remedies["team"], "verbs")
}

type errorText string

func (e errorText) Error() string { return string(e) }
