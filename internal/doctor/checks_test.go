package doctor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/internal/doctor"
	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withGitHub()
	report := w.look()
	for _, r := range report.Results {
		require.Equal(t, doctor.OK, r.State, "%+v", r)
	}
	require.Equal(t, doctor.Counts{OK: len(doctor.Checks())}, report.Counts)
	require.Zero(t, report.Fails(doctor.Info))
}

// rule gives a user one rule in the whole cluster, or in a namespace.
func rule(w *world, namespace, rule string) {
	w.add(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: broken}, rules: [` + rule + `]}`)
	if namespace == "" {
		w.add(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: broken}, roleRef: {kind: ClusterRole, name: broken}, subjects: [{kind: User, name: eve}]}`)
		return
	}
	w.add(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: broken, namespace: ` + namespace + `}, roleRef: {kind: ClusterRole, name: broken}, subjects: [{kind: User, name: eve}]}`)
}

// broken is what each check has to find. Every check is here, or in brokenGitHub.
var broken = []struct { //nolint:gochecknoglobals // a table that two tests share
	code, about, reason string
	breaks              func(w *world)
}{
	{"enforcement.configured", "", "nothing is enforced", func(w *world) { w.sources.Enforced = false }},
	{"enforcement.objects", "ValidatingWebhookConfiguration gatekeeper", "failurePolicy", func(w *world) {
		w.sources.Objects = func(context.Context) ([]doctor.Object, error) {
			return []doctor.Object{{Kind: "ValidatingWebhookConfiguration", Name: "gatekeeper", Differences: []string{"webhooks[0].failurePolicy: is Ignore"}}}, errors.New("the policy could not be read")
		}
	}},
	{"argocd.version", "", "2.13", func(w *world) { w.argo.version = "v2.13.1" }},
	{"argocd.version", "", "3.7", func(w *world) { w.argo.version = "v3.7.0" }},
	{"argocd.installations", "", "argocd, second", func(w *world) {
		w.sources.ArgoNamespace = "argocd"
		w.add(`{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: default, namespace: second}, spec: {}}`)
	}},
	{"argocd.token", "project prod", "may not get", func(w *world) { w.argo.can = nil }},
	{"argocd.token", "project prod", "does not work", func(w *world) { w.argo.err = errors.New("invalid session") }},
	{"argocd.token-rights", "project prod", "may sync applications", func(w *world) { w.argo.can["sync applications"] = true }},
	{"argocd.anonymous", "", "policy.default", func(w *world) { w.set("ConfigMap", "argocd-cm", "true", "data", "users.anonymous.enabled") }},
	{"argocd.inheritance", "", "past every sync", func(w *world) { w.argo.version = "v2.14.21" }},
	{"argocd.inheritance", "", "past every sync", func(w *world) {
		w.set("ConfigMap", "argocd-cm", "false", "data", "server.rbac.disableApplicationFineGrainedRBACInheritance")
	}},
	{"argocd.projects", "AppProject default", "admission policies", func(w *world) {
		w.set("AppProject", "default", []any{map[string]any{"server": "*", "namespace": "*"}}, "spec", "destinations")
		w.set("AppProject", "default", []any{map[string]any{"group": "*", "kind": "*"}}, "spec", "clusterResourceWhitelist")
	}},
	{"argocd.projects", "AppProject default", "settings in namespace argocd", func(w *world) {
		w.set("AppProject", "default", []any{map[string]any{"name": "in-cluster", "namespace": "argo*"}}, "spec", "destinations")
	}},
	{"argocd.projects-overlap", "AppProject default", "payments of https://kubernetes.default.svc", func(w *world) {
		w.set("AppProject", "default", []any{map[string]any{"name": "in-cluster", "namespace": "pay*"}}, "spec", "destinations")
	}},
	{"argocd.windows", "project prod", "sync windows", func(w *world) { w.argo.allowed = false }},
	{"argocd.rbac-live", "bob", "action/*", policy("p, bob, applications, action/*, prod/*, allow")},
	{"argocd.rbac-live", "admin", "through role:admin", func(w *world) { w.set("ConfigMap", "argocd-cm", "true", "data", "admin.enabled") }},
	{"argocd.rbac-live", "everybody", "role:admin", func(w *world) { w.set("ConfigMap", "argocd-rbac-cm", "role:admin", "data", "policy.default") }},
	{"argocd.rbac-override", "bob", "override", unenforced(policy("p, bob, applications, override, prod/*, allow"))},
	{"argocd.rbac-sync", "bob", "sync", unenforced(policy("p, bob, applications, sync, prod/*, allow"))},
	{"argocd.rbac-write", "bob", "delete", unenforced(policy("p, bob, applications, delete, prod/*, allow"))},
	{"argocd.rbac-settings", "bob", "change projects", policy("p, bob, projects, update, prod, allow")},
	{"kubernetes.gatekeeper-rights", "applications", "patch", func(w *world) {
		w.sources.Rights = func(_ context.Context, need []doctor.Right) ([]doctor.Right, error) { return need[3:4], nil }
	}},
	{"kubernetes.applications", "user:eve", "write Applications in argocd", unenforced(func(w *world) {
		rule(w, "argocd", `{apiGroups: [argoproj.io], resources: [applications], verbs: [update]}`)
	})},
	{"kubernetes.enforcement", "user:eve", "validatingadmissionpolicybindings", func(w *world) {
		rule(w, "", `{apiGroups: ["*"], resources: [validatingadmissionpolicybindings], verbs: ["*"]}`)
	}},
	{"kubernetes.argocd", "user:eve", "read Secrets in argocd", func(w *world) { rule(w, "argocd", `{apiGroups: [""], resources: [secrets], verbs: [list]}`) }},
	{"kubernetes.gatekeeper", "user:eve", "enter pods in gatekeeper", func(w *world) { rule(w, "gatekeeper", `{apiGroups: [""], resources: [pods/exec], verbs: [create]}`) }},
	{"kubernetes.escalation", "user:eve", "impersonate groups", func(w *world) { rule(w, "", `{apiGroups: [""], resources: [groups], verbs: [impersonate]}`) }},
	{"kubernetes.workloads", "user:eve", "change Deployments in payments", func(w *world) { rule(w, "payments", `{apiGroups: [apps], resources: ["*"], verbs: [patch]}`) }},
	{"kubernetes.clock", "", "behind Kubernetes", func(w *world) { w.sources.Skew["Kubernetes"] = clock(time.Minute) }},
	{"github.clock", "", "ahead of GitHub", func(w *world) { w.sources.Skew["GitHub"] = clock(-time.Minute) }},
	{"applications.gates", "gate prod", "none of", func(w *world) { w.sources.Policies[0].Applications[0].Project = "production" }},
	{"applications.overlap", "argocd/payments", "prod and again", func(w *world) {
		second := w.sources.Policies[0]
		second.Gate = "again"
		w.sources.Policies = append(w.sources.Policies, second)
	}},
	{"applications.auto-sync", "argocd/payments", "syncs itself", application(map[string]any{"prune": true}, "spec", "syncPolicy", "automated")},
	{"applications.generate-paths", "argocd/payments", `"."`, application(".", "metadata", "annotations", "argocd.argoproj.io/manifest-generate-paths")},
	{"applications.hydrator", "argocd/payments", "sourceHydrator", application(map[string]any{"drySource": map[string]any{}}, "spec", "sourceHydrator")},
	{"applications.floating", "argocd/payments, source 1", "tracks", application("feature", "spec", "source", "targetRevision")},
	{"applications.floating", "argocd/payments, source 1", `version ">=1" is not exact`, application(map[string]any{
		"repoURL": "https://charts.example.com", "chart": "x", "targetRevision": ">=1"}, "spec", "source")},
	{"applications.floating", "argocd/payments, source 1", `version "latest" is not exact`, application(map[string]any{
		"repoURL": "oci://registry.example.com/x", "path": ".", "targetRevision": "latest"}, "spec", "source")},
	{"applications.floating", "argocd/payments, source 1", "does not judge acme/other", application("https://github.com/acme/other", "spec", "source", "repoURL")},
	{"applications.floating", "argocd/payments, source 1", "not on the GitHub", application("https://git.example.com/acme/env", "spec", "source", "repoURL")},
	{"applications.unsupported", "argocd/payments", "refresh", application(map[string]any{"refresh": true}, "spec", "syncPolicy", "retry")},
	{"applications.remote", "argocd/payments", "remote base", func(w *world) {
		w.sources.Closure = func(context.Context, approval.Application) (approval.Closure, error) {
			return approval.Closure{Unresolved: []string{"remote base"}}, nil
		}
	}},
	{"applications.images", "argocd/payments", "api:latest runs", application([]any{"registry:5000/api:latest"}, "status", "summary", "images")},
	{"applications.images", "argocd/payments", "registry:5000/api runs", application([]any{"registry:5000/api"}, "status", "summary", "images")},
	{"applications.digests", "argocd/payments", "by tag alone", application([]any{"api:1"}, "status", "summary", "images")},
	{"applications.sets", "ApplicationSet argocd/set", "RollingSync", set},
	{"applications.sets", "ApplicationSet argocd/set", "argo-gatekeeper.io/x", func(w *world) { set(w); w.sources.Annotations = []string{"argo-gatekeeper.io/x"} }},
	{"gatekeeper.record", "", "tampered", func(w *world) {
		w.sources.Record = func(context.Context) (uint64, error) { return 0, &doctor.Broken{What: "tampered", Fix: "restore"} }
	}},
	{"gatekeeper.data", "/data", "cannot be written", directory(func(d *doctor.Directory) { d.Writable = false })},
	{"gatekeeper.disk", "/data", "0.5 GiB of 10.0 GiB", directory(func(d *doctor.Directory) { d.Free = 1 << 29 })},
}

func policy(line string) func(*world) {
	return func(w *world) { w.set("ConfigMap", "argocd-rbac-cm", line, "data", "policy.csv") }
}

// unenforced breaks where nothing gates what people may do.
func unenforced(breaks func(*world)) func(*world) {
	return func(w *world) { w.sources.Enforced = false; breaks(w) }
}

func application(value any, path ...string) func(*world) {
	return func(w *world) { w.set("Application", "payments", value, path...) }
}

func set(w *world) {
	w.set("Application", "payments", []any{map[string]any{"kind": "ApplicationSet", "name": "set", "apiVersion": "argoproj.io/v1alpha1", "uid": "s"}}, "metadata", "ownerReferences")
	w.add(`{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, metadata: {name: set, namespace: argocd}, spec: {strategy: {type: RollingSync}}}`)
}

func directory(change func(*doctor.Directory)) func(*world) {
	return func(w *world) {
		d, err := w.sources.Directory()
		require.NoError(w.t, err)
		change(&d)
		w.sources.Directory = func() (doctor.Directory, error) { return d, nil }
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	for _, test := range broken {
		t.Run(test.code+" "+test.reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.breaks(w)
			found(t, w.look(), test.code, test.about, test.reason)
		})
	}
}

func found(t *testing.T, r doctor.Report, code, about, reason string) {
	t.Helper()
	results := of(r, code)
	require.NotEmpty(t, results)
	for _, x := range results {
		if x.State != doctor.Finding {
			continue
		}
		require.Contains(t, x.About, about)
		if !strings.Contains(x.Reason, reason) {
			continue
		}
		require.NotEmpty(t, x.Fix, "%+v", x)
		return
	}
	require.Failf(t, "not found", "%s: %+v", reason, results)
}

// brokenGitHub is what the checks of GitHub have to find on the stand-in.
var brokenGitHub = []struct { //nolint:gochecknoglobals // a table that two tests share
	code, about, reason string
	breaks              func(w *world) error
}{
	{"github.permissions", "App gatekeeper", "members:read", func(w *world) error {
		p := permissions()
		delete(p, "members")
		return w.SetPermissions(w.hub.ID, p)
	}},
	{"github.permissions-extra", "App gatekeeper", "contents:write", func(w *world) error {
		p := permissions()
		p["contents"] = "write"
		return w.SetPermissions(w.hub.ID, p)
	}},
	{"github.deployments", "App gatekeeper", "deployments:write", func(w *world) error {
		p := permissions()
		delete(p, "deployments")
		return w.SetPermissions(w.hub.ID, p)
	}},
	{"github.events", "App gatekeeper", "pull_request_review", func(w *world) error { w.register(permissions(), []string{"push", "pull_request", "team"}); return nil }},
	{"github.events-late", "App gatekeeper", "membership", func(w *world) error { w.register(permissions(), []string{"push", "pull_request", "team"}); return nil }},
	{"github.repositories", "acme/env", "not installed", func(w *world) error { return w.Uninstall(w.install) }},
	{"github.repositories", "acme/env", "suspended", func(w *world) error { return w.SuspendInstallation(w.install, true) }},
	{"github.repositories", "acme/env", "no branch prod", func(w *world) error { w.sources.Policies[0].Repositories[0].Branch = "prod"; return nil }},
	{"github.teams", "acme/gone", "no such team", func(w *world) error { w.sources.Policies[0].Config.Requirements[0].Teams[0] = "acme/gone"; return nil }},
	{"github.teams", "acme/sre", "1 member, and 2", func(w *world) error { w.sources.Policies[0].Config.Requirements[0].Approvals = 2; return nil }},
	{"github.protection", "acme/env", "direct pushes are allowed, it can be force-pushed, it can be deleted", func(w *world) error { return w.RemoveProtection("acme/env", "main") }},
	{"github.protection", "acme/env", "it can be force-pushed", func(w *world) error {
		return w.SetProtection("acme/env", "main", standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}, AllowForcePushes: true})
	}},
	{"github.bypass", "acme/env", "admins of the repository", func(w *world) error {
		return w.SetProtection("acme/env", "main", standin.Protection{Reviews: &standin.RequiredReviews{Count: 1}})
	}},
	{"github.bypass", "acme/env", "team sre", func(w *world) error {
		return w.SetProtection("acme/env", "main", standin.Protection{EnforceAdmins: true, Reviews: &standin.RequiredReviews{Count: 1, Bypass: &standin.Actors{Teams: []string{"sre"}}}})
	}},
	{"github.deliveries", "", "1 of", func(w *world) error {
		if err := w.SetWebhook(w.hub.ID, "http://127.0.0.1:1/webhooks/github", ""); err != nil {
			return err
		}
		return w.WaitDelivered(w.t.Context())
	}},
}

func TestBrokenGitHub(t *testing.T) {
	t.Parallel()
	for _, test := range brokenGitHub {
		t.Run(test.code+" "+test.reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.withGitHub()
			require.NoError(t, test.breaks(w))
			found(t, w.look(), test.code, test.about, test.reason)
		})
	}
}

// Every check can find something.
func TestEveryCheckIsBroken(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{"github.app": true} // it is ok or unknown
	for _, b := range broken {
		tested[b.code] = true
	}
	for _, b := range brokenGitHub {
		tested[b.code] = true
	}
	for _, c := range doctor.Checks() {
		require.True(t, tested[c.Code], c.Code)
	}
}
