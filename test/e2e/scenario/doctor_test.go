package scenario

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/test/e2e/payments"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/sandbox"
	"github.com/argo-gatekeeper/gatekeeper/test/e2e/standin"
)

// examined: the installation is mended until doctor finds nothing; then things are
// broken one after the other, and each time doctor names just that, and is content
// once it is mended.
func examined(t *testing.T, s *story) {
	s.run()
	d := &doctored{story: s}
	d.accepted()

	// The day after the installation. Other stories share the cluster, so what they make
	// in it may be there, too; what is looked for is this world's.
	first := d.look()
	require.True(t, first.Failed)
	for code, about := range map[string]string{
		"argocd.projects": "AppProject default", "argocd.projects-overlap": "AppProject default",
		"github.protection": payments.Repository + ", branch main",
	} {
		d.finds(first, code, about)
	}
	d.mendInstallation()
	healthy := d.look()
	require.False(t, healthy.Failed, healthy.Text)
	for _, r := range healthy.Bad() {
		if r.Code == "github.bypass" {
			require.Equal(t, "unknown", r.State, "GitHub shows an App that only reads no bypass list")
			continue
		}
		if r.Code == "gatekeeper.disk" {
			continue // the machine's own, which may be nearly full
		}
		require.Equal(t, "info", r.Severity, "%+v", r)
	}

	// One after the other.
	before := ""
	for _, step := range d.steps() {
		step.breaks()
		now := d.look()
		d.finds(now, step.code, step.about)
		require.Equal(t, step.critical, now.Failed, "%s\n%s", step.code, now.Text)
		for _, r := range now.Bad() {
			require.NotEqual(t, before, r.Code, "it was mended: %+v", r)
		}
		step.mends()
		before = step.code
	}
	last := d.look()
	require.False(t, last.Failed, last.Text)

	// Somebody with few rights learns which are missing, and nothing is called ok.
	few, err := s.Doctor(s.ctx, sandbox.Gatekeeper, d.args...)
	require.NoError(t, err)
	require.True(t, few.Failed)
	for _, code := range []string{"kubernetes.applications", "kubernetes.enforcement", "argocd.anonymous", "argocd.rbac-live"} {
		r := few.Of(code)
		require.Len(t, r, 1, code)
		require.Equal(t, "unknown", r[0].State, code)
		require.Contains(t, r[0].Command, "apiGroups", code)
	}
	require.Contains(t, few.Of("kubernetes.enforcement")[0].Command, `- {apiGroups: ["rbac.authorization.k8s.io"], resources: [clusterroles], verbs: [list]}`)

	// And nothing at all was changed by looking: the Application is as it was deployed.
	s.untouched(payments.Notifier)
}

// doctored is a story whose installation is examined.
type doctored struct {
	*story
	args []string
}

// step breaks one thing and mends it.
type step struct {
	code, about   string
	critical      bool
	breaks, mends func()
}

// accepted is what the sandbox has on purpose: people with power over everything.
func (d *doctored) accepted() {
	d.args = []string{"--trust", "argocd:admin", "--trust", "argocd:developer", "--trust", "group:developers",
		"--skip", "enforcement.configured"}
}

func (d *doctored) look() payments.Examination {
	d.t.Helper()
	e, err := d.Doctor(d.ctx, sandbox.Admin, d.args...)
	require.NoError(d.t, err, e.Text)
	return e
}

func (d *doctored) finds(e payments.Examination, code, about string) {
	d.t.Helper()
	for _, r := range e.Of(code) {
		if r.State == "finding" && strings.Contains(r.About, about) {
			require.NotEmpty(d.t, r.Reason)
			require.NotEmpty(d.t, r.Fix)
			return
		}
	}
	require.Failf(d.t, "not found", "%s about %s:\n%s", code, about, e.Text)
}

func (d *doctored) apply(manifest string) {
	d.t.Helper()
	require.NoError(d.t, d.Sandbox.Apply(d.ctx, sandbox.Admin, []byte(manifest)))
}

// mendInstallation does what doctor's first report says.
func (d *doctored) mendInstallation() {
	d.t.Helper()
	d.apply(`{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: default, namespace: argocd}, spec: {destinations: [], clusterResourceWhitelist: [], sourceRepos: []}}`)
	d.apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm, namespace: argocd}, data: {server.rbac.disableApplicationFineGrainedRBACInheritance: "true"}}`)
	d.protect()
	require.NoError(d.t, d.RedeliverFailed())
	require.NoError(d.t, d.GitHub.WaitDelivered(d.ctx))
}

func (d *doctored) protect() {
	d.t.Helper()
	_, err := d.GitHub.SetRuleset(payments.Repository, standin.Ruleset{Name: "production", Rules: []standin.Rule{
		{Type: "pull_request", Parameters: standin.PullRequestRule{Count: 0}}, {Type: "deletion"}, {Type: "non_fast_forward"},
	}})
	require.NoError(d.t, err)
}

func (d *doctored) steps() []step {
	application := "argocd/" + d.Application("prod", payments.Notifier)
	ok := func(err error) { d.t.Helper(); require.NoError(d.t, err) }
	patch := func(spec string) func() {
		return func() { d.t.Helper(); ok(d.PatchApplication(d.ctx, "prod", payments.Notifier, spec)) }
	}
	config, err := os.ReadFile(d.Config)
	ok(err)
	configure := func(from, to string) func() {
		return func() {
			d.t.Helper()
			changed := strings.Replace(string(config), from, to, 1)
			require.True(d.t, from == to || changed != string(config), from)
			ok(os.WriteFile(d.Config, []byte(changed), 0o600))
		}
	}
	gates := strings.SplitAfterN(string(config), "gates:\n", 2)[1]
	return []step{
		{code: "applications.auto-sync", about: application, critical: true,
			breaks: patch(`{"spec":{"syncPolicy":{"automated":{}}}}`), mends: patch(`{"spec":{"syncPolicy":{"automated":null}}}`)},
		{code: "applications.generate-paths", about: application, critical: true,
			breaks: patch(`{"metadata":{"annotations":{"argocd.argoproj.io/manifest-generate-paths":"."}}}`),
			mends:  patch(`{"metadata":{"annotations":{"argocd.argoproj.io/manifest-generate-paths":null}}}`)},
		{code: "applications.floating", about: application, critical: true,
			breaks: patch(`{"spec":{"source":{"targetRevision":"dev"}}}`), mends: patch(`{"spec":{"source":{"targetRevision":"main"}}}`)},
		{code: "applications.unsupported", about: application, critical: true,
			breaks: patch(`{"spec":{"source":{"kustomize":{"components":["https://example.com/base"]}}}}`), mends: patch(`{"spec":{"source":{"kustomize":null}}}`)},
		{code: "applications.overlap", about: application, critical: true,
			breaks: configure(gates, gates+strings.Replace(gates, "name: prod", "name: again", 1)), mends: configure("", "")},
		{code: "applications.gates", about: "gate prod",
			breaks: configure("- project: "+d.Project("prod"), "- project: no-such-project"), mends: configure("", "")},
		{code: "argocd.rbac-live", about: "acme:operators", critical: true,
			breaks: d.projectRole("applications, action/*"), mends: d.projectRole("applications, get")},
		{code: "argocd.rbac-sync", about: "acme:operators", critical: true,
			breaks: d.projectRole("applications, sync"), mends: d.projectRole("applications, get")},
		{code: "argocd.projects-overlap", about: "AppProject " + d.Name + "-stray", critical: true,
			breaks: d.strayProject(d.Namespace("prod")), mends: d.strayProject("somewhere-else")},
		{code: "argocd.projects", about: "AppProject " + d.Name + "-stray", critical: true,
			breaks: d.strayProject("argocd"), mends: d.strayProject("somewhere-else")},
		{code: "argocd.token-rights", about: "project " + d.Project("prod"),
			breaks: func() { ok(d.UseArgoToken(d.ctx, "developer")) }, mends: func() { ok(d.UseArgoToken(d.ctx, "gatekeeper")) }},
		{code: "kubernetes.workloads", about: "group:" + d.Name + "-deployers",
			breaks: d.role("Role", d.Namespace("prod"), "group", "deployers", `{apiGroups: [apps], resources: [deployments], verbs: [patch]}`),
			mends:  d.role("Role", d.Namespace("prod"), "group", "deployers", "")},
		{code: "kubernetes.enforcement", about: "user:" + d.Name + "-eve", critical: true,
			breaks: d.role("ClusterRole", "", "user", "eve", `{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [delete]}`),
			mends:  d.role("ClusterRole", "", "user", "eve", "")},
		{code: "kubernetes.argocd", about: "user:" + d.Name + "-eve", critical: true,
			breaks: d.role("Role", "argocd", "user", "eve", `{apiGroups: [""], resources: [secrets], resourceNames: [argocd-secret], verbs: [get]}`),
			mends:  d.role("Role", "argocd", "user", "eve", "")},
		{code: "kubernetes.escalation", about: "user:" + d.Name + "-eve", critical: true,
			breaks: d.role("ClusterRole", "", "user", "eve", `{apiGroups: [""], resources: [users], verbs: [impersonate]}`),
			mends:  d.role("ClusterRole", "", "user", "eve", "")},
		{code: "kubernetes.applications", about: "user:" + d.Name + "-eve", critical: true,
			breaks: d.role("Role", "argocd", "user", "eve", `{apiGroups: [argoproj.io], resources: [applications], verbs: [patch]}`),
			mends:  d.role("Role", "argocd", "user", "eve", "")},
		{code: "github.repositories", about: payments.Repository, critical: true,
			breaks: func() { ok(d.Suspend(true)) }, mends: func() { ok(d.Suspend(false)) }},
		{code: "github.permissions", about: "App gatekeeper", critical: true,
			breaks: func() { ok(d.Without("issues")) }, mends: func() { ok(d.Without()) }},
		{code: "github.deployments", about: "App gatekeeper",
			breaks: func() { ok(d.Without("deployments")) }, mends: func() { ok(d.Without()) }},
		{code: "github.protection", about: payments.Repository,
			breaks: func() {
				_, err := d.GitHub.SetRuleset(payments.Repository, standin.Ruleset{Name: "production", Rules: []standin.Rule{{Type: "deletion"}}})
				ok(err)
			}, mends: d.protect},
		{code: "github.teams", about: payments.Team, critical: true,
			breaks: configure("approvals: 2", "approvals: 5"), mends: configure("", "")},
		{code: "github.deliveries", about: "",
			breaks: func() {
				d.GitHub.DropDeliveries(1)
				_, err := d.Propose(payments.Alice, payments.Notifier, "7000")
				ok(err)
				ok(d.GitHub.WaitDelivered(d.ctx))
			}, mends: func() { ok(d.RedeliverFailed()); ok(d.GitHub.WaitDelivered(d.ctx)) }},
		{code: "gatekeeper.record", about: "", critical: true,
			breaks: configure("dataDirectory: ", "dataDirectory: "+d.t.TempDir()+" #"), mends: configure("", "")},
	}
}

// projectRole gives a group one right in the project, or leaves it harmless.
func (d *doctored) projectRole(right string) func() {
	return func() {
		d.t.Helper()
		project := d.Project("prod")
		d.apply(`{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: ` + project + `, namespace: argocd}, spec: {
  sourceRepos: ["` + d.CloneURL + `"], destinations: [{server: "https://kubernetes.default.svc", namespace: ` + d.Namespace("prod") + `}],
  roles: [{name: operators, groups: ["acme:operators"], policies: ["p, proj:` + project + `:operators, ` + right + `, ` + project + `/*, allow"]}]}}`)
	}
}

// strayProject is a project that no gate protects and that deploys to one namespace.
func (d *doctored) strayProject(namespace string) func() {
	return func() {
		d.t.Helper()
		d.apply(`{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: ` + d.Name + `-stray, namespace: argocd}, spec: {
  sourceRepos: ["*"], destinations: [{server: "https://kubernetes.default.svc", namespace: ` + namespace + `}]}}`)
	}
}

// role gives somebody one rule, or none.
func (d *doctored) role(kind, namespace, subject, who, rule string) func() {
	name := d.Name + "-" + who
	at := "{name: " + name + "}"
	if namespace != "" {
		at = "{name: " + name + ", namespace: " + namespace + "}"
	}
	subjectKind := strings.ToUpper(subject[:1]) + subject[1:]
	return func() {
		d.t.Helper()
		d.apply(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ` + kind + `, metadata: ` + at + `, rules: [` + rule + `]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ` + kind + `Binding, metadata: ` + at + `,
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ` + kind + `, name: ` + name + `},
  subjects: [{apiGroup: rbac.authorization.k8s.io, kind: ` + subjectKind + `, name: ` + name + `}]}`)
	}
}
