package argosync_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argosync"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// TestSyncOnArgoCD runs on real Argo CDs. It shows that what is approved is what is
// deployed, and why the patch is what it is.
func TestSyncOnArgoCD(t *testing.T) {
	for _, version := range []sandbox.Version{sandbox.V2, sandbox.V3} {
		t.Run(string(version), func(t *testing.T) {
			r := newRig(t, version)
			t.Run("helm", func(t *testing.T) { testHelm(t, r) })
			t.Run("kustomize", func(t *testing.T) { testKustomize(t, r) })
			t.Run("several sources", func(t *testing.T) { testMulti(t, r) })
			t.Run("why sources are sent", func(t *testing.T) { testWithoutSources(t, r, version) })
			t.Run("spec edited while an operation waits", func(t *testing.T) { testEditWhileWaiting(t, r, version) })
			t.Run("nulls are lost", func(t *testing.T) { testNulls(t, r) })
			t.Run("conflict", func(t *testing.T) { testConflict(t, r) })
			t.Run("failure", func(t *testing.T) { testFailure(t, r) })
			t.Run("auto-sync that is off", func(t *testing.T) { testAutomatedOff(t, r, version) })
			t.Run("sync windows", func(t *testing.T) { testWindows(t, r) })
			t.Run("rotated token", func(t *testing.T) { testToken(t, r) })
			t.Run("watch", func(t *testing.T) { testWatch(t, r) })
		})
	}
}

// chart is a Helm chart whose one ConfigMap tells which values it was rendered with.
func chart(value string) map[string]string {
	return map[string]string{
		"charts/shop/Chart.yaml":          "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
		"charts/shop/values.yaml":         "chart: chart-" + value + "\nenv: none\n",
		"charts/shop/templates/map.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {chart: {{ .Values.chart }}, env: {{ .Values.env }}, inline: {{ .Values.inline | quote }}}\n",
		"charts/shop/templates/hook.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {argocd.argoproj.io/hook: PreSync}}\ndata: {chart: {{ .Values.chart }}}\n",
		"env/prod/shop.yaml":              "env: env-" + value + "\n",
	}
}

func testHelm(t *testing.T, r *rig) {
	older := r.git.commit("acme/helm", chart("older"))
	newer := r.git.commit("acme/helm", chart("newer"))
	app := r.create(t, "helm", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/helm", "path": "charts/shop", "targetRevision": "main",
		"helm": {"valueFiles": ["../../env/prod/shop.yaml"], "valuesObject": {"inline": "x", "empty": {}}}}}`, r.git.url))
	require.Equal(t, approval.RepositoryName("acme/helm"), app.Sources[0].Repository)

	done := r.sync(t, r.syncer, "helm", "int-helm-1", older)
	require.Equal(t, "Succeeded", done.Operation.Phase)
	require.Equal(t, []string{string(older)}, done.Operation.Revisions)
	require.Equal(t, "gatekeeper: PR #42 (alice, bob)", done.Operation.InitiatedBy)
	require.False(t, done.Operation.FinishedAt.IsZero())
	require.Equal(t, map[string]string{"chart": "chart-older", "env": "env-older", "inline": "x"}, r.config(t, "helm", "shop"))
	require.Equal(t, map[string]string{"chart": "chart-older"}, r.config(t, "helm", "hook"), "hooks run although the operation has a source")
	require.Equal(t, app.SpecDigest, done.SpecDigest, "a sync leaves the spec alone")
	require.Equal(t, []string{string(older)}, done.Deployed[0].Revisions)

	done = r.sync(t, r.syncer, "helm", "int-helm-2", newer)
	require.Equal(t, []string{string(newer)}, done.Operation.Revisions, "nothing of the first operation is left")
	require.Equal(t, "chart-newer", r.config(t, "helm", "shop")["chart"])
	require.Len(t, done.Deployed, 2)
	require.Equal(t, []string{string(newer)}, done.Deployed[1].Revisions)
	require.Equal(t, "gatekeeper: PR #42 (alice, bob)", done.Deployed[1].InitiatedBy)

	done = r.sync(t, r.syncer, "helm", "int-helm-3", older)
	require.Equal(t, []string{string(older)}, done.Operation.Revisions)
	require.Equal(t, "chart-older", r.config(t, "helm", "shop")["chart"], "back again")

	// What Argo CD itself does afterwards goes on as before.
	_, err := r.sandbox.ArgoCD().CLI(t.Context(), "app", "sync", "helm")
	require.NoError(t, err)
	after := r.get(t, "helm")
	require.Equal(t, []string{string(newer)}, after.Operation.Revisions)
	require.Empty(t, after.Operation.Intent)
	require.Equal(t, "admin", after.Operation.InitiatedBy)
	require.Equal(t, app.SpecDigest, after.SpecDigest)
}

func testKustomize(t *testing.T, r *rig) {
	configMap := func(name, value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {value: " + value + "}\n"
	}
	older := r.git.commit("acme/kustomize", map[string]string{
		"base/kustomization.yaml":          "resources: [web.yaml, extra.yaml]\n",
		"base/web.yaml":                    configMap("web", "older"),
		"base/extra.yaml":                  configMap("extra", "older"),
		"overlays/prod/kustomization.yaml": "resources: [../../base]\nnamePrefix: prod-\n",
	})
	newer := r.git.commit("acme/kustomize", map[string]string{
		"base/kustomization.yaml": "resources: [web.yaml]\n",
		"base/web.yaml":           configMap("web", "newer"),
		"base/extra.yaml":         "",
	})
	// The same repository under both of its names.
	r.git.run(r.git.root, "clone", "--quiet", "--bare", filepath.Join(r.git.root, "acme/kustomize"), filepath.Join(r.git.root, "acme/kustomize.git"))
	r.create(t, "kustomize", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/kustomize.git", "path": "overlays/prod", "targetRevision": "main",
		"kustomize": {"nameSuffix": "-eu"}}}`, r.git.url))

	done := r.sync(t, r.syncer, "kustomize", "int-kustomize-1", older)
	require.Equal(t, []string{string(older)}, done.Operation.Revisions)
	require.Equal(t, "older", r.config(t, "kustomize", "prod-web-eu")["value"])
	require.Equal(t, "older", r.config(t, "kustomize", "prod-extra-eu")["value"])

	done = r.sync(t, r.syncer, "kustomize", "int-kustomize-2", newer)
	require.Equal(t, "Succeeded", done.Operation.Phase, done.Operation.Message)
	require.Equal(t, "newer", r.config(t, "kustomize", "prod-web-eu")["value"])
	require.NotNil(t, r.config(t, "kustomize", "prod-extra-eu"), "nothing is pruned unless asked, as from the UI")

	pruning := argosync.New(r.client, r.parser, argosync.Options{Prune: true})
	r.sync(t, pruning, "kustomize", "int-kustomize-3", newer)
	require.Nil(t, r.config(t, "kustomize", "prod-extra-eu"))
}

// multiSpec is a chart with values from another repository.
func multiSpec(r *rig, charts, values string) string {
	return fmt.Sprintf(`{"sources": [
		{"repoURL": "%[1]s/%[2]s", "path": "charts/shop", "targetRevision": "main", "helm": {"valueFiles": ["$values/env/prod/shop.yaml"]}},
		{"repoURL": "%[1]s/%[3]s", "targetRevision": "main", "ref": "values"}]}`, r.git.url, charts, values)
}

func testMulti(t *testing.T, r *rig) {
	olderChart, olderValues := r.git.commit("acme/charts", chart("older")), r.git.commit("acme/values", map[string]string{"env/prod/shop.yaml": "env: older\n"})
	newerChart, newerValues := r.git.commit("acme/charts", chart("newer")), r.git.commit("acme/values", map[string]string{"env/prod/shop.yaml": "env: newer\n"})
	app := r.create(t, "multi", multiSpec(r, "acme/charts", "acme/values"))
	require.True(t, app.MultiSource)
	require.Equal(t, approval.Read{Repository: "acme/values", Path: "env/prod/shop.yaml"}, app.Sources[0].Reads[1])

	for _, step := range []struct {
		intent        string
		chart, values approval.SHA
		want          map[string]string
	}{
		{"int-multi-1", olderChart, olderValues, map[string]string{"chart": "chart-older", "env": "older"}},
		{"int-multi-2", newerChart, olderValues, map[string]string{"chart": "chart-newer", "env": "older"}},
		{"int-multi-3", olderChart, newerValues, map[string]string{"chart": "chart-older", "env": "newer"}},
	} {
		done := r.sync(t, r.syncer, "multi", step.intent, step.chart, step.values)
		require.Equal(t, "Succeeded", done.Operation.Phase, done.Operation.Message)
		require.Equal(t, []string{string(step.chart), string(step.values)}, done.Operation.Revisions)
		require.Equal(t, step.want, r.config(t, "multi", "shop"))
		require.Equal(t, done.Operation.Revisions, done.Deployed[len(done.Deployed)-1].Revisions)
		require.Equal(t, app.SpecDigest, done.SpecDigest)
	}
}

// testWithoutSources shows what the operation would deploy if it named the revisions
// alone: in 2.14 the values come from the head of their branch.
func testWithoutSources(t *testing.T, r *rig, version sandbox.Version) {
	olderChart, olderValues := r.git.commit("acme/bare-charts", chart("older")), r.git.commit("acme/bare-values", map[string]string{"env/prod/shop.yaml": "env: older\n"})
	r.git.commit("acme/bare-values", map[string]string{"env/prod/shop.yaml": "env: newer\n"})
	r.create(t, "bare", multiSpec(r, "acme/bare-charts", "acme/bare-values"))
	r.patch(t, "bare", fmt.Sprintf(`{"operation": {"info": [{"name": "gatekeeper-intent", "value": "int-bare"}], "sync": {"revisions": [%q, %q], "syncOptions": ["CreateNamespace=true"]}}}`, olderChart, olderValues))
	done := r.finished(t, "bare", "int-bare")
	require.Equal(t, []string{string(olderChart), string(olderValues)}, done.Operation.Revisions, "that is what Argo CD says it deployed")
	want := "older"
	if version == sandbox.V2 {
		want = "newer"
	}
	require.Equal(t, want, r.config(t, "bare", "shop")["env"])
}

// testConflict: an Application that changed after the decision is not touched.
func testConflict(t *testing.T, r *rig) {
	sha := r.git.commit("acme/conflict", chart("older"))
	r.create(t, "conflict", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/conflict", "path": "charts/shop", "targetRevision": "main"}}`, r.git.url))
	decided := r.get(t, "conflict")
	r.patch(t, "conflict", `{"spec": {"source": {"helm": {"valuesObject": {"inline": "slipped in"}}}}}`)
	err := r.syncer.Sync(t.Context(), release(t, decided, "int-conflict", sha))
	require.ErrorIs(t, err, approval.ErrStale)
	after := r.get(t, "conflict")
	require.Nil(t, after.Operation)
	require.NotEqual(t, decided.SpecDigest, after.SpecDigest)
	require.Nil(t, r.config(t, "conflict", "shop"))

	// The lock is the API server's, not only our own look at the object.
	object := r.raw(t, "conflict")
	stale := argosync.New(staleReads{r.client, object}, r.parser, argosync.Options{})
	allowed := release(t, r.parser.Application(object.Object), "int-conflict", sha)
	r.patch(t, "conflict", `{"metadata": {"labels": {"somebody": "else"}}}`)
	require.ErrorIs(t, stale.Sync(t.Context(), allowed), approval.ErrStale)
	require.Nil(t, r.get(t, "conflict").Operation)
}

// testFailure: a failed operation is seen with its intent, and can be followed by
// another one.
func testFailure(t *testing.T, r *rig) {
	broken := r.git.commit("acme/failure", map[string]string{"app/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n"})
	fixed := r.git.commit("acme/failure", map[string]string{"app/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lower}\ndata: {a: b}\n"})
	r.create(t, "failure", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/failure", "path": "app", "targetRevision": "main"},
		"syncPolicy": {"retry": {"limit": 1, "backoff": {"duration": "1s", "maxDuration": "1s"}}}}`, r.git.url))
	done := r.sync(t, r.syncer, "failure", "int-failure-1", broken)
	require.Equal(t, "Failed", done.Operation.Phase)
	require.Contains(t, done.Operation.Message, "retried 1 times")
	require.Equal(t, []string{string(broken)}, done.Operation.Revisions)
	require.Empty(t, done.Deployed)
	done = r.sync(t, r.syncer, "failure", "int-failure-2", fixed)
	require.Equal(t, "Succeeded", done.Operation.Phase)
	require.Equal(t, []string{string(fixed)}, done.Operation.Revisions)
	require.Equal(t, map[string]string{"a": "b"}, r.config(t, "failure", "lower"))
}

// testAutomatedOff: with 3.x, auto-sync can be switched off in its place; 2.14 does not
// know that and would sync.
func testAutomatedOff(t *testing.T, r *rig, version sandbox.Version) {
	if version == sandbox.V2 {
		t.Skip("Argo CD 2.14 has no automated.enabled")
	}
	older := r.git.commit("acme/off", map[string]string{
		"app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "app/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {key: value}\n",
	})
	newer := r.git.commit("acme/off", map[string]string{"app/b.yaml": ""})
	app := r.create(t, "off", fmt.Sprintf(`{"source": {"repoURL": "%s/acme/off", "path": "app", "targetRevision": "main"},
		"syncPolicy": {"automated": {"enabled": false, "prune": true, "selfHeal": true}}}`, r.git.url))
	require.False(t, app.Automated)
	require.Equal(t, "Succeeded", r.sync(t, r.syncer, "off", "int-off-1", older).Operation.Phase)
	require.NotNil(t, r.config(t, "off", "b"))
	require.Equal(t, "Succeeded", r.sync(t, r.syncer, "off", "int-off-2", newer).Operation.Phase)
	require.Nil(t, r.config(t, "off", "b"), "automated.prune says so")
	enabled, found, err := unstructured.NestedBool(r.raw(t, "off").Object, "spec", "syncPolicy", "automated", "enabled")
	require.NoError(t, err)
	require.True(t, found && !enabled, "the patch drops no field that our types do not know")
}

// waitingChart renders a Deployment, and after it a ConfigMap. The Deployment's image
// cannot be pulled, so the operation waits between the two.
func waitingChart() map[string]string {
	return map[string]string{
		"chart/Chart.yaml":  "apiVersion: v2\nname: wait\nversion: 0.1.0\n",
		"chart/values.yaml": "inline: from the chart\n",
		"chart/templates/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:broken"}]}
`,
		"chart/templates/map.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: late, annotations: {argocd.argoproj.io/sync-wave: "1"}}
data: {inline: {{ .Values.inline | quote }}}
`,
	}
}

// testEditWhileWaiting edits the spec while an operation waits for a Deployment. What is
// applied after the wait is what was approved. Were the source left out of the operation,
// as it was in what Argo CD 2.14 writes itself, 2.14 would apply the edit.
func testEditWhileWaiting(t *testing.T, r *rig, version sandbox.Version) {
	sha := r.git.commit("acme/wait", waitingChart())
	spec := fmt.Sprintf(`{"source": {"repoURL": "%s/acme/wait", "path": "chart", "targetRevision": "main", "helm": {"valuesObject": {"inline": "approved"}}}}`, r.git.url)
	request := func(name string) {
		r.create(t, name, spec)
		switch name {
		case "wait-with-source":
			eventually(t, "a sync of "+name, func() bool {
				err := r.syncer.Sync(t.Context(), release(t, r.get(t, name), "int-wait", sha))
				if err != nil {
					require.ErrorIs(t, err, approval.ErrStale)
				}
				return err == nil
			})
		default:
			r.patch(t, name, fmt.Sprintf(`{"operation": {"info": [{"name": "gatekeeper-intent", "value": "int-wait"}], "sync": {"revision": %q, "syncOptions": ["CreateNamespace=true"]}}}`, sha))
		}
	}
	edited := "approved"
	if version == sandbox.V2 {
		edited = "slipped in"
	}
	for name, want := range map[string]string{"wait-with-source": "approved", "wait-without-source": edited} {
		request(name)
		eventually(t, "the wait", func() bool { return strings.Contains(r.get(t, name).Operation.Message, "apps/Deployment/web") })
		require.Nil(t, r.config(t, name, "late"))
		r.patch(t, name, `{"spec": {"source": {"helm": {"valuesObject": {"inline": "slipped in"}}}}}`)
		r.repairDeployment(t, name)
		require.Equal(t, "Succeeded", r.finished(t, name, "int-wait").Operation.Phase)
		require.Equal(t, want, r.config(t, name, "late")["inline"], name)
	}
}

// testNulls shows why an explicit null in valuesObject is not supported: Argo CD's own sync
// renders without it what it applies after a wait.
func testNulls(t *testing.T, r *rig) {
	files := waitingChart()
	files["chart/values.yaml"] = "inline: {from: the chart}\n"
	files["chart/templates/map.yaml"] = strings.Replace(files["chart/templates/map.yaml"], "quote", "toJson | quote", 1)
	r.git.commit("acme/nulls", files)
	require.NoError(t, r.sandbox.Apply(t.Context(), sandbox.Admin, fmt.Appendf(nil, `{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "nulls", "namespace": "argocd"},
		"spec": {"project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "nulls"},
			"syncPolicy": {"syncOptions": ["CreateNamespace=true"]},
			"sources": [{"repoURL": "%s/acme/nulls", "path": "chart", "targetRevision": "main", "helm": {"valuesObject": {"inline": null}}}]}}`, r.git.url)))
	facts, err := r.reader.Get(t.Context(), "argocd", "nulls")
	require.NoError(t, err)
	require.Contains(t, strings.Join(facts.Unsupported, "\n"), "spec.sources[0].helm.valuesObject.inline is null")

	_, err = r.sandbox.ArgoCD().CLI(t.Context(), "app", "sync", "nulls", "--async")
	require.NoError(t, err)
	eventually(t, "the wait", func() bool {
		return strings.Contains(text(t, r.raw(t, "nulls"), "status", "operationState", "message"), "apps/Deployment/web")
	})
	r.repairDeployment(t, "nulls")
	eventually(t, "the rest of the sync", func() bool { return r.config(t, "nulls", "late") != nil })
	require.JSONEq(t, `{"from": "the chart"}`, r.config(t, "nulls", "late")["inline"], "Helm would have rendered null")
}

// staleReads answers every read with an object that was read before.
type staleReads struct {
	dynamic.Interface
	object *unstructured.Unstructured
}

func (s staleReads) Resource(resource schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return staleResource{s.Interface.Resource(resource), s.object}
}

type staleResource struct {
	dynamic.NamespaceableResourceInterface
	object *unstructured.Unstructured
}

func (s staleResource) Namespace(namespace string) dynamic.ResourceInterface {
	return staleObject{s.NamespaceableResourceInterface.Namespace(namespace), s.object}
}

type staleObject struct {
	dynamic.ResourceInterface
	object *unstructured.Unstructured
}

func (s staleObject) Get(context.Context, string, metav1.GetOptions, ...string) (*unstructured.Unstructured, error) {
	return s.object.DeepCopy(), nil
}
