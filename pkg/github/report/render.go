package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argo-gatekeeper/gatekeeper/pkg/approval"
	"github.com/argo-gatekeeper/gatekeeper/pkg/github/markdown"
)

// GitHub's limits: 65,536 characters for a comment, 65,535 for the summary of a
// check run, 255 for its title.
const (
	commentLimit = 65_536
	summaryLimit = 65_535
	titleLimit   = 255
)

// Bounds of what one gate may fill, so that every gate gets its place.
const (
	maxApplications = 50
	maxFindings     = 3
	maxOpinions     = 30
)

// CheckRun is what is written to the check run of a gate.
type CheckRun struct {
	// Name is "gatekeeper/<gate>".
	Name string
	// Status is "completed" or "in_progress", Conclusion is empty for the latter.
	Status, Conclusion string
	// Title is one line, Summary and Text are Markdown.
	Title, Summary, Text string
}

// Check renders the check run of one gate of the report.
func Check(r approval.PullReport, g approval.GateReport) CheckRun {
	s := stateOf(g)
	status, conclusion := s.check()
	title := "nothing here concerns this gate"
	if s != unconcerned {
		title = progress(g) + " · " + reason(g)
	}
	sections := slices.Concat(
		[]string{"## " + s.symbol() + " Gate " + markdown.Code(g.Gate) + ": " + s.String() + "\n\n" + introduction(r, g)},
		stops(g), requirements(g), applications(g), rendered(g), []string{footer(r)},
	)
	return CheckRun{
		Name: "gatekeeper/" + g.Gate, Status: status, Conclusion: conclusion,
		Title: clip(markdown.Line(title), titleLimit), Summary: document(summaryLimit, sections), Text: checkText(r, g),
	}
}

// Comment renders the comment on the pull request.
func Comment(r approval.PullReport) string {
	s := worst(r)
	title := "### " + s.symbol() + " Gatekeeper: " + s.String()
	if r.Merged {
		title += ", already merged"
	}
	if s == unconcerned {
		return document(commentLimit, []string{title + "\n\nNothing in this pull request is deployed through a gate, so it needs no approval here.\n", footer(r)})
	}
	var overview strings.Builder
	overview.WriteString(title + "\n\n| Gate | Change | Approvals | State |\n| --- | --- | --- | --- |\n")
	var details []string
	for _, g := range r.Gates {
		gs := stateOf(g)
		approvals := count(g)
		if gs == unconcerned {
			approvals = "none needed"
		}
		overview.WriteString("| " + markdown.Code(g.Gate) + " | " + class(g) + " | " + approvals + " | " + gs.symbol() + " " + gs.String() + " |\n")
		if gs == unconcerned {
			continue
		}
		details = append(details, "#### "+gs.symbol()+" Gate "+markdown.Code(g.Gate)+": "+gs.String()+"\n\n"+introduction(r, g))
		details = append(details, stops(g)...)
		details = append(details, requirements(g)...)
		details = append(details, applications(g)...)
		details = append(details, rendered(g)...)
	}
	details = append(details, commentText(r, commentLimit-overview.Len()-length(details)-length([]string{footer(r)})-reserved)...)
	return document(commentLimit, slices.Concat([]string{overview.String()}, details, []string{footer(r)}))
}

// introduction says in a sentence or two what the state means for a reader who
// has never heard of gates.
func introduction(r approval.PullReport, g approval.GateReport) string {
	change := kind(g)
	when := "once it is merged"
	if r.Merged {
		when = "although it is merged"
	}
	switch stateOf(g) {
	case unconcerned:
		return "Nothing in this pull request is deployed through this gate, so it needs no approval here.\n"
	case approved:
		if r.Merged {
			if held(g) {
				return change + "It has all approvals that it needs. What still keeps it from being deployed is told below.\n"
			}
			return change + "It has all approvals that it needs, so Gatekeeper may deploy it.\n"
		}
		return change + "It has all approvals that it needs. Gatekeeper may deploy it " + when + ".\n"
	case waiting:
		return change + "Until the approvals below are there, it is not deployed, " + stillCounts(r) + "\n"
	case objected:
		return change + "Somebody who may approve it asked for changes. Until that is settled it is not deployed, " + stillCounts(r) + "\n"
	case blocked:
		return change + "It cannot be deployed, and reviews alone do not change that. See below for what does.\n"
	case unknown:
		return change + "Some facts are missing, so nothing is deployed because of it. Gatekeeper tries again by itself.\n"
	default:
		return change + "\n"
	}
}

// kind says what a change does to what a gate protects.
func kind(g approval.GateReport) string {
	protected := "what gate " + markdown.Code(g.Gate) + " protects"
	switch g.Class {
	case approval.ClassImage:
		return "This pull request changes nothing but the versions of images in " + protected + ". "
	case approval.ClassMixed:
		return "This pull request may change images and configuration of " + protected + ", so it needs the approvals for both. "
	default:
		return "This pull request makes a " + text(string(g.Class)) + " change to " + protected + ". "
	}
}

// held says whether something keeps a change from being deployed somewhere.
func held(g approval.GateReport) bool {
	return slices.ContainsFunc(g.Applications, func(a approval.ApplicationReport) bool { return a.Verdict != approval.Allowed })
}

func stillCounts(r approval.PullReport) string {
	if r.Merged {
		return "although it is merged. Reviews that are given now still count."
	}
	return "even if it is merged."
}

// requirements explains the quorum: each requirement with those who counted,
// those who did not and why, and what can be done.
func requirements(g approval.GateReport) []string {
	if stateOf(g) == unconcerned {
		return nil
	}
	causes := g.Quorum.Children
	if len(causes) == 0 {
		causes = []approval.Finding{g.Quorum}
	}
	var out []string
	for _, f := range causes {
		out = append(out, explain(f))
	}
	return out
}

func explain(f approval.Finding) string {
	symbol := verdictSymbol(f.Verdict)
	switch f.Code {
	case approval.CodeQuorumMissing:
		symbol = waiting.symbol()
	case approval.CodeImageBoth:
		symbol = unconcerned.symbol() // it says why, and decides nothing
	default:
	}
	var b strings.Builder
	b.WriteString("- " + symbol + " " + text(f.Text) + "\n")
	if f.Remedy != "" && f.Verdict != approval.Allowed {
		b.WriteString("  - **To clear it:** " + text(f.Remedy) + "\n")
	}
	for i, c := range f.Children {
		if i == maxOpinions {
			b.WriteString("  - and " + strconv.Itoa(len(f.Children)-i) + " more\n")
			break
		}
		symbol := verdictSymbol(c.Verdict)
		if c.Verdict == approval.Blocked {
			symbol = unconcerned.symbol() // one approval that does not count blocks nothing
		}
		b.WriteString("  - " + symbol + " " + text(c.Text) + "\n")
	}
	return b.String()
}

// stops says in a line each what keeps the whole gate from syncing now.
func stops(g approval.GateReport) []string {
	if stateOf(g) == unconcerned || len(g.Stops) == 0 {
		return nil
	}
	var b strings.Builder
	for _, f := range g.Stops {
		b.WriteString("- ⏸️ " + text(f.Text))
		if f.Remedy != "" {
			b.WriteString(" — " + text(f.Remedy))
		}
		b.WriteString("\n")
	}
	return []string{b.String()}
}

// saidBefore says whether a finding is one that the whole gate has.
func saidBefore(g approval.GateReport, f approval.Finding) bool {
	return slices.ContainsFunc(g.Stops, func(s approval.Finding) bool { return s.Code == f.Code && s.Text == f.Text })
}

// applications tells what has become of the change where it is deployed.
func applications(g approval.GateReport) []string {
	if len(g.Applications) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("| Application | State |\n| --- | --- |\n")
	for i, a := range g.Applications {
		if i == maxApplications {
			b.WriteString("| and " + strconv.Itoa(len(g.Applications)-i) + " more | |\n")
			break
		}
		b.WriteString("| " + markdown.Code(a.Application) + " | " + verdictSymbol(a.Verdict) + " " + text(a.State))
		own := slices.DeleteFunc(slices.Clone(a.Findings), func(f approval.Finding) bool { return saidBefore(g, f) })
		for j, f := range own {
			if j == maxFindings {
				b.WriteString("<br>and " + strconv.Itoa(len(own)-j) + " more")
				break
			}
			b.WriteString("<br>" + text(f.Text))
			if f.Remedy != "" {
				b.WriteString(" — " + text(f.Remedy))
			}
		}
		b.WriteString(" |\n")
	}
	return []string{b.String()}
}

func footer(r approval.PullReport) string {
	after := " A push starts the count again."
	if r.Merged {
		after = ""
	}
	return "<sub>Head " + markdown.Code(r.Head.Short()) + ". Only reviews of exactly this head count." + after +
		" Gatekeeper keeps this text up to date.</sub>\n"
}

func clip(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}
