package bypass

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// creationAttacks are the rows 14, 15, 16, 19 and 29: another Application, or
// another writer, does it.
func creationAttacks() []Attack {
	return []Attack{
		{
			Row: "14", Name: "create an Application elsewhere for the same namespace", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "spec was never adopted",
			Attack: func(ctx context.Context, v *victim) error {
				return v.another(ctx, "--dest-server", inCluster)
			},
		},
		{
			Row: "14", Name: "create an Application elsewhere for the other name of the cluster", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "spec was never adopted",
			Attack: func(ctx context.Context, v *victim) error {
				return v.another(ctx, "--dest-name", alias)
			},
		},
		{
			Row: "14", Name: "create an Application for the other address of the cluster", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "spec was never adopted",
			Attack: func(ctx context.Context, v *victim) error {
				return v.another(ctx, "--dest-server", v.Sandbox.RESTConfig(sandbox.Admin).Host)
			},
		},
		{
			Row: "14", Name: "retarget an Application without a gate", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "spec was never adopted",
			Prepare: func(ctx context.Context, v *victim) error {
				return v.Sandbox.Apply(ctx, sandbox.Admin, []byte(v.other(v.name+"-x", v.free(), "not-"+v.namespace, "")))
			},
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.cli(ctx, "app", "set", v.name+"-x", "--dest-namespace", v.namespace); err != nil {
					return err
				}
				return v.cli(ctx, "app", "sync", v.name+"-x", "--async")
			},
		},
		{
			Row: "14", Name: "create an Application in another namespace", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "without an operation",
			Prepare: func(ctx context.Context, v *victim) error {
				return v.Sandbox.Apply(ctx, sandbox.Admin, []byte(v.teamNamespace()))
			},
			Attack: func(ctx context.Context, v *victim) error {
				return v.apply(ctx, strings.Replace(v.other(v.name+"-x", v.free(), v.namespace, `operation: {sync: {revision: "`+v.Pushed+`"}}`),
					"namespace: argocd", "namespace: "+v.namespace+teamSuffix, 1))
			},
		},
		{
			Row: "15", Name: "create an Application with an operation", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "without an operation",
			Attack: func(ctx context.Context, v *victim) error {
				return v.apply(ctx, v.other(v.name+"-x", v.project(), v.namespace, `operation: {sync: {revision: "`+v.Pushed+`"}}`))
			},
		},
		{
			Row: "15", Name: "create an Application with a state", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "without an operation",
			Attack: func(ctx context.Context, v *victim) error {
				return v.apply(ctx, v.other(v.name+"-x", v.project(), v.namespace, `operation: {sync: {revision: "`+v.Enrolled+`"}}
status: {operationState: {phase: Running, startedAt: "`+now()+`", operation: {sync: {revision: "`+v.Pushed+`"}}}}`))
			},
		},
		{
			Row: "15", Name: "create an Application with automated sync", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Auto-sync is off",
			Attack: func(ctx context.Context, v *victim) error {
				return v.another(ctx, "--project", v.project(), "--dest-server", inCluster, "--sync-policy", "automated")
			},
		},
		{
			Row: "15", Name: "create an Application with a history through the API and roll back", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Create the Application without status",
			Attack: func(ctx context.Context, v *victim) error {
				manifest := filepath.Join(v.Sandbox.Dir(), "worlds", v.Name, v.name+".yaml")
				err := os.WriteFile(manifest, []byte(v.other(v.name+"-x", v.project(), v.namespace, fmt.Sprintf(`status:
  history: [{id: 4711, revision: %q, deployedAt: %q, source: {repoURL: %q, path: envs/prod/plain, targetRevision: main}}]
`, v.Pushed, now(), v.CloneURL))), 0o600)
				if err != nil {
					return fmt.Errorf("write a manifest: %w", err)
				}
				if err := v.cli(ctx, "app", "create", "--file", manifest); err != nil {
					return err
				}
				return v.cli(ctx, "app", "rollback", v.name+"-x", "4711")
			},
		},
		{
			Row: "16", Name: "generate an Application from a set", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Auto-sync is off",
			Refusal: setRefused,
			Attack: func(ctx context.Context, v *victim) error {
				return v.apply(ctx, fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: %[1]s, namespace: argocd}
spec:
  generators: [{list: {elements: [{env: one}]}}]
  template:
    metadata: {name: '%[1]s-{{env}}'}
    spec:
      project: %[2]s
      source: {repoURL: %[3]q, path: envs/prod/plain, targetRevision: main}
      destination: {server: %[4]q, namespace: %[5]s}
      syncPolicy: {automated: {}}
`, v.name, v.project(), v.CloneURL, inCluster, v.namespace))
			},
		},
		{
			Row: "16", Name: "take an Application over with a set that syncs in steps", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "remove status.operationState",
			Refusal: setLogged,
			Attack: func(ctx context.Context, v *victim) error {
				err := v.apply(ctx, fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: %[1]s-set, namespace: argocd}
spec:
  generators: [{list: {elements: [{env: one}]}}]
  strategy:
    type: RollingSync
    rollingSync: {steps: [{matchExpressions: [{key: env, operator: In, values: [one]}]}]}
  template:
    metadata: {name: %[1]s, labels: {env: '{{env}}'}}
    spec:
      project: %[2]s
      source: {repoURL: %[3]q, path: envs/prod/plain, targetRevision: main}
      destination: {server: %[4]q, namespace: %[5]s}
`, v.name, v.project(), v.CloneURL, inCluster, v.namespace))
				if err != nil {
					return err
				}
				// It syncs what is out of sync, which shows when main has been looked at.
				return v.compared(ctx)
			},
		},
		{
			Row: "16", Name: "have a parent write an operation into its child", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "remove status.operationState",
			Refusal: childRefused,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.parent(ctx, `operation: {sync: {revision: "`+v.Pushed+`"}}`); err != nil {
					return err
				}
				return v.cli(ctx, "app", "sync", v.name+"-parent", "--async")
			},
		},
		{
			Row: "16", Name: "have a parent write a state into its child", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "remove status.operationState",
			Refusal: childRefused,
			Attack: func(ctx context.Context, v *victim) error {
				err := v.parent(ctx, `operation: {sync: {revision: "`+v.Enrolled+`"}}
status: {operationState: {phase: Running, message: "", startedAt: "`+now()+`", operation: {sync: {revision: "`+v.Pushed+`"}}}}`)
				if err != nil {
					return err
				}
				return v.cli(ctx, "app", "sync", v.name+"-parent", "--async")
			},
		},
		{
			Row: "19", Name: "edit a child live through Argo CD", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: pushRefused,
			Prepare: func(ctx context.Context, v *victim) error {
				if err := v.parent(ctx, ""); err != nil {
					return err
				}
				_, err := v.Sandbox.ArgoCD().CLI(ctx, "app", "sync", v.name+"-parent")
				return err
			},
			Attack: func(ctx context.Context, v *victim) error {
				return v.cli(ctx, "app", "patch-resource", v.name+"-parent", "--kind", "Application", "--resource-name", v.name,
					"--namespace", argoNamespace, "--patch-type", "application/merge-patch+json",
					"--patch", `{"operation": {"sync": {"revision": "`+v.Pushed+`"}}, "status": {"operationState": null}}`)
			},
		},
		{
			Row: "29", Name: "import a backup with automated sync", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Auto-sync is off",
			Attack: func(ctx context.Context, v *victim) error {
				app, err := v.application(ctx)
				if err != nil {
					return err
				}
				if err := unstructured.SetNestedMap(app.Object, map[string]any{}, "spec", "syncPolicy", "automated"); err != nil {
					return fmt.Errorf("edit the backup: %w", err)
				}
				return v.restore(ctx, app)
			},
		},
		{
			Row: "29", Name: "import a backup with an operation", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "without an operation",
			Attack: func(ctx context.Context, v *victim) error {
				app, err := v.application(ctx)
				if err != nil {
					return err
				}
				app.SetName(v.name + "-x")
				app.SetUID("")
				app.SetResourceVersion("")
				app.Object["operation"] = map[string]any{"sync": map[string]any{"revision": v.Pushed}}
				unstructured.RemoveNestedField(app.Object, "status", "operationState")
				return v.restore(ctx, app)
			},
		},
	}
}

// teamSuffix ends the names of namespaces in which teams have Applications of their
// own.
const teamSuffix = "-team"

// teamNamespace is one, in which a developer may do everything with them.
func (v *victim) teamNamespace() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: bypass-team}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: bypass-team}
rules: [{apiGroups: [argoproj.io], resources: ['*'], verbs: ['*']}]
`, v.namespace+teamSuffix)
}

// other is a second Application for what the victim deploys, under another name.
func (v *victim) other(name, project, namespace, more string) string {
	return `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: ` + name + `, namespace: argocd}
spec:
  project: ` + project + `
  destination: {server: "` + inCluster + `", namespace: ` + namespace + `}
` + v.source("main") + more + "\n"
}

// another creates a second Application with the command line and syncs it, unless
// it does so by itself.
func (v *victim) another(ctx context.Context, args ...string) error {
	create := []string{
		"app", "create", v.name + "-x", "--repo", v.CloneURL, "--path", "envs/prod/plain", "--revision", "main", "--dest-namespace", v.namespace,
	}
	automated := strings.Contains(strings.Join(args, " "), "automated")
	if !automated {
		create = append(create, "--project", v.free())
	}
	if err := v.cli(ctx, append(create, args...)...); err != nil || automated {
		return err
	}
	return v.cli(ctx, "app", "sync", v.name+"-x", "--async")
}

// childRefused is what the parent's sync says about the child.
func childRefused(ctx context.Context, v *victim) (string, error) {
	app, err := v.admin.Resource(applications()).Namespace(argoNamespace).Get(ctx, v.name+"-parent", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the parent: %w", err)
	}
	resources, _, _ := unstructured.NestedSlice(app.Object, "status", "operationState", "syncResult", "resources")
	return fmt.Sprint(resources), nil
}

// setRefused is what the ApplicationSet says.
func setRefused(ctx context.Context, v *victim) (string, error) {
	set, err := v.admin.Resource(schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applicationsets"}).
		Namespace(argoNamespace).Get(ctx, v.name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the set: %w", err)
	}
	conditions, _, _ := unstructured.NestedSlice(set.Object, "status", "conditions")
	return fmt.Sprint(conditions), nil
}

// setLogged is what the ApplicationSet controller logs about the victim: of a sync in
// steps it says nothing else.
func setLogged(_ context.Context, v *victim) (string, error) {
	var found []string
	for _, process := range v.Sandbox.Processes() {
		if !strings.Contains(process.Name(), "applicationset") {
			continue
		}
		log, err := os.ReadFile(process.LogPath())
		if err != nil {
			return "", fmt.Errorf("read the log: %w", err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, v.name) && strings.Contains(line, "denied") {
				found = append(found, line)
			}
		}
	}
	return strings.Join(found, ""), nil
}

// parent creates an Application without a gate whose one child is the victim, with
// more fields if need be. Nothing is synced.
func (v *victim) parent(ctx context.Context, more string) error {
	branch := v.name + "-apps"
	_, err := v.GitHub.As(payments.Mallory).PushBranch(payments.Repository, branch, standin.Change{
		Files: map[string]string{"apps/child.yaml": v.other(v.name, v.project(), v.namespace, more)}, Message: "Apps",
	})
	if err != nil {
		return err
	}
	return v.apply(ctx, fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: %[1]s-parent, namespace: argocd}
spec:
  project: %[2]s
  source: {repoURL: %[3]q, path: apps, targetRevision: %[4]s}
  destination: {server: %[5]q, namespace: argocd}
`, v.name, v.free(), v.CloneURL, branch, inCluster))
}

// restore imports an Application with "argocd admin import", as an operator of Argo
// CD who restores a backup.
func (v *victim) restore(ctx context.Context, app *unstructured.Unstructured) error {
	app.SetManagedFields(nil)
	content, err := json.Marshal(app.Object)
	if err != nil {
		return fmt.Errorf("encode the backup: %w", err)
	}
	path := filepath.Join(v.Sandbox.Dir(), "worlds", v.Name, v.name+"-backup.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	out, err := v.Sandbox.ArgoCD().CLIKube(ctx, sandbox.Admin, "admin", "import", "--namespace", argoNamespace, path)
	// A refused write is a warning to it, and it goes on.
	if err == nil && (strings.Contains(string(out), "is forbidden") || strings.Contains(string(out), "denied")) {
		return fmt.Errorf("import a backup: %s", out)
	}
	return err
}
