package admission_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/admission"
)

// TestUsualWritesPass: what people and Argo CD do all day breaks no rule, and of it the
// webhook is asked only about what can change what is deployed.
func TestUsualWritesPass(t *testing.T) {
	gated := &admission.Settings{Protected: prodSettings.Protected, GatedAutoSync: []approval.Selector{{Project: "prod"}}, AllowForce: true}
	cases := []struct {
		attack
		asked bool
	}{
		{attack{name: "created by Argo CD's API", user: server, base: "none"}, true},
		{attack{name: "created by kubectl", base: "none", patch: `{"status": null}`}, true},
		{attack{name: "sync of 2.14", user: server, patch: sync214}, true},
		{attack{name: "sync of 3.2", user: server, patch: sync32}, true},
		{attack{name: "rollback", user: server, patch: rollback}, true},
		{attack{name: "rollback of several sources", user: server, base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `", "` + commit + `"], "source": {"repoURL": ""}, "sources": ` + twoSources + `, "syncStrategy": {"apply": {}}}`)}, true},
		{attack{name: "sync of several sources", user: server, base: "multi-3.2", before: idle, patch: op(`{"revisions": ["` + commit + `", "` + commit + `"], "sources": ` + twoSources + `}`)}, true},
		{attack{name: "sync of a chart", user: server, before: chart, patch: op(`{"revision": "1.2.3-rc.1+build"}`)}, true},
		{attack{name: "sync of an artifact by digest", patch: op(`{"revision": "sha256:` + strings.Repeat("a", 64) + `", "source": {"repoURL": "oci://ghcr.io/acme/shop"}}`)}, true},
		{attack{name: "dry run", user: server, patch: op(`{"revision": "` + commit + `", "dryRun": true}`)}, true},
		{attack{name: "partial sync", user: server, patch: op(`{"revision": "` + commit + `", "resources": [{"group": "apps", "kind": "Deployment", "name": "shop"}]}`)}, true},
		{attack{name: "self-heal", user: controller, before: `{"spec": {"syncPolicy": {"automated": {}}}}`, patch: op(`{"revision": "`+commit+`", "autoHealAttemptsCount": 2, "syncOptions": ["CreateNamespace=true"]}`, `"initiatedBy": {"automated": true}`, `"retry": {"limit": 5}`)}, true},
		{attack{name: "force where allowed", settings: gated, patch: op(`{"revision": "` + commit + `", "syncOptions": ["Replace=true"], "syncStrategy": {"apply": {"force": true}}}`)}, true},
		{attack{name: "replace as the spec has it", before: `{"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}}`, patch: op(`{"revision": "` + commit + `", "syncOptions": ["Replace=true"]}`)}, true},
		{attack{name: "gated auto-sync", settings: gated, patch: `{"spec": {"syncPolicy": {"automated": {"prune": true}}}}`}, true},
		{attack{name: "auto-sync that was there", before: `{"spec": {"syncPolicy": {"automated": {}}}}`, patch: `{"spec": {"syncPolicy": {"automated": {"prune": true}}}}`}, true},
		{attack{name: "auto-sync that is off", patch: `{"spec": {"syncPolicy": {"automated": {"enabled": false}}}}`}, true},
		{attack{name: "auto-sync switched off", before: `{"spec": {"syncPolicy": {"automated": {}}}}`, patch: `{"spec": {"syncPolicy": {"automated": null}}}`}, true},
		{attack{name: "spec edited", patch: `{"spec": {"source": {"targetRevision": "release"}}}`}, true},
		{attack{name: "spec normalised by the controller", user: controller, patch: `{"spec": {"info": []}}`}, true},
		{attack{name: "cache paths", patch: `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`}, true},
		{attack{name: "deletion approved", patch: `{"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": "2026-11-21T10:00:00Z"}}}`}, true},

		{attack{name: "operation picked up", user: controller, before: sync214, patch: `{"status": {"operationState": {"phase": "Running", "startedAt": "2026-11-21T10:00:00Z", "operation": {"sync": {"revision": "` + commit + `"}}}}}`}, false},
		{attack{name: "operation at work", user: controller, before: running, patch: `{"status": {"operationState": {"message": "waiting for completion"}}}`}, false},
		{attack{name: "operation ended", user: controller, before: running, patch: `{"operation": null, "status": {"operationState": {"phase": "Succeeded", "finishedAt": "2026-11-21T10:01:00Z"}}}`}, false},
		{attack{name: "history written", user: controller, before: running, patch: `{"status": {"history": [{"id": 8, "revision": "` + commit + `", "deployedAt": "2026-11-21T10:01:07Z"}]}}`}, false},
		{attack{name: "compared", user: controller, patch: `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": null}}, "status": {"reconciledAt": "2026-11-21T10:00:00Z", "sync": {"revision": "` + commit + `", "status": "OutOfSync", "comparedTo": {"source": {"path": "other"}}}}}`}, false},
		{attack{name: "terminate", user: server, before: running, patch: `{"status": {"operationState": {"phase": "Terminating"}}}`}, false},
		{attack{name: "terminated twice", user: server, before: strings.Replace(running, "Running", "Terminating", 1), patch: `{"metadata": {"labels": {"a": "b"}}}`}, false},
		{attack{name: "refresh", user: server, patch: `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}`}, false},
		{attack{name: "labels", patch: `{"metadata": {"labels": {"team": "shop"}}}`}, false},
		{attack{name: "finalizers", before: `{"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}`, user: controller, patch: `{"metadata": {"finalizers": []}}`}, false},
		{attack{name: "resource health in the status", user: server, patch: `{"status": {"resources": []}}`}, false},
		{attack{name: "empty fields put into the status", user: server, base: "chart-2.14", patch: `{"status": {"health": {}, "summary": {}, "sync": {"comparedTo": {"destination": {}, "source": {"repoURL": ""}}}}}`, before: `{"status": {"sync": {"comparedTo": null, "status": ""}}}`}, false},
		{attack{name: "old history gets an empty initiator", user: server, before: `{"status": {"history": [{"id": 1, "revision": "x", "deployedAt": "2026-11-21T10:00:00Z"}]}}`,
			patch: `{"status": {"history": [{"id": 1, "revision": "x", "deployedAt": "2026-11-21T10:00:00Z", "initiatedBy": {}, "source": {"repoURL": ""}}]}}`}, false},
	}
	of := evaluators(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := of(c.settings)
			request := c.request(t)
			require.Empty(t, broken(t, e, request))
			relevant, err := e.Relevant(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.asked, relevant)
		})
	}
}

// TestTerminateOfAnotherRendering: argocd-server writes the whole Application back as
// its types have it when it terminates an operation.
func TestTerminateOfAnotherRendering(t *testing.T) {
	old := merged(t, example(t, "helm-2.14"), running)
	old = merged(t, old, `{"spec": {"source": {"helm": null, "directory": {"recurse": true}}}, "operation": {"sync": {"source": {"repoURL": "https://github.com/acme/deploy.git", "path": "x", "directory": {"recurse": true}}}}}`)
	new := merged(t, old, `{"spec": {"source": {"directory": {"jsonnet": {}}}}, "operation": {"retry": {}, "sync": {"source": {"directory": {"jsonnet": {}}}}}, "status": {"operationState": {"phase": "Terminating"}}}`)
	e := evaluator(t, prodSettings)
	require.Empty(t, broken(t, e, write(t, server, old, new)))
	relevant, err := e.Relevant(t.Context(), write(t, server, old, new))
	require.NoError(t, err)
	require.True(t, relevant, "that nothing else changed is for the webhook to say")
	require.NotEmpty(t, broken(t, e, write(t, developer, old, new)))
}

func TestDeletionIsLeftToTheGate(t *testing.T) {
	e := evaluator(t, prodSettings)
	request := write(t, developer, example(t, "helm-2.14"), nil)
	require.Empty(t, broken(t, e, request))
	relevant, err := e.Relevant(t.Context(), request)
	require.NoError(t, err)
	require.True(t, relevant)
}

func TestUnprotected(t *testing.T) {
	e := evaluator(t, admission.Settings{Protected: []approval.Selector{{Project: "other"}}})
	old := example(t, "helm-2.14")
	for name, new := range map[string]map[string]any{"sync": merged(t, old, sync214), "delete": nil, "spec": merged(t, old, `{"spec": {"info": []}}`)} {
		relevant, err := e.Relevant(t.Context(), write(t, developer, old, new))
		require.NoError(t, err)
		require.False(t, relevant, name)
	}
	for _, move := range []string{`{"spec": {"project": "other"}}`} {
		moved := merged(t, old, move)
		for _, request := range []struct{ old, new map[string]any }{{old, moved}, {moved, old}} {
			relevant, err := e.Relevant(t.Context(), write(t, developer, request.old, request.new))
			require.NoError(t, err)
			require.True(t, relevant, "into and out of protection")
		}
	}
}
