package bypass

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// resultAttacks are the rows B1 to B5: what is deployed is not what the operation
// names that was admitted.
func resultAttacks() []Attack {
	return []Attack{
		{
			Row: "B1", Name: "forge the state of an operation together with it", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "remove status.operationState", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.Developer, fmt.Sprintf(`{"operation": {"sync": {"revision": %q}}, "status": {"operationState":
					{"phase": "Running", "startedAt": %q, "operation": {"sync": {"revision": %q}}}}}`, v.Enrolled, now(), v.Pushed))
			},
		},
		{
			Row: "B1", Name: "forge the state before somebody else's operation", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "writes status.operationState", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, fmt.Sprintf(`{"status": {"operationState":
					{"phase": "Running", "startedAt": %q, "operation": {"sync": {"revision": %q}}}}}`, now(), v.Pushed))
				if err != nil {
					return err
				}
				// As the ApplicationSet controller does for a rolling sync: .operation alone.
				return v.patch(ctx, sandbox.ArgoApplicationSet, fmt.Sprintf(`{"operation": {"sync": {"revision": %q}}}`, v.Enrolled))
			},
		},
		{
			Row: "B1", Name: "forge the result of an operation under way", Shape: held,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "writes status.operationState", Deployed: true,
			// The operation still shows the approved commit.
			After: func(ctx context.Context, v *victim) error { return v.deployed(ctx, v.Enrolled, v.Pushed) },
			Attack: func(ctx context.Context, v *victim) error {
				return v.repeat(ctx, func() error {
					if err := v.sync(ctx, "--revision", v.Enrolled); err != nil {
						return err
					}
					if err := v.held(ctx); err != nil {
						return err
					}
					if err := v.forgeResult(ctx, v.Pushed); err != nil {
						return err
					}
					return v.finishHook(ctx, v.namespace)
				})
			},
		},
		{
			Row: "B1", Name: "leak the pruning of an earlier operation into one without", Shape: held,
			Works: both, Arrives: "leftover gone", Closed: byAdmission, Refused: "remove status.operationState",
			Prepare: func(ctx context.Context, v *victim) error {
				if err := v.operate(ctx, sandbox.Admin, v.pinned(v.Enrolled, held.first+`, "prune": true`)); err != nil {
					return err
				}
				if err := v.idle(ctx); err != nil {
					return err
				}
				return v.addLeftover(ctx, "")
			},
			Attack: func(ctx context.Context, v *victim) error {
				// The controller merges the new state into the old one, without a field that is
				// false. It begins with what was asked for, and resumes with the mixture.
				if err := v.patch(ctx, sandbox.Developer, `{"operation": {"sync": {"revision": "`+v.Enrolled+`"}}}`); err != nil {
					return err
				}
				if err := v.held(ctx); err != nil {
					return err
				}
				return v.finishHook(ctx, v.namespace)
			},
			Landed: leftoverGone,
		},
		{
			Row: "B2", Name: "edit the source while an operation waits for its hook", Shape: held,
			Works: only2, Arrives: stageLimit, Closed: byAdmission, Refused: "An operation is in progress", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.repeat(ctx, func() error {
					if err := v.patch(ctx, sandbox.Developer, `{"spec": {"source": {"path": "envs/prod/held"}}}`); err != nil {
						return err
					}
					if err := v.sync(ctx, "--revision", v.Enrolled); err != nil {
						return err
					}
					if err := v.held(ctx); err != nil {
						return err
					}
					if err := v.patch(ctx, sandbox.Developer, `{"spec": {"source": {"path": "envs/stage/plain"}}}`); err != nil {
						return err
					}
					return v.finishHook(ctx, v.namespace)
				})
			},
		},
		{
			Row: "B2", Name: "edit the source of a parked Application with an operation from the API", Shape: plain,
			Works: only2, Arrives: stageLimit, Closed: byAdmission, Refused: "skip-reconcile makes Argo CD leave", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return parked(ctx, v, func() error { return v.sync(ctx, "--revision", v.Enrolled) })
			},
		},
		{
			Row: "B2", Name: "edit the source of a parked Application with an operation without source", Shape: plain,
			Works: both, Arrives: stageLimit, Closed: byAdmission, Refused: "skip-reconcile makes Argo CD leave", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return parked(ctx, v, func() error { return v.operate(ctx, sandbox.Developer, v.pinned(v.Enrolled, "")) })
			},
		},
		{
			Row: "B2", Name: "edit the source between two attempts", Shape: flaky,
			Works: both, Arrives: stageLimit, Closed: byAdmission, Refused: "An operation is in progress", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := failing(ctx, v, `"revision": "`+v.Enrolled+`"`, ""); err != nil {
					return err
				}
				return v.patch(ctx, sandbox.Developer, `{"spec": {"source": {"path": "envs/stage/plain"}}}`)
			},
		},
		{
			Row: "B2", Name: "edit the destination while an operation waits for its hook", Shape: held,
			Works: both, Arrives: approvedLimit, Closed: byAdmission, Refused: "An operation is in progress", Deployed: true,
			Prepare: func(ctx context.Context, v *victim) error {
				return v.Sandbox.Apply(ctx, sandbox.Admin, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: "+v.namespace+"-other}\n"))
			},
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.sync(ctx, "--revision", v.Enrolled); err != nil {
					return err
				}
				if err := v.held(ctx); err != nil {
					return err
				}
				if err := v.patch(ctx, sandbox.Developer, `{"spec": {"destination": {"namespace": "`+v.namespace+`-other"}}}`); err != nil {
					return err
				}
				// The hook begins again in the other place; the first one goes on.
				return v.finishHook(ctx, v.namespace+"-other")
			},
			Landed: func(ctx context.Context, v *victim) (bool, string, error) {
				limit, err := v.transfer(ctx, v.namespace+"-other", "limits")
				return limit != "", "limit in another place " + limit, err
			},
		},
		{
			Row: "B3", Name: "delete the Application, with a hook on main", Shape: doomed,
			Works: both, Arrives: "farewell " + pushedLimit, Closed: byAdmission, Refused: "gatekeeper permit",
			Attack: func(ctx context.Context, v *victim) error {
				// Looking at it is enough to make the hook run at deletion.
				if err := v.compared(ctx); err != nil {
					return err
				}
				return v.cli(ctx, "app", "delete", v.name, "--yes")
			},
			Landed: func(ctx context.Context, v *victim) (bool, string, error) {
				limit, err := v.transfer(ctx, v.namespace, "farewell")
				return limit != "", "farewell " + limit, err
			},
		},
		{
			Row: "B3", Name: "edit the source while the Application is being deleted", Shape: doomed,
			Works: both, Arrives: "farewell " + branchLimit, Closed: byAdmission, Refused: "its spec cannot be changed any more",
			Prepare: func(ctx context.Context, v *victim) error {
				// The deletion was in order. It waits.
				err := v.patch(ctx, sandbox.Admin, `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"},
					"finalizers": ["post-delete-finalizer.argocd.argoproj.io"]}}`)
				if err != nil {
					return err
				}
				return v.admin.Resource(applications()).Namespace(argoNamespace).Delete(ctx, v.name, metav1.DeleteOptions{})
			},
			Attack: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": null}},
					"spec": {"source": {"targetRevision": "`+attackBranch+`"}}}`)
			},
			Landed: func(ctx context.Context, v *victim) (bool, string, error) {
				limit, err := v.transfer(ctx, v.namespace, "farewell")
				return limit != "", "farewell " + limit, err
			},
		},
		{
			Row: "B3", Name: "delete the Application and production with it", Shape: plain,
			Works: both, Arrives: "limit gone", Closed: byAdmission, Refused: "gatekeeper permit",
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.patch(ctx, sandbox.Developer, `{"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}`); err != nil {
					return err
				}
				client, err := v.Sandbox.Client(sandbox.Developer)
				if err != nil {
					return err
				}
				return client.Resource(applications()).Namespace(argoNamespace).Delete(ctx, v.name, metav1.DeleteOptions{})
			},
			Landed: limitGone,
		},
		{
			Row: "B4", Name: "retry with the newest revision, in the operation", Shape: flaky,
			Works: only3, Arrives: pushedLimit, Closed: byAdmission, Refused: "sync without it", Deployed: true, Harmless: only2,
			Attack: func(ctx context.Context, v *victim) error {
				return failing(ctx, v, `"revision": "`+v.Enrolled+`"`, `, "refresh": true`)
			},
		},
		{
			Row: "B4", Name: "retry with the newest revision, in the spec", Shape: flaky,
			Works: only3, Arrives: pushedLimit, Closed: byAdmission, Refused: "leave it out of syncPolicy", Deployed: true, Harmless: only2,
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, `{"spec": {"syncPolicy": {"retry":
					{"limit": 3, "refresh": true, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}}}}}`)
				if err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		},
		{
			Row: "B5", Name: "carry manifests over with an annotation that is there and incomplete",
			Shape: shape{path: overlay.path, annotations: `{argocd.argoproj.io/manifest-generate-paths: "."}`},
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "may deploy manifests of another revision",
			Attack: func(ctx context.Context, v *victim) error {
				// An ordinary refresh would carry the live commit's manifests over to the head
				// of main. A hard one renders the head, as does a cache that has expired.
				if err := v.refresh(ctx, "hard"); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		},
		{
			Row: "B5", Name: "carry manifests over with an annotation of the attacker's", Shape: overlay,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "may deploy manifests of another revision", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.compared(ctx); err != nil {
					return err
				}
				err := v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`)
				if err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		},
		{
			Row: "B5", Name: "carry manifests over from a revision written into the status",
			Shape: shape{path: overlay.path, annotations: `{argocd.argoproj.io/manifest-generate-paths: "."}`},
			Works: both, Arrives: branchLimit, Closed: byAdmission, Refused: "writes status.sync",
			Attack: func(ctx context.Context, v *victim) error {
				// Rendered once, as a diff of a branch does, the manifests are in the cache.
				if err := v.cli(ctx, "app", "manifests", v.name, "--revision", v.Branch); err != nil {
					return err
				}
				if err := v.patch(ctx, sandbox.Developer, `{"status": {"sync": {"revision": "`+v.Branch+`"}}}`); err != nil {
					return err
				}
				return v.operate(ctx, sandbox.Developer, v.pinned(v.Enrolled, ""))
			},
		},
	}
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// parked has an operation wait while the source is edited.
func parked(ctx context.Context, v *victim, operate func() error) (err error) {
	defer func() {
		// What was refused must not leave it waiting.
		err = errors.Join(err, v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": null}}}`))
	}()
	if err := v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}}`); err != nil {
		return err
	}
	if err := operate(); err != nil {
		return err
	}
	return v.patch(ctx, sandbox.Developer, `{"spec": {"source": {"path": "envs/stage/plain"}}}`)
}

// failing begins an operation that fails and is tried again, and waits for the
// first failure.
func failing(ctx context.Context, v *victim, sync, retry string) error {
	err := v.patch(ctx, sandbox.Developer, `{"operation": {"sync": {`+sync+`}, "retry": {"limit": 3,
		"backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}`+retry+`}}, "status": {"operationState": null}}`)
	if err != nil {
		return err
	}
	return v.await(ctx, "the first attempt", func(app *unstructured.Unstructured) bool {
		count, _, _ := unstructured.NestedInt64(app.Object, "status", "operationState", "retryCount")
		return count > 0
	})
}

// repeat attacks again when a write of the controller's, which was under way, has won:
// what it wrote last was not what it had read.
func (v *victim) repeat(ctx context.Context, once func() error) error {
	const attempts = 3
	for range attempts {
		if err := once(); err != nil {
			return err
		}
		if landed, _, err := v.landed(ctx); err != nil || landed {
			return err
		}
	}
	return nil
}

// forgeResult writes a revision into the result of the operation under way, and
// again if it does not stay.
func (v *victim) forgeResult(ctx context.Context, revision string) error {
	steady := 0
	return await(ctx, "the forged result of "+v.name+" to stay", func(ctx context.Context) (bool, string, error) {
		app, err := v.application(ctx)
		if err != nil {
			return false, "", err
		}
		if text(app, "status", "operationState", "syncResult", "revision") == revision {
			steady++
			return steady > steadyPolls, "", nil
		}
		steady = 0
		return false, operationSummary(app), v.patch(ctx, sandbox.Developer, `{"status": {"operationState": {"syncResult": {"revision": "`+revision+`"}}}}`)
	})
}

func leftoverGone(ctx context.Context, v *victim) (bool, string, error) {
	value, err := v.transfer(ctx, v.namespace, "leftover")
	if value == "" {
		value = "gone"
	}
	return value == "gone", "leftover " + value, err
}

func limitGone(ctx context.Context, v *victim) (bool, string, error) {
	limit, err := v.limit(ctx)
	if limit == "" {
		limit = "gone"
	}
	return limit == "gone", "limit " + limit, err
}
