package argolink_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argolink"
)

func landing(pull int, v approval.Verdict) approval.LandingDecision {
	return approval.LandingDecision{Pull: pull, Class: approval.ClassConfig, Verdict: v}
}

func TestOf(t *testing.T) {
	t.Parallel()
	other := landing(5, approval.Blocked)
	other.Class = approval.ClassNone
	undone := landing(6, approval.Blocked)
	undone.Undone = true
	for _, test := range []struct {
		name     string
		landings []approval.LandingDecision
		want     argolink.Link
	}{
		{name: "nothing landed"},
		{name: "a direct push", landings: []approval.LandingDecision{landing(0, approval.Blocked)}},
		{name: "what does not count", landings: []approval.LandingDecision{other, undone}},
		{name: "the newest that is approved", landings: []approval.LandingDecision{landing(1, approval.Allowed), landing(2, approval.Allowed), other},
			want: argolink.Link{Title: "Gatekeeper: #2", URL: "https://github.example.com/acme/env/pull/2"}},
		{name: "the oldest that waits", landings: []approval.LandingDecision{landing(1, approval.Allowed), landing(2, approval.Blocked), landing(3, approval.Unknown)},
			want: argolink.Link{Title: "Gatekeeper: #2 waits", URL: "https://github.example.com/acme/env/pull/2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := approval.Decision{Lines: []approval.LineDecision{{Repository: "acme/env", Landings: test.landings}}}
			got, ok := argolink.Of(d, "https://github.example.com/")
			require.Equal(t, test.want, got)
			require.Equal(t, test.want.URL != "", ok)
		})
	}
}

const app = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"namespace": "argocd", "name": "ledger", "uid": "u1", "resourceVersion": "7",
  "annotations": {"other": "stays"}}, "spec": {"project": "prod", "source": {"repoURL": "https://github.com/acme/env", "path": "prod", "targetRevision": "main"},
  "destination": {"server": "https://kubernetes.default.svc", "namespace": "prod"}}}`

// cluster is one with an Application, and the patches that it got.
func cluster(t *testing.T, change string) (*fake.FakeDynamicClient, *[]string) {
	t.Helper()
	var object, more map[string]any
	require.NoError(t, json.Unmarshal([]byte(app), &object))
	if change != "" {
		require.NoError(t, json.Unmarshal([]byte(change), &more))
	}
	merge(object, more)
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{argo.Applications(): "ApplicationList"}, &unstructured.Unstructured{Object: object})
	patches := &[]string{}
	client.PrependReactor("patch", "applications", func(a kubetesting.Action) (bool, runtime.Object, error) {
		*patches = append(*patches, string(a.(kubetesting.PatchAction).GetPatch()))
		return false, nil, nil
	})
	return client, patches
}

func merge(into, from map[string]any) {
	for k, v := range from {
		inner, isMap := v.(map[string]any)
		old, was := into[k].(map[string]any)
		if isMap && was {
			merge(old, inner)
			continue
		}
		into[k] = v
	}
}

var link = &argolink.Link{Title: "Gatekeeper: #2 | waits", URL: "https://github.example.com/acme/env/pull/2"} //nolint:gochecknoglobals // of all tests

func TestWrite(t *testing.T) {
	t.Parallel()
	client, patches := cluster(t, "")
	w := argolink.New(client)
	for _, want := range []bool{true, false, false} {
		written, err := w.Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Link: link})
		require.NoError(t, err)
		require.Equal(t, want, written)
	}
	require.Len(t, *patches, 1)
	require.JSONEq(t, `{"metadata": {"resourceVersion": "7", "annotations": {"link.argocd.argoproj.io/gatekeeper": "Gatekeeper: #2   waits|https://github.example.com/acme/env/pull/2"}}}`, (*patches)[0])
	object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), "ledger", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "stays", object.GetAnnotations()["other"])
}

// TestNotAFact: the link changes nothing that a decision, a digest or a wake-up rests on.
func TestNotAFact(t *testing.T) {
	t.Parallel()
	client, _ := cluster(t, "")
	parser, err := argo.NewParser([]string{"github.com"})
	require.NoError(t, err)
	read := func() approval.Application {
		object, err := client.Resource(argo.Applications()).Namespace("argocd").Get(t.Context(), "ledger", metav1.GetOptions{})
		require.NoError(t, err)
		return parser.Application(object.Object)
	}
	before := read()
	require.NotEmpty(t, before.SpecDigest)
	written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Link: link})
	require.NoError(t, err)
	require.True(t, written)
	after := read()
	require.False(t, argo.Differ(before, after))
	require.Equal(t, before.SpecDigest, after.SpecDigest)
}

func TestNotWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, change, uid string
		is                error
	}{
		{name: "gone", change: `{"metadata": {"name": "other"}}`},
		{name: "another one", uid: "u2"},
		{name: "being deleted", change: `{"metadata": {"deletionTimestamp": "2026-11-21T07:00:00Z"}}`},
		{name: "of an ApplicationSet that is gone", change: `{"metadata": {"ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "x", "uid": "s"}]}}`},
		{name: "requested", change: `{"operation": {"sync": {}}}`, is: argolink.ErrBusy},
		{name: "running", change: `{"status": {"operationState": {"phase": "Running"}}}`, is: argolink.ErrBusy},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, patches := cluster(t, test.change)
			uid := "u1"
			if test.uid != "" {
				uid = test.uid
			}
			written, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", uid, argolink.Shown{Link: link})
			require.ErrorIs(t, err, test.is)
			require.False(t, written)
			require.Empty(t, *patches)
		})
	}
}

func TestWriteLosesTheRace(t *testing.T) {
	t.Parallel()
	client, _ := cluster(t, "")
	client.PrependReactor("patch", "applications", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusConflict, Reason: metav1.StatusReasonConflict}}
	})
	_, err := argolink.New(client).Write(t.Context(), "argocd", "ledger", "u1", argolink.Shown{Link: link})
	require.ErrorIs(t, err, approval.ErrStale)
}
