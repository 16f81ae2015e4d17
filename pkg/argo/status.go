package argo

import (
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// autoSync is what initiated an operation that nobody asked for, in the words of
// Argo CD's UI.
const autoSync = "automated sync policy"

// readStatus fills in what Argo CD reports: the operation, the history, the health.
func readStatus(root node, a *approval.Application) {
	status := root.object("status")
	a.Health = status.object("health").text("status")
	a.Operation = operation(root.object("operation"), status.object("operationState"))
	for _, entry := range status.objects("history") {
		a.Deployed = append(a.Deployed, approval.DeployedRevision{
			ID:          entry.integer("id"),
			Revisions:   revisions(entry),
			StartedAt:   entry.time("deployStartedAt"),
			DeployedAt:  entry.time("deployedAt"),
			InitiatedBy: initiatedBy(entry),
		})
	}
}

// operation combines the request (".operation") with the state of its execution.
//
// The controller copies a request into status.operationState, executes the copy,
// and removes the request in the same patch in which it writes the final phase
// (controller/appcontroller.go, processRequestedAppOperation and setOperationState).
// So a request next to a final phase is a new one that was not picked up yet, and
// nothing of that state belongs to it. A request next to a running state is normally
// the one that is being executed. If both do not name the same intent, what is
// executed is not what was asked for, and the operation is nobody's.
func operation(requested, state node) *approval.Operation {
	if !requested.exists() && !state.exists() {
		return nil
	}
	phase := state.text("phase")
	executed := state.object("operation")
	if requested.exists() && (!state.exists() || final(phase)) {
		o := request(requested)
		o.Requested = true
		o.Revisions = revisions(requested.object("sync"))
		return &o
	}
	o := request(executed)
	o.Requested = requested.exists()
	if o.Requested && intent(requested) != o.Intent {
		o.Intent = ""
	}
	o.Phase = phase
	o.Message = tell(state.text("message"))
	o.StartedAt = state.time("startedAt")
	o.FinishedAt = state.time("finishedAt")
	o.Revisions = revisions(state.object("syncResult"))
	if final(phase) {
		o.Resources = results(state)
	}
	// Before there is a result, the request says what is about to be synced. A success
	// without a result says nothing.
	if len(o.Revisions) == 0 && phase != "Succeeded" {
		o.Revisions = revisions(executed.object("sync"))
	}
	return &o
}

// results counts the resources of a finished operation. Argo CD clears the list before
// it tries again (controller/appcontroller.go, processRequestedAppOperation, v2.14.21), so
// after a second try a list without anything that was applied says nothing of the first.
func results(state node) *approval.ResourceResults {
	var found approval.ResourceResults
	for _, r := range state.object("syncResult").objects("resources") {
		if r.text("hookType") != "" || r.text("hookPhase") != "" && r.text("status") == "" {
			continue
		}
		switch r.text("status") { // gitops-engine pkg/sync/common/types.go, ResultCode
		case "Synced", "Pruned":
			found.Applied++
		case "SyncFailed":
			found.Failed++
		}
	}
	if found.Applied == 0 && state.integer("retryCount") > 0 {
		return nil
	}
	return &found
}

func final(phase string) bool {
	return phase == "Succeeded" || phase == "Failed" || phase == "Error"
}

// request reads what both copies of an operation have.
func request(operation node) approval.Operation {
	return approval.Operation{
		Intent:      intent(operation),
		InitiatedBy: initiatedBy(operation),
		DryRun:      operation.object("sync").boolean("dryRun"),
		Partial:     len(operation.object("sync").objects("resources")) > 0,
	}
}

// intent finds the ID of the recorded intent in an operation's info. Two different
// ones make it nobody's.
func intent(operation node) string {
	found := ""
	for _, info := range operation.objects("info") {
		if info.text("name") != InfoIntent {
			continue
		}
		if value := info.text("value"); found == "" {
			found = value
		} else if value != found {
			operation.problems.addf("%s names two intents", operation.at("info"))
			return ""
		}
	}
	return found
}

func initiatedBy(n node) string {
	by := n.object("initiatedBy")
	if name := by.text("username"); name != "" {
		return name
	}
	if by.boolean("automated") {
		return autoSync
	}
	return ""
}

// revisions reads the plural field when it is filled, else the singular one.
func revisions(n node) []string {
	if many := n.strings("revisions"); len(many) > 0 {
		return slices.Clip(many)
	}
	if one := n.text("revision"); one != "" {
		return []string{one}
	}
	return nil
}
