package report

import (
	"slices"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
)

// commands are lines to copy into a comment: those that help with this pull request as
// it is.
func commands(r approval.PullReport) []string {
	var concerned []approval.GateReport
	for _, g := range r.Gates {
		if stateOf(g) != unconcerned {
			concerned = append(concerned, g)
		}
	}
	if len(concerned) == 0 {
		return nil
	}
	any := func(is func(approval.GateReport) bool) bool { return slices.ContainsFunc(concerned, is) }
	lines := []string{"/gatekeeper status", "/gatekeeper why"}
	if any(func(g approval.GateReport) bool { return g.CommentsCount && stateOf(g) == waiting }) {
		lines = append(lines, "/gatekeeper approve")
	}
	if any(isHeld) {
		lines = append(lines, "/gatekeeper release")
	} else {
		lines = append(lines, "/gatekeeper hold")
	}
	if any(func(g approval.GateReport) bool { return stateOf(g) == unknown || r.Merged && !allLive(g) }) {
		lines = append(lines, "/gatekeeper retry")
	}
	lines = append(lines, "/gatekeeper help")
	return []string{"<details><summary>What can be done from here</summary>\n\nComment with one of these lines:\n\n```\n" +
		strings.Join(lines, "\n") + "\n```\n\n</details>\n"}
}
