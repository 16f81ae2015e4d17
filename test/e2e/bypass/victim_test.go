package bypass

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// developer is the Argo CD account of the attackers, who may do everything with
// Applications there.
const developer = "developer"

// victim is a protected Application with a namespace of its own.
type victim struct {
	*World
	attack          Attack
	name, namespace string
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func newVictim(w *World, i int, a Attack) *victim {
	name := fmt.Sprintf("by-%02d-%s", i, notInNames.ReplaceAllString(strings.ToLower(a.Row), "-"))
	v := &victim{World: w, attack: a, name: name, namespace: name}
	if a.Shape.healing {
		v.namespace = "healed-" + name
	}
	return v
}

// throughGate says whether the victim's first sync waits for the gate.
func (v *victim) throughGate() bool { return v.mode == gated && v.attack.Deployed }

// manifest is the namespace, and the Application with its first operation, unless that
// waits for the gate.
func (v *victim) manifest() string {
	annotations := v.attack.Shape.annotations
	if annotations == "" {
		annotations = "{}"
	}
	first := "operation: {initiatedBy: {username: admin}, sync: {" + v.pinned(v.approved(), v.attack.Shape.first) + "}}\n"
	if v.throughGate() {
		first = ""
	}
	return `apiVersion: v1
kind: Namespace
metadata: {name: ` + v.namespace + `}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: ` + v.name + `, namespace: argocd, annotations: ` + annotations + `}
spec:
  project: ` + v.ownProject() + `
  destination: {server: "` + inCluster + `", namespace: ` + v.namespace + `}
` + v.source("main") + first
}

// ownProject is the victim's.
func (v *victim) ownProject() string {
	if v.attack.Shape.healing {
		return v.healing()
	}
	return v.project()
}

// approved is the commit of the victim's source that is approved.
func (v *victim) approved() string {
	if v.attack.Shape.still {
		return v.Chart
	}
	return v.Enrolled
}

// source is the source or sources of the victim's shape.
func (v *victim) source(revision string) string {
	s := v.attack.Shape
	if s.multi {
		return fmt.Sprintf(`  sources:
  - {repoURL: %q, targetRevision: %q, path: charts/limits, helm: {valueFiles: [$values/envs/prod/limits/values.yaml]}}
  - {repoURL: %q, targetRevision: %q, ref: values}
`, v.chartURL(), revision, v.CloneURL, revision)
	}
	helm := ""
	if s.helm != "" {
		helm = ", helm: " + s.helm
	}
	repository := v.CloneURL
	if s.still {
		repository = v.ChartURL
	}
	return fmt.Sprintf("  source: {repoURL: %q, targetRevision: %q, path: %q%s}\n", repository, revision, s.path, helm)
}

// pinned is the inside of a sync operation on one revision, with more fields if need
// be. For two sources it names them, as argocd-server does: Argo CD up to 3.1 pins
// $values only then.
func (v *victim) pinned(revision, more string) string {
	if more != "" {
		more = ", " + more
	}
	if !v.attack.Shape.multi {
		return fmt.Sprintf("\"revision\": %q%s", revision, more)
	}
	return fmt.Sprintf(`"revisions": %s, "sources": [
		{"repoURL": %q, "targetRevision": "main", "path": "charts/limits", "helm": {"valueFiles": ["$values/envs/prod/limits/values.yaml"]}},
		{"repoURL": %q, "targetRevision": "main", "ref": "values"}]%s`, v.revisions(revision), v.chartURL(), v.CloneURL, more)
}

// chartURL is where the chart of a victim with two sources is.
func (v *victim) chartURL() string {
	if v.attack.Shape.sameRepository {
		return v.CloneURL
	}
	return v.ChartURL
}

// revisions are the approved chart and a revision of the values, as JSON.
func (v *victim) revisions(values string) string {
	head := v.Chart
	if v.attack.Shape.sameRepository {
		head = v.Enrolled
	}
	return fmt.Sprintf("[%q, %q]", head, values)
}

// cli runs the argocd command line as a developer.
func (v *victim) cli(ctx context.Context, args ...string) error {
	return persist(ctx, func() error {
		_, err := v.Sandbox.ArgoCD().CLIAs(ctx, developer, args...)
		return err
	})
}

// persist does something again while the gate says that it has no answer yet: somebody
// who attacks would, too.
func persist(ctx context.Context, do func() error) error {
	var refusal error
	err := await(ctx, "an answer of the gate", func(context.Context) (bool, string, error) {
		refusal = do()
		return refusal == nil || !undecided(refusal), fmt.Sprint(refusal), nil
	})
	return errors.Join(err, refusal)
}

// undecided says whether a refusal is for want of an answer.
func undecided(refusal error) bool { return strings.Contains(refusal.Error(), "try again") }

// sync asks Argo CD's API for a sync, as the Sync button does.
func (v *victim) sync(ctx context.Context, args ...string) error {
	return v.cli(ctx, append([]string{"app", "sync", v.name, "--async"}, args...)...)
}

// patch merges into the Application as id.
func (v *victim) patch(ctx context.Context, id sandbox.Identity, body string) error {
	return v.merge(ctx, id, applications(), argoNamespace, v.name, body)
}

// merge merges into any object as id.
func (w *World) merge(ctx context.Context, id sandbox.Identity, resource schema.GroupVersionResource, namespace, name, body string) error {
	if !json.Valid([]byte(body)) {
		return fmt.Errorf("not a patch: %s", body)
	}
	client, err := w.Sandbox.Client(id)
	if err != nil {
		return err
	}
	return persist(ctx, func() error {
		_, err := client.Resource(resource).Namespace(namespace).Patch(ctx, name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("patch %s as %s: %w", name, id, err)
		}
		return nil
	})
}

// operate writes an operation as id, as a script or another tool would: whatever is
// left of an earlier one is taken away first.
func (v *victim) operate(ctx context.Context, id sandbox.Identity, sync string) error {
	return v.patch(ctx, id, `{"operation": {"initiatedBy": {"username": "somebody"}, "sync": {`+sync+`}}, "status": {"operationState": null}}`)
}

// apply applies manifests as a developer.
func (v *victim) apply(ctx context.Context, manifests string) error {
	return v.Sandbox.Apply(ctx, sandbox.Developer, []byte(manifests))
}

// application reads the victim, nil when it is gone.
func (v *victim) application(ctx context.Context) (*unstructured.Unstructured, error) {
	app, err := v.admin.Resource(applications()).Namespace(argoNamespace).Get(ctx, v.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // gone is an answer here
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", v.name, err)
	}
	return app, nil
}

// limit is the live transfer limit, empty when there is none.
func (v *victim) limit(ctx context.Context) (string, error) {
	return v.transfer(ctx, v.namespace, "limits")
}

func (v *victim) transfer(ctx context.Context, namespace, name string) (string, error) {
	object, err := v.admin.Resource(configMaps()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the limits: %w", err)
	}
	return text(object, "data", "transfer"), nil
}

// held waits until an operation waits for its hook.
func (v *victim) held(ctx context.Context) error {
	return v.await(ctx, "the operation to wait for its hook", func(app *unstructured.Unstructured) bool {
		if app == nil || text(app, "status", "operationState", "phase") != "Running" {
			return false
		}
		resources, _, _ := unstructured.NestedSlice(app.Object, "status", "operationState", "syncResult", "resources")
		return slices.ContainsFunc(resources, func(item any) bool {
			resource, ok := item.(map[string]any)
			return ok && resource["name"] == "hold" && resource["hookPhase"] == "Running"
		})
	})
}

// addLeftover creates a ConfigMap that looks like a part of the Application that the
// approved commit no longer has.
func (v *victim) addLeftover(ctx context.Context, options string) error {
	return v.Sandbox.Apply(ctx, sandbox.Admin, []byte(`apiVersion: v1
kind: ConfigMap
metadata:
  name: leftover
  namespace: `+v.namespace+`
  labels: {app.kubernetes.io/instance: `+v.name+`}
  annotations:
    argocd.argoproj.io/tracking-id: "`+v.name+`:/ConfigMap:`+v.namespace+`/leftover"
    argocd.argoproj.io/sync-options: "`+options+`"
data: {transfer: "there"}
`))
}

// compared has Argo CD compare the Application with the head of its branch, as
// anybody who may look at it can.
func (v *victim) compared(ctx context.Context) error { return v.refresh(ctx, "normal") }

// refresh is compared with a choice of refreshes: normal or hard.
func (v *victim) refresh(ctx context.Context, kind string) error {
	if err := v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "`+kind+`"}}}`); err != nil {
		return err
	}
	return v.await(ctx, "the comparison", func(app *unstructured.Unstructured) bool {
		return app == nil || app.GetAnnotations()["argocd.argoproj.io/refresh"] == ""
	})
}

// idle waits until nothing is under way.
func (v *victim) idle(ctx context.Context) error {
	return v.await(ctx, "the end of the operation", func(app *unstructured.Unstructured) bool {
		phase := text(app, "status", "operationState", "phase")
		return app == nil || app.Object["operation"] == nil && phase != "Running" && phase != "Terminating"
	})
}

func (v *victim) await(ctx context.Context, what string, ok func(*unstructured.Unstructured) bool) error {
	return await(ctx, what+" of "+v.name, func(ctx context.Context) (bool, string, error) {
		app, err := v.application(ctx)
		return err == nil && ok(app), operationSummary(app), err
	})
}

// settle gives Argo CD every chance to do what it was told: two comparisons, and the
// end of whatever they began.
func (v *victim) settle(ctx context.Context) error {
	for range 2 {
		if err := v.compared(ctx); err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
		if err := v.idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

func gone(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && apierrors.IsNotFound(err)
}

// finishHook lets the hook of a held Application in a namespace end, until no
// operation is under way.
func (v *victim) finishHook(ctx context.Context, namespace string) error {
	return await(ctx, "the operation of "+v.name+" to end after its hook", func(ctx context.Context) (bool, string, error) {
		_, err := v.admin.Resource(pods()).Namespace(namespace).Patch(ctx, "hold", types.MergePatchType,
			[]byte(`{"status": {"phase": "Succeeded"}}`), metav1.PatchOptions{}, "status")
		if err != nil && !apierrors.IsNotFound(err) {
			return false, "", fmt.Errorf("finish the hook: %w", err)
		}
		app, err := v.application(ctx)
		if err != nil || app == nil {
			return app == nil, "", err
		}
		phase := text(app, "status", "operationState", "phase")
		return app.Object["operation"] == nil && phase != "Running" && phase != "Terminating", operationSummary(app), nil
	})
}
