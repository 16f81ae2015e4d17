package report

import (
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// Identifiers of the buttons of a check run. A press reaches the App that owns the
// run, with the name of who pressed; what that person may do is checked then (GitHub
// docs, "Check runs and requested actions").
const (
	ActionHold    = "hold"
	ActionRelease = "release"
	ActionRecheck = "recheck"
	ActionSync    = "sync"
)

// Action is a button. GitHub takes 3 of them, with labels and identifiers of at most
// 20 characters and descriptions of at most 40.
type Action struct{ Label, Description, Identifier string }

// actions are the buttons of a gate's check run. There is always one: an empty list
// would leave those that were there before.
func actions(g approval.GateReport) []Action {
	var out []Action
	switch {
	case stateOf(g) == unconcerned:
	case isHeld(g):
		out = append(out, Action{"Release", "End the hold of " + clip(g.Gate, 20), ActionRelease})
	default:
		out = append(out, Action{"Hold", "Stop all syncs of " + clip(g.Gate, 20), ActionHold})
	}
	out = append(out, Action{"Re-check", "Read everything again", ActionRecheck})
	if g.SyncsOnCommand && stateOf(g) != unconcerned {
		out = append(out, Action{"Sync now", "Sync what is approved", ActionSync})
	}
	return out
}

func isHeld(g approval.GateReport) bool {
	return slices.ContainsFunc(g.Stops, func(f approval.Finding) bool { return f.Code == approval.CodeHoldActive })
}
