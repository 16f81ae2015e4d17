package report

import (
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/command"
)

// Action is a button. A press reaches the App that owns the run, with the name of who
// pressed; what that person may do is checked then (GitHub docs, "Check runs and requested
// actions"). GitHub takes 3 of them, with labels and identifiers of at most
// 20 characters and descriptions of at most 40.
type Action struct{ Label, Description, Identifier string }

// actions are the buttons of a gate's check run. There is always one: an empty list
// would leave those that were there before.
func actions(g approval.GateReport) []Action {
	var out []Action
	switch {
	case stateOf(g) == unconcerned:
	case isHeld(g):
		out = append(out, Action{"Release", "End the hold of " + clip(g.Gate, 20), command.ButtonRelease})
	default:
		out = append(out, Action{"Hold", "Stop all syncs of " + clip(g.Gate, 20), command.ButtonHold})
	}
	out = append(out, Action{"Re-check", "Read everything again", command.ButtonRetry})
	if g.SyncsOnCommand && stateOf(g) != unconcerned {
		out = append(out, Action{"Sync now", "Sync what is approved", command.ButtonSync})
	}
	return out
}

func isHeld(g approval.GateReport) bool {
	return slices.ContainsFunc(g.Stops, func(f approval.Finding) bool { return f.Code == approval.CodeHoldActive })
}

// Offers says whether the check run of a gate has a button.
func Offers(g approval.GateReport, button string) bool {
	return slices.ContainsFunc(actions(g), func(a Action) bool { return a.Identifier == button })
}
