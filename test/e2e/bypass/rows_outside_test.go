package bypass

import (
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// outsideAttacks are the rows 18, 20, 25 and 30: those that write no Application, and
// pruning.
func outsideAttacks() []Attack {
	return []Attack{
		{
			Row: "18", Name: "edit a manifest live through Argo CD", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byRights,
			Attack: func(ctx context.Context, v *victim) error { return v.editLive(ctx, developer) },
		},
		{
			Row: "18", Name: "edit a manifest live with the rights get and sync", Shape: plain,
			Works: nowhere, Closed: byRights, Refused: "permission denied",
			Attack: func(ctx context.Context, v *victim) error { return v.editLive(ctx, syncer) },
		},
		{
			Row: "18", Name: "edit a manifest live with the rights get, sync and update", Shape: plain,
			Works: only2, Arrives: writtenLimit, Closed: byRights, Refused: "permission denied",
			Attack: func(ctx context.Context, v *victim) error { return v.editLive(ctx, updater) },
			After: func(ctx context.Context, v *victim) error {
				// The setting that makes Argo CD 2.14 do what 3.0 does.
				err := v.merge(ctx, sandbox.Admin, configMaps(), argoNamespace, "argocd-cm",
					`{"data": {"server.rbac.disableApplicationFineGrainedRBACInheritance": "true"}}`)
				if err != nil {
					return err
				}
				return await(ctx, "the edit to be refused", func(ctx context.Context) (bool, string, error) {
					err := v.editLive(ctx, updater)
					return err != nil && strings.Contains(err.Error(), "permission denied"), fmt.Sprint(err), nil
				})
			},
		},
		{
			Row: "18", Name: "delete a resource through Argo CD", Shape: plain,
			Works: both, Arrives: "limit gone", Closed: byRights, Landed: limitGone,
			Attack: func(ctx context.Context, v *victim) error { return v.deleteLive(ctx, developer) },
		},
		{
			Row: "18", Name: "delete a resource with the rights get and sync", Shape: plain,
			Works: nowhere, Closed: byRights, Landed: limitGone, Refused: "permission denied",
			Attack: func(ctx context.Context, v *victim) error { return v.deleteLive(ctx, syncer) },
		},
		{
			Row: "18", Name: "run an action on a resource", Shape: overlay,
			Works: both, Arrives: "restarted", Closed: byRights, Landed: restarted,
			Attack: func(ctx context.Context, v *victim) error {
				return v.cli(ctx, "app", "actions", "run", v.name, "restart", "--kind", "Deployment")
			},
		},
		{
			Row: "18", Name: "run an action with the rights get and sync", Shape: overlay,
			Works: nowhere, Closed: byRights, Landed: restarted, Refused: "permission denied",
			Attack: func(ctx context.Context, v *victim) error {
				_, err := v.Sandbox.ArgoCD().CLIAs(ctx, syncer, "app", "actions", "run", v.name, "restart", "--kind", "Deployment")
				return err
			},
		},
		{
			Row: "20", Name: "prune with the approved commit", Shape: plain,
			Works: both, Arrives: "leftover gone", Closed: byAdmission, Refused: "does not permit pruning by hand", Deployed: true, Landed: leftoverGone,
			Prepare: func(ctx context.Context, v *victim) error { return v.addLeftover(ctx, "") },
			Attack: func(ctx context.Context, v *victim) error {
				return v.sync(ctx, "--revision", v.Enrolled, "--prune")
			},
		},
		{
			Row: "20", Name: "confirm a pruning that waits for it", Shape: plain,
			Works: both, Arrives: "leftover gone", Closed: byAdmission, Refused: "does not permit pruning by hand", Landed: leftoverGone,
			Prepare: func(ctx context.Context, v *victim) error {
				if err := v.addLeftover(ctx, "Prune=confirm"); err != nil {
					return err
				}
				if err := v.sync(ctx, "--revision", v.Enrolled, "--prune"); err != nil {
					return err
				}
				return v.await(ctx, "the pruning to wait", func(app *unstructured.Unstructured) bool {
					return strings.Contains(text(app, "status", "operationState", "message"), "onfirm")
				})
			},
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": "`+now()+`"}}}`)
				if err != nil {
					// Nobody confirms it, so somebody ends it.
					err = errors.Join(err, v.terminate(ctx))
				}
				return err
			},
		},
		{
			Row: "25", Name: "change a remote base of the approved commit", Shape: remote,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: "rendered from what no review covers",
			// Argo CD keeps rendered manifests for a day. A hard refresh renders what the
			// Application tracks anew.
			Attack: func(ctx context.Context, v *victim) error {
				_, err := v.GitHub.As(payments.Mallory).PushBranch(evilRepository, "main", standin.Change{
					Files: map[string]string{"base/limits.yaml": limits(writtenLimit)}, Message: "Raise the limit",
				})
				if err != nil {
					return err
				}
				if err := v.refresh(ctx, "hard"); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.approved())
			},
		},
		{
			Row: "25", Name: "publish another chart under the approved version", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: "not in a known git repository",
			Prepare: func(ctx context.Context, v *victim) error { return v.runChart(ctx, "2.0.0") },
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.Registry.publish("2.0.0", writtenLimit); err != nil {
					return err
				}
				if err := v.refresh(ctx, "hard"); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", "2.0.0")
			},
		},
		{
			Row: "25", Name: "sync a range of chart versions", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: "Name the exact revision",
			Prepare: func(ctx context.Context, v *victim) error { return v.runChart(ctx, "3.0.0") },
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.Registry.publish("3.1.0", writtenLimit); err != nil {
					return err
				}
				return v.operate(ctx, sandbox.Developer, `"revision": "3.x"`)
			},
		},
		{
			Row: "28", Name: "change the manifests that Argo CD keeps in Redis", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byRights, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.poison(ctx); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		},
		{
			Row: "30", Name: "write to production with the cluster's own credentials", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byRights,
			Attack: func(ctx context.Context, v *victim) error {
				return v.merge(ctx, sandbox.Admin, configMaps(), v.namespace, "limits", `{"data": {"transfer": "`+writtenLimit+`"}}`)
			},
		},
		{
			Row: "30", Name: "write to production with the application-controller's token", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byRights,
			Attack: func(ctx context.Context, v *victim) error {
				return v.merge(ctx, sandbox.ArgoController, configMaps(), v.namespace, "limits", `{"data": {"transfer": "`+writtenLimit+`"}}`)
			},
		},
		{
			Row: "30", Name: "write to production with argocd-server's token", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byRights,
			Attack: func(ctx context.Context, v *victim) error {
				return v.merge(ctx, sandbox.ArgoServer, configMaps(), v.namespace, "limits", `{"data": {"transfer": "`+writtenLimit+`"}}`)
			},
		},
		{
			Row: "30", Name: "write to production as a developer", Shape: plain,
			Works: nowhere, Closed: byRights, Refused: "is forbidden",
			Attack: func(ctx context.Context, v *victim) error {
				return v.merge(ctx, sandbox.Developer, configMaps(), v.namespace, "limits", `{"data": {"transfer": "`+writtenLimit+`"}}`)
			},
		},
	}
}

// runChart has the victim run a version of the chart with the approved limit.
func (v *victim) runChart(ctx context.Context, version string) error {
	if err := v.Registry.publish(version, approvedLimit); err != nil {
		return err
	}
	err := v.patch(ctx, sandbox.Admin, fmt.Sprintf(`{"spec": {"source": {"repoURL": %q, "chart": "limits", "targetRevision": %q, "path": null}},
		"operation": {"sync": {"revision": %q}}, "status": {"operationState": null}}`, v.Registry.url, version, version))
	if err != nil {
		return err
	}
	return v.await(ctx, "the chart to run", func(app *unstructured.Unstructured) bool {
		return text(app, "status", "operationState", "phase") == "Succeeded" &&
			text(app, "status", "operationState", "syncResult", "revision") == version
	})
}

// syncer and updater are roles of the production project: the one may get and sync,
// the other may also update.
const syncer, updater = "syncer", "updater"

// editLive edits the ConfigMap through argocd-server as an account or role.
func (v *victim) editLive(ctx context.Context, account string) error {
	_, err := v.Sandbox.ArgoCD().CLIAs(ctx, account, "app", "patch-resource", v.name, "--kind", "ConfigMap", "--resource-name", "limits",
		"--namespace", v.namespace, "--patch-type", "application/merge-patch+json", "--patch", `{"data": {"transfer": "`+writtenLimit+`"}}`)
	return err
}

func (v *victim) deleteLive(ctx context.Context, account string) error {
	_, err := v.Sandbox.ArgoCD().CLIAs(ctx, account, "app", "delete-resource", v.name, "--kind", "ConfigMap", "--resource-name", "limits",
		"--namespace", v.namespace)
	return err
}

func restarted(ctx context.Context, v *victim) (bool, string, error) {
	deployed, err := v.admin.Resource(deployments()).Namespace(v.namespace).Get(ctx, "pay", metav1.GetOptions{})
	if err != nil {
		return false, "", fmt.Errorf("read the deployment: %w", err)
	}
	annotations, _, _ := unstructured.NestedStringMap(deployed.Object, "spec", "template", "metadata", "annotations")
	if annotations["kubectl.kubernetes.io/restartedAt"] != "" {
		return true, "restarted", nil
	}
	return false, "not restarted", nil
}
