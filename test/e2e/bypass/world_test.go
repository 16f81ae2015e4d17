package bypass

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

const (
	argoNamespace = "argocd"
	// inCluster is how Applications name the one cluster there is. It has a second
	// name, alias, as clusters do that were registered twice.
	inCluster = "https://kubernetes.default.svc"
	alias     = "prod-alias"
	// attackBranch has branchLimit; attackTag is an annotated tag on it.
	attackBranch, attackTag = "attack", "v9.9.9"
	// evilRepository is Mallory's own, public; it is a copy with writtenLimit.
	evilRepository = payments.Mallory + "/env-overrides"
	// chartRepository has the chart of the shape multi, in the same organisation.
	chartRepository = "charts"
)

func applications() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
}

func projects() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "appprojects"}
}

func configMaps() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

func pods() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

// World is the payments team with a victim for every attack. Its production
// AppProject is the one that the gate protects; the project free is not protected
// and may deploy anywhere.
type World struct {
	*payments.World
	// Pushed is the head of main, which nobody approved. Approved is Enrolled.
	Pushed string
	// Branch is the head of attackBranch, TagObject the tag object of attackTag, and
	// Deleted a commit that only the reference of a closed pull request still has.
	Branch, TagObject, Deleted string
	// EvilURL is the clone address of evilRepository.
	EvilURL string
	// Registry has Helm charts.
	Registry *chartServer
	// ChartURL is the clone address of chartRepository, and Chart its head.
	ChartURL, Chart string

	mode    mode
	admin   dynamic.Interface
	victims []*victim

	stopNudging func()
	// spare is a victim of the gated mode that no attack has.
	spare *victim
	// gatekeeper is the running process of the gated mode.
	gatekeeper *sandbox.Process
}

// newWorld makes the world of a mode: every victim runs the approved commit,
// enforcement is in force if there is any, and main has moved on.
func newWorld(ctx context.Context, sb *sandbox.Sandbox, m mode, attacks []Attack) (_ *World, err error) {
	team, err := payments.Open(ctx, sb, payments.Options{Name: "bypass", Services: []string{payments.Notifier}})
	if err != nil {
		return nil, err
	}
	w := &World{World: team, mode: m, Registry: newChartServer(), stopNudging: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.admin, err = sb.Client(sandbox.Admin); err != nil {
		return nil, err
	}
	if err := w.commitApproved(); err != nil {
		return nil, fmt.Errorf("commit the fixtures: %w", err)
	}
	if err := sb.Apply(ctx, sandbox.Admin, []byte(w.projectsManifest())); err != nil {
		return nil, fmt.Errorf("create the projects: %w", err)
	}
	if err := w.issueTokens(ctx); err != nil {
		return nil, fmt.Errorf("issue tokens: %w", err)
	}
	if err := w.registerAlias(ctx); err != nil {
		return nil, fmt.Errorf("register the cluster again: %w", err)
	}
	nudging, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stopNudging = stop
	go w.nudge(nudging)
	for i, a := range attacks {
		w.victims = append(w.victims, newVictim(w, i, a))
	}
	if m == gated {
		w.spare = newVictim(w, len(attacks), Attack{Row: "spare", Shape: held, Deployed: true})
	}
	if err := w.deployVictims(ctx); err != nil {
		return nil, fmt.Errorf("deploy the victims: %w", err)
	}
	if m == gated {
		if err := w.enforce(ctx); err != nil {
			return nil, fmt.Errorf("enforce the gates: %w", err)
		}
	}
	if err := w.breakElsewhere(ctx); err != nil {
		return nil, err
	}
	if err := w.commitUnapproved(ctx); err != nil {
		return nil, fmt.Errorf("commit what nobody approved: %w", err)
	}
	if m == gated {
		if err := w.judged(ctx); err != nil {
			return nil, fmt.Errorf("await the gates: %w", err)
		}
	}
	return w, nil
}

// Close ends what the world itself serves.
func (w *World) Close() error {
	w.stopNudging()
	w.Registry.close()
	return w.World.Close()
}

func (w *World) commitApproved() error {
	evil, err := w.GitHub.CreateRepository(payments.Mallory, "env-overrides", standin.RepositoryOptions{Public: true, Files: map[string]string{
		"base/kustomization.yaml":     "resources: [limits.yaml]\n",
		"base/limits.yaml":            limits(approvedLimit),
		"envs/prod/plain/limits.yaml": limits(writtenLimit),
	}})
	if err != nil {
		return err
	}
	w.EvilURL = evil.CloneURL
	charts, err := w.GitHub.CreateRepository(payments.Organization, chartRepository, standin.RepositoryOptions{
		Public: true, Files: stillFiles(evil.CloneURL), Author: payments.Alice,
	})
	if err != nil {
		return err
	}
	w.ChartURL, w.Chart = charts.CloneURL, charts.Head
	w.Enrolled, err = w.GitHub.As(payments.Alice).PushBranch(payments.Repository, "main", standin.Change{
		Files: approvedFiles(), Message: "What is live",
	})
	return err
}

// commitUnapproved is what the attackers have to work with.
func (w *World) commitUnapproved(ctx context.Context) (err error) {
	mallory := w.GitHub.As(payments.Mallory)
	if w.Branch, err = mallory.PushBranch(payments.Repository, attackBranch, changed(branchLimit)); err != nil {
		return err
	}
	if w.TagObject, err = w.pushTag(ctx); err != nil {
		return err
	}
	pull, err := mallory.OpenPull(payments.Repository, standin.PullOptions{Title: "Nothing to see here", Change: changed(branchLimit)})
	if err != nil {
		return err
	}
	w.Deleted = pull.Head
	if err := mallory.SetBranch(payments.Repository, pull.Branch, ""); err != nil {
		return err
	}
	w.Pushed, err = mallory.PushBranch(payments.Repository, "main", changed(pushedLimit))
	return err
}

// pushTag pushes an annotated tag on the attack branch with git, as Mallory.
func (w *World) pushTag(ctx context.Context) (string, error) {
	dir := filepath.Join(w.Sandbox.Dir(), "worlds", w.Name, "mallory")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_COMMITTER_NAME=Mallory", "GIT_COMMITTER_EMAIL=mallory@acme.example.com",
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), nil
	}
	remote := w.CloneURLFor(payments.Mallory)
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"fetch", "--quiet", "--depth=1", remote, attackBranch},
		{"tag", "--annotate", "--message", "Release", attackTag, "FETCH_HEAD"},
		{"push", "--quiet", remote, "refs/tags/" + attackTag},
	} {
		if _, err := git(args...); err != nil {
			return "", err
		}
	}
	return git("rev-parse", "refs/tags/"+attackTag)
}

// all are the victims with the spare one, if there is any.
func (w *World) all() []*victim {
	if w.spare == nil {
		return w.victims
	}
	return append(slices.Clone(w.victims), w.spare)
}

// project is the protected one.
func (w *World) project() string { return w.Namespace("prod") }

func (w *World) free() string { return w.Name + "-free" }

// healing is the project of the Application that syncs itself, behind a gate of its own.
func (w *World) healing() string { return w.Name + "-healing" }

// breakElsewhere makes the approved commit of the shape flaky fail from now on: what it
// wants to change cannot be changed.
func (w *World) breakElsewhere(ctx context.Context) error {
	client := w.admin.Resource(configMaps()).Namespace(elsewhere)
	if err := client.Delete(ctx, "elsewhere", metav1.DeleteOptions{}); err != nil && !gone(err) {
		return fmt.Errorf("delete what is elsewhere: %w", err)
	}
	return w.Sandbox.Apply(ctx, sandbox.Admin, []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "elsewhere", "namespace": "`+elsewhere+`"},
		"data": {"value": "two"}, "immutable": true}`))
}

// projectsManifest widens the production project to the victims' namespaces: Argo
// CD's own project rules are not to be what stops an attack.
func (w *World) projectsManifest() string {
	project := func(name, rest string) string {
		return `apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: ` + name + `, namespace: argocd}
spec:
  sourceRepos: ["*"]
  sourceNamespaces: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
` + rest + "---\n"
	}
	role := func(name string, actions ...string) string {
		text := "  - name: " + name + "\n    policies:\n"
		for _, action := range actions {
			text += "    - p, proj:" + w.project() + ":" + name + ", applications, " + action + ", " + w.project() + "/*, allow\n"
		}
		return text
	}
	roles := "  roles:\n" + role(syncer, "get", "sync") + role(updater, "get", "sync", "update")
	// "argocd admin import" wants the ConfigMap that Argo CD's own manifests bring.
	return project(w.project(), roles) + project(w.free(), "") + project(w.healing(), "") + `apiVersion: v1
kind: Namespace
metadata: {name: ` + elsewhere + `}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cmd-params-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
`
}

// issueTokens makes the tokens of the developer's account and of the production
// project's roles, one after the other: Argo CD keeps them in one object.
func (w *World) issueTokens(ctx context.Context) error {
	argo := w.Sandbox.ArgoCD()
	if _, err := argo.CLIAs(ctx, developer, "account", "get-user-info"); err != nil {
		return err
	}
	for _, role := range []string{syncer, updater} {
		token, err := argo.CLI(ctx, "proj", "role", "create-token", w.project(), role, "--token-only")
		if err != nil {
			return err
		}
		argo.UseToken(role, strings.TrimSpace(string(token)))
	}
	return nil
}

// registerAlias registers the cluster under a second name and address.
func (w *World) registerAlias(ctx context.Context) error {
	config := w.Sandbox.RESTConfig(sandbox.ArgoController)
	access, err := json.Marshal(map[string]any{
		"bearerToken": config.BearerToken, "tlsClientConfig": map[string]any{"caData": config.CAData},
	})
	if err != nil {
		return fmt.Errorf("encode the access: %w", err)
	}
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{
			"name": "cluster-" + alias, "namespace": argoNamespace,
			"labels": map[string]string{"argocd.argoproj.io/secret-type": "cluster"},
		},
		"stringData": map[string]string{"name": alias, "server": config.Host, "config": string(access)},
	})
	if err != nil {
		return fmt.Errorf("encode the cluster: %w", err)
	}
	return w.Sandbox.Apply(ctx, sandbox.Admin, secret)
}

// deployVictims creates all Applications, most of them with an operation, as an
// administrator may while nothing is enforced, and waits until those are done.
func (w *World) deployVictims(ctx context.Context) error {
	group, applying := errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for _, v := range w.all() {
		group.Go(func() error { return w.Sandbox.Apply(applying, sandbox.Admin, []byte(v.manifest())) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	err := await(ctx, "the victims to run the approved commit", func(ctx context.Context) (bool, string, error) {
		list, err := w.admin.Resource(applications()).Namespace(argoNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, "", fmt.Errorf("list the applications: %w", err)
		}
		byName := map[string]*unstructured.Unstructured{}
		for i := range list.Items {
			byName[list.Items[i].GetName()] = &list.Items[i]
		}
		var waiting []string
		for _, v := range w.all() {
			app := byName[v.name]
			if v.throughGate() {
				continue
			}
			if app == nil || app.Object["operation"] != nil || text(app, "status", "operationState", "phase") != "Succeeded" ||
				text(app, "status", "sync", "status") == "" {
				waiting = append(waiting, v.name+" "+operationSummary(app))
			}
		}
		return len(waiting) == 0, strings.Join(waiting, "; "), nil
	})
	if err != nil {
		return err
	}
	group, ctx = errgroup.WithContext(ctx)
	group.SetLimit(sideBySide)
	for _, v := range w.victims {
		group.Go(func() error {
			if v.attack.Prepare != nil {
				if err := v.attack.Prepare(ctx, v); err != nil {
					return fmt.Errorf("prepare %s: %w", v.name, err)
				}
			}
			if limit, err := v.limit(ctx); !v.throughGate() && (err != nil || limit != approvedLimit) {
				return fmt.Errorf("%s begins with the limit %q: %w", v.name, limit, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func text(object *unstructured.Unstructured, fields ...string) string {
	if object == nil {
		return ""
	}
	value, _, _ := unstructured.NestedString(object.Object, fields...)
	return value
}

// operationSummary shows what became of an Application's operation.
func operationSummary(app *unstructured.Unstructured) string {
	if app == nil {
		return "does not exist"
	}
	var conditions []string
	list, _, _ := unstructured.NestedSlice(app.Object, "status", "conditions")
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			conditions = append(conditions, fmt.Sprint(c["type"], ": ", c["message"]))
		}
	}
	return fmt.Sprintf("operation %v, phase %s of %s: %s; synced %s; conditions %s", app.Object["operation"] != nil,
		text(app, "status", "operationState", "phase"), text(app, "status", "operationState", "syncResult", "revision"),
		text(app, "status", "operationState", "message"), text(app, "status", "sync", "status"), strings.Join(conditions, ", "))
}
