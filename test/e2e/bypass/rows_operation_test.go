package bypass

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
)

// operationAttacks are the rows 6, 7, 8, 12 and 24: an operation names something
// else than what was approved.
func operationAttacks() []Attack {
	return append(revisionAttacks(), []Attack{
		{
			Row: "7", Name: "put another source into the operation", Shape: plain,
			Works: both, Arrives: stageLimit, Closed: byAdmission, Refused: "its sources are not those of the Application", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, v.pinned(v.Enrolled,
					fmt.Sprintf(`"source": {"repoURL": %q, "targetRevision": "main", "path": "envs/stage/plain"}`, v.CloneURL)))
			},
		},
		{
			Row: "7", Name: "put sources into the operation of a single-source Application", Shape: plain,
			Works: both, Arrives: stageLimit, Closed: byAdmission, Refused: "its sources are not those of the Application", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer,
					fmt.Sprintf(`"revisions": [%q], "sources": [{"repoURL": %q, "targetRevision": "main", "path": "envs/stage/plain"}]`, v.Enrolled, v.CloneURL))
			},
		},
		{
			Row: "7", Name: "forge the history and roll back to it", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "writes status.history",
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.forgeHistory(ctx); err != nil {
					return err
				}
				return v.cli(ctx, "app", "rollback", v.name, "4711")
			},
		},
		{
			Row: "8", Name: "sync local manifests", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: "Manifests from a local folder", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				root := filepath.Join(v.Sandbox.Dir(), "worlds", v.Name, "local")
				dir := filepath.Join(root, "envs", "prod", "plain")
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return fmt.Errorf("make a folder: %w", err)
				}
				if err := os.WriteFile(filepath.Join(dir, "limits.yaml"), []byte(limits(writtenLimit)), 0o600); err != nil {
					return fmt.Errorf("write a manifest: %w", err)
				}
				return v.sync(ctx, "--local", dir, "--local-repo-root", root)
			},
		},
		{
			Row: "8", Name: "put manifests into an operation on the approved commit", Shape: plain,
			Works: both, Arrives: writtenLimit, Closed: byAdmission, Refused: "Manifests from a local folder", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, v.pinned(v.Enrolled,
					`"manifests": ["{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"limits\"},\"data\":{\"transfer\":\"`+writtenLimit+`\"}}"]`))
			},
		},
		{
			Row: "12", Name: "pass an operation off as self-healing", Shape: plain,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "does not permit automatic syncs",
			Attack: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.ArgoController, fmt.Sprintf(`{"operation": {"initiatedBy": {"automated": true}, "retry": {"limit": 5},
					"sync": {"revision": %q, "prune": true, "resources": [{"kind": "ConfigMap", "name": "limits"}]}},
					"status": {"operationState": null}}`, v.Pushed))
			},
		},
		{
			Row: "12", Name: "self-healing of what is approved", Shape: healed, Closed: notNeeded,
			Prepare: func(ctx context.Context, v *victim) error {
				return v.patch(ctx, sandbox.Admin, `{"spec": {"syncPolicy": {"automated": {"selfHeal": true}}}}`)
			},
			Attack: func(ctx context.Context, v *victim) error {
				err := v.Sandbox.Apply(ctx, sandbox.Admin, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: "+
					v.namespace+"}\ndata: {transfer: drifted}\n"))
				if err != nil {
					return err
				}
				return v.await(ctx, "self-healing", func(*unstructured.Unstructured) bool {
					limit, err := v.limit(ctx)
					return err == nil && limit == approvedLimit
				})
			},
		},
		{
			Row: "6", Name: "sync the approved commit", Shape: plain, Closed: notNeeded, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.cli(ctx, "app", "sync", v.name, "--revision", v.Enrolled)
			},
		},
		{
			Row: "7", Name: "roll back to what was deployed", Shape: plain, Closed: notNeeded, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error { return v.cli(ctx, "app", "rollback", v.name, "0") },
		},
		{
			Row: "21", Name: "terminate an operation", Shape: held, Closed: notNeeded, Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.sync(ctx, "--revision", v.Enrolled); err != nil {
					return err
				}
				if err := v.held(ctx); err != nil {
					return err
				}
				return v.terminate(ctx)
			},
		},
		{
			Row: "21", Name: "refresh, look and annotate", Shape: plain, Closed: notNeeded,
			Attack: func(ctx context.Context, v *victim) error {
				if err := v.cli(ctx, "app", "get", v.name, "--hard-refresh"); err != nil {
					return err
				}
				return v.patch(ctx, sandbox.Developer, `{"metadata": {"annotations": {"link.argocd.argoproj.io/gate": "https://example.com",
					"notified.notifications.argoproj.io": "{}", "notice.argocd.argoproj.io/content": "Waiting"}}}`)
			},
		},
		{
			Row: "22", Name: "dry run of what nobody approved", Shape: plain, Closed: notNeeded,
			Attack: func(ctx context.Context, v *victim) error {
				return v.cli(ctx, "app", "sync", v.name, "--dry-run", "--revision", v.Pushed)
			},
		},
	}...)
}

// terminate ends the operation under way with the command line. Argo CD gives up after
// ten conflicts with its controller, which may also write over what was asked for; a
// person tries again.
func (v *victim) terminate(ctx context.Context) error {
	return await(ctx, "the termination", func(ctx context.Context) (bool, string, error) {
		app, err := v.application(ctx)
		if err != nil {
			return false, "", err
		}
		if text(app, "status", "operationState", "phase") == "Running" {
			err = v.cli(ctx, "app", "terminate-op", v.name)
		}
		if err != nil && strings.Contains(err.Error(), "Too many conflicts") {
			return false, err.Error(), nil
		}
		return app.Object["operation"] == nil && text(app, "status", "operationState", "phase") == "Failed", operationSummary(app), err
	})
}

// forgeHistory writes a deployment of what nobody approved into the history.
func (v *victim) forgeHistory(ctx context.Context) error {
	return v.patch(ctx, sandbox.Developer, fmt.Sprintf(`{"status": {"history": [{"id": 4711, "revision": %q, "deployedAt": %q,
		"source": {"repoURL": %q, "targetRevision": "main", "path": "envs/prod/plain"}}]}}`, v.Pushed, now(), v.CloneURL))
}

// revisionAttacks are the rows 6 and 24.
func revisionAttacks() []Attack {
	bySync := func(name, arrives string, revision func(*victim) string) Attack {
		return Attack{
			Row: "6", Name: "sync " + name, Shape: plain, Works: both, Arrives: arrives, Closed: byAdmission, Refused: pushRefused,
			Attack: func(ctx context.Context, v *victim) error { return v.sync(ctx, "--revision", revision(v)) },
		}
	}
	byPatch := func(name, arrives, refused string, id sandbox.Identity, revision func(*victim) string) Attack {
		return Attack{
			Row: "6", Name: name, Shape: plain, Works: both, Arrives: arrives, Closed: byAdmission, Refused: refused,
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, id, fmt.Sprintf(`"revision": %q`, revision(v)))
			},
		}
	}
	pushed := func(v *victim) string { return v.Pushed }
	const inexact = "Name the exact revision"
	short := bySync("a short commit", pushedLimit, func(v *victim) string { return v.Pushed[:8] })
	short.Refused = inexact
	tag := bySync("an annotated tag", branchLimit, func(*victim) string { return attackTag })
	tag.After = tagResolution
	object := byPatch("write the object of an annotated tag", branchLimit, pushRefused, sandbox.Developer, func(v *victim) string { return v.TagObject })
	object.After = tagObject
	return []Attack{
		object,
		bySync("an unapproved commit of the branch", pushedLimit, pushed),
		bySync("a commit of a closed pull request whose branch is gone", branchLimit, func(v *victim) string { return v.Deleted }),
		bySync("another branch", branchLimit, func(*victim) string { return attackBranch }),
		short,
		tag,
		byPatch("write a commit as a developer", pushedLimit, pushRefused, sandbox.Developer, pushed),
		byPatch("write a commit as argocd-server", pushedLimit, pushRefused, sandbox.ArgoServer, pushed),
		byPatch("write a commit as the application-controller", pushedLimit, "does not permit automatic syncs", sandbox.ArgoController, pushed),
		byPatch("write a branch", pushedLimit, inexact, sandbox.Developer, func(*victim) string { return "main" }),
		byPatch("write a short commit", pushedLimit, inexact, sandbox.Developer, func(v *victim) string { return v.Pushed[:8] }),
		byPatch("write no revision", pushedLimit, inexact, sandbox.Developer, func(*victim) string { return "" }),
		byPatch("write a tag", branchLimit, inexact, sandbox.Developer, func(*victim) string { return attackTag }),
		{
			Row: "24", Name: "sync other values with the approved chart", Shape: multi,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "is not approved", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.sync(ctx, "--revisions", v.Chart, "--source-positions", "1", "--revisions", v.Pushed, "--source-positions", "2")
			},
		},
		{
			// Argo CD renders no chart with values of another revision of its own repository.
			Row: "24", Name: "sync other values with the approved chart of the same repository", Shape: single,
			Works: nowhere, Closed: byAdmission, Refused: "is not approved", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.sync(ctx, "--revisions", v.Enrolled, "--source-positions", "1", "--revisions", v.Pushed, "--source-positions", "2")
			},
		},
		{
			Row: "24", Name: "pin both revisions without naming the sources", Shape: multi,
			Works: only2, Arrives: pushedLimit, Closed: byAdmission, Refused: "name them all in sync.sources", Deployed: true,
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, `"revisions": `+v.revisions(v.Enrolled))
			},
		},
		{
			Row: "24", Name: "leave the revision of the values empty", Shape: multi,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Name the exact revision",
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, `"revisions": `+v.revisions(""))
			},
		},
		{
			Row: "24", Name: "name fewer revisions than sources", Shape: multi,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Name the exact revision",
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, fmt.Sprintf(`"revisions": [%q]`, v.Chart))
			},
		},
		{
			Row: "24", Name: "name one revision for two sources", Shape: multi,
			Works: both, Arrives: pushedLimit, Closed: byAdmission, Refused: "Name the exact revision",
			Attack: func(ctx context.Context, v *victim) error {
				return v.operate(ctx, sandbox.Developer, fmt.Sprintf(`"revision": %q`, v.Enrolled))
			},
		},
	}
}

// tagResolution looks at what an annotated tag becomes in an operation: its commit,
// because Argo CD peels what the remote advertises (util/git/workaround.go).
func tagResolution(ctx context.Context, v *victim) error { return v.deployed(ctx, v.Branch, v.Branch) }

// tagObject looks at what the tag object's own name becomes: the operation keeps it,
// and the result names the commit.
func tagObject(ctx context.Context, v *victim) error { return v.deployed(ctx, v.TagObject, v.Branch) }

// deployed compares the revision of the last operation and of its result.
func (v *victim) deployed(ctx context.Context, operation, result string) error {
	if err := v.idle(ctx); err != nil {
		return err
	}
	app, err := v.application(ctx)
	if err != nil {
		return err
	}
	named, was := text(app, "status", "operationState", "operation", "sync", "revision"), text(app, "status", "operationState", "syncResult", "revision")
	if named != operation || was != result {
		return fmt.Errorf("the operation names %s and its result %s; the tag object is %s and its commit %s", named, was, v.TagObject, v.Branch)
	}
	return nil
}
