package report

import (
	"slices"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// sayingSync is what somebody writes in a comment to have something synced for whose gate
// that is needed.
const sayingSync = "/gatekeeper sync"

// awaits says whether something that is approved waits for somebody to say sync.
func awaits(g approval.GateReport) bool {
	return g.SyncsOnCommand && slices.ContainsFunc(g.Applications, func(a approval.ApplicationReport) bool { return a.Awaits })
}

// awaitedTitle ends the title of a check run where what the pull request brought may be
// what waits.
func awaitedTitle(r approval.PullReport, g approval.GateReport) string {
	if !r.Merged || stateOf(g) != approved || !awaits(g) {
		return ""
	}
	return " · waits for somebody to say sync"
}
