package bypass

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// specAttacks are the rows 9 to 11, 13, 17 and 23: the Application is changed and
// then synced.
func specAttacks() []Attack {
	return append(sourceAttacks(), []Attack{
		{
			Row: "10", Name: "track another branch", Shape: plain,
			Works: both, Arrives: branchLimit, Closed: byAdmission, Refused: editRefused,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.cli(ctx, "app", "set", v.name, "--revision", attackBranch); err != nil {
					return err
				}
				return v.sync(ctx)
			},
		},
		{
			Row: "11", Name: "switch automated sync on with the command line", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Auto-sync is off",
			Attack: func(ctx context.Context, v *victim) error {
				return v.cli(ctx, "app", "set", v.name, "--sync-policy", "automated")
			},
		},
		{
			Row: "11", Name: "switch automated sync on with a patch", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Auto-sync is off",
			Attack: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.Developer, `{"spec": {"syncPolicy": {"automated": {}}}}`)
			},
		},
		{
			Row: "13", Name: "move to a project without a gate", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: editRefused, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.cli(ctx, "app", "set", v.name, "--project", v.free()); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Pushed)
			},
		},
		{
			Row: "13", Name: "move to a project without a gate and sync in one write", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: pushRefused,
			Attack: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.Developer, `{"spec": {"project": "`+v.free()+`"}, "operation": {"sync": {"revision": "`+v.Pushed+`"}},
					"status": {"operationState": null}}`)
			},
		},
		{
			Row: "13", Name: "move to a project and a namespace without a gate", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "would not protect it any more; permit it first",
			Prepare: func(ctx context.Context, v *victim) error {
				return v.Sandbox.Apply(ctx, sandbox.Admin, []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: not-"+v.namespace+"}\n"))
			},
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, `{"spec": {"project": "`+v.free()+`", "destination": {"namespace": "not-`+v.namespace+`"}}}`)
				if err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Pushed)
			},
			Landed: func(ctx context.Context, v *victim) (bool, string, error) {
				limit, err := v.transfer(ctx, "not-"+v.namespace, "limits")
				return limit != "", "limit in another place " + limit, err
			},
		},
		{
			Row: "13", Name: "name the cluster by its other name", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: editRefused,
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, `{"spec": {"project": "`+v.free()+`", "destination": {"server": null, "name": "`+alias+`"}}}`)
				if err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Pushed)
			},
		},
		{
			Row: "17", Name: "let the project use another repository", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: editRefused,
			Prepare: func(ctx context.Context, v *victim) error {
				err := v.Sandbox.Apply(ctx, sandbox.Admin, []byte(`apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: `+v.project()+`-strict, namespace: argocd}
spec:
  sourceRepos: ["`+v.CloneURL+`"]
  destinations: [{server: "*", namespace: "*"}]
`))
				if err != nil {
					return err
				}
				return v.patch(ctx, sandbox.Admin, `{"spec": {"project": "`+v.project()+`-strict"}}`)
			},
			Attack: func(ctx context.Context, v *victim) error {
				err := v.merge(ctx, sandbox.Developer, projects(), argoNamespace, v.project()+"-strict", `{"spec": {"sourceRepos": ["*"]}}`)
				if err != nil {
					return err
				}
				if err := v.patch(ctx, sandbox.Developer, `{"spec": {"source": {"repoURL": "`+v.EvilURL+`"}}}`); err != nil {
					return err
				}
				// Argo CD takes a moment to see the project.
				err = await(ctx, "the project to permit the repository", func(ctx context.Context) (bool, string, error) {
					if err := v.compared(ctx); err != nil {
						return false, "", err
					}
					app, err := v.application(ctx)
					summary := operationSummary(app)
					return !strings.Contains(summary, "is not permitted in project"), summary, err
				})
				if err != nil {
					return err
				}
				return v.sync(ctx)
			},
		},
		{
			Row: "17", Name: "open a sync window", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: pushRefused,
			Prepare: func(ctx context.Context, v *victim) error {
				err := v.Sandbox.Apply(ctx, sandbox.Admin, []byte(`apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: `+v.project()+`-frozen, namespace: argocd}
spec:
  sourceRepos: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  syncWindows: [{kind: deny, schedule: "* * * * *", duration: 24h, applications: ["*"]}]
`))
				if err != nil {
					return err
				}
				return v.patch(ctx, sandbox.Admin, `{"spec": {"project": "`+v.project()+`-frozen"}}`)
			},
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.sync(ctx, "--revision", v.Pushed); err == nil || !strings.Contains(err.Error(), "blocked by sync window") {
					return fmt.Errorf("the window does not block: %w", err)
				}
				err := v.merge(ctx, sandbox.Developer, projects(), argoNamespace, v.project()+"-frozen", `{"spec": {"syncWindows": null}}`)
				if err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Pushed)
			},
		},
		{
			Row: "23", Name: "make a hydrator's branch the source", Shape: plain,
			Works: both, Arrives: branchLimit, Closed: byAdmission, Refused: "spec.sourceHydrator is set" + or + "Name the exact revision",
			Attack: func(ctx context.Context, v *victim) error {
				err := v.patch(ctx, sandbox.Developer, fmt.Sprintf(`{"spec": {"source": null, "sourceHydrator": {
					"drySource": {"repoURL": %q, "targetRevision": "main", "path": "envs/prod/plain"},
					"syncSource": {"targetBranch": %q, "path": "envs/prod/plain"}}}}`, v.CloneURL, attackBranch))
				if err != nil {
					return err
				}
				return v.sync(ctx)
			},
		},
	}...)
}

// sourceAttacks are row 9: the same approved commit, rendered otherwise.
func sourceAttacks() []Attack {
	bySet := func(name, arrives string, s shape, args ...string) Attack {
		return Attack{
			Row: "9", Name: name, Shape: s, Works: both, Arrives: arrives, Closed: byAdmission, Refused: editRefused, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.cli(ctx, append([]string{"app", "set", v.name}, args...)...); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		}
	}
	byPatch := func(name, arrives string, s shape, source func(*victim) string) Attack {
		return Attack{
			Row: "9", Name: name, Shape: s, Works: both, Arrives: arrives, Closed: byAdmission, Refused: editRefused, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.patch(ctx, sandbox.Developer, `{"spec": {`+source(v)+`}}`); err != nil {
					return err
				}
				return v.sync(ctx, "--revision", v.Enrolled)
			},
		}
	}
	image := bySet("change an image of kustomize", "registry.example.com/payments/pay:6.6", overlay,
		"--kustomize-image", "registry.example.com/payments/pay:6.6")
	image.Landed = func(ctx context.Context, v *victim) (bool, string, error) {
		deployed, err := v.admin.Resource(deployments()).Namespace(v.namespace).Get(ctx, "pay", metav1.GetOptions{})
		if err != nil {
			return false, "", fmt.Errorf("read the deployment: %w", err)
		}
		containers, _, _ := unstructured.NestedSlice(deployed.Object, "spec", "template", "spec", "containers")
		text := fmt.Sprint(containers)
		return !strings.Contains(text, "pay:1.0"), text, nil
	}
	recurse := byPatch("include a folder that is not deployed", "draft", plain, func(*victim) string {
		return `"source": {"directory": {"recurse": true}}`
	})
	recurse.Landed = func(ctx context.Context, v *victim) (bool, string, error) {
		value, err := v.transfer(ctx, v.namespace, "draft")
		return value != "", "draft " + value, err
	}
	sources := byPatch("add a source", writtenLimit, plain, func(v *victim) string {
		return fmt.Sprintf(`"sources": [{"repoURL": %q, "targetRevision": "main", "path": "envs/prod/plain"},
			{"repoURL": %q, "targetRevision": "main", "path": "envs/prod/plain"}]`, v.CloneURL, v.EvilURL)
	})
	sources.Attack = func(ctx context.Context, v *victim) error {
		err := v.patch(ctx, sandbox.Developer, fmt.Sprintf(`{"spec": {"source": null, "sources": [{"repoURL": %q, "targetRevision": %q, "path": "envs/prod/plain"},
			{"repoURL": %q, "targetRevision": "main", "path": "envs/prod/plain"}]}}`, v.CloneURL, v.Enrolled, v.EvilURL))
		if err != nil {
			return err
		}
		return v.sync(ctx)
	}
	repository := byPatch("use another repository", writtenLimit, plain, nil)
	repository.Attack = func(ctx context.Context, v *victim) error {
		if err := v.cli(ctx, "app", "set", v.name, "--repo", v.EvilURL); err != nil {
			return err
		}
		return v.sync(ctx)
	}
	charts := byPatch("use a chart of another registry", writtenLimit, plain, nil)
	charts.Refused = "not in a known git repository"
	charts.Attack = func(ctx context.Context, v *victim) error {
		if err := v.Registry.publish("6.6.6", writtenLimit); err != nil {
			return err
		}
		err := v.patch(ctx, sandbox.Developer, fmt.Sprintf(
			`{"spec": {"source": {"repoURL": %q, "chart": "limits", "targetRevision": "6.6.6", "path": null}}}`, v.Registry.url))
		if err != nil {
			return err
		}
		return v.sync(ctx)
	}
	return []Attack{
		charts,
		bySet("set a Helm parameter", writtenLimit, chart, "--parameter", "transfer="+writtenLimit),
		bySet("use another values file", stageLimit, chart, "--values", "../../envs/stage/limits/values.yaml"),
		byPatch("write Helm values", writtenLimit, chart, func(*victim) string {
			return `"source": {"helm": {"values": "transfer: \"` + writtenLimit + `\""}}`
		}),
		byPatch("write a Helm values object", writtenLimit, chart, func(*victim) string {
			return `"source": {"helm": {"valuesObject": {"transfer": "` + writtenLimit + `"}}}`
		}),
		byPatch("read a Helm parameter from a file", "5001", chart, func(*victim) string {
			return `"source": {"helm": {"fileParameters": [{"name": "transfer", "path": "../../envs/stage/limits/limit.txt"}]}}`
		}),
		image,
		byPatch("patch with kustomize", writtenLimit, overlay, func(*victim) string {
			return `"source": {"kustomize": {"patches": [{"target": {"kind": "ConfigMap"},
				"patch": "- {op: replace, path: /data/transfer, value: \"` + writtenLimit + `\"}"}]}}`
		}),
		byPatch("add a component of kustomize", stageLimit, overlay, func(*victim) string {
			return `"source": {"kustomize": {"components": ["../../stage/component"]}}`
		}),
		bySet("use another path", stageLimit, plain, "--path", "envs/stage/plain"),
		recurse, repository, sources,
	}
}
