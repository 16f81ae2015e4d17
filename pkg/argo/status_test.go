package argo

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

func TestOperation(t *testing.T) {
	started := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	finished := started.Add(7 * time.Second)
	const (
		request = `"operation": {"info": [{"name": "gatekeeper-intent", "value": "int-1"}], "initiatedBy": {"username": "gatekeeper"}, "sync": {"revision": "aaa"}}`
		older   = `"operation": {"info": [{"name": "gatekeeper-intent", "value": "int-0"}], "initiatedBy": {"username": "somebody"}, "sync": {"revision": "000", "dryRun": true}}`
		times   = `"startedAt": "2026-11-20T10:00:00Z"`
		ended   = `"finishedAt": "2026-11-20T10:00:07Z"`
		result  = `"syncResult": {"revision": "bbb"}`
	)
	tests := []struct {
		name, object string
		want         *approval.Operation
		finished     bool
	}{
		{"none", `{}`, nil, false},
		{"none, with nulls", `{"operation": null, "status": {"operationState": null}}`, nil, false},
		{"requested", `{` + request + `}`,
			&approval.Operation{Intent: "int-1", Requested: true, InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}}, false},
		{"requested after an older one", `{` + request + `, "status": {"operationState": {` + older + `, "phase": "Failed", "message": "old", ` + times + `, ` + ended + `, ` + result + `}}}`,
			&approval.Operation{Intent: "int-1", Requested: true, InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}}, false},
		{"picked up", `{` + request + `, "status": {"operationState": {` + request + `, "phase": "Running", ` + times + `}}}`,
			&approval.Operation{Intent: "int-1", Requested: true, Phase: "Running", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started}, false},
		{"running", `{` + request + `, "status": {"operationState": {` + request + `, "phase": "Running", "message": "waiting", ` + times + `, ` + result + `}}}`,
			&approval.Operation{Intent: "int-1", Requested: true, Phase: "Running", Message: "waiting", InitiatedBy: "gatekeeper", Revisions: []string{"bbb"}, StartedAt: started}, false},
		{"another one is executed", `{` + request + `, "status": {"operationState": {` + older + `, "phase": "Running", ` + times + `}}}`,
			&approval.Operation{Requested: true, Phase: "Running", InitiatedBy: "somebody", Revisions: []string{"000"}, StartedAt: started, DryRun: true}, false},
		{"request removed while running", `{"status": {"operationState": {` + request + `, "phase": "Running", ` + times + `}}}`,
			&approval.Operation{Intent: "int-1", Phase: "Running", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started}, false},
		{"terminating", `{` + request + `, "status": {"operationState": {` + request + `, "phase": "Terminating", ` + times + `}}}`,
			&approval.Operation{Intent: "int-1", Requested: true, Phase: "Terminating", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started}, false},
		{"succeeded", `{"status": {"operationState": {` + request + `, "phase": "Succeeded", ` + times + `, ` + ended + `, ` + result + `}}}`,
			&approval.Operation{Intent: "int-1", Phase: "Succeeded", InitiatedBy: "gatekeeper", Revisions: []string{"bbb"}, StartedAt: started, FinishedAt: finished}, true},
		{"succeeded without a result", `{"status": {"operationState": {` + request + `, "phase": "Succeeded", ` + times + `, ` + ended + `}}}`,
			&approval.Operation{Intent: "int-1", Phase: "Succeeded", InitiatedBy: "gatekeeper", StartedAt: started, FinishedAt: finished}, true},
		{"failed before there was a result", `{"status": {"operationState": {` + request + `, "phase": "Error", "message": "no project", ` + times + `, ` + ended + `}}}`,
			&approval.Operation{Intent: "int-1", Phase: "Error", Message: "no project", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started, FinishedAt: finished}, true},
		{"a command line in the message", `{"status": {"operationState": {` + request + `, "phase": "Error", "message": "` + "`helm template . --set p=hunter2` failed exit status 1" + `", ` + times + `, ` + ended + `}}}`,
			&approval.Operation{Intent: "int-1", Phase: "Error", Message: "`helm …` failed exit status 1", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started, FinishedAt: finished}, true},
		{"an unknown phase is not final", `{` + request + `, "status": {"operationState": {` + request + `, "phase": "Suspended", ` + times + `}}}`,
			&approval.Operation{Intent: "int-1", Requested: true, Phase: "Suspended", InitiatedBy: "gatekeeper", Revisions: []string{"aaa"}, StartedAt: started}, false},
		{"several revisions", `{"operation": {"sync": {"revisions": ["a", "b"]}}}`,
			&approval.Operation{Requested: true, Revisions: []string{"a", "b"}}, false},
		{"auto-sync", `{"operation": {"initiatedBy": {"automated": true}, "sync": {"revision": "a"}}}`,
			&approval.Operation{Requested: true, InitiatedBy: "automated sync policy", Revisions: []string{"a"}}, false},
		{"empty", `{"operation": {}}`, &approval.Operation{Requested: true}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			object := fixture(t, "helm-2.14", `{"status": null}`)
			merge(object, decode(t, test.object))
			facts := newTestParser(t).Application(object)
			require.Empty(t, facts.Unsupported)
			if op := facts.Operation; op != nil {
				require.Equal(t, test.finished, op.Resources != nil, "what became of the resources")
				op.Resources = nil
			}
			require.Equal(t, test.want, facts.Operation)
			require.Equal(t, test.finished, facts.Operation.Finished())
		})
	}
}

// TestOperationResources: what an operation that has ended did to the resources.
func TestOperationResources(t *testing.T) {
	t.Parallel()
	const mixed = `[{"kind": "Service", "status": "Synced"}, {"kind": "ConfigMap", "status": "Pruned"}, {"kind": "Deployment", "status": "SyncFailed"},
		{"kind": "Secret", "status": "PruneSkipped"}, {"kind": "Job", "hookType": "PreSync", "hookPhase": "Succeeded", "status": "Synced"}]`
	for name, test := range map[string]struct {
		state string
		want  *approval.ResourceResults
	}{
		"some":             {`"phase": "Failed", "syncResult": {"resources": ` + mixed + `}`, &approval.ResourceResults{Applied: 2, Failed: 1}},
		"none":             {`"phase": "Failed", "syncResult": {"resources": [{"kind": "Service", "status": "SyncFailed"}]}`, &approval.ResourceResults{Failed: 1}},
		"no list":          {`"phase": "Error", "syncResult": {}`, &approval.ResourceResults{}},
		"no result":        {`"phase": "Error"`, &approval.ResourceResults{}},
		"tried again":      {`"phase": "Failed", "retryCount": 2, "syncResult": {"resources": ` + mixed + `}`, &approval.ResourceResults{Applied: 2, Failed: 1}},
		"who knows before": {`"phase": "Failed", "retryCount": 1, "syncResult": {"resources": [{"kind": "Service", "status": "SyncFailed"}]}`, nil},
		"under way":        {`"phase": "Running", "syncResult": {"resources": ` + mixed + `}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := fixture(t, "helm-2.14", `{"status": null}`)
			merge(object, decode(t, `{"operation": null, "status": {"operationState": {"operation": {"sync": {}}, `+test.state+`}}}`))
			facts := newTestParser(t).Application(object)
			require.NotNil(t, facts.Operation)
			require.Equal(t, test.want, facts.Operation.Resources)
		})
	}
}
