package argosync_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/argo/argosync"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

// idle is a patch that leaves an Application without an operation, on manual sync.
const idle = `{"operation": null, "metadata": {"deletionTimestamp": null}, "status": {"operationState": null}, "spec": {"syncPolicy": {"automated": null}}}`

// TestPatch compares the whole patch with a golden file.
func TestPatch(t *testing.T) {
	tests := []struct {
		name, base, patch string
		prune             bool
		shas              []approval.SHA
	}{
		{name: "single", base: "helm-2.14", shas: []approval.SHA{shaA}},
		{name: "single-v3-fields", base: "helm-2.14", shas: []approval.SHA{shaA}, prune: true,
			patch: `{"spec": {"source": {"tagPrefix": "v", "helm": null, "kustomize": {"ignoreMissingComponents": true, "labelIncludeTemplates": true}}, "syncPolicy": {"syncOptions": null, "retry": {"refresh": false}}}}`},
		{name: "kustomize", base: "kustomize-failed-3.2", patch: idle, shas: []approval.SHA{shaB}},
		{name: "multi", base: "multi-3.2", patch: `{"operation": null, "status": {"operationState": null}}`, shas: []approval.SHA{shaA, shaB}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			patches := []string{`{}`}
			if test.patch != "" {
				patches = append(patches, test.patch)
			}
			server, client := newAPIServer(t, fixture(t, test.base, patches...))
			syncer := argosync.New(client, newTestParser(t), argosync.Options{Prune: test.prune, Logger: testLogger(t)})
			require.NoError(t, syncer.Sync(t.Context(), release(t, server.facts(t), "int-9", test.shas...)))
			require.Len(t, server.patches, 1)
			var got bytes.Buffer
			require.NoError(t, json.Indent(&got, server.patches[0], "", "  "))
			got.WriteByte('\n')
			golden := "testdata/" + test.name + ".patch.json"
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())

			after := server.facts(t)
			require.Equal(t, "int-9", after.Operation.Intent)
			require.True(t, after.Operation.Requested)
			require.Equal(t, "gatekeeper: PR #42 (alice, bob)", after.Operation.InitiatedBy)
			require.Empty(t, after.Operation.Phase, "nothing of an earlier operation is left")
		})
	}
}

// TestSyncRefuses: nothing is sent, and the reason can be told from the error.
func TestSyncRefuses(t *testing.T) {
	tests := []struct {
		name, base, patch string
		// change is made to the object after the facts were read.
		change string
		is     error
		want   string
	}{
		{name: "changed since", base: "helm-2.14", change: `{"metadata": {"resourceVersion": "1842"}}`, is: approval.ErrStale},
		{name: "another object of the same name", base: "helm-2.14", change: `{"metadata": {"uid": "other"}}`, is: approval.ErrStale},
		{name: "another spec under the same version", base: "helm-2.14", change: `{"spec": {"source": {"path": "x"}}}`, is: approval.ErrStale},
		{name: "gone", base: "helm-2.14", change: `{"metadata": {"name": "other"}}`, is: approval.ErrNotFound},
		{name: "requested", base: "helm-2.14", patch: `{"operation": {"sync": {"revision": "main"}, "initiatedBy": {"username": "eve"}}}`, is: argosync.ErrBusy, want: "eve"},
		{name: "running", base: "multi-3.2", is: argosync.ErrBusy, want: "Running"},
		{name: "running without a request", base: "multi-3.2", patch: `{"operation": null}`, is: argosync.ErrBusy},
		{name: "terminating", base: "helm-2.14", patch: `{"status": {"operationState": {"phase": "Terminating"}}}`, is: argosync.ErrBusy},
		{name: "unknown phase", base: "helm-2.14", patch: `{"status": {"operationState": {"phase": "Paused"}}}`, is: argosync.ErrBusy},
		{name: "being deleted", base: "helm-2.14", patch: `{"metadata": {"deletionTimestamp": "2026-11-21T07:00:00Z"}}`, want: "it is being deleted"},
		{name: "automated since", base: "helm-2.14", change: `{"spec": {"syncPolicy": {"automated": {}}}}`, is: approval.ErrStale, want: "automatic sync was switched"},
		{name: "unsupported", base: "helm-2.14", patch: `{"spec": {"syncPolicy": {"retry": {"refresh": true}}}}`, want: "retry.refresh is true"},
		{name: "generate paths", base: "helm-2.14", patch: `{"metadata": {"annotations": {"argocd.argoproj.io/manifest-generate-paths": "."}}}`, want: "manifests of another revision"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			patches := []string{`{}`}
			if test.patch != "" {
				patches = append(patches, test.patch)
			}
			server, client := newAPIServer(t, fixture(t, test.base, patches...))
			facts := server.facts(t)
			shas := []approval.SHA{shaA, shaB}[:len(facts.Sources)]
			allowed := release(t, facts, "int-9", shas...)
			if test.change != "" {
				var change map[string]any
				require.NoError(t, json.Unmarshal([]byte(test.change), &change))
				merge(server.object, change)
			}
			before := server.encode()
			err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), allowed)
			require.Error(t, err)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, facts.Key())
			require.Empty(t, server.patches)
			require.Equal(t, before, server.encode())
		})
	}
}

func TestSyncRefusesTheZeroRelease(t *testing.T) {
	server, client := newAPIServer(t, fixture(t, "helm-2.14"))
	err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), approval.Release{})
	require.ErrorIs(t, err, approval.ErrNotAllowed)
	require.Empty(t, server.patches)
}

// TestSyncLosesTheRace: somebody writes between our read and our patch.
func TestSyncLosesTheRace(t *testing.T) {
	server, client := newAPIServer(t, fixture(t, "helm-2.14"))
	allowed := release(t, server.facts(t), "int-9", shaA)
	server.between = func(map[string]any) { server.bump() }
	err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), allowed)
	require.ErrorIs(t, err, approval.ErrStale)
	require.Len(t, server.patches, 1)
	require.NotContains(t, server.object, "operation")
}

// TestSyncAnswers: what the API server says to the patch is told apart.
func TestSyncAnswers(t *testing.T) {
	t.Run("denied", func(t *testing.T) {
		server, client := newAPIServer(t, fixture(t, "helm-2.14"))
		server.refuse = func() (int, string) {
			return http.StatusForbidden, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "denied request: waiting for 1 more"}`
		}
		err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), release(t, server.facts(t), "int-9", shaA))
		require.ErrorContains(t, err, "set the operation: denied request: waiting for 1 more")
		require.NotErrorIs(t, err, approval.ErrStale)
	})
	t.Run("gone meanwhile", func(t *testing.T) {
		server, client := newAPIServer(t, fixture(t, "helm-2.14"))
		server.refuse = func() (int, string) {
			return http.StatusNotFound, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`
		}
		err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), release(t, server.facts(t), "int-9", shaA))
		require.ErrorIs(t, err, approval.ErrNotFound)
	})
	t.Run("the answer is lost", func(t *testing.T) {
		server, client := newAPIServer(t, fixture(t, "helm-2.14"))
		server.hangUp = true
		err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), release(t, server.facts(t), "int-9", shaA))
		require.ErrorContains(t, err, "set the operation")
		require.NotErrorIs(t, err, approval.ErrStale)
		require.Equal(t, "int-9", server.facts(t).Operation.Intent, "the caller finds the intent")
	})
	t.Run("another operation was stored", func(t *testing.T) {
		server, client := newAPIServer(t, fixture(t, "helm-2.14"))
		server.mutate = func(object map[string]any) {
			merge(object, map[string]any{"operation": map[string]any{"sync": map[string]any{"revision": string(shaB)}}})
		}
		err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), release(t, server.facts(t), "int-9", shaA))
		require.ErrorIs(t, err, argosync.ErrAltered)
	})
	t.Run("the state was kept", func(t *testing.T) {
		server, client := newAPIServer(t, fixture(t, "helm-2.14"))
		server.mutate = func(object map[string]any) {
			merge(object, map[string]any{"status": map[string]any{"operationState": map[string]any{"phase": "Running"}}})
		}
		err := argosync.New(client, newTestParser(t), argosync.Options{}).Sync(t.Context(), release(t, server.facts(t), "int-9", shaA))
		require.ErrorIs(t, err, argosync.ErrAltered)
	})
}

// TestSyncLogs the intent, and nothing that could be a secret.
func TestSyncLogs(t *testing.T) {
	server, client := newAPIServer(t, fixture(t, "helm-2.14", `{"spec": {"source": {"repoURL": "https://user:secret@github.com/acme/deploy"}}}`))
	var log strings.Builder
	syncer := argosync.New(client, newTestParser(t), argosync.Options{Logger: newLogger(&log)})
	require.NoError(t, syncer.Sync(t.Context(), release(t, server.facts(t), "int-9", shaA)))
	require.Contains(t, log.String(), "int-9")
	require.Contains(t, log.String(), string(shaA))
	require.NotContains(t, log.String(), "secret")
}

func TestNudge(t *testing.T) {
	server, client := newAPIServer(t, fixture(t, "helm-2.14"))
	syncer := argosync.New(client, newTestParser(t), argosync.Options{})
	facts := server.facts(t)
	metadata := server.object["metadata"].(map[string]any)
	server.between = nil
	server.unlocked = true
	require.NoError(t, syncer.Nudge(t.Context(), facts.Namespace, facts.Name))
	require.Equal(t, "normal", metadata["annotations"].(map[string]any)["argocd.argoproj.io/refresh"])
	require.ErrorContains(t, syncer.Nudge(t.Context(), facts.Namespace, "other"), "refresh Application "+facts.Namespace+"/other")
}
