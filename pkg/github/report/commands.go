package report

import (
	"regexp"
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
	lines := []string{"/gatekeeper status", "/gatekeeper why" + stuck(concerned)}
	if slices.ContainsFunc(concerned, func(g approval.GateReport) bool { return g.CommentsCount && stateOf(g) == waiting }) {
		lines = append(lines, "/gatekeeper approve")
	}
	if !r.Merged && slices.ContainsFunc(concerned, func(g approval.GateReport) bool { return stateOf(g) == waiting }) {
		lines = append(lines, "/gatekeeper request @USER")
	}
	if r.Merged && slices.ContainsFunc(concerned, awaits) {
		lines = append(lines, sayingSync)
	}
	for _, g := range concerned[:min(len(concerned), maxStates)] {
		if !plain.MatchString(g.Gate) {
			continue
		}
		verb := "hold"
		if isHeld(g) {
			verb = "release"
		}
		lines = append(lines, "/gatekeeper "+verb+" --gate "+g.Gate+" --reason WHY")
	}
	if slices.ContainsFunc(concerned, func(g approval.GateReport) bool { return stateOf(g) == unknown || r.Merged && !allLive(g) }) {
		lines = append(lines, "/gatekeeper retry")
	}
	lines = append(lines, "/gatekeeper help")
	return []string{"<details><summary>Commands</summary>\n\nComment with one of these lines:\n\n```\n" +
		strings.Join(lines, "\n") + "\n```\n\n</details>\n"}
}

// plain are names that stand in a command as they are.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// stuck is the first Application that something keeps from being synced, to be asked
// about; empty for none.
func stuck(gates []approval.GateReport) string {
	for _, g := range gates {
		for _, a := range g.Applications {
			if a.Verdict != approval.Allowed && plain.MatchString(a.Application) {
				return " " + a.Application
			}
		}
	}
	return ""
}
