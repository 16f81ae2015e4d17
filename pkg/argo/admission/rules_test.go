package admission_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// What people and Argo CD write, as merge patches on an Application of 2.14 whose last
// operation has ended, unless said otherwise.
const (
	commit  = "2222222222222222222222222222222222222222"
	sync214 = `{"status": {"operationState": null}, "operation": {"initiatedBy": {"username": "dave"}, "retry": {}, "sync": {"revision": "` + commit + `", "prune": true, "syncStrategy": {"hook": {}}}}}`
	sync32  = `{"status": {"operationState": null}, "operation": {"initiatedBy": {"username": "dave"}, "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}}, "sync": {"revision": "` + commit + `", "syncStrategy": {"hook": {}},
		"source": {"repoURL": "https://github.com/acme/deploy.git", "path": "charts/shop", "targetRevision": "main"}}}}`
	rollback = `{"status": {"operationState": null}, "operation": {"initiatedBy": {"username": "dave"}, "retry": {}, "sync": {"revision": "1111111111111111111111111111111111111111", "syncStrategy": {"apply": {}},
		"source": {"repoURL": "https://github.com/acme/deploy.git", "path": "charts/shop", "targetRevision": "main"}}}}`
	running = `{"operation": {"initiatedBy": {"username": "dave"}, "retry": {}, "sync": {"revision": "` + commit + `"}},
		"status": {"operationState": {"phase": "Running", "startedAt": "2026-11-21T10:00:00Z", "message": "waiting", "finishedAt": null, "syncResult": {"revision": "` + commit + `", "source": {"repoURL": "https://github.com/acme/deploy.git"}, "resources": null},
			"operation": {"info": null, "initiatedBy": {"username": "dave"}, "retry": {}, "sync": {"revision": "` + commit + `", "syncOptions": null}}}}}`
)

// attack is a write that has to be refused, by exactly one rule unless said otherwise.
type attack struct {
	name string
	// base is a file of testdata/applications, helm-2.14 by default; none creates.
	base string
	// before is put on top of base first.
	before string
	user   string // a developer by default
	patch  string
	rule   string
	// also are further rules that refuse it.
	also     []string
	settings *admission.Settings
}

// op is a patch that starts an operation.
func op(sync string, more ...string) string {
	return `{"status": {"operationState": null}, "operation": {"sync": ` + sync + strings.Join(append([]string{""}, more...), ", ") + `}}`
}

func attacks() []attack {
	deleting := `{"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}`
	gated := &admission.Settings{Protected: []approval.Selector{{Project: "prod"}}, GatedAutoSync: []approval.Selector{{Namespace: "other"}}}
	return []attack{
		{name: "created with an operation", base: "none", patch: `{"operation": {"sync": {"revision": "` + commit + `"}}}`, rule: "create-without-operation"},
		{name: "created by the controller with an operation", user: controller, base: "none", patch: `{"operation": {"sync": {"revision": "` + commit + `"}}}`, rule: "create-without-operation"},
		{name: "created with a state", base: "none", patch: `{"status": {"operationState": {"phase": "Running", "startedAt": "2026-11-21T10:00:00Z", "operation": {"sync": {}}}}}`, rule: "create-without-status"},
		{name: "created with a history", base: "none", patch: `{"status": {"history": [{"id": 1, "revision": "x", "deployedAt": "2026-11-21T10:00:00Z"}]}}`, rule: "create-without-status"},
		{name: "created with a compared revision", user: controller, base: "none", patch: `{"status": {"sync": {"status": "Synced", "revision": "` + commit + `"}}}`, rule: "create-without-status"},
		{name: "created with a compared source", base: "none", patch: `{"status": {"sync": {"status": "Synced", "comparedTo": {"source": {"repoURL": "https://evil.example"}, "destination": {}}}}}`, rule: "create-without-status"},

		{name: "operation on top of an old state", patch: `{"operation": {"sync": {"revision": "` + commit + `"}}}`, rule: "operation-starts-clean"},
		{name: "rolling sync", user: applicationer, patch: `{"operation": {"initiatedBy": {"automated": true, "username": "applicationset-controller"}, "sync": {}}}`, rule: "operation-starts-clean", also: []string{"exact-revisions"}},
		{name: "sync while deleting", before: deleting, patch: sync214, rule: "no-operation-while-deleting"},
		{name: "operation without sync", patch: `{"status": {"operationState": null}, "operation": {"info": []}}`, rule: "operation-known-keys", also: []string{"exact-revisions"}},
		{name: "unknown field of the operation", patch: op(`{"revision": "`+commit+`"}`, `"promote": true`), rule: "operation-known-keys"},
		{name: "unknown field of the sync", patch: op(`{"revision": "` + commit + `", "branch": "evil"}`), rule: "operation-known-keys"},
		{name: "unknown strategy", patch: op(`{"revision": "` + commit + `", "syncStrategy": {"replace": {}}}`), rule: "operation-known-keys"},
		{name: "unknown option of a strategy", patch: op(`{"revision": "` + commit + `", "syncStrategy": {"hook": {"skip": true}}}`), rule: "operation-known-keys"},
		{name: "unknown field of apply", patch: op(`{"revision": "` + commit + `", "syncStrategy": {"apply": {"skip": true}}}`), rule: "operation-known-keys"},
		{name: "unknown field of retry", patch: op(`{"revision": "`+commit+`"}`, `"retry": {"follow": true}`), rule: "operation-known-keys"},
		{name: "unknown field of the initiator", patch: op(`{"revision": "`+commit+`"}`, `"initiatedBy": {"token": "x"}`), rule: "operation-known-keys"},
		{name: "local manifests", patch: op(`{"revision": "` + commit + `", "manifests": ["{}"]}`), rule: "no-local-manifests"},
		{name: "local manifests as a dry run", patch: op(`{"revision": "` + commit + `", "dryRun": true, "manifests": ["{}"]}`), rule: "no-local-manifests"},
		{name: "retry with refresh", patch: op(`{"revision": "`+commit+`"}`, `"retry": {"limit": 5, "refresh": true}`), rule: "operation-no-retry-refresh"},
		{name: "no revision", patch: op(`{}`), rule: "exact-revisions"},
		{name: "a branch", patch: op(`{"revision": "main"}`), rule: "exact-revisions"},
		{name: "a tag", patch: op(`{"revision": "v1.2.3"}`), rule: "exact-revisions"},
		{name: "a short SHA", patch: op(`{"revision": "2222222"}`), rule: "exact-revisions"},
		{name: "capital letters", patch: op(`{"revision": "ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEFABCD"}`), rule: "exact-revisions"},
		{name: "a line after the SHA", patch: op(`{"revision": "` + commit + `\nmain"}`), rule: "exact-revisions"},
		{name: "revisions for one source", patch: op(`{"revision": "` + commit + `", "revisions": ["main"]}`), rule: "exact-revisions"},
		{name: "only revisions for one source", patch: op(`{"revisions": ["` + commit + `"]}`), rule: "exact-revisions"},
		{name: "a sources override with one revision", patch: op(`{"revision": "` + commit + `", "sources": [{"repoURL": "https://github.com/acme/deploy.git", "path": "charts/shop"}]}`), rule: "exact-revisions"},
		{name: "a range of versions", before: chart, patch: op(`{"revision": "1.*"}`), rule: "exact-revisions"},
		{name: "a commit for a chart", before: chart, patch: op(`{"revision": "` + commit + `"}`), rule: "exact-revisions"},
		{name: "a mutable tag of an artifact", patch: op(`{"revision": "latest", "source": {"repoURL": "oci://ghcr.io/acme/shop"}}`), rule: "exact-revisions"},
		{name: "too few revisions", base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `"], "sources": ` + twoSources + `}`), rule: "exact-revisions"},
		{name: "one branch among revisions", base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `", "main"], "sources": ` + twoSources + `}`), rule: "exact-revisions"},
		{name: "an empty revision", base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `", ""], "sources": ` + twoSources + `}`), rule: "exact-revisions"},
		{name: "one revision for two sources", base: "multi-3.2", before: idle, patch: op(`{"revision": "` + commit + `", "sources": ` + twoSources + `}`), rule: "exact-revisions"},
		{name: "many sources, one a branch", patch: op(`{"revisions": [` + strings.Repeat(`"`+commit+`", `, 39) + `"main"], "sources": [` + strings.Repeat(`{"repoURL": "x", "path": "p"}, `, 39) + `{"repoURL": "x", "path": "p"}]}`), rule: "exact-revisions"},
		{name: "a ref without sources", base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `", "` + commit + `"]}`), rule: "ref-needs-sources"},
		{name: "force apply", patch: op(`{"revision": "` + commit + `", "syncStrategy": {"apply": {"force": true}}}`), rule: "no-force"},
		{name: "force with hooks", patch: op(`{"revision": "` + commit + `", "syncStrategy": {"hook": {"force": true}}}`), rule: "no-force"},
		{name: "replace", patch: op(`{"revision": "` + commit + `", "syncOptions": ["CreateNamespace=true", "Replace=true"]}`), rule: "no-force"},

		{name: "another revision for an operation", before: running, patch: `{"operation": {"sync": {"revision": "3333333333333333333333333333333333333333"}}}`, rule: "operation-unchanged", also: []string{"deployment-frozen"}},
		{name: "an operation changed by the controller's account", user: controller, before: running, patch: `{"operation": {"sync": {"prune": true}}}`, rule: "operation-unchanged", also: []string{"deployment-frozen"}},
		{name: "an operation removed", before: running, patch: `{"operation": null}`, rule: "operation-removed-by-controller"},
		{name: "an operation removed by argocd-server", user: server, before: running, patch: `{"operation": null}`, rule: "operation-removed-by-controller"},
		{name: "spec changed during an operation", before: running, patch: `{"spec": {"source": {"targetRevision": "evil"}}}`, rule: "spec-frozen-during-operation", also: []string{"deployment-frozen"}},
		{name: "spec changed by the controller's account", user: controller, before: running, patch: `{"spec": {"info": [{"name": "a", "value": "b"}]}}`, rule: "spec-frozen-during-operation"},
		{name: "spec changed while deleting", before: deleting, patch: `{"spec": {"source": {"targetRevision": "evil"}}}`, rule: "spec-frozen-while-deleting"},
		{name: "terminate with another spec", user: server, before: running, patch: `{"spec": {"source": {"targetRevision": "evil"}}, "status": {"operationState": {"phase": "Terminating"}}}`, rule: "deployment-frozen"},
		{name: "terminate with another revision", user: server, before: running, patch: `{"operation": {"sync": {"revision": "3333333333333333333333333333333333333333"}}, "status": {"operationState": {"phase": "Terminating"}}}`, rule: "deployment-frozen"},
		{name: "terminate with a source of its own", user: server, before: running, patch: `{"operation": {"sync": {"source": {"repoURL": "https://github.com/acme/deploy.git", "path": "evil"}}}, "status": {"operationState": {"phase": "Terminating"}}}`, rule: "deployment-frozen"},
		{name: "cache paths during an operation", before: running, patch: `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`, rule: "deployment-frozen"},

		{name: "forged state", patch: `{"status": {"operationState": {"phase": "Running", "finishedAt": null, "operation": {"sync": {"revision": "3333333333333333333333333333333333333333"}}}}}`, rule: "operation-state-by-controller"},
		{name: "forged state by argocd-server", user: server, patch: `{"status": {"operationState": {"phase": "Running"}}}`, rule: "operation-state-by-controller"},
		{name: "forged result during an operation", before: running, patch: `{"status": {"operationState": {"syncResult": {"revision": "3333333333333333333333333333333333333333"}}}}`, rule: "operation-state-by-controller"},
		{name: "state removed", patch: `{"status": {"operationState": null}}`, rule: "operation-state-by-controller"},
		{name: "state made up where there is none", before: idle, patch: `{"status": {"operationState": {}}}`, rule: "operation-state-by-controller"},
		{name: "terminated by a developer", before: running, patch: `{"status": {"operationState": {"phase": "Terminating"}}}`, rule: "operation-state-by-controller"},
		{name: "terminate with another message", user: server, before: running, patch: `{"status": {"operationState": {"phase": "Terminating", "message": "x"}}}`, rule: "operation-state-by-controller"},
		{name: "retried by argocd-server", user: server, before: running, patch: `{"status": {"operationState": {"phase": "Terminating", "retryCount": 7}}}`, rule: "operation-state-by-controller"},
		{name: "forged history", patch: `{"status": {"history": [{"id": 8, "revision": "3333333333333333333333333333333333333333", "deployedAt": "2026-11-20T10:01:07Z"}]}}`, rule: "history-by-controller"},
		{name: "history removed", patch: `{"status": {"history": null}}`, rule: "history-by-controller"},
		{name: "history forged by a sync", patch: strings.Replace(sync214, `"operationState": null`, `"operationState": null, "history": []`, 1), rule: "history-by-controller"},
		{name: "forged compared revision", user: server, patch: `{"status": {"sync": {"revision": "3333333333333333333333333333333333333333"}}}`, rule: "compared-by-controller"},
		{name: "forged compared source", patch: `{"status": {"sync": {"comparedTo": {"source": {"path": "evil"}}}}}`, rule: "compared-by-controller"},

		{name: "auto-sync", patch: `{"spec": {"syncPolicy": {"automated": {}}}}`, rule: "auto-sync-gated"},
		{name: "auto-sync enabled", before: `{"spec": {"syncPolicy": {"automated": {"enabled": false, "prune": true}}}}`, patch: `{"spec": {"syncPolicy": {"automated": {"enabled": true}}}}`, rule: "auto-sync-gated"},
		{name: "auto-sync by leaving out enabled", before: `{"spec": {"syncPolicy": {"automated": {"enabled": false}}}}`, patch: `{"spec": {"syncPolicy": {"automated": {"enabled": null}}}}`, rule: "auto-sync-gated"},
		{name: "created with auto-sync", base: "none", patch: `{"spec": {"syncPolicy": {"automated": {"selfHeal": true}}}}`, rule: "auto-sync-gated"},
		{name: "moved under protection with auto-sync", before: `{"spec": {"project": "test", "syncPolicy": {"automated": {}}}}`, patch: `{"spec": {"project": "prod"}}`, rule: "auto-sync-gated"},
		{name: "auto-sync kept away from where it is gated", settings: gated, before: `{"spec": {"destination": {"namespace": "other"}, "syncPolicy": {"automated": {}}}}`, patch: `{"spec": {"destination": {"namespace": "shop"}}}`, rule: "auto-sync-gated"},
		{name: "auto-sync of an unknown destination", settings: gated, patch: `{"spec": {"destination": {"namespace": null}, "syncPolicy": {"automated": {}}}}`, rule: "auto-sync-gated"},
		{name: "spec with retry.refresh", patch: `{"spec": {"syncPolicy": {"retry": {"refresh": true}}}}`, rule: "spec-no-retry-refresh"},
		{name: "created with retry.refresh", base: "none", patch: `{"spec": {"syncPolicy": {"retry": {"refresh": true}}}}`, rule: "spec-no-retry-refresh"},
	}
}

const (
	chart = `{"spec": {"source": {"path": null, "helm": null, "chart": "shop", "repoURL": "https://charts.example.com", "targetRevision": "1.*"}}}`
	// idle takes the operation of multi-3.2 away.
	idle       = `{"operation": null, "status": {"operationState": null}}`
	twoSources = `[{"helm": {"valueFiles": ["$values/env/prod/pay.yaml"]}, "path": "charts/pay", "repoURL": "git@github.com:acme/charts.git"}, {"ref": "values", "repoURL": "ssh://git@github.com/acme/env-overrides"}]`
)

// newApplication is one as Argo CD's API creates it.
const newApplication = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "new", "namespace": "argocd", "uid": "5b6f8f2e-6c5f-4a0e-9d2f-5d3a4a6b7c00"},
	"spec": {"destination": {"namespace": "shop", "server": "https://kubernetes.default.svc"}, "project": "prod", "source": {"path": "charts/shop", "repoURL": "https://github.com/acme/deploy.git"}},
	"status": {"health": {}, "sourceHydrator": {}, "summary": {}, "sync": {"comparedTo": {"destination": {}, "source": {"repoURL": ""}}, "status": ""}}}`

func (a attack) request(t testing.TB) *admissionv1.AdmissionRequest {
	t.Helper()
	if a.user == "" {
		a.user = developer
	}
	if a.base == "none" {
		return write(t, a.user, nil, merged(t, object(t, newApplication), a.patch))
	}
	if a.base == "" {
		a.base = "helm-2.14"
	}
	old := merged(t, example(t, a.base), a.before)
	return write(t, a.user, old, merged(t, old, a.patch))
}

// evaluators makes one for each of the settings.
func evaluators(t testing.TB) func(*admission.Settings) *admission.Evaluator {
	t.Helper()
	made := map[*admission.Settings]*admission.Evaluator{nil: evaluator(t, prodSettings)}
	return func(settings *admission.Settings) *admission.Evaluator {
		if made[settings] == nil {
			made[settings] = evaluator(t, *settings)
		}
		return made[settings]
	}
}

func TestAttacksAreRefused(t *testing.T) {
	of := evaluators(t)
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			e := of(a.settings)
			request := a.request(t)
			require.ElementsMatch(t, append([]string{a.rule}, a.also...), broken(t, e, request))
			relevant, err := e.Relevant(t.Context(), request)
			require.NoError(t, err)
			require.True(t, relevant, "the webhook alone is enough: it must be asked")
		})
	}
}

// TestEveryRuleIsNeeded: without a rule, some attack would pass. A rule of the policy
// has to be the only one of the policy that refuses it; what the webhook alone checks
// does not count, since the webhook may be down.
func TestEveryRuleIsNeeded(t *testing.T) {
	rules, err := admission.Rules(prodSettings)
	require.NoError(t, err)
	inPolicy := map[string]bool{}
	for _, rule := range rules {
		inPolicy[rule.Name] = rule.Expression != ""
	}
	needed, of := map[string]bool{}, evaluators(t)
	for _, a := range attacks() {
		refusedBy := broken(t, of(a.settings), a.request(t))
		ofPolicy := slices.DeleteFunc(slices.Clone(refusedBy), func(name string) bool { return !inPolicy[name] })
		for _, names := range [][]string{refusedBy, ofPolicy} {
			if len(names) == 1 {
				needed[names[0]] = true
			}
		}
	}
	for _, rule := range rules {
		require.True(t, needed[rule.Name], "no attack is refused by %s alone", rule.Name)
	}
}
