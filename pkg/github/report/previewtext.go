package report

import (
	"html"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func differVerb(n int) string {
	if n == 1 {
		return "differs"
	}
	return "differ"
}

// diffCommand is what shows the whole difference in a terminal.
func diffCommand(r approval.PullReport, p approval.Preview) string {
	command := "gatekeeper diff " + markdown.Line(strings.ReplaceAll(p.Application, "`", "")) + " --config gatekeeper.yaml"
	if p.Kind == approval.PreviewPull {
		command += " --pr " + strconv.Itoa(r.Number) + " --repo " + string(r.Repository)
	}
	return command
}

func code(s string) string {
	return "<code>" + html.EscapeString(clip(markdown.Line(s), maxName)) + "</code>"
}

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// checkText is the text of a gate's check run: everything that differs, as far as GitHub
// takes it.
func checkText(r approval.PullReport, g approval.GateReport) string {
	return unfolded(r, []approval.GateReport{g}, checkTextLimit, "")
}

// commentText is the part of it that a comment has room for.
func commentText(r approval.PullReport, room int) []string {
	elsewhere := "More is in the gate's check run."
	for _, g := range r.Gates {
		if g.ChecksURL != "" {
			elsewhere = "More is in [the gate's check run](" + g.ChecksURL + ")."
			break
		}
	}
	if s := unfolded(r, r.Gates, min(room, commentPreviews), elsewhere); s != "" {
		return []string{s}
	}
	return nil
}

// length is what sections take when they are joined.
func length(sections []string) int {
	n := 0
	for _, s := range sections {
		n += len(s) + 1
	}
	return n
}
